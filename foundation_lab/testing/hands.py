"""The hands of the clock: moving virtual time from a test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from foundation_lab.errors import SchedulingError
from foundation_lab.testing.clock import (
    Ending,
    require_outside,
    require_seconds,
    run_until_settled,
)
from foundation_lab.testing.failure import circumstances, compose, why_it_ended

if TYPE_CHECKING:
    import simpy

    from foundation_lab.simulation.engine import Simulation

REMEDY = "yield seconds in a process, await asyncio.sleep(seconds) in a coroutine"


class Clock:
    """The clock of a simulation.

    Whoever moves it to an instant also has done what is due at that instant, so that a test that
    goes on by five seconds sees what happens after five seconds.

    Args:
        sim: The simulation.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    @property
    def now(self) -> float:
        """The virtual time in seconds."""
        return float(self._sim.now)

    def advance(self, seconds: float) -> float:
        """Go on by some seconds, and return what time it is then.

        Raises:
            ValueError: The seconds are negative or no number.
            AssertionError: It went no further: the clock does not move, or real time was over.
            RuntimeError: It was called while the simulation runs, or somebody stopped that.
        """
        __tracebackhide__ = True
        return self._go_on_to(self.now + require_seconds(seconds, "seconds"))

    def settle(self) -> float:
        """Do what is due now, and whatever that brings about at this instant."""
        __tracebackhide__ = True
        return self.advance(0)

    def run_until(self, goal: float | simpy.Event) -> Any:
        """Go on to a virtual time, or until an event has happened.

        Returns:
            The time, or the value of the event.

        Raises:
            SchedulingError: The time is over.
            DeadlockError: Nothing is left to run, and the event has not happened.
        """
        __tracebackhide__ = True
        require_outside(self._sim, REMEDY)
        if not isinstance(goal, int | float):
            return self._sim.run(until=goal)
        if not self.now <= goal < math.inf:
            message = f"run_until({goal!r}): it is t={self.now:.9g}, and time goes on only"
            raise SchedulingError(message)
        return self._go_on_to(goal)

    def _go_on_to(self, time: float) -> float:
        __tracebackhide__ = True
        sim = self._sim
        require_outside(sim, REMEDY)
        if math.isinf(time):
            sim.run()
            return self.now
        ending = run_until_settled(sim, _never, time - self.now)
        if time > self.now and ending.kind in {"deadline", "quiet"}:
            sim.run(until=time)  # nothing was left to run, or a sum of floats fell short of it
            ending = run_until_settled(sim, _never, 0)
        if ending.kind == "stopped":
            message = f"{sim.name!r} was stopped at t={self.now:.9g}, on the way to t={time:.9g}"
            raise RuntimeError(message)
        if ending.kind in {"livelock", "wall"}:
            raise AssertionError(self._stuck(time, ending))
        return self.now

    def _stuck(self, time: float, ending: Ending) -> str:
        return compose(
            f"the clock did not come to t={time:.9g}",
            why_it_ended(self._sim, ending),
            circumstances(self._sim),
        )

    def __repr__(self) -> str:
        """Return one line."""
        return f"<Clock at t={self.now:.9g}>"


def _never() -> bool:
    return False
