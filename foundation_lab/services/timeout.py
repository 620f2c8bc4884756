"""The timeout: waits for a call so many seconds and no longer.

What becomes of the work that nobody waits for any more is the question. An *interrupt* ends it: it
leaves lines and gives back what it holds, as when a client's cancellation reaches the server. A
*ghost* goes on: it takes up its place at the server to the end, as when nobody tells the server.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import TimedOut
from foundation_lab.services.arguments import positive
from foundation_lab.services.ghosts import Ghosts
from foundation_lab.services.service import Service
from foundation_lab.simulation.invocation import invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation


class Abandon(StrEnum):
    """What becomes of work that nobody waits for any more."""

    INTERRUPT = "interrupt"
    GHOST = "ghost"


class Timeout(Service):
    """Limits how long a call is waited for.

    Whatever lies inside sees the limit as `DeadlinePassed`, which is never tried again; the caller
    gets `TimedOut`.

    Args:
        sim: The simulation.
        name: The timeout's name, `service_id` in its events.
        seconds: The limit. A call that would end at this very instant is given up.
        abandon: ``interrupt``: the call runs in the caller's process and is ended there. ``ghost``:
            each call runs in a process of its own from the beginning, and goes on when its caller
            leaves, whether for this limit, for one further outside or for an interrupt. A failure
            of a ghost is lost then; any other error is a bug and ends the run.
    """

    kind: ClassVar[str] = "timeout"
    TimedOut = events.timeout.TimedOut
    Finished = events.timeout.Finished

    def __init__(
        self,
        sim: Simulation,
        name: str,
        seconds: float,
        abandon: Abandon | str = Abandon.INTERRUPT,
    ) -> None:
        self.seconds = positive("seconds", seconds)
        if abandon not in set(Abandon):
            message = f"abandon={abandon!r}; give {' or '.join(repr(a.value) for a in Abandon)}"
            raise ValueError(message)
        self.abandon = Abandon(abandon)
        self.in_flight = 0
        self._ghosts = Ghosts(sim)
        super().__init__(sim, name)
        self._finishes = sim.telemetry.emitting(events.timeout.Finished)

    def call(
        self, fn: Callable[[], Any], *, seconds: float | None = None
    ) -> Generator[Any, Any, Any]:
        """Call `fn` and wait for it until the time is over (``yield from``).

        Args:
            fn: Returns a generator, a SimPy event, or a plain value.
            seconds: The limit of this call, instead of the timeout's own.

        Returns:
            What `fn` came to.

        Raises:
            TimedOut: It took too long.
            ServiceDown: The timeout itself was stopped.
        """
        if not self.up:
            self.require_up()
        limit = self.seconds if seconds is None else positive("seconds", seconds)
        ghost = self.abandon is Abandon.GHOST
        overdue = TimedOut(f"a call through timeout {self.name!r} took longer than {limit:g} s")
        began, error = self.sim.now, None
        self.in_flight += 1
        try:
            with self.sim.deadline(limit, overdue):
                if ghost:
                    return (yield from self._ghosts.wait_for(_work(fn), f"{self.name}.call"))
                return (yield from invoke(fn))
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.in_flight -= 1
            if error is overdue:
                self._emit(events.timeout.TimedOut(self.name, limit, ghost))
            else:
                self._finishes(self.name, self.sim.outcome_of(error), self.sim.now - began)

    @property
    def ghosts(self) -> int:
        """How many calls go on although nobody waits for them."""
        return len(self._ghosts)

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight, "ghosts": self.ghosts}

    def violations(self) -> list[str]:
        """Return every law of timeouts that does not hold, in words."""
        broken = [f"{self.in_flight} calls in flight"] if self.in_flight < 0 else []
        return broken + self._ghosts.violations()


def _work(fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
    return (yield from invoke(fn))
