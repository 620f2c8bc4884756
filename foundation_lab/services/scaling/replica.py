"""The replicas of a replica set: what belongs to one, how far each has come, who goes first."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from foundation_lab.services.scaling.rollout import Counts

if TYPE_CHECKING:
    from foundation_lab.services.backend import Backend
    from foundation_lab.services.event_loop import EventLoop
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
        self.backend: Backend | EventLoop | None = None
        self.started_at = started_at
        self.timer: Timer | None = None

    def __repr__(self) -> str:
        """Return one line: name, generation, state."""
        return f"<Replica {self.name!r} generation={self.generation} {self.state.value}>"


class Replicas:
    """All replicas that are not stopped, in the order in which they were started.

    Args:
        name: What their names begin with.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbered = 0
        self._there: dict[str, Replica] = {}

    def new(self, generation: int, now: float) -> Replica:
        """Return a new one, which is pending; no name is used twice."""
        self._numbered += 1
        name = f"{self._name}-{self._numbered}"
        replica = self._there[name] = Replica(name, generation, self._numbered, now)
        return replica

    def forget(self, replica: Replica) -> None:
        """Let one go that is stopped."""
        del self._there[replica.name]

    def all(self) -> list[Replica]:
        """Return all of them."""
        return list(self._there.values())

    def those(self, state: ReplicaState) -> list[Replica]:
        """Return those in a state."""
        return [replica for replica in self._there.values() if replica.state is state]

    def counts(self, generation: int) -> tuple[Counts, Counts]:
        """Return how many there are of older generations, and how many of this one."""
        ready, pending = (
            [replica.generation == generation for replica in self.those(state)]
            for state in (ReplicaState.READY, ReplicaState.PENDING)
        )
        new = Counts(sum(ready), sum(pending))
        return Counts(len(ready) - new.ready, len(pending) - new.pending), new

    def to_go(self, count: int, generation: int, *, old: bool) -> list[Replica]:
        """Return who is stopped first, of older generations or of this one.

        As in Kubernetes: those that are not ready, then those that came last.
        """
        there = [
            replica
            for replica in self._there.values()
            if (replica.generation < generation) == old
            and replica.state in {ReplicaState.PENDING, ReplicaState.READY}
        ]
        there.sort(key=lambda replica: (replica.state is ReplicaState.READY, -replica.number))
        return there[:count]
