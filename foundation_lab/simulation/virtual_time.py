"""Virtual time: SimPy's environment with more ways to wait, and timers that can be cancelled."""

from __future__ import annotations

import math
from heapq import heappush
from typing import TYPE_CHECKING, Any

from foundation_lab.errors import SchedulingError, TimedOut
from foundation_lab.simulation import resources
from foundation_lab.simulation.events import (
    AllOf,
    AnyOf,
    Event,
    QuickTimeout,
    Timeout,
    impossible_delay,
)
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.run_loop import RunLoop
from foundation_lab.simulation.timer import Deadline, Timer
from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    import simpy

    from foundation_lab.errors import ServiceError


class VirtualTime(RunLoop):
    """A SimPy environment: what can be waited for, and how."""

    # -- events --------------------------------------------------------------------------------

    def event(self) -> Event:
        """Return a new event that somebody is to trigger."""
        return Event(self)

    def timeout(self, delay: float = 0, value: Any = None) -> Timeout:
        """Return an event that happens `delay` seconds from now.

        Raises:
            SchedulingError: The delay is negative or no number.
        """
        timeout: Any = QuickTimeout()
        timeout.env = self
        timeout._waiter = None
        timeout._value = value
        timeout._delay = delay
        now = self._now
        time = now + delay
        if time > now:
            heappush(self._later, (time, next(self._eid), timeout))
        elif delay >= 0:
            self._ready.append(timeout)
        else:
            raise impossible_delay(delay)
        return timeout  # type: ignore[no-any-return]

    def all_of(self, events: Iterable[simpy.Event]) -> AllOf:
        """Return the event that all of `events` have happened."""
        return AllOf(self, events)

    def any_of(self, events: Iterable[simpy.Event]) -> AnyOf:
        """Return the event that one of `events` has happened."""
        return AnyOf(self, events)

    # -- resources -----------------------------------------------------------------------------

    def Resource(self, capacity: int = 1) -> resources.Resource:  # noqa: N802  (as SimPy's)
        """Return slots that processes take and give back."""
        return resources.Resource(self, capacity)

    def PriorityResource(self, capacity: int = 1) -> resources.PriorityResource:  # noqa: N802
        """Return slots that go to requests with a smaller priority first."""
        return resources.PriorityResource(self, capacity)

    def PreemptiveResource(self, capacity: int = 1) -> resources.PreemptiveResource:  # noqa: N802
        """Return slots that are taken away from users with a larger priority."""
        return resources.PreemptiveResource(self, capacity)

    def Store(self, capacity: float = math.inf) -> resources.Store:  # noqa: N802
        """Return a place for things: first in, first out."""
        return resources.Store(self, capacity)

    def PriorityStore(self, capacity: float = math.inf) -> resources.PriorityStore:  # noqa: N802
        """Return a place for things that are got in the order of their size."""
        return resources.PriorityStore(self, capacity)

    def FilterStore(self, capacity: float = math.inf) -> resources.FilterStore:  # noqa: N802
        """Return a place for things of which one may get one of a certain kind."""
        return resources.FilterStore(self, capacity)

    def Container(self, capacity: float = math.inf, init: float = 0) -> resources.Container:  # noqa: N802
        """Return what holds an amount of something."""
        return resources.Container(self, capacity, init)

    # -- time ----------------------------------------------------------------------------------

    def call_in(self, delay: float, call: Callable[[], object]) -> Timer:
        """Call a function after `delay` seconds; the timer that is returned can be cancelled.

        Raises:
            SchedulingError: The delay is negative or no number.
        """
        if not delay >= 0:
            message = f"a timer cannot fire {delay!r} seconds from now; delays are 0 or more"
            raise SchedulingError(message)
        return Timer(self, self._now + delay, call)

    def call_at(self, time: float, call: Callable[[], object]) -> Timer:
        """Call a function at a virtual time; the timer that is returned can be cancelled.

        Raises:
            SchedulingError: The time is in the past.
        """
        self._delay_until(time)
        return Timer(self, time, call)

    def deadline(self, delay: float, error: ServiceError | None = None) -> Deadline:
        """Return a context manager that limits the time of a block in the running process.

        Args:
            delay: The limit in seconds.
            error: What is raised in the process when the time is over.
        """
        return Deadline(
            self, delay, TimedOut(f"not done within {delay:g} s") if error is None else error
        )

    def with_timeout(
        self, event: simpy.Event, delay: float, error: TimedOut | None = None
    ) -> Generator[Any, Any, Any]:
        """Wait for an event, `delay` seconds at most (``yield from``).

        What happens at the very instant at which the time is over is in time still. Afterwards the
        timer is gone and, unless the event has come, a request is withdrawn: no slot is kept and no
        item lost, whatever coincides. When the wait is interrupted at the instant of the grant,
        what was granted is given back.

        Args:
            event: What to wait for: an event, a process, a request, a get, a put, a condition.
            delay: How many seconds at most.
            error: What is raised when the time is over; `TimedOut` by default.

        Returns:
            The event's value.

        Raises:
            TimedOut: The time is over.
            SchedulingError: The delay is negative or no number.
        """
        process = self.running_process("with_timeout")
        if not delay >= 0:
            raise impossible_delay(delay)
        overdue = TimedOut(f"nothing within {delay:g} s") if error is None else error

        def give_up() -> None:
            if not event.triggered:
                process.deliver(overdue)

        timer = Timer(self, self._now + delay, give_up, last=True)
        try:
            return (yield event)
        except BaseException:
            if not event.processed or event.ok:
                resources.withdraw(event)
            raise
        finally:
            timer.cancel()

    def sleep(self, delay: float) -> Generator[Any, Any, None]:
        """Wait for `delay` seconds (``yield from``): the same as to yield the number itself."""
        yield delay

    def at(self, time: float) -> Event:
        """Return an event that happens at exactly this virtual time.

        ``timeout(time - now)`` may miss it by a rounding error.

        Raises:
            SchedulingError: The time is in the past.
        """
        if not time > self._now:
            return self.timeout(self._delay_until(time))
        event: Any = QuickTimeout()
        event.env = self
        event._waiter = event._value = None
        event._delay = time - self._now
        heappush(self._later, (time, next(self._eid), event))
        return event  # type: ignore[no-any-return]

    def wait(self, description: str) -> Wait:
        """Return a new event; `description` tells what it stands for when nobody triggers it."""
        return Wait(self, description)

    def running_process(self, purpose: str) -> Process:
        """Return the running process.

        Raises:
            RuntimeError: No process runs; the message says that `purpose` needs one.
        """
        process = self._active_proc
        if isinstance(process, Process):
            return process
        message = f"{purpose} needs a running process; start one with sim.process(...)"
        raise RuntimeError(message)

    # -- private -------------------------------------------------------------------------------

    def _delay_until(self, time: float) -> float:
        if not time >= self._now:
            message = f"a timer cannot fire at {time!r}: it is {self._now!r} already"
            raise SchedulingError(message)
        return time - self._now
