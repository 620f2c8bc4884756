"""What the tests about faults share: callers that tell how they ended, and what was struck."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.errors import ServiceError
from foundation_lab.simulation.workload import request
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


def ask(sim: Simulation, call: Callable[[], Generator[Any, Any, Any]], at: float = 0) -> Process:
    """Start a call; the value is how it ended, and when."""

    def process() -> Generator[Any, Any, tuple[str, float]]:
        if at > sim.now:
            yield sim.at(at)
        try:
            with sim.telemetry.context(correlation_id=f"request at {at:g}"):
                yield from call()
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, round(sim.now, 9)
        return "ok", round(sim.now, 9)

    return sim.process(process())


def endings(callers: Iterable[Process]) -> list[tuple[str, float]]:
    """Return how calls ended, and when; those that wait still do so for ever."""
    return [caller.value if caller.triggered else ("waits", math.inf) for caller in callers]  # type: ignore[misc]


def struck(sim: Simulation) -> list[tuple[float, str, str]]:
    """Return who was struck, when and by which fault."""
    frame = sim.recording.frame(events.fault.Struck)
    return frame.select("time", "correlation_id", "fault_id").rows()


def spans(sim: Simulation) -> list[tuple[str, float, float]]:
    """Return when each fault was on that is over, in order of their ends."""
    frame = sim.recording.frame(events.fault.Cleared)
    return [
        (fault_id, round(time - duration, 9), round(time, 9))
        for time, fault_id, duration in frame.select("time", "fault_id", "duration").rows()
    ]


def customer(sim: Simulation, call: Callable[[], Generator[Any, Any, Any]], at: float) -> None:
    """Start a request as workloads do, with a correlation id of its own."""

    def process() -> Generator[Any, Any, None]:
        yield sim.at(at)
        with sim.telemetry.context(correlation_id=f"request at {at:g}"):
            yield from request(sim, "shop", call)

    sim.process(process())
