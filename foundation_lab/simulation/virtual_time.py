"""Virtual time: SimPy's event loop, with timers that can be cancelled and runs that can stop."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import URGENT, Event

from foundation_lab.errors import DeadlockError, SchedulingError, TimedOut
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.timer import Deadline, Timer
from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PROGRESS_EVERY = 4096
"""After how many steps a run reports its progress."""


class VirtualTime(simpy.Environment):
    """A SimPy environment whose scheduled events can be withdrawn.

    Attributes:
        stopped: Whether the last run was ended by `stop`.
    """

    def __init__(self, initial_time: float = 0.0) -> None:
        super().__init__(initial_time)
        self.stopped = False
        self._dead = 0

    # -- running -------------------------------------------------------------------------------

    def peek(self) -> float:
        """Return the time of the next scheduled event, infinity when there is none."""
        while self._queue and self._queue[0][3].callbacks is None:
            heappop(self._queue)
            self._dead -= 1
        return super().peek()

    def step(self) -> None:
        """Process the next event.

        Raises:
            simpy.core.EmptySchedule: No event is left.
            simpy.core.StopSimulation: The simulation was stopped, or reached what a run waits for.
        """
        if self.stopped:
            raise StopSimulation(None)
        queue = self._queue
        while True:
            if not queue:
                raise EmptySchedule
            time, _, _, event = heappop(queue)
            callbacks = event.callbacks
            if callbacks is not None:
                break
            self._dead -= 1
        self._now = time
        event.callbacks = None  # type: ignore[assignment]
        try:
            for callback in callbacks:
                callback(event)
        except StopSimulation:
            rest = callbacks[callbacks.index(callback) + 1 :]
            if rest:
                event.callbacks = rest
                self.schedule(event, _BEFORE_ALL)
            raise
        if not event._ok and not hasattr(event, "_defused"):
            raise event._value

    def run(
        self,
        until: float | Event | None = None,
        *,
        progress: Callable[[float], object] | None = None,
    ) -> Any:
        """Run until a time, until an event, or until nothing is left to do.

        Args:
            until: A virtual time (the run stops before the events of that instant), an event, or
                nothing.
            progress: Called with the virtual time now and then.

        Returns:
            The value of the event, if `until` is one.

        Raises:
            DeadlockError: `until` is an event, nothing is left to run, and it has not come. The
                message names every process that waits, and what it waits for.
            SchedulingError: `until` is a time that is not in the future.
        """
        self.stopped = False
        goal = self._goal(until)
        if goal is not None:
            if goal.callbacks is None:
                return goal.value
            goal.callbacks.append(StopSimulation.callback)
        try:
            while progress is None:
                self.step()
            while True:
                for _ in range(PROGRESS_EVERY):
                    self.step()
                progress(self._now)
        except StopSimulation as stop:
            return stop.args[0]
        except EmptySchedule:
            if goal is None:
                return None
            raise self.deadlock(f'"until" event was not triggered: {goal}') from None
        finally:
            self._active_proc = None
            if goal is not None and goal.callbacks is not None:
                self._forget(goal, timed=goal is not until)

    def deadlock(self, what: str) -> DeadlockError:
        """Return the error for a run that should have gone on."""
        message = f"No scheduled events left but {what}, at t={self._now:g}."
        return DeadlockError(message)

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
        if not time >= self._now:
            message = f"a timer cannot fire at {time!r}: it is {self._now!r} already"
            raise SchedulingError(message)
        return Timer(self, time, call)

    def deadline(self, delay: float, error: TimedOut | None = None) -> Deadline:
        """Return a context manager that limits the time of a block in the running process.

        Args:
            delay: The limit in seconds.
            error: What is raised in the process when the time is over.
        """
        return Deadline(
            self, delay, TimedOut(f"not done within {delay:g} s") if error is None else error
        )

    def cancel(self, event: Event) -> None:
        """Withdraw a scheduled event, such as a timeout that nobody waits for any more.

        It leaves no trace: it does not move the clock and keeps no run alive. Yielding it later
        goes on at once. An event that has happened already stays as it is.

        Raises:
            ValueError: Nothing has scheduled the event.
        """
        if not event.triggered:
            message = f"{event} is not scheduled, so it cannot be cancelled"
            raise ValueError(message)
        if event.callbacks is not None:
            event.callbacks = None  # type: ignore[assignment]  # the mark of a dead event
            self.buried()

    def sleep(self, delay: float) -> Generator[Event, Any, None]:
        """Wait for `delay` seconds (``yield from``); an interrupt takes the timer away with it."""
        timeout = self.timeout(delay)
        try:
            yield timeout
        except BaseException:
            self.cancel(timeout)
            raise

    def at(self, time: float) -> Event:
        """Return an event that happens at exactly this virtual time.

        ``timeout(time - now)`` may miss it by a rounding error.

        Raises:
            SchedulingError: The time is in the past.
        """
        return self.call_at(time, _nothing)

    def wait(self, description: str) -> Wait:
        """Return a new event; `description` tells what it stands for when nobody triggers it."""
        return Wait(self, description)

    def stop(self) -> None:
        """End the run before the next event; safe to call from a signal handler.

        The next `run` goes on where this one ended. Outside of a run there is nothing to end.
        """
        self.stopped = True

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

    def buried(self) -> None:
        """Note that a scheduled event was cancelled; sweep when most of the queue is dead."""
        self._dead += 1
        if self._dead > 64 and 2 * self._dead > len(self._queue):
            self._queue[:] = [entry for entry in self._queue if entry[3].callbacks is not None]
            heapify(self._queue)
            self._dead = 0

    # -- private -------------------------------------------------------------------------------

    def _forget(self, goal: Event, *, timed: bool) -> None:
        """Leave no trace of a goal that was not reached; a later run must not stop there."""
        if timed:
            self.cancel(goal)
        elif StopSimulation.callback in goal.callbacks:
            goal.callbacks.remove(StopSimulation.callback)

    def _goal(self, until: float | Event | None) -> Event | None:
        if until is None or isinstance(until, Event):
            return until
        until = until if isinstance(until, int) else float(until)
        if not until > self._now:
            message = (
                f"until={until!r} must be greater than the current simulation time {self._now!r}"
            )
            raise SchedulingError(message)
        goal = Event(self)
        goal._ok = True
        goal._value = None
        heappush(self._queue, (until, URGENT, next(self._eid), goal))
        return goal


def _nothing() -> None:
    """Do nothing, at a certain time."""


_BEFORE_ALL: Any = -1
