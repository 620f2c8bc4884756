"""Unasked: the monitors of a test, so that its end can ask those whom nobody has asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.monitors import Monitor


@contextmanager
def keeping_monitors(sim: Simulation) -> Iterator[list[Monitor]]:
    """Keep the monitors that are attached to a simulation while the block lasts."""
    kept = _KEPT[sim] = []
    try:
        yield kept
    finally:
        del _KEPT[sim]


def keep(sim: Simulation, monitor: Monitor) -> None:
    """Keep a monitor, if somebody keeps those of its simulation."""
    if sim in _KEPT:
        _KEPT[sim].append(monitor)


_KEPT: WeakKeyDictionary[Simulation, list[Monitor]] = WeakKeyDictionary()
