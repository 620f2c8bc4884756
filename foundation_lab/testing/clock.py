"""Letting virtual time go on until something is settled, and telling why it went no further."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from simpy.core import EmptySchedule, StopSimulation

from foundation_lab.simulation.agenda import ODD, STOP
from foundation_lab.simulation.events import GONE
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.run_loop import PROGRESS_EVERY
from foundation_lab.simulation.waiting import innermost_line
from foundation_lab.testing.configuration import current
from foundation_lab.testing.wall_clock import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation

Kind = Literal["done", "deadline", "quiet", "stopped", "livelock", "wall"]


class Ending(NamedTuple):
    """Why virtual time went no further.

    Attributes:
        kind: ``done``: it is settled. ``deadline``: the time is over, and the simulation lives.
            ``quiet``: nothing is left to run, so it cannot happen any more. ``stopped``: the model
            or somebody else has ended the run. ``livelock``: the clock does not move. ``wall``:
            the limit of real time was reached.
        details: What else there is to tell, a line each.
    """

    kind: Kind
    details: tuple[str, ...] = ()


DONE = Ending("done")


def run_until_settled(sim: Simulation, settled: Callable[[], bool], within: float) -> Ending:
    """Run at the engine's full speed until whoever is waited for calls ``sim.stop()``.

    The steps of the very instant of the deadline are still taken. Afterwards the clock stands at
    the step that settled it, at the deadline, or at the last step there was.

    Args:
        sim: The simulation; nothing of it may be running.
        settled: Whether it is settled.
        within: Virtual seconds from now.
    """
    window = None if within == math.inf else Window(sim, within)
    watch, guard = Watch(current().wall), _Guard(sim)
    try:
        with watch:
            sim.run(progress=lambda _now: guard.look(watch, PROGRESS_EVERY))
    except _Livelock:
        return _livelock(sim)
    except _WallClock:
        pass
    finally:
        if window is not None:
            window.cancel()
    if watch.expired:
        return _wall(watch)
    if settled():
        sim.go_on()
        return DONE
    if window is not None and window.over is not None:
        return Ending(window.over)
    return Ending("quiet" if not sim.stopped and sim.peek() == math.inf else "stopped")


def advance(sim: Simulation, done: Callable[[], object], within: float) -> Ending:
    """Run until `done()` is true; it is asked now and after every step.

    Otherwise as `run_until_settled`.
    """
    deadline = sim.now + within
    sim.go_on()
    watch, guard = Watch(current().wall), _Guard(sim)
    before, sim.running = sim.running, True
    try:
        with watch:
            return _step_by_step(sim, done, deadline, lambda: guard.look(watch, 1))
    except _Livelock:
        return _livelock(sim)
    except _WallClock:
        pass
    finally:
        sim.running = before
    return _wall(watch)


def _step_by_step(
    sim: Simulation, done: Callable[[], object], deadline: float, look: Callable[[], None]
) -> Ending:
    while not done():
        if sim.stopped:
            return Ending("stopped")
        upcoming = sim.peek()
        if upcoming == math.inf:
            return Ending("quiet")
        if upcoming > deadline:
            if deadline > sim.now:
                sim.run(until=deadline)
            return Ending("deadline")
        try:
            sim.step()
        except StopSimulation:  # a model's own way to end a run
            return Ending("stopped")
        look()
    return DONE


class Place:
    """The place of a lookout in the queue."""

    __slots__ = ("_before", "_lookout", "_sim")

    _value = None
    _ok = True

    def __init__(self, lookout: Lookout, sim: Simulation) -> None:
        self._lookout: Lookout | None = lookout
        self._sim = sim
        self._before = sim.now

    @property
    def _waiter(self) -> Any:
        """What the engine is to call. It asks before it moves the clock."""
        if self._lookout is None:
            return GONE
        self._before = self._sim.now
        return self._happen

    @_waiter.setter
    def _waiter(self, gone: bool) -> None:
        """Leave it to `_happen`."""

    def leave(self) -> None:
        """Be dead."""
        self._lookout = None

    def _happen(self, _place: object) -> None:
        lookout, self._lookout = self._lookout, None
        if lookout is not None:
            lookout.happen(self._before)


class Lookout:
    """Something in the queue that looks at the simulation and leaves no trace.

    It comes after everything else of its instant. When it is alone there, the clock is put back to
    where it stood: nobody has seen it move.
    """

    def __init__(self, sim: Simulation, rank: int) -> None:
        self._sim = sim
        self._rank: Any = rank
        self._place: Place | None = None

    def arm(self, time: float) -> None:
        """Be called at the end of an instant."""
        self._place = Place(self, self._sim)
        self._sim.schedule_at(self._place, time, self._rank)

    def cancel(self) -> None:
        """Do not be called any more."""
        if self._place is not None:
            self._place.leave()
            self._place = None
            self._sim.buried()

    def happen(self, before: float) -> None:
        """Look; the clock stood at `before` when nothing else happens at this instant."""
        self._place = None
        self._look(before)

    def _look(self, before: float) -> None:
        raise NotImplementedError


class Window(Lookout):
    """The end of a window of virtual time.

    Args:
        sim: The simulation.
        within: The length in seconds.
        told: Called at the end; without it, the end stops the run.

    Attributes:
        over: ``deadline`` or ``quiet`` when it is over: whether anything was left to run.
    """

    def __init__(
        self, sim: Simulation, within: float, told: Callable[[], object] | None = None
    ) -> None:
        super().__init__(sim, sys.maxsize)
        self.over: Literal["deadline", "quiet"] | None = None
        self._told = told
        if within < math.inf:
            self.arm(sim.now + within)

    def _look(self, before: float) -> None:
        self.over = "deadline"
        if nothing_left(self._sim):
            self.over = "quiet"
            self._sim._now = before  # the engine's own name for `now`
        if self._told is None:
            raise StopSimulation(None)
        self._told()
        rounds = _ROUNDS.get(self._sim)
        if rounds is not None:
            rounds.again()


class Rounds(Lookout):
    """Asks at the end of each instant whether conditions hold; there is one for a simulation.

    A process cannot be told of a state when it changes, for states make no noise. So conditions are
    asked when everything else of an instant was done.
    """

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim, sys.maxsize - 1)
        self._asked: list[Callable[[], bool]] = []

    def add(self, condition: Callable[[], bool]) -> None:
        """Ask a condition until it holds; it sees itself to what is done then."""
        self._asked.append(condition)
        self.again()

    def remove(self, condition: Callable[[], bool]) -> None:
        """Ask a condition no more."""
        if condition in self._asked:
            self._asked.remove(condition)
        if not self._asked:
            self.cancel()

    def again(self) -> None:
        """Ask at the end of this instant, in any case."""
        self.cancel()
        if self._asked:
            self.arm(self._sim.now)

    def _look(self, before: float) -> None:
        sim = self._sim
        if before < sim.now and not sim._odd:
            sim._now = before  # what was due here was cancelled
        still = [condition for condition in self._asked if not condition()]
        some, self._asked = len(still) < len(self._asked), still
        if not still:
            return
        if some:  # those that go on may bring about what the others wait for
            self.arm(sim.now)
            return
        upcoming = next_instant(sim)
        if upcoming < math.inf:
            self.arm(upcoming)


def rounds_of(sim: Simulation) -> Rounds:
    """Return the rounds of a simulation."""
    rounds = _ROUNDS.get(sim)
    if rounds is None:
        rounds = _ROUNDS[sim] = Rounds(sim)
    return rounds


_ROUNDS: WeakKeyDictionary[Simulation, Rounds] = WeakKeyDictionary()


def nothing_left(sim: Simulation) -> bool:
    """Return whether nothing is due any more but lookouts and the end of a run."""
    return next_instant(sim) == math.inf and not any(_is_alive(0, event) for _, event in sim._odd)


def next_instant(sim: Simulation) -> float:
    """Return when the next thing is due that is no lookout, infinity when there is none."""
    if any(_is_alive(0, event) for event in (*sim._urgent, *sim._ready)):
        return sim.now
    later = sim._later
    if later and _is_alive(*later[0][1:]):
        return later[0][0]
    return min((time for time, rank, event in later if _is_alive(rank, event)), default=math.inf)


def _is_alive(rank: int, event: Any) -> bool:
    """Whether something is due that keeps the simulation going."""
    if event.__class__ is Process:
        return not rank or event._target is rank
    if event.__class__ is Place or event is ODD or event is STOP:
        return False
    waiter = event._waiter
    return waiter is not GONE and waiter != [StopSimulation.callback]


def require_seconds(within: float) -> float:
    """Return a length of virtual time.

    Raises:
        ValueError: It is negative or no number.
    """
    if not within >= 0:
        message = f"within={within!r}; give virtual seconds, 0 or more"
        raise ValueError(message)
    return within


def is_running(sim: Simulation) -> bool:
    """Return whether a simulation runs already, so that nobody can run it from here."""
    return sim.active_process is not None or sim.running


def require_outside(sim: Simulation, remedy: str) -> None:
    """Refuse to run a simulation from one of its own processes, coroutines or callbacks.

    Raises:
        RuntimeError: It is running; the message ends with the `remedy`.
    """
    process = sim.active_process
    if process is not None:
        message = f"the process {process.name!r} cannot run its own simulation: {remedy}"
        raise RuntimeError(message)
    if sim.running:
        message = f"{sim.name!r} is running, and cannot be run from inside: {remedy}"
        raise RuntimeError(message)


# -- what ends a run that would not end ----------------------------------------------------------


class _Livelock(Exception):
    """The clock does not move."""


class _WallClock(Exception):
    """The real time is over."""


class _Guard:
    """Looks at a run now and then: whether the clock moves, and whether real time is left."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._limit = current().same_instant
        self._instant = sim.now
        self._steps = 0

    def look(self, watch: Watch, steps: int) -> None:
        """Take notice that some more steps were taken."""
        if watch.expired:
            raise _WallClock
        if self._sim.now != self._instant:
            self._instant, self._steps = self._sim.now, 0
        self._steps += steps
        if self._steps > self._limit:
            raise _Livelock


def _livelock(sim: Simulation) -> Ending:
    """Return the ending of a run whose clock does not move, with whoever keeps it busy."""
    busy: Counter[str] = Counter()
    for _ in range(LOOKS):
        sim.peek()
        due = next((event for event in (*sim._urgent, *sim._ready) if _is_alive(0, event)), None)
        process = due if due.__class__ is Process else getattr(due, "_waiter", None)
        if process.__class__ is Process and process.is_alive:
            busy[f"{process.name} ({innermost_line(process)})"] += 1
        try:
            sim.step()
        except (StopSimulation, EmptySchedule):
            break
    details = [f"  {name}, {count} of {LOOKS} steps" for name, count in busy.most_common(5)]
    return Ending("livelock", ("these run again and again:", *details) if details else ())


LOOKS = 200
"""How many steps of a livelock are looked at to tell who takes them."""


def _wall(watch: Watch) -> Ending:
    where = ("it stood here:", *(f"  {line}" for line in watch.stack[-5:])) if watch.stack else ()
    return Ending("wall", (f"the limit is {watch.limit:g} s of real time", *where))
