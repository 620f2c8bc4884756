from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError
from foundation_lab.services import async_operation
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator


def working(sim: Simulation, seconds: float, error: type[Exception] | None = None) -> Any:
    def work() -> Generator[Any, Any, str]:
        yield from sim.sleep(seconds)
        if error is not None:
            raise error
        return "result"

    return work


def test_an_operation_goes_on_beside_its_starter_and_tells_how_it_ended() -> None:
    sim = Simulation(seed=1)
    operation = async_operation.start(sim, "backup", working(sim, 3))
    sim.run()
    assert operation.value == "result"
    started = sim.recording.frame(events.async_operation.Started)
    completed = sim.recording.frame(events.async_operation.Completed)
    assert completed.select("time", "operation", "duration").rows() == [(3.0, "backup", 3.0)]
    assert completed["operation_id"].to_list() == started["operation_id"].to_list()


def test_a_failure_that_nobody_waits_for_ends_the_operation_and_nothing_else() -> None:
    sim = Simulation(seed=2)
    async_operation.start(sim, "backup", working(sim, 3, BackendError))
    sim.run(until=5)
    failed = sim.recording.frame(events.async_operation.Failed)
    assert failed.select("error", "duration").rows() == [("BackendError", 3.0)]


def test_whoever_waits_gets_the_result_or_the_error() -> None:
    sim = Simulation(seed=3)
    got: list[Any] = []

    def waiter() -> Generator[Any, Any, None]:
        got.append((yield async_operation.start(sim, "backup", working(sim, 1))))
        with pytest.raises(BackendError):
            yield async_operation.start(sim, "backup", working(sim, 1, BackendError))
        got.append(sim.now)

    sim.process(waiter())
    sim.run()
    assert got == ["result", 2.0]


def test_an_interrupt_cancels_it() -> None:
    sim = Simulation(seed=4)
    operation = async_operation.start(sim, "backup", working(sim, 100))
    sim.run(until=2)
    operation.interrupt()
    sim.run()
    failed = sim.recording.frame(events.async_operation.Failed)
    assert failed.select("time", "error").rows() == [(2.0, "Interrupt")]
    assert sim.now == 2


def test_a_bug_comes_through() -> None:
    sim = Simulation(seed=5)
    async_operation.start(sim, "backup", working(sim, 1, ValueError))
    with pytest.raises(ValueError):  # noqa: PT011  (a bare one)
        sim.run()


def test_the_ids_of_operations_differ() -> None:
    sim = Simulation(seed=6)
    for _ in range(3):
        async_operation.start(sim, "backup", working(sim, 1))
    sim.run()
    ids = sim.recording.frame(events.async_operation.Started)["operation_id"].to_list()
    assert len(set(ids)) == 3
