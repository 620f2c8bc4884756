"""Timers that can be cancelled, and deadlines made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from simpy.events import NORMAL, URGENT

from foundation_lab.errors import DeadlinePassed
from foundation_lab.simulation.events import GONE, Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.virtual_time import VirtualTime

AFTER_ALL: Final = 2
"""The priority of what comes after everything else of its instant."""


class Timer(Event):
    """Calls a function at a virtual time, unless it is cancelled before.

    A cancelled timer leaves no trace: it does not move the clock and keeps no run alive.

    Args:
        env: The simulation.
        time: When, in virtual seconds.
        call: What is called.
        last: Whether everything else that happens at that instant comes first.
        first: Whether it comes before everything else of that instant.
    """

    env: VirtualTime

    def __init__(
        self,
        env: VirtualTime,
        time: float,
        call: Callable[[], object],
        *,
        last: bool = False,
        first: bool = False,
    ) -> None:
        self.env = env
        self._value = None
        self._call = call
        self._waiter: Any = self._fire
        env.schedule_at(self, time, AFTER_ALL if last else URGENT if first else NORMAL)

    def cancel(self) -> None:
        """Forget the call. A timer that has fired or was cancelled stays as it is."""
        if self._waiter is not GONE:  # what the engine's `cancel` does, without a list of callbacks
            self._waiter = GONE
            self.env.buried()

    def _fire(self, _event: Event) -> None:
        self._call()


class Deadline:
    """Limits the time of a block in the running process; made by `Simulation.deadline`.

    When the time is over, `DeadlinePassed` is raised in the process where it waits, and becomes the
    given exception where it leaves the block. On its way it may be counted as a failure, but it is
    not tried again: nobody waits for the answer any more.

    What comes first in the order of (time, priority, sequence) wins: an event that is processed at
    the very instant of the deadline, but before it, still comes through.
    """

    def __init__(self, env: VirtualTime, delay: float, error: ServiceError) -> None:
        self.expired = False
        self._env = env
        self._delay = delay
        self._error = error
        self._passed: DeadlinePassed | None = None
        self._timer: Timer | None = None
        self._process: Process | None = None

    def __enter__(self) -> Self:
        """Start the clock."""
        self._process = self._env.running_process("a deadline")
        self._timer = self._env.call_in(self._delay, self._expire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the clock; raise the given exception when it was this deadline that passed."""
        if self._timer is not None:
            self._timer.cancel()
        if error is not None and error is self._passed:
            raise self._error from None

    def _expire(self) -> None:
        self.expired = True
        if self._process is not None:
            self._passed = DeadlinePassed(str(self._error))
            self._process.deliver(self._passed)
