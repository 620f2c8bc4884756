"""Waits: run the simulation until something holds.

Every wait is triggered by a level, not by an edge: what holds already, or has happened already, is
seen and nothing is run. Times are virtual seconds; the steps of the very instant of the deadline
still count. A wait that is not met raises an `AssertionError` that says why. Inside of a process,
where nothing can be run, use an expectation's ``wait()``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from foundation_lab.errors import nearest
from foundation_lab.services.connection_manager import ConnectionManager
from foundation_lab.services.resource_manager import ResourceManager
from foundation_lab.services.service import Health, Service
from foundation_lab.telemetry import events
from foundation_lab.testing.clock import advance, require_outside, require_seconds
from foundation_lab.testing.failure import circumstances, compose, seconds, why_it_ended
from foundation_lab.testing.history import past_records
from foundation_lab.testing.matchers import describe_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.bus import Record
    from foundation_lab.telemetry.event import Event


def wait_for[T](
    sim: Simulation, predicate: Callable[[], T], within: float = 5.0, *, what: str | None = None
) -> T:
    """Run until a predicate holds. It is asked now and after every step, so it works without events.

    Args:
        sim: The simulation.
        predicate: Called without arguments; it should be cheap and change nothing.
        within: For how many virtual seconds the simulation may go on.
        what: What is waited for, in words, for the message of a failure.

    Returns:
        The first true value that the predicate returned.
    """
