"""Callers of circuit breakers, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.errors import BackendError, CircuitOpen, ServiceDown, TimedOut
from foundation_lab.services import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


def succeed() -> str:
    return "done"


def fail() -> None:
    message = "no"
    raise BackendError(message)


def taking(sim: Simulation, seconds: float, then: Callable[[], Any] = succeed) -> Any:
    """Return a call that takes so long."""

    def work() -> Generator[Any, Any, Any]:
        yield from sim.sleep(seconds)
        return then()

    return work


def outcome(breaker: CircuitBreaker, function: Callable[[], Any]) -> Generator[Any, Any, str]:
    try:
        yield from breaker.call(function)
    except (BackendError, CircuitOpen, TimedOut, ServiceDown, simpy.Interrupt) as error:
        return type(error).__name__
    return "ok"


def calls(sim: Simulation, breaker: CircuitBreaker, *functions: Callable[[], Any]) -> list[str]:
    """Call one after the other, and run until it has ended; return the outcomes."""
    return [sim.run(sim.process(outcome(breaker, function))) for function in functions]


def play(sim: Simulation, breaker: CircuitBreaker, pattern: str) -> list[str]:
    """Call as a pattern says, `F` for a failure and `S` for a success; return the outcomes."""
    functions = {"F": fail, "S": succeed}
    return calls(sim, breaker, *[functions[letter] for letter in pattern.replace(" ", "")])


def later(
    sim: Simulation, time: float, breaker: CircuitBreaker, function: Callable[[], Any]
) -> Process:
    """Return a process that calls at a time."""

    def caller() -> Generator[Any, Any, str]:
        yield from sim.sleep(time - sim.now)
        return (yield from outcome(breaker, function))

    return sim.process(caller(), name=f"caller at {time:g}")


def changes(sim: Simulation) -> list[tuple[float, str, str]]:
    """Return the changes of state: time, from, to."""
    frame = sim.recording.frame(CircuitBreaker.StateChange)
    return list(frame.select("time", "from", "to").iter_rows())
