"""Simulated queues of other disciplines against the closed forms of queueing theory.

As in `test_queues`: one long run with its seed each, and a 99.9 % confidence interval.
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab.analytics.finite_queues import mmck
from foundation_lab.analytics.queueing import (
    md1,
    mg1,
    mm1,
    priority_waits,
    processor_sharing,
)
from foundation_lab.services import Backend, ProcessorSharing
from foundation_lab.simulation.distributions import constant, erlang, exponential, lognormal
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.lines.line import Lifo, Priority
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.telemetry import events
from tests.theory.test_queues import WARM_UP, agrees

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.recording.recording import Recording
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.lines.line import Line

UNTIL = WARM_UP + 60_000.0
LONG = WARM_UP + 120_000.0
SHORT = WARM_UP + 30_000.0
SIGMA = 0.8
TIMES: dict[str, tuple[Distribution, float]] = {
    "constant": (constant(1.0), 0.0),
    "Erlang-3": (erlang(1.0, 3), 1 / 3),
    "exponential": (exponential(1.0), 1.0),
    "log-normal": (lognormal(math.exp(-(SIGMA**2) / 2), SIGMA), math.exp(SIGMA**2) - 1),
}
"""Service times with a mean of one second, and their squared coefficients of variation."""

shapes = pytest.mark.parametrize("shape", TIMES)


@cache
def run(
    seed: int,
    rate: float,
    shape: str,
    *,
    kind: type[Backend] = Backend,
    line: Callable[[], Line] | None = None,
    until: float = UNTIL,
    **options: Any,
) -> Recording:
    sim = Simulation(seed=seed)
    server = kind(
        sim,
        "server",
        service_time=TIMES[shape][0],
        line=None if line is None else line(),
        **options,
    )
    Workload(sim, "customers", poisson(rate), server.request)
    sim.run(until=until)
    sim.check_invariants()
    return sim.recording


def settled(recording: Recording) -> pl.DataFrame:
    served = recording.frame(Backend.Served).with_columns(
        arrived=pl.col("time") - pl.col("duration")
    )
    return served.filter(pl.col("arrived") >= WARM_UP).sort("arrived")


# -- first in, first out -------------------------------------------------------------------------


@shapes
def test_the_mean_wait_of_any_service_time_is_that_of_pollaczek_and_khinchine(shape: str) -> None:
    waits = settled(run(301, 0.6, shape))["wait"]
    assert agrees(waits, mg1(0.6, 1.0, TIMES[shape][1]).mean_wait)


def test_a_constant_service_time_halves_the_wait() -> None:
    assert md1(0.6, 1.0).mean_wait == pytest.approx(mm1(0.6, 1.0).mean_wait / 2)
    assert agrees(settled(run(301, 0.6, "constant"))["wait"], md1(0.6, 1.0).mean_wait)


def test_a_bounded_line_loses_the_share_of_theory_and_serves_the_rest_in_its_time() -> None:
    theory = mmck(2.5, 1.0, servers=2, room=5)
    recording = run(302, 2.5, "exponential", concurrency=2, queue_limit=3, until=SHORT)
    served = settled(recording)
    rejected = recording.frame(Backend.Rejected).select(arrived="time", lost=1.0)
    asked = pl.concat([served.select("arrived", lost=0.0), rejected])
    asked = asked.filter(pl.col("arrived") >= WARM_UP).sort("arrived")
    assert agrees(asked["lost"], theory.loss_probability)
    assert agrees(served["duration"], theory.mean_time)
    assert agrees(served["duration"] * served.height / (SHORT - WARM_UP), theory.mean_number)


# -- last in, first out --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["constant", "exponential"])
def test_last_in_first_out_has_the_same_mean_wait_and_a_greater_second_moment(shape: str) -> None:
    """The second moment is 1 / (1 - rho) times that of first in, first out."""
    rate, squared = 0.5, TIMES[shape][1]
    second, third = 1 + squared, {"constant": 1.0, "exponential": 6.0}[shape]
    fifo = rate * third / (3 * (1 - rate)) + (rate * second) ** 2 / (2 * (1 - rate) ** 2)
    waits = {
        line: settled(run(303, rate, shape, line=line, until=LONG))["wait"] for line in (None, Lifo)
    }
    for each in waits.values():
        assert agrees(each, mg1(rate, 1.0, squared).mean_wait)
    assert agrees(waits[None] ** 2, fifo)
    assert agrees(waits[Lifo] ** 2, fifo / (1 - rate))


# -- priorities ----------------------------------------------------------------------------------


def test_the_wait_of_each_priority_is_that_of_cobham() -> None:
    rates = [0.2, 0.3, 0.2]
    sim = Simulation(seed=304)
    server = Backend(sim, "server", service_time=exponential(1.0), line=Priority())
    for priority, rate in enumerate(rates):
        call = partial(server.request, priority=priority)
        Workload(sim, f"class {priority}", poisson(rate), call)
    sim.run(until=UNTIL)
    finished = sim.recording.frame(events.request.Finished).filter(
        pl.col("time") - pl.col("duration") >= WARM_UP
    )
    for priority, wait in enumerate(priority_waits(rates, 1.0)):
        times = finished.filter(client=f"class {priority}").sort("time")["duration"]
        assert agrees(times, wait + 1.0)


# -- processor sharing ---------------------------------------------------------------------------


@shapes
def test_sharing_takes_as_long_on_average_whatever_the_work_is_distributed_like(shape: str) -> None:
    served = settled(run(305, 0.6, shape, kind=ProcessorSharing))
    assert agrees(served["duration"], processor_sharing(0.6, 1.0))
    assert served["wait"].sum() == 0


def test_sharing_several_cores_takes_as_long_as_a_line_before_them() -> None:
    """With exponential work, the number present is that of M/M/c."""
    served = settled(run(306, 1.5, "exponential", kind=ProcessorSharing, cores=2, until=SHORT))
    queued = settled(run(306, 1.5, "exponential", concurrency=2, until=SHORT))
    theory = 1.5 / (4 - 1.5**2) * 1.5 + 1.0  # Erlang C for two servers, and the service
    assert agrees(served["duration"], theory)
    assert agrees(queued["duration"], theory)
