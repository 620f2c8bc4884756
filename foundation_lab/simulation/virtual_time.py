"""Virtual time: SimPy's event loop, with timers that can be cancelled and runs that can stop.

What is due is kept in three places, in SimPy's order of (time, priority, sequence): `_later` is a
heap of what comes later; `_urgent` and `_ready` hold, first in first out, what was triggered at
this instant. Most events are triggered for the present instant, and need no heap.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count, repeat
from operator import itemgetter
from sys import getrefcount
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL

from foundation_lab.errors import DeadlockError, SchedulingError, TimedOut
from foundation_lab.simulation.events import (
    GONE,
    AllOf,
    AnyOf,
    Event,
    Foreign,
    Initialize,
    QuickTimeout,
    Timeout,
    impossible_delay,
    process_callbacks,
)
from foundation_lab.simulation.process import Nap, Process
from foundation_lab.simulation.resources import withdraw
from foundation_lab.simulation.timer import Deadline, Timer
from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Entry = tuple[float, int, Any]
"""What the heap holds: a time, a rank, and what happens then.

The rank is the sequence number, shifted by priority: for a native wait, that of the process.
"""

PRIORITY: Final = 2**62
"""How far apart the ranks of two priorities are; sequence numbers never come near it."""

PROGRESS_EVERY = 4096
"""After how many steps a run reports its progress."""


def _references_of_an_ended_process() -> int:
    """Return how many references to a process there are when it ends and nobody knows it."""
    process = object()
    holder = SimpleNamespace(process=process)
    return getrefcount(holder.process and process)


UNKNOWN: Final = _references_of_an_ended_process()
"""How many references to an ended process there are when only the engine knows it."""


class VirtualTime(simpy.Environment):
    """A SimPy environment whose scheduled events can be withdrawn.

    Attributes:
        now: The virtual time in seconds.
        stopped: Whether the last run was ended by `stop`.
    """

    __slots__ = ("now",)  # a slot is read faster than a property

    def __init__(self, initial_time: float = 0.0) -> None:
        self.stopped = False
        self._now = initial_time
        self._active_proc: Any = None
        self._eid = count()
        self._later: list[Entry] = []
        self._urgent: deque[Any] = deque()
        self._ready: deque[Any] = deque()
        self._odd: list[tuple[int, Any]] = []
        self._living: dict[Process, None] = {}
        self._dead = 0

    @property
    def _queue(self) -> list[tuple[float, int, int, Any]]:  # type: ignore[override]
        """What is due, in order, as SimPy lays it out: time, priority, sequence number, event."""
        due = [(0, event) for event in self._urgent if not isinstance(event, _Marker)]
        due += [(1, event) for event in self._ready]
        entries = [(self._now, rank * PRIORITY - PRIORITY, event) for rank, event in due]
        entries += [(self._now, rank, event) for rank, event in self._odd]
        entries = sorted(entries, key=itemgetter(1))
        entries += sorted(entry for entry in self._later if not _is_dead(entry))
        return [
            (time, rank // PRIORITY + NORMAL, number, _as_event(event))
            for number, (time, rank, event) in enumerate(entries)
        ]

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

    def all_of(self, events: Iterable[simpy.Event]) -> AllOf:  # type: ignore[override]
        """Return the event that all of `events` have happened."""
        return AllOf(self, events)

    def any_of(self, events: Iterable[simpy.Event]) -> AnyOf:  # type: ignore[override]
        """Return the event that one of `events` has happened."""
        return AnyOf(self, events)

    def schedule(self, event: simpy.Event, priority: int = NORMAL, delay: float = 0) -> None:
        """Put an event that was triggered in the queue.

        Args:
            event: The event.
            priority: Among events of one instant, those with a smaller number come first.
            delay: Seconds from now.

        Raises:
            TypeError: The priority is no whole number.
        """
        place: Any = event
        if not isinstance(event, Event):
            place = Foreign(event)
        elif not event._ok:
            event.make_list()
        self.schedule_at(place, self._now + delay, priority)

    def schedule_at(self, place: Any, time: float, priority: int = NORMAL) -> None:
        """Put something in the queue that is to happen at a virtual time; see `schedule`."""
        rank = next(self._eid) + (priority - NORMAL) * PRIORITY
        if not isinstance(rank, int):
            message = f"priority={priority!r}; a priority is a whole number"
            raise TypeError(message)
        if time == self._now:
            self._place(place, rank)
        else:
            heappush(self._later, (time, rank, place))

    # -- running -------------------------------------------------------------------------------

    def peek(self) -> float:
        """Return the time of the next scheduled event, infinity when there is none."""
        self._forget_stop()
        for due in (self._urgent, self._ready):
            while due and due[0]._waiter is GONE:
                due.popleft()
            if due:
                return self._now
        later = self._later
        while later and _is_dead(later[0]):
            heappop(later)
            self._dead -= 1
        return later[0][0] if later else simpy.core.Infinity

    def step(self) -> None:
        """Process the next event.

        Raises:
            simpy.core.EmptySchedule: No event is left.
            simpy.core.StopSimulation: The simulation was stopped, or reached what a run waits for.
        """
        if self.stopped:
            raise StopSimulation(None)
        self.peek()  # clears away what was cancelled
        self._process(repeat(None, 1), unknown=0)

    def run(
        self,
        until: float | simpy.Event | None = None,
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
        self._forget_stop()
        goal = self._goal(until)
        if goal is not None:
            if goal.callbacks is None:
                return goal.value
            goal.callbacks.append(StopSimulation.callback)
        try:
            self._run(progress)
        except StopSimulation as stop:
            return stop.args[0]
        except EmptySchedule:
            if goal is None:
                return None
            raise self.deadlock(f'"until" event was not triggered: {goal}') from None
        finally:
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
        self._delay_until(time)
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
                withdraw(event)
            raise
        finally:
            timer.cancel()

    def cancel(self, event: simpy.Event) -> None:
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

    def stop(self) -> None:
        """End the run before the next event; safe to call from a signal handler.

        The next `run` goes on where this one ended. Outside of a run there is nothing to end.
        """
        if not self.stopped:
            self.stopped = True
            self._urgent.appendleft(_STOP)

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
        if self._dead > 64 and 2 * self._dead > len(self._later):
            self._later[:] = [entry for entry in self._later if not _is_dead(entry)]
            heapify(self._later)
            self._dead = 0

    def start_event(self, process: Process) -> Event:
        """Return the event that starts a process, in its place in the queue."""
        event = Initialize(self, process)
        self._urgent[self._urgent.index(process)] = event
        return event

    def timeout_event(self, process: Process, rank: int) -> Timeout:
        """Return the event that a process waits for that waits for a number of seconds."""
        later = self._later
        place = next(n for n, entry in enumerate(later) if entry[1] == rank)
        time = later[place][0]
        timeout = Timeout.due(self, time - self._now, process)
        later[place] = (time, rank, timeout)
        return timeout

    # -- private -------------------------------------------------------------------------------

    def _run(self, progress: Callable[[float], object] | None) -> None:
        """Process what is due until the run is stopped or nothing is left."""
        if getattr(self.step, "__func__", None) is not VirtualTime.step:
            while True:  # somebody looks at every step
                self.step()
        while progress is None:
            self._process(repeat(None))
        while True:
            self._process(repeat(None, PROGRESS_EVERY))
            progress(self._now)

    def _process(  # noqa: C901, PLR0912, PLR0915  (in one piece: a call would cost as much again)
        self, steps: Iterable[None], unknown: int = UNKNOWN
    ) -> None:
        """Process one event after the other, as many as there are `steps`.

        The end of a process is an event, too; but one with no more than `unknown` references can
        be waited for by nobody, and is left out.

        This is the hot path of every simulation. The usual case, one process that waits for an
        event and goes on to wait for another, is handled here; `Process` knows the others.
        """
        later, ready, urgent, sequence = self._later, self._ready, self._urgent, self._eid
        living = self._living
        process: Any
        event: Any
        target: Any
        try:
            for _ in steps:
                if urgent:
                    process = urgent.popleft()
                    if process.__class__ is not Process:
                        self._happen(process)
                        continue
                    value = None  # it begins
                elif ready:
                    event = ready.popleft()
                    process = event._waiter
                    event._waiter = GONE
                    if process is None:
                        continue
                    if process.__class__ is not Process:
                        self._active_proc = None
                        if process.__class__ is list:
                            process_callbacks(event, process)
                        elif process:
                            process(event)
                        continue
                    value = event._value
                else:
                    try:
                        time, rank, process = heappop(later)
                    except IndexError:
                        raise EmptySchedule from None
                    if process.__class__ is Process:  # it has waited for a number of seconds
                        if process._target is not rank:
                            self._dead -= 1
                            continue
                        self._now = time
                        if later and later[0][0] == time:
                            self._gather(time)
                        value = None
                    else:
                        event, process = process, process._waiter
                        if process is GONE:
                            self._dead -= 1
                            continue
                        event._waiter = GONE
                        self._now = time
                        if later and later[0][0] == time:
                            self._gather(time)
                        if process.__class__ is not Process:
                            self._call(process, event)
                            continue
                        value = event._value
                self._active_proc = process
                try:
                    target = process._generator.send(value)
                except StopIteration as stop:
                    process._value = stop.value
                    del living[process]
                    if getrefcount(process) > unknown:
                        ready.append(process)
                    continue
                except BaseException as error:  # noqa: BLE001  (it becomes the process's value)
                    process._fail(error)
                    continue
                if target.__class__ is float:
                    time = self._now + target
                    if time > self._now:
                        process._target = rank = next(sequence)
                        heappush(later, (time, rank, process))
                        continue
                else:
                    try:
                        if target._waiter is None:
                            target._waiter = process
                            process._target = target
                            continue
                    except AttributeError:
                        pass  # no event of ours
                event = process._wait_for(target)
                if event is not None:
                    process._resume(event)
        finally:
            self._active_proc = None

    def _happen(self, event: Any) -> None:
        """Process an event that is urgent, or one of those that have priorities of their own."""
        if event is _ODD:
            event = self._pop_odd()
        if event.__class__ is Process and event.is_alive:
            event.begin()
            return
        waiter = event._waiter
        event._waiter = GONE
        if waiter.__class__ is Process:
            waiter._resume(event)
        else:
            self._call(waiter, event)

    def _call(self, waiter: Any, event: Any) -> None:
        """Tell whoever waits for an event, unless it is a process alone."""
        self._active_proc = None
        if waiter.__class__ is list:
            process_callbacks(event, waiter)
        elif waiter:
            waiter(event)

    def _gather(self, time: float) -> None:
        """Bring what has waited for an instant to what is triggered while it lasts."""
        later = self._later
        while later and later[0][0] == time:
            entry = heappop(later)
            _, rank, event = entry
            if _is_dead(entry):
                self._dead -= 1
                continue
            if event.__class__ is Process:
                event._target = Nap.due(self, 0.0, event)
                event = event._target
            self._place(event, rank)

    def _place(self, event: Any, rank: int) -> None:
        """Line up an event of this instant."""
        if 0 <= rank < PRIORITY:
            self._ready.append(event)
        elif -PRIORITY <= rank < 0:
            self._urgent.append(event)
        else:
            if not self._odd:
                self._urgent.appendleft(_ODD)
            heappush(self._odd, (rank, event))

    def _pop_odd(self) -> Any:
        """Return the next event of this instant, when some have a priority of their own."""
        odd = self._odd
        if odd[0][0] > 0 and self._urgent:
            event = self._urgent.popleft()
        elif odd[0][0] > 0 and self._ready:
            event = self._ready.popleft()
        else:
            event = heappop(odd)[1]
        if odd:
            self._urgent.appendleft(_ODD)
        return event

    def _delay_until(self, time: float) -> float:
        if not time >= self._now:
            message = f"a timer cannot fire at {time!r}: it is {self._now!r} already"
            raise SchedulingError(message)
        return time - self._now

    def _forget_stop(self) -> None:
        """Take away what would end a run: it has ended, or there is none."""
        if self._urgent and self._urgent[0] is _STOP:
            self._urgent.popleft()

    def _forget(self, goal: simpy.Event, *, timed: bool) -> None:
        """Leave no trace of a goal that was not reached; a later run must not stop there."""
        if timed:
            self.cancel(goal)
        elif StopSimulation.callback in goal.callbacks:
            goal.callbacks.remove(StopSimulation.callback)

    def _goal(self, until: float | simpy.Event | None) -> simpy.Event | None:
        if until is None or isinstance(until, simpy.Event):
            return until
        until = until if isinstance(until, int) else float(until)
        if not until > self._now:
            message = (
                f"until={until!r} must be greater than the current simulation time {self._now!r}"
            )
            raise SchedulingError(message)
        goal = Event(self)
        goal._value = None
        heappush(self._later, (until, next(self._eid) - PRIORITY, goal))
        return goal


# SimPy's two names for the clock are one slot here.
VirtualTime._now = VirtualTime.now  # type: ignore[assignment]


class _Marker:
    """Stands in front of what is due: to end a run, or because priorities have to be looked at."""

    __slots__ = ()
    ok = True
    value = None

    @property
    def _waiter(self) -> Any:
        return StopSimulation.callback

    @_waiter.setter
    def _waiter(self, gone: bool) -> None:
        """Be used again."""


_STOP: Final = _Marker()
_ODD: Final = _Marker()


def _as_event(due: Any) -> Any:
    """Return the event that something in the queue stands for."""
    if due.__class__ is Process and due.is_alive:
        return due.target
    return due.event if due.__class__ is Foreign else due


def _is_dead(entry: Entry) -> bool:
    """Whether an entry of the heap was cancelled."""
    _, rank, event = entry
    if event.__class__ is Process:
        return event._target is not rank
    return event._waiter is GONE
