"""Lookouts: what looks at a simulation at the end of an instant, and leaves no trace in it."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary, ref

from simpy.core import StopSimulation

from foundation_lab.simulation.agenda import ODD, STOP
from foundation_lab.simulation.events import GONE
from foundation_lab.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation


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
        rounds = _known_rounds(self._sim)
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
    """Return the rounds of a simulation; whoever has something asked keeps hold of them."""
    rounds = _known_rounds(sim)
    if rounds is None:
        rounds = Rounds(sim)
        _ROUNDS[sim] = ref(rounds)
    return rounds


def _known_rounds(sim: Simulation) -> Rounds | None:
    known = _ROUNDS.get(sim)
    return None if known is None else known()


_ROUNDS: WeakKeyDictionary[Simulation, ref[Rounds]] = WeakKeyDictionary()
"""The rounds of each simulation; weak, as they know their simulation, which would never be gone."""


def nothing_left(sim: Simulation) -> bool:
    """Return whether nothing is due any more but lookouts and the end of a run."""
    return next_instant(sim) == math.inf and not any(is_alive(0, event) for _, event in sim._odd)


def next_instant(sim: Simulation) -> float:
    """Return when the next thing is due that is no lookout, infinity when there is none."""
    if any(is_alive(0, event) for event in (*sim._urgent, *sim._ready)):
        return sim.now
    later = sim._later
    if later and is_alive(*later[0][1:]):
        return later[0][0]
    return min((time for time, rank, event in later if is_alive(rank, event)), default=math.inf)


def is_alive(rank: int, event: Any) -> bool:
    """Return whether something that is due keeps the simulation going."""
    if event.__class__ is Process:
        return not rank or event._target is rank
    if event.__class__ is Place or event is ODD or event is STOP:
        return False
    waiter = event._waiter
    return waiter is not GONE and waiter != [StopSimulation.callback]
