"""Closed loops against the closed form of M/M/c//N and the law of the interactive response time.

Each is one long run with its seed; a 99.9 % confidence interval comes from the means of 30 batches.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl
import pytest

from foundation_lab.analytics import (
    batch_means,
    confidence_interval,
    interactive_response_time,
    machine_repairman,
)
from foundation_lab.services import Backend
from foundation_lab.simulation.distributions import erlang, exponential, lognormal
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.simulation.distributions import Distribution

THINK, WARM_UP, UNTIL = 4.0, 500.0, 20_500.0
LOOPS = {"5 users": (5, 1, 301), "12 users": (12, 1, 302), "12 users, 2 servers": (12, 2, 303)}
loops = pytest.mark.parametrize(("users", "servers", "seed"), LOOPS.values(), ids=LOOPS)


@cache
def run(users: int, servers: int, seed: int) -> Recording:
    return simulated(users, servers, seed, exponential(1.0), exponential(THINK))


def simulated(
    users: int, servers: int, seed: int, service: Distribution, think: Distribution
) -> Recording:
    sim = Simulation(seed=seed)
    server = Backend(sim, "server", service_time=service, concurrency=servers)
    ClosedLoop(sim, "users", users=users, think_time=think, call=server.request)
    sim.run(until=UNTIL)
    sim.check_invariants()
    return sim.recording


def agrees(values: pl.Series, theory: float) -> bool:
    interval = confidence_interval(batch_means(values, batches=30), confidence=0.999)
    assert interval.high - interval.low < 0.2 * theory, "too wide to tell anything"
    return interval.low <= theory <= interval.high


def finished(recording: Recording) -> pl.DataFrame:
    return recording.frame(events.request.Finished).filter(pl.col("time") >= WARM_UP)


@loops
def test_the_response_time_is_that_of_theory(users: int, servers: int, seed: int) -> None:
    queue = machine_repairman(users, THINK, 1.0, servers)
    assert agrees(finished(run(users, servers, seed))["duration"], queue.mean_time)


@loops
def test_the_throughput_is_that_of_theory(users: int, servers: int, seed: int) -> None:
    queue = machine_repairman(users, THINK, 1.0, servers)
    times = finished(run(users, servers, seed))["time"]
    spans = ((times - WARM_UP) // 20).cast(pl.Int64)
    counts = pl.DataFrame({"span": range(1000)}).join(
        spans.alias("span").value_counts(), on="span", how="left"
    )
    assert agrees(counts.sort("span")["count"].fill_null(0) / 20, queue.throughput)


@pytest.mark.parametrize(
    ("service", "think"),
    [(erlang(1.0, 3), exponential(2.0)), (lognormal(0.5, 1.0), erlang(6.0, 4))],
    ids=["even services", "long tails"],
)
def test_the_interactive_response_time_law_holds_whatever_the_distributions(
    service: Distribution, think: Distribution
) -> None:
    """N = X (R + Z), up to what is under way at both ends of the run."""
    recording = simulated(8, 1, 304, service, think)
    done = recording.frame(events.request.Finished)
    throughput = done.height / UNTIL
    thought = _mean_think_time(recording)
    response = interactive_response_time(8, throughput, thought)
    assert response == pytest.approx(done["duration"].mean(), rel=2e-3)
    assert thought == pytest.approx(think.mean, rel=0.02)


def _mean_think_time(recording: Recording) -> float:
    """Return the mean time from an answer to the next request, as it was in the run."""
    started = recording.frame(events.request.Started).height
    done = recording.frame(events.request.Finished)
    asking = done["duration"].sum() + sum(
        UNTIL - time
        for time in recording.frame(events.request.Started)
        .join(done, on="correlation_id", how="anti")["time"]
        .to_list()
    )
    return float((8 * UNTIL - asking) / (started - 8))
