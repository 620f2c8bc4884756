"""The summary of a run as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from foundation_lab.reporting.units import duration_text, number_text, share_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from foundation_lab.reporting.clients import Client
    from foundation_lab.reporting.summary import Summary


def render(summary: Summary) -> RenderableType:
    """Return what happened in a run as tables: requests, services, faults, alerts, errors."""
    tables = [
        _requests(summary),
        _services(summary),
        _protocols(summary),
        _faults(summary),
        _alerts(summary),
        _objectives(summary),
        _failures(summary),
    ]
    return Group(_headline(summary), *(table for table in tables if table.row_count))


def _headline(summary: Summary) -> Text:
    run = summary.run
    text = Text.assemble(
        (run.name, "bold"),
        f" · seed {run.seed} · {duration_text(run.end - run.begin)} of virtual time · "
        f"{run.events:,} events · ",
        (run.status, "green" if run.status == "complete" else "yellow"),
    )
    if run.error is not None:
        text.append(f"\n{run.error}", "red")
    return text


def _requests(summary: Summary) -> Table:
    table = _table(
        "Requests",
        ("client",),
        ("sent", "per second", "ok", "error", "timeout", "rejected", "in flight", "success")
        + ("p50", "p95", "p99", "max"),
    )
    rows = list(summary.clients)
    if len(rows) > 1:
        rows.append(summary.requests)
    for client in rows:
        table.add_row(*map(Text, _request_cells(client)))
    return table


def _request_cells(client: Client) -> list[str]:
    latency = client.latency
    return [
        client.name,
        f"{client.started:,}",
        number_text(client.throughput),
        f"{client.ok:,}",
        f"{client.error + client.cancelled:,}",
        f"{client.timeout:,}",
        f"{client.rejected:,}",
        f"{client.in_flight:,}",
        share_text(client.success),
        *(duration_text(q) for q in (latency.p50, latency.p95, latency.p99, latency.max)),
    ]


def _services(summary: Summary) -> Table:
    table = _table("Services", ("service", "kind", "state", "what happened"), ())
    told = _stories(summary)
    for service in summary.services:
        state, story = told.get((service.kind, service.name), (service.status, ""))
        if service.restarts:
            story += f"{', ' if story else ''}{service.restarts} restarts"
        table.add_row(*map(Text, (service.name, service.kind, state, story)))
    return table


def _stories(summary: Summary) -> dict[tuple[str, str], tuple[str, str]]:
    told: dict[tuple[str, str], tuple[str, str]] = {}
    for breaker in summary.breakers:
        time_open = duration_text(breaker.seconds.get("open", 0.0))
        told["circuit_breaker", breaker.name] = (
            breaker.state,
            f"{breaker.calls:,} calls, {breaker.failed:,} failed, {breaker.rejected:,} rejected, "
            f"opened {breaker.opened} times, open for {time_open}",
        )
    for pool in summary.pools:
        told["connection_manager", pool.name] = (
            f"{pool.active} out of {number_text(pool.capacity)}",
            f"{pool.acquired:,} checkouts, {pool.waited:,} waited, {pool.timeouts:,} timed out, "
            f"wait p99 {duration_text(pool.wait.p99)}, used {share_text(pool.utilisation)}",
        )
    for backend in summary.backends:
        told["backend", backend.name] = (
            "up",
            f"{backend.served:,} served, {backend.failed:,} of them failed, "
            f"{backend.rejected:,} rejected, {backend.abandoned:,} abandoned, "
            f"wait p99 {duration_text(backend.wait.p99)}, {number_text(backend.mean_busy)} busy",
        )
    for retry in summary.retries:
        told["retry", retry.name] = (
            "up",
            f"{retry.calls:,} calls, {retry.attempts:,} attempts, {retry.recovered:,} recovered, "
            f"{retry.exhausted:,} exhausted",
        )
    for limiter in summary.limiters:
        told["rate_limiter", limiter.name] = (
            "up",
            f"{limiter.allowed:,} allowed, {limiter.denied:,} denied",
        )
    return told


def _protocols(summary: Summary) -> Table:
    table = _table(
        "Coordination",
        ("protocol",),
        ("sessions", "completed", "failed", "messages", "dropped", "p50", "p99"),
    )
    for entry in summary.protocols:
        table.add_row(
            Text(entry.protocol),
            f"{entry.started:,}",
            f"{entry.completed:,}",
            f"{entry.failed:,}",
            f"{entry.sent:,}",
            f"{entry.dropped:,}",
            duration_text(entry.duration.p50),
            duration_text(entry.duration.p99),
        )
    return table


def _faults(summary: Summary) -> Table:
    table = _table("Faults", ("service", "fault"), ("from", "lasted"))
    for fault in summary.faults:
        lasted = duration_text(fault.duration) + (" (to the end)" if fault.open else "")
        table.add_row(Text(fault.service), Text(fault.kind), duration_text(fault.start), lasted)
    return table


def _alerts(summary: Summary) -> Table:
    table = _table("Alerts", ("rule", "key", "severity"), ("fired at", "for"))
    for alert in summary.alerts:
        lasted = duration_text(alert.duration) + (" (to the end)" if alert.open else "")
        names = map(Text, (alert.rule, alert.key, alert.severity))
        table.add_row(*names, duration_text(alert.start), lasted)
    return table


def _objectives(summary: Summary) -> Table:
    table = _table("Objectives", ("objective", "verdict"), ("observed",))
    for verdict in summary.objectives:
        word = Text("met", "green") if verdict.met else Text("missed", "bold red")
        table.add_row(Text(verdict.objective), word, verdict.observed_text)
    return table


def _failures(summary: Summary) -> Table:
    table = _table("Errors", ("event", "service", "error"), ("count",))
    shown = summary.failures.groups[:_MOST_ERRORS]
    for group in shown:
        names = (group.event, "" if group.service is None else group.service, group.error)
        table.add_row(*map(Text, names), f"{group.count:,}")
    others = len(summary.failures.groups) - len(shown) + summary.failures.other_groups
    if others:
        table.caption = f"{others} further kinds of error are in the report"
    return table


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", title_style="bold cyan")
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


_MOST_ERRORS = 10
