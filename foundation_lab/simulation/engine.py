"""The simulation: a `simpy.Environment` with telemetry, seeded streams and a recording.

Any SimPy model runs on it unchanged. It adds cancellable timers, deadlines, an error that names who
is blocked on what, and a run that can be stopped between two events.
"""

from __future__ import annotations

import atexit
import html
import weakref
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.errors import DeadlockError, InvariantError
from foundation_lab.recording.keeping import aggregates_of, recorder_for, require_events
from foundation_lab.simulation.coroutines import Coroutines
from foundation_lab.simulation.faults.injection import Ledger
from foundation_lab.simulation.outcomes import declared, outcome_of
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.streams import Streams
from foundation_lab.simulation.waiting import Blocked, blocked
from foundation_lab.telemetry.bus import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from pathlib import Path

    from simpy.events import Event

    from foundation_lab.recording.aggregates import Aggregates
    from foundation_lab.recording.keeping import Keep
    from foundation_lab.recording.recording import Recording
    from foundation_lab.recording.schema import Facts
    from foundation_lab.simulation.component import Component
    from foundation_lab.simulation.outcomes import Declared
    from foundation_lab.telemetry.context import Emitter


_new: Any = object.__new__


class Simulation(Coroutines):
    """Virtual time in which services and agents run.

    Args:
        seed: The seed of every random stream.
        name: What the simulation is called in recordings and reports.
        initial_time: Where the clock starts, in seconds.
        start: The wall-clock instant that virtual 0 stands for.
        keep: ``events``: every event is kept, for `recording`. ``aggregates``: events are counted
            and dropped, for `aggregates`, in memory that is bounded however long the run.
        row_limit: How many events stay in memory; more are spilled to disk while it runs.
        spill_folder: Where they are spilled to; by default a temporary folder.
        failures: Exception types that are failures of the simulated world besides `FAILURES`, such
            as those of an HTTP client: services count and retry them, and a request ends with one.
            Any other exception ends the run. A mapping says the outcome of each, too: ``error``,
            ``timeout`` or ``rejected``; the most special class of an exception counts. What says
            nothing has the outcome ``error``, or ``timeout`` if it is a `TimeoutError`.

    Attributes:
        failures: All of these types.
        endings: These, and the interrupt: how calls end. Anything else is a bug.

    Raises:
        ValueError: `keep` is something else, there is a `row_limit` although no row is kept, or
            `failures` gives an outcome that a failure cannot have.
        TypeError: Something in `failures` is no type of exception, or covers interrupts.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        name: str = "simulation",
        initial_time: float = 0.0,
        start: datetime | None = None,
        keep: Keep = "events",
        row_limit: int | None = None,
        spill_folder: Path | None = None,
        failures: Declared = (),
    ) -> None:
        super().__init__(initial_time)
        self.failures, self._outcomes = declared(failures)
        self.endings: tuple[type[Exception], ...] = (*self.failures, simpy.Interrupt)
        self.name = name
        self.start = start
        self.stream = Streams(seed)
        self.keep = keep
        self.recorder = recorder_for(keep, row_limit, spill_folder)
        self.telemetry = Telemetry(self, self.recorder, self.stream("telemetry.ids"))
        self.components: dict[tuple[str, str], Component] = {}
        self.faults = Ledger()
        self.scenario: dict[str, Any] | None = None
        self.notifiers: tuple[str, ...] = ()
        self.failure: str | None = None
        self._snapshot: Recording | None = None
        self._aggregates: Aggregates | None = None
        _LIVING.add(self)

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
        if generator.__class__ is not GeneratorType and not hasattr(generator, "throw"):
            message = f"{generator} is not a generator."
            raise ValueError(message)
        starter: Any = self._active_proc
        process: Process = _new(Process)
        process.env = self
        process._generator = generator
        if starter.__class__ is Process:
            process._context = starter._context
        else:
            starter = self.telemetry.running
            process._context = starter.context
        process.cause = starter.cause
        if name is not None:
            if not isinstance(name, str):
                message = f"name={name!r}; the name of a process is a string"
                raise TypeError(message)
            process._name = name
        if daemon:
            process.daemon = True
        self._urgent.append(process)
        self._living[process] = None
        return process

    def run_to_completion(self, *, progress: Callable[[float], object] | None = None) -> None:
        """Run until nothing is left to do, and make sure that every process has come to its end.

        A process that never stops to set timers, such as a health check, keeps the run going for
        ever, daemon or not; give `run` a time then.

        Raises:
            DeadlockError: Processes that are no daemons wait for what can no longer happen.
        """
        self.run(progress=progress)
        if self.stopped:
            return
        if any(not process.daemon for process in self._living):
            raise self.deadlock("processes are still waiting")
        if self._loop is not None and self._loop.pending_tasks():
            raise self.deadlock("tasks are still waiting")

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
        """What happened so far; later events do not change it.

        Raises:
            EventsNotKept: The simulation keeps aggregates only.
        """
        require_events(self.keep, self.name)
        from foundation_lab.recording.recording import Recording  # noqa: PLC0415  (polars is heavy)

        rows, facts = self.recorder.rows, self._facts()
        taken = self._snapshot
        if taken is None or (len(taken), taken.facts) != (rows, facts):
            taken = self._snapshot = Recording.of(self.recorder, facts)
        return taken

    @property
    def aggregates(self) -> Aggregates:
        """How often what happened so far, and how its measurements are distributed.

        Later events do not change it. It is the same whatever the simulation keeps.
        """
        rows, facts = self.recorder.rows, self._facts()
        taken = self._aggregates
        if taken is None or (len(taken), taken.facts) != (rows, facts):
            taken = self._aggregates = aggregates_of(self.recorder, facts)
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
        if self._loop is not None:
            broken += self._loop.explanations()
        if broken:
            message = f"at t={self._now:g}: " + "; ".join(broken)
            raise InvariantError(message)

    def living(self) -> list[Process]:
        """Return the processes that have not ended, in order of their start."""
        return list(self._living)

    def blocked(self) -> list[Blocked]:
        """Return what each living process waits for, daemons left out, and then each task."""
        processes = blocked(process for process in self._living if not process.daemon)
        return [*processes, *self.blocked_tasks()]

    def deadlock(self, what: str) -> DeadlockError:
        """Return the error for a run that should have gone on; it names who waits for what."""
        waiting = "\n".join(f"  - {entry}" for entry in self.blocked()) or "  - no process at all"
        message = (
            f"No scheduled events left but {what}, at t={self._now:g}. Nothing can happen any "
            f"more; these wait:\n{waiting}"
        )
        return DeadlockError(message)

    # -- failures ------------------------------------------------------------------------------

    def outcome_of(self, error: BaseException | None) -> str:
        """Return how a call that ended with `error` is classified in this world.

        One of ``ok`` (no error), ``error``, ``timeout``, ``rejected`` and ``cancelled`` (an
        interrupt, or the end of the calling process).
        """
        return outcome_of(error, self._outcomes)

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
            notifiers=self.notifiers,
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


_LIVING: weakref.WeakSet[Simulation] = weakref.WeakSet()


@atexit.register
def _seal_what_lives() -> None:
    """Seal every simulation at the end of the program.

    What Python then clears away, such as processes that wait for ever, must not emit any more.
    """
    for sim in list(_LIVING):
        sim.telemetry.seal()
