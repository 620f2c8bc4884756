"""Undecided: the expectations that processes, coroutines and threads still wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.blocks import Expectation


def undecided(sim: Simulation) -> list[str]:
    """Return the expectations that somebody waits for, in words.

    Left out are those of daemons; those made by `as_event` that nobody waits for any more; and
    those that forbid something for ever, which they have done up to now.
    """
    return sorted(str(each) for each in _WAITING.get(sim, ()) if each.counts)


def begin_to_wait(sim: Simulation, expectation: Expectation) -> None:
    """Take note that somebody waits for an expectation."""
    if not getattr(sim.active_process, "daemon", False):
        _WAITING.setdefault(sim, WeakSet()).add(expectation)


def stop_waiting(sim: Simulation, expectation: Expectation) -> None:
    """Take note that nobody does any more."""
    if sim in _WAITING:
        _WAITING[sim].discard(expectation)


_WAITING: WeakKeyDictionary[Simulation, WeakSet[Expectation]] = WeakKeyDictionary()
