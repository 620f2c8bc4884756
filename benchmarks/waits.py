"""What a model waits with here: a resource in SimPy's spelling, and the engine's own waits.

A version without one of them falls back to SimPy's resource, or leaves the native models out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from foundation_lab.simulation.resources import Resource
except ImportError:
    from simpy import Resource

try:
    from foundation_lab.simulation.slots import Slots
except ImportError:
    Slots = None

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation

__all__ = ["NATIVE", "NO_NATIVE", "Resource", "slots"]

NATIVE = Slots is not None
"""Whether a process may yield plain numbers and slots."""

NO_NATIVE = "this version has no native waits"


def slots(sim: Simulation, capacity: int) -> Any:
    """Return `capacity` places that processes wait for natively."""
    return Slots(sim, capacity, "a teller")
