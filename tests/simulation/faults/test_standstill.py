"""Processes that are stopped while they wait for a number of seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.mark.parametrize("seconds", [3.0, 3], ids=["a float", "a whole number"])
def test_what_is_left_of_a_wait_is_left_after_the_standstill(seconds: float) -> None:
    sim = Simulation(seed=1)
    ends = []

    def work() -> Generator[Any, Any, None]:
        yield seconds
        ends.append(sim.now)

    processes = [sim.process(work(), name=f"worker {n}") for n in range(2)]
    stops: list[Standstill] = []
    sim.call_at(1, lambda: stops.append(Standstill(sim, processes[:1])))
    sim.run(until=4)
    assert ends == [3]
    assert "worker 0 waits for a pause to end" in str(sim.blocked()[0])
    stops[0].end()
    sim.run()
    assert ends == [3, 6]


def test_who_is_interrupted_in_a_standstill_goes_on_and_drags_no_clock_along() -> None:
    sim = Simulation(seed=1)
    ends = []

    def work() -> Generator[Any, Any, None]:
        try:
            yield 10.0
        except simpy.Interrupt:
            yield 1.0
        ends.append(sim.now)

    processes = [sim.process(work()) for _ in range(2)]
    stops: list[Standstill] = []
    sim.call_at(1, lambda: stops.append(Standstill(sim, processes)))
    sim.call_at(2, processes[0].interrupt)
    sim.run(until=1.5)
    sim.call_at(5, stops[0].end)
    sim.call_at(6, processes[1].interrupt)
    sim.run()
    assert ends == [3, 7]
    assert sim.now == 7


def test_who_waits_for_an_event_is_not_stopped() -> None:
    sim = Simulation(seed=1)
    ends = []

    def work() -> Generator[Any, Any, None]:
        yield sim.timeout(3)
        ends.append(sim.now)

    process = sim.process(work())
    sim.call_at(1, lambda: Standstill(sim, [process]))
    sim.run()
    assert ends == [3]
