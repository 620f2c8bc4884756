"""Raising an exception in whoever holds something that a service has lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simpy.events import URGENT

from foundation_lab.simulation.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.process import Process


def evict(process: Process, error: ServiceError, still_holds: Callable[[], bool]) -> None:
    """Raise `error` in a process at this instant, after whatever runs now.

    An interrupt may reach the process first and make it let go of what was lost; then it is left
    alone, for the exception would hit it in the middle of something else.

    Args:
        process: Who holds it.
        error: What is raised there.
        still_holds: Whether the process holds it still, asked at the last moment.
    """

    def deliver(_event: Event) -> None:
        if still_holds():
            process.deliver(error)

    signal = Event(process.env)
    signal._ok = True
    signal._value = None
    signal.callbacks.append(deliver)
    process.env.schedule(signal, URGENT)
