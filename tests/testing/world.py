"""A small world for the tests of the test kit: who says what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.telemetry import events
from foundation_lab.telemetry.event import Event, Label, Labels

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.engine import Simulation


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
