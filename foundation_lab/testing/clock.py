"""Running a simulation until something holds, until a deadline, or until nothing is left to run."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Literal

from simpy.core import StopSimulation
from simpy.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation

Ending = Literal["done", "deadline", "quiet", "stopped"]
"""Why `advance` came back: it holds; the time is over; nothing is left to run; `sim.stop()`."""


def advance(sim: Simulation, done: Callable[[], object], within: float) -> Ending:
    """Run until `done()` is true; it is asked now and after every step.

    The steps of the very instant of the deadline are still taken. Afterwards the clock stands at
    the step that made `done()` true, at the deadline, or at the last step there was.

    Args:
        sim: The simulation; nothing of it may be running.
        done: What is waited for.
        within: Virtual seconds from now.

    Returns:
        Why it came back.
    """
    deadline = sim.now + within
    sim.go_on()
    while not done():
        if sim.stopped:
            return "stopped"
        upcoming = sim.peek()
        if upcoming == math.inf:
            return "quiet"
        if upcoming > deadline:
            if deadline > sim.now:
                sim.run(until=deadline)
            return "deadline"
        try:
            sim.step()
        except StopSimulation:  # a model's own way to end a run
            return "stopped"
    return "done"


def end_of_window(sim: Simulation, within: float) -> Event:
    """Return an event that happens in `within` seconds, after all else of that instant."""
    end = Event(sim)
    end._ok = True
    end._value = None
    sim.schedule(end, _LAST, within)
    return end


def require_seconds(within: float) -> float:
    """Return a length of virtual time.

    Raises:
        ValueError: It is negative or no number.
    """
    if not within >= 0:
        message = f"within={within!r}; give virtual seconds, 0 or more"
        raise ValueError(message)
    return within


def require_outside(sim: Simulation, remedy: str) -> None:
    """Refuse to run a simulation from one of its own processes.

    Raises:
        RuntimeError: A process is running; the message ends with the `remedy`.
    """
    process = sim.active_process
    if process is not None:
        message = f"the process {process.name!r} cannot run its own simulation: {remedy}"
        raise RuntimeError(message)


_LAST: Any = sys.maxsize
