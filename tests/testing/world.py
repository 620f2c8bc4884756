"""A small world for the tests of the test kit: who says what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from foundation_lab.telemetry.event import Event, Label, Labels

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator


class Ping(Event, frozen=True):
    """Somebody said something."""

    event_name: ClassVar[str] = "kit.ping"

    text: Label
    tags: Labels = ()


def says(sim: Simulation, *lines: tuple[float, str]) -> Generator[Any, Any, None]:
    """Say each text after so many seconds more."""
    for delay, text in lines:
        yield sim.timeout(delay)
        sim.telemetry.emit(Ping(text))


def change(to: str, from_: str = "closed") -> Event:
    """Return a circuit breaker's state change."""
    return events.circuit_breaker.StateChange("payments", from_, to, "for the test")


class AwaitingSimulation(Simulation):
    """A simulation that drives one coroutine: the smallest thing that ``await`` works with."""

    @staticmethod
    def as_future(event: Any) -> Awaited:
        """Return what a coroutine awaits to go on with an event."""
        return Awaited(event)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run until a coroutine has ended, and return its result."""
        done: list[Any] = []

        def go_on(event: Any) -> None:
            try:
                awaited = coroutine.send(None if event is None else event.value)
            except StopIteration as stop:
                done.append(stop.value)
            else:
                awaited.callbacks.append(go_on)

        self.call_in(0, lambda: go_on(None))
        self.run()
        return done[0]


class Awaited:
    """An event as a coroutine awaits it."""

    def __init__(self, event: Any) -> None:
        self.event = event

    def __await__(self) -> Generator[Any, Any, Any]:
        """Give the event to whoever drives the coroutine."""
        return (yield self.event)
