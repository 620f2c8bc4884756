"""One replica of a replica set: its states and what belongs to it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation_lab.services.backend import Backend
    from foundation_lab.simulation.timer import Timer


class ReplicaState(StrEnum):
    """How far a replica has come."""

    PENDING = "pending"
    """Started, not ready: it takes no requests."""
    READY = "ready"
    """It takes requests."""
    DRAINING = "draining"
    """It takes no new requests and finishes what it has."""
    STOPPED = "stopped"
    """It is gone."""


class Replica:
    """A backend on its way from pending to stopped.

    Attributes:
        name: The name of the replica and its backend.
        generation: Which deploy it came with; 1 before the first.
        number: How many replicas there had been before, and this one.
        state: How far it has come.
        backend: The backend; ``None`` until it is ready for the first time.
        started_at: When it was started, or started again.
        timer: What ends its present state: the start, or the grace period.
    """

    __slots__ = ("backend", "generation", "name", "number", "started_at", "state", "timer")

    def __init__(self, name: str, generation: int, number: int, started_at: float) -> None:
        self.name = name
        self.generation = generation
        self.number = number
        self.state = ReplicaState.PENDING
        self.backend: Backend | None = None
        self.started_at = started_at
        self.timer: Timer | None = None

    def __repr__(self) -> str:
        """Return one line: name, generation, state."""
        return f"<Replica {self.name!r} generation={self.generation} {self.state.value}>"


def first_to_go(replica: Replica) -> tuple[bool, int]:
    """Return a key that sorts replicas by who is stopped first.

    As in Kubernetes: those that are not ready, then those that came last.
    """
    return replica.state is ReplicaState.READY, -replica.number
