"""Marks: where a simulation stands, so that a later wait knows what is news."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foundation_lab.services.service import Service

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation


class Seen(msgspec.Struct, frozen=True):
    """How a service was at a mark.

    Attributes:
        up: Whether it was up.
        health: Its health, by its state.
        restart_count: How often it had been restarted.
    """

    up: bool
    health: str
    restart_count: int


class Mark(msgspec.Struct, frozen=True):
    """Where a simulation stood; made by `mark`.

    Attributes:
        sequence: The sequence number of the first event after it.
        time: The virtual time in seconds.
        services: How each service was, by kind and name.
        sim: The simulation.
    """

    sequence: int
    time: float
    services: dict[tuple[str, str], Seen]
    sim: Simulation


def mark(sim: Simulation) -> Mark:
    """Return where a simulation stands.

    Taken before an action and given as ``since=`` to a wait after it, it says which events count,
    and shows a wait to be vacuous that what was there already would have ended.
    """
    return Mark(
        sim.telemetry.sequence,
        float(sim.now),
        {
            key: Seen(one.up, str(one.health()), one.restart_count)
            for key, one in sim.components.items()
            if isinstance(one, Service)
        },
        sim,
    )


def sequence_at(sim: Simulation, since: Mark | int) -> int:
    """Return the sequence number of the first event since a mark; a number stays as it is.

    Raises:
        ValueError: It is a mark of another simulation, or no event that has happened or is next.
    """
    if isinstance(since, Mark):
        if since.sim is not sim:
            message = f"the mark is one of another simulation, {since.sim.name!r}; give mark(sim)"
            raise ValueError(message)
        return since.sequence
    upcoming = sim.telemetry.sequence
    if not isinstance(since, int) or not 0 <= since <= upcoming:
        message = f"since={since!r}; give mark(sim), or a sequence number from 0 to {upcoming}"
        raise ValueError(message)
    return since
