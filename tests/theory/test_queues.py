"""Simulated queues against the closed forms of queueing theory.

Each is one long run with its seed, its beginning cut off until the queue has settled, and a 99.9 %
confidence interval from the means of 30 batches.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl
import pytest

from foundation_lab.analytics.batches import batch_means, confidence_interval
from foundation_lab.analytics.queueing import erlang_b, mmc
from foundation_lab.services import Backend
from foundation_lab.simulation.distributions import erlang
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording

WARM_UP = 2_000.0
UNTIL = 42_000.0
"""Virtual seconds; with one service a second, that is as many services a server."""

QUEUES = {"M/M/1 at 0.7": (0.7, 1, 101), "M/M/4 at 0.8": (3.2, 4, 104)}
queues = pytest.mark.parametrize(("rate", "servers", "seed"), QUEUES.values(), ids=QUEUES)


@cache
def run(
    rate: float,
    servers: int,
    seed: int,
    stages: int = 1,
    queue_limit: int | None = None,
) -> Recording:
    sim = Simulation(seed=seed)
    backend = Backend(
        sim,
        "server",
        service_time=erlang(1.0, stages),
        concurrency=servers,
        queue_limit=queue_limit,
    )

    Workload(sim, "customers", poisson(rate), backend.request)
    sim.run(until=UNTIL)
    sim.check_invariants()
    return sim.recording


def settled(recording: Recording) -> pl.DataFrame:
    """Return the requests served after the warm-up, in order of their arrival."""
    served = recording.frame(Backend.Served).with_columns(
        arrived=pl.col("time") - pl.col("duration")
    )
    return served.filter(pl.col("arrived") >= WARM_UP).sort("arrived")


def agrees(values: pl.Series, theory: float) -> bool:
    """Return whether the theory's value lies in the 99.9 % interval of the values' mean."""
    interval = confidence_interval(batch_means(values, batches=30), confidence=0.999)
    assert interval.high - interval.low < 0.4 * theory, "too wide to tell anything"
    return interval.low <= theory <= interval.high


def busy(recording: Recording, *columns: str) -> pl.Series:
    """Return the mean number of requests that are in a stage, in each of 1000 equal spans.

    A request is in the line from its arrival on, and in service until it is served.
    """
    served = settled(recording)
    length = (UNTIL - WARM_UP) / 1000
    seconds = served.select(pl.sum_horizontal(*columns)).to_series()
    span = ((served["arrived"] - WARM_UP) // length).cast(pl.Int64)
    sums = pl.DataFrame({"span": span, "seconds": seconds}).group_by("span").sum()
    every = pl.DataFrame({"span": range(1000)}).join(sums, on="span", how="left")
    return every.sort("span")["seconds"].fill_null(0.0) / length


@queues
def test_the_mean_wait_is_that_of_theory(rate: float, servers: int, seed: int) -> None:
    waits = settled(run(rate, servers, seed))["wait"]
    assert agrees(waits, mmc(rate, 1.0, servers).mean_wait)


@queues
def test_the_mean_time_in_the_system_is_that_of_theory(
    rate: float, servers: int, seed: int
) -> None:
    times = settled(run(rate, servers, seed))["duration"]
    assert agrees(times, mmc(rate, 1.0, servers).mean_time)


@queues
def test_the_chance_of_having_to_wait_is_that_of_theory(
    rate: float, servers: int, seed: int
) -> None:
    waited = (settled(run(rate, servers, seed))["wait"] > 0).cast(pl.Float64)
    assert agrees(waited, mmc(rate, 1.0, servers).wait_probability)


@queues
def test_the_utilisation_is_that_of_theory(rate: float, servers: int, seed: int) -> None:
    serving = busy(run(rate, servers, seed), "service_time")
    assert agrees(serving / servers, mmc(rate, 1.0, servers).utilisation)


@queues
def test_the_mean_number_in_the_system_is_that_of_theory(
    rate: float, servers: int, seed: int
) -> None:
    present = busy(run(rate, servers, seed), "wait", "service_time")
    assert agrees(present, mmc(rate, 1.0, servers).mean_number)


@queues
def test_littles_law_holds_as_an_identity(rate: float, servers: int, seed: int) -> None:
    """The area under the number present equals the sum of the times that requests were there."""
    served = run(rate, servers, seed).frame(Backend.Served)
    steps = pl.concat(
        [
            pl.DataFrame({"time": served["time"] - served["duration"], "step": 1}),
            pl.DataFrame({"time": served["time"], "step": -1}),
        ]
    ).sort("time")
    present = steps["step"].cum_sum()
    area = (present[:-1] * steps["time"].diff()[1:]).sum()
    assert area == pytest.approx(served["duration"].sum(), rel=1e-9)


def test_a_waiting_time_is_exponential_given_that_one_waits() -> None:
    """In M/M/1 it has the rate mu - lambda: a share of 1/e waits longer than its mean."""
    waits = settled(run(0.7, 1, 101))["wait"]
    long = (waits.filter(waits > 0) > 1 / 0.3).cast(pl.Float64)
    assert agrees(long, 0.36788)


@pytest.mark.parametrize(("stages", "seed"), [(1, 201), (3, 202)], ids=["exponential", "Erlang-3"])
def test_without_a_line_the_share_turned_away_is_erlangs_b_whatever_the_service_time(
    stages: int, seed: int
) -> None:
    recording = run(1.5, 3, seed, stages, 0)
    served = recording.frame(Backend.Served).select(
        arrived=pl.col("time") - pl.col("duration"), lost=0.0
    )
    rejected = recording.frame(Backend.Rejected).select(arrived="time", lost=1.0)
    asked = pl.concat([served, rejected]).filter(pl.col("arrived") >= WARM_UP).sort("arrived")
    assert agrees(asked["lost"], erlang_b(1.5, 3))
    assert served.height + rejected.height > 60_000
