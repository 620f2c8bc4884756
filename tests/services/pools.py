"""What the tests of connection pools share: users of connections, and what they came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.errors import ServiceError
from foundation_lab.services import ConnectionManager

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


def use(
    sim: Simulation, pool: ConnectionManager, at: float, hold: float, name: str = "user"
) -> Process:
    """Start a user of one connection; its value is the name of what ended it, and when."""

    def user() -> Generator[Any, Any, tuple[str, float]]:
        yield from sim.sleep(at - sim.now)
        try:
            yield from pool.call(lambda: sim.sleep(hold))
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, sim.now
        return "ok", sim.now

    return sim.process(user(), name=name)


def at(sim: Simulation, time: float, call: Callable[[], object]) -> None:
    """Have a process call a function; its timer is as old as this line."""

    def process() -> Generator[Any, Any, None]:
        yield from sim.sleep(time)
        call()

    sim.process(process(), name="actor")


def told(sim: Simulation, event: type[Any], *fields: str) -> list[Any]:
    """Return what was told by one event: a tuple of its fields each, or the one field."""
    rows = sim.recording.frame(event).select(*fields).rows()
    return [row[0] for row in rows] if len(fields) == 1 else rows


def evictions(sim: Simulation) -> list[tuple[float, str, str]]:
    """Return which connections were closed: when, which one, why."""
    return told(sim, ConnectionManager.Evicted, "time", "connection_id", "reason")


def checks(sim: Simulation, pool: ConnectionManager) -> None:
    """Check that every place was given back."""
    sim.check_invariants()
    assert (pool.active, pool.waiting, pool.connecting) == (0, 0, 0)
    assert pool.open == pool.idle
    if pool.up:
        taken = pool.idle if pool.terms.background else pool.size + pool.max_overflow
        assert pool.free == taken
