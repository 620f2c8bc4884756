"""The simulation: a `simpy.Environment` with telemetry, seeded streams and a recording.

Any SimPy model runs on it unchanged. It adds cancellable timers, deadlines, an error that names who
is blocked on what, and a run that can be stopped between two events.
"""

from __future__ import annotations

import html
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import URGENT, Event

from foundation_lab.errors import (
    DeadlockError,
    InvariantError,
    SchedulingError,
    TimedOut,
)
from foundation_lab.recording.recorder import Recorder
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.streams import Streams
from foundation_lab.simulation.timer import Deadline, Timer
from foundation_lab.simulation.waiting import Blocked, Wait, blocked
from foundation_lab.telemetry.bus import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from pathlib import Path

    from foundation_lab.recording.recording import Recording
    from foundation_lab.recording.schema import Facts
    from foundation_lab.telemetry.context import Emitter

PROGRESS_EVERY = 4096
"""After how many steps a run reports its progress."""


class Component(Protocol):
    """What can be part of a simulation: it has a name, a kind, a state, and laws that it keeps."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def kind(self) -> str:
        """What it is: ``backend``, ``circuit_breaker``, ..."""

    @property
    def status(self) -> str:
        """The state it is in, in a word or two."""

    def violations(self) -> list[str]:
        """Return every conservation law that does not hold now, in words."""


class Simulation(simpy.Environment):
    """Virtual time in which services and agents run.

    Args:
        seed: The seed of every random stream.
        name: What the simulation is called in recordings and reports.
        initial_time: Where the clock starts, in seconds.
        start: The wall-clock instant that virtual 0 stands for.
        row_limit: How many events stay in memory; more are spilled to disk while it runs.
        spill_folder: Where they are spilled to; by default a temporary folder.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        name: str = "simulation",
        initial_time: float = 0.0,
        start: datetime | None = None,
        row_limit: int | None = None,
        spill_folder: Path | None = None,
    ) -> None:
        super().__init__(initial_time)
        self.name = name
        self.start = start
        self.stream = Streams(seed)
        self.recorder = Recorder(row_limit, spill_folder)
        self.telemetry = Telemetry(self, self.recorder, self.stream("telemetry.ids"))
        self.components: dict[tuple[str, str], Component] = {}
        self.scenario: dict[str, Any] | None = None
        self.stopped = False
        self.failure: str | None = None
        self._processes: list[Process] = []
        self._crowd = 64
        self._dead = 0
        self._snapshot: Recording | None = None

    # -- SimPy ---------------------------------------------------------------------------------

    def process(  # SimPy's spelling, with two more keywords
        self,
        generator: Generator[Event, Any, Any],
        *,
        name: str | None = None,
        daemon: bool = False,
    ) -> Process:
        """Start a process.

        Args:
            generator: The process generator.
            name: What the process is called in recordings; by default its function's name.
            daemon: Whether it may still be waiting when the run is otherwise complete.
        """
        process = Process(self, generator, name=name, daemon=daemon)
        self._processes.append(process)
        if len(self._processes) > self._crowd:
            self._processes = [p for p in self._processes if p.is_alive]
            self._crowd = max(64, 2 * len(self._processes))
        return process

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
            raise self._deadlock(f'"until" event was not triggered: {goal}') from None
        finally:
            self._active_proc = None
            if goal is not None and goal.callbacks is not None:
                self._forget(goal, timed=goal is not until)

    def run_to_completion(self, *, progress: Callable[[float], object] | None = None) -> None:
        """Run until nothing is left to do, and make sure that every process has come to its end.

        A process that never stops to set timers, such as a health check, keeps the run going for
        ever, daemon or not; give `run` a time then.

        Raises:
            DeadlockError: Processes that are no daemons wait for what can no longer happen.
        """
        self.run(progress=progress)
        if not self.stopped and any(p.is_alive and not p.daemon for p in self._processes):
            raise self._deadlock("processes are still waiting")

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

    # -- telemetry and recording ---------------------------------------------------------------

    @property
    def seed(self) -> int:
        """The seed of every random stream."""
        return self.stream.seed

    @property
    def emitter(self) -> Emitter | None:
        """The running process as the telemetry bus sees it; ``None`` outside of any."""
        process = self._active_proc
        if process is None or type(process) is Process:
            return process
        return self._adopt(process)

    @property
    def recording(self) -> Recording:
        """What happened so far; later events do not change it."""
        from foundation_lab.recording.recording import Recording  # noqa: PLC0415  (polars is heavy)

        rows, facts = self.recorder.rows, self._facts()
        taken = self._snapshot
        if taken is None or (len(taken), taken.facts) != (rows, facts):
            taken = self._snapshot = Recording.of(self.recorder, facts)
        return taken

    # -- components ----------------------------------------------------------------------------

    def add(self, component: Component) -> None:
        """Make a component part of the simulation.

        Raises:
            ValueError: There is one of the same kind and name.
        """
        key = (component.kind, component.name)
        if key in self.components:
            message = f"there is a {component.kind} called {component.name!r} already"
            raise ValueError(message)
        self.components[key] = component

    def check_invariants(self) -> None:
        """Check the conservation laws of every component.

        Raises:
            InvariantError: Laws do not hold; the message lists all of them.
        """
        broken = [
            f"{component.kind} {component.name!r}: {violation}"
            for component in self.components.values()
            for violation in component.violations()
        ]
        if broken:
            message = f"at t={self._now:g}: " + "; ".join(broken)
            raise InvariantError(message)

    def living(self) -> list[Process]:
        """Return the processes that have not ended, in order of their start."""
        return [process for process in self._processes if process.is_alive]

    def blocked(self) -> list[Blocked]:
        """Return what each living process waits for, daemons left out."""
        return blocked(process for process in self._processes if not process.daemon)

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

    # -- display -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return one line: name, seed, time, events."""
        return (
            f"<Simulation {self.name!r} seed={self.seed} t={self._now:g} s, "
            f"{self.recorder.rows:,} events>"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(component.name)}</td>"
            f"<td style='text-align:left'>{html.escape(component.kind)}</td>"
            f"<td style='text-align:left'>{html.escape(component.status)}</td></tr>"
            for component in self.components.values()
        )
        return (
            f"<div><b>Simulation</b> {html.escape(self.name)} &middot; seed {self.seed} &middot; "
            f"t = {self._now:g} s &middot; {self.recorder.rows:,} events"
            "<table><thead><tr><th style='text-align:left'>name</th>"
            "<th style='text-align:left'>kind</th><th style='text-align:left'>state</th></tr>"
            f"</thead><tbody>{rows}</tbody></table></div>"
        )

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

    def _deadlock(self, what: str) -> DeadlockError:
        waiting = "\n".join(f"  - {entry}" for entry in self.blocked()) or "  - no process at all"
        message = (
            f"No scheduled events left but {what}, at t={self._now:g}. Nothing can happen any "
            f"more; these wait:\n{waiting}"
        )
        return DeadlockError(message)

    def _facts(self) -> Facts:
        from foundation_lab.recording.schema import Facts  # noqa: PLC0415  (polars is heavy)

        return Facts(
            name=self.name,
            seed=self.seed,
            start=None if self.start is None else self.start.isoformat(),
            until=float(self._now),
            status=self._outcome(),
            error=self.failure,
            scenario=self.scenario,
        )

    def _outcome(self) -> str:
        if self.failure is not None:
            return "failed"
        return "interrupted" if self.stopped else "complete"

    def _adopt(self, process: simpy.Process) -> Emitter:
        """Give a process that was made by SimPy itself the context of the main program."""
        if not hasattr(process, "context"):
            main = self.telemetry.main
            process.context, process.cause = main.context, main.cause  # type: ignore[attr-defined]
        return process  # type: ignore[return-value]


def _nothing() -> None:
    """Do nothing, at a certain time."""


_BEFORE_ALL: Any = -1
