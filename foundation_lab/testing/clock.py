"""Letting virtual time go on until something is settled, and telling why it went no further."""

from __future__ import annotations

import math
from collections import Counter
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from simpy.core import EmptySchedule, StopSimulation

from foundation_lab.simulation.process import Process
from foundation_lab.simulation.run_loop import PROGRESS_EVERY
from foundation_lab.simulation.waiting import innermost_line
from foundation_lab.testing.configuration import current
from foundation_lab.testing.lookouts import Window, is_alive
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
    __tracebackhide__ = True
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
    __tracebackhide__ = True
    deadline = sim.now + within
    watch, guard = Watch(current().wall), _Guard(sim)
    before = sim.running
    try:
        with watch:
            if done():
                return DONE
            sim.go_on()
            sim.running = True
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
    __tracebackhide__ = True
    while True:
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
        if done():
            return DONE


def watched(ask: Callable[[], object]) -> Ending:
    """Ask something under the watch of the wall clock, while nothing is run.

    Returns:
        Whether it came to an answer, or real time was over.
    """
    __tracebackhide__ = True
    with Watch(current().wall) as watch:
        ask()
        return DONE
    return _wall(watch)


def require_seconds(seconds: float, name: str = "within") -> float:
    """Return a length of virtual time.

    Args:
        seconds: The length.
        name: What it is called where it was given.

    Raises:
        ValueError: It is negative or no number.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not seconds >= 0:
        endless = ", or math.inf" if seconds is None else ""
        message = f"{name}={seconds!r}; give virtual seconds, 0 or more{endless}"
        raise ValueError(message)
    return seconds


def is_running(sim: Simulation) -> bool:
    """Return whether a simulation runs already, so that nobody can simply wait here."""
    return thread_of(sim) is None and (sim.active_process is not None or sim.running)


def thread_of(sim: Simulation) -> Any:
    """Return what blocks the virtual thread that runs; ``None`` when something else does."""
    return blocker_of(sim.active_process)


def blocker_of(process: Any) -> Any:
    """Return what blocks a virtual thread; ``None`` when the process is none."""
    return getattr(getattr(process, "generator", None), "block", None)


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


def require_its_loop(sim: Simulation, what: str) -> None:
    """Refuse a coroutine on another event loop, where virtual time does not go on.

    Raises:
        RuntimeError: It is one; the message says how to run it.
    """
    import asyncio  # noqa: PLC0415  (heavy; a coroutine has it already)

    other = getattr(asyncio.get_running_loop(), "sim", None)
    if other is sim:
        return
    if other is None:
        remedy = (
            "on another event loop: run it by sim.run_async(...), or take the fixture virtual_time"
        )
    else:
        remedy = (
            f"on that of {other.name!r}: give that one, asyncio.get_running_loop().sim, or run it "
            "by sim.run_async(...)"
        )
    message = f"{what} needs the clock of {sim.name!r}, and this coroutine runs {remedy}"
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
        due = next((event for event in (*sim._urgent, *sim._ready) if is_alive(0, event)), None)
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
