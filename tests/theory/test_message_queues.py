"""A message queue with c consumers is the queue M/M/c: against the closed forms."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab.analytics.batches import batch_means, confidence_interval
from foundation_lab.analytics.queueing import mmc
from foundation_lab.services import Consumer, Queue
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.recording.recording import Recording
    from foundation_lab.services import Message

WARM_UP = 1_000.0
UNTIL = 13_000.0
QUEUES = {"M/M/1 at 0.6": (0.6, 1, 301), "M/M/3 at 0.7": (2.1, 3, 302)}
queues = pytest.mark.parametrize(("rate", "servers", "seed"), QUEUES.values(), ids=QUEUES)


@cache
def run(rate: float, servers: int, seed: int) -> Recording:
    """Run as many consumers as there are servers, each with one hand."""
    sim = Simulation(seed=seed)
    queue = Queue(sim, "jobs", visibility_timeout=None)
    times = sim.stream("test.work")

    def handle(_message: Message) -> Generator[Any, Any, None]:
        yield times.expovariate(1.0)

    for number in range(servers):
        Consumer(sim, f"server-{number}", queue, handle)
    Workload(sim, "customers", poisson(rate), lambda: queue.publish(None))
    sim.run(until=UNTIL)
    sim.check_invariants()
    return sim.recording


def settled(recording: Recording, event: Any, column: str) -> pl.Series:
    frame = recording.frame(event)
    return frame.filter(pl.col("time") - pl.col(column) >= WARM_UP)[column]


def agrees(values: pl.Series, theory: float) -> bool:
    interval = confidence_interval(batch_means(values, batches=30), confidence=0.999)
    assert interval.high - interval.low < 0.6 * theory, "too wide to tell anything"
    return interval.low <= theory <= interval.high


@queues
def test_the_mean_wait_for_a_consumer_is_that_of_theory(
    rate: float, servers: int, seed: int
) -> None:
    waits = settled(run(rate, servers, seed), Queue.Delivered, "wait")
    assert agrees(waits, mmc(rate, 1.0, servers).mean_wait)


@queues
def test_the_mean_age_of_an_acknowledged_message_is_that_of_theory(
    rate: float, servers: int, seed: int
) -> None:
    ages = settled(run(rate, servers, seed), Queue.Acknowledged, "age")
    assert agrees(ages, mmc(rate, 1.0, servers).mean_time)


@queues
def test_the_share_of_messages_that_wait_is_that_of_theory(
    rate: float, servers: int, seed: int
) -> None:
    waits = settled(run(rate, servers, seed), Queue.Delivered, "wait")
    assert agrees((waits > 0).cast(pl.Float64), mmc(rate, 1.0, servers).wait_probability)
