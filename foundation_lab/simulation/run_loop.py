"""The run loop: processes what is due, one event after the other."""

from __future__ import annotations

import sys
from heapq import heappop, heappush
from itertools import islice, repeat
from sys import getrefcount
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import URGENT

from foundation_lab.errors import DeadlockError, LivelockError, SchedulingError
from foundation_lab.simulation.agenda import ODD, Agenda
from foundation_lab.simulation.events import GONE, Event, process_callbacks
from foundation_lab.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROGRESS_EVERY = 4096
"""After how many steps a run reports its progress."""

LOOK_EVERY = 65536
"""After how many steps a run looks whether time goes on."""


def _references_of_an_ended_process() -> int:
    """Return how many references to a process there are when it ends and nobody knows it."""
    process = object()
    holder = SimpleNamespace(process=process)
    return getrefcount(holder.process and process)


UNKNOWN: Final = 0 if sys.gettrace() else _references_of_an_ended_process()
"""How many references to an ended process there are when only the engine knows it.

A tracer, such as a debugger's, may hold references of its own: then every end is an event.
"""


class RunLoop(Agenda):
    """Runs that go on until a time, an event, a stop, or the end.

    Attributes:
        running: Whether `run` is at work: whoever is called then cannot run the simulation, too.
        longest_instant: How many steps a single instant may take, and twenty more for each process
            that lives then: a model whose time stands still for longer goes round in circles.
    """

    running = False
    longest_instant = 2**20

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
            LivelockError: Time has stood still for more than `longest_instant` steps.
            SchedulingError: `until` is a time that is not in the future.
        """
        self.go_on()
        goal = self._goal(until)
        if goal is not None:
            if goal.callbacks is None:
                return goal.value
            goal.callbacks.append(StopSimulation.callback)
        before, self.running = self.running, True
        try:
            self._run(progress)
        except StopSimulation as stop:
            return stop.args[0]
        except EmptySchedule:
            if goal is None:
                return None
            raise self.deadlock(f'"until" event was not triggered: {goal}') from None
        finally:
            self.running = before
            if goal is not None and goal.callbacks is not None:
                self._forget(goal, timed=goal is not until)

    def deadlock(self, what: str) -> DeadlockError:
        """Return the error for a run that should have gone on."""
        message = f"No scheduled events left but {what}, at t={self._now:g}."
        return DeadlockError(message)

    # -- private -------------------------------------------------------------------------------

    def _run(self, progress: Callable[[float], object] | None) -> None:
        """Process what is due until the run is stopped or nothing is left."""
        if getattr(self.step, "__func__", None) is not RunLoop.step:
            while True:  # somebody looks at every step
                for _ in range(PROGRESS_EVERY):
                    self.step()
                if progress is not None:
                    progress(self._now)
        every = LOOK_EVERY if progress is None else PROGRESS_EVERY
        instant, steps, crowd = self._now, 0, len(self._living)
        while True:
            self._process(repeat(None, every))
            steps, crowd = steps + every, max(crowd, len(self._living))
            if self._now != instant:
                instant, steps, crowd = self._now, 0, len(self._living)
            elif steps > self.longest_instant + 20 * crowd:
                raise self._livelock(steps)
            if progress is not None:
                progress(self._now)

    def _livelock(self, steps: int) -> LivelockError:
        waiters = (place._waiter for place in (*self._urgent, *self._ready))
        names = dict.fromkeys(each.name for each in waiters if isinstance(each, Process))
        message = (
            f"time has stood still at t={self._now:g} for {steps:,} steps, round in circles in "
            f"{', '.join(islice(names, 10)) or 'no process'}; let time go by in every round: "
            "a think time, a retry delay"
        )
        return LivelockError(message)

    def _process(  # noqa: C901, PLR0912, PLR0915  (in one piece: a call would cost as much again)
        self, steps: Iterable[None], unknown: int = UNKNOWN
    ) -> None:
        """Process one event after the other, as many as there are `steps`.

        The end of a process is an event, too; but when the process has no more than `unknown`
        references, nobody waits for it (whoever does refers to it) or ever can: it is left out.

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
        if event is ODD:
            if self.stopped:
                self._urgent.appendleft(ODD)
                raise StopSimulation(None)
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
        self.schedule_at(goal, until, URGENT)
        return goal
