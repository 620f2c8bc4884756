"""A small scenario that uses every part of a scenario file, and what is wrong with changed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.scenario.load import load_scenario
from tests.scenario.plans import refused

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.scenario.diagnostics import Problem

SHOP = """\
name: shop
description: A shop with everything.
seed: 7
horizon: 60
start: 2026-03-02T09:00:00Z

services:
  db:
    kind: backend
    concurrency: 4
    queue_limit: 20
    service_time: {kind: exponential, mean: 0.05}
    error_rate: 0.02
    health_interval: 10
  pool:
    kind: connection_manager
    size: 3
    max_overflow: 1
    checkout_timeout: 0.2
  again:
    kind: retry
    max_attempts: 3
    backoff: {kind: decorrelated, base: 0.01, cap: 1}
    jitter: full
    attempt_timeout: 1
  breaker:
    kind: circuit_breaker
    window: {kind: time, seconds: 5, failure_rate: 0.5, minimum_calls: 5}
    reset_timeout: 2
    half_open_calls: 2
  gate:
    kind: rate_limiter
    limit: {kind: token_bucket, rate: 60, capacity: 20}
  keeper:
    kind: supervisor
    children: [pool]
    restart_delay: 0.5

workloads:
  web:
    arrivals: {kind: poisson, rate: 40}
    call: [gate, breaker, again, pool, db]
    node: edge

faults:
  - {kind: outage, service: db, start: 20, duration: 5}
  - {kind: slow_down, service: db, start: 30, duration: 5, factor: 3}
  - {kind: error_rate, service: db, start: 40, rate: 0.3}
  - {kind: crash, service: pool, at: 50}

agents:
  members: [ada, bela, chen]
  capabilities: [vote]
  think_time: {kind: uniform, low: 0.1, high: 0.4}
  network: {latency: 0.05, loss: 0.05}
  sessions:
    protocol: {kind: majority_vote, question: now?, choices: ["yes", "no"], resend_interval: 0.5}
    interval: 5
    timeout: 3

alerts:
  - kind: threshold
    name: errors
    event: request.finished
    metric: ratio
    matching: {outcome: {not: ok}}
    window: 5
    threshold: 0.2
    for: 1
  - kind: pattern
    name: opened
    event: circuit_breaker.state_change
    where: {to: open}
    by: [service_id]
    resolve_on: circuit_breaker.state_change
    resolve_where: {to: closed}

objectives:
  - {client: web, metric: success, at_least: 0.5}
"""


def shop(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the shop with changes to its text, and return the file."""
    folder.mkdir(exist_ok=True)
    text = SHOP
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def wrong(folder: Path, *changes: tuple[str, str]) -> list[Problem]:
    """Return everything that is wrong with a changed shop."""
    path = shop(folder, *changes)
    return refused(lambda: load_scenario(path))


def line_of(path: Path, text: str) -> int:
    """Return the number of the only line that holds a text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if text in line)
    return number
