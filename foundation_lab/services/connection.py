"""A connection that is lent to a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

    from foundation_lab.services.lease import Slots
    from foundation_lab.simulation.process import Process


class Pool(Protocol):
    """Where a connection comes from."""

    def release(self, connection: Connection) -> None:
        """Take a connection back."""

    def reclaim(self, connection: Connection) -> None:
        """Take a connection back whose owner ended without giving it back."""


class Connection:
    """A connection that is out; a context manager that gives it back.

    Attributes:
        connection_id: The connection's name, unique in its pool for all time.
        lost: Whether the pool was closed or killed under it.
    """

    def __init__(self, pool: Pool, connection_id: str, owner: Process, slots: Slots) -> None:
        self.connection_id = connection_id
        self.owner = owner
        self.slots = slots
        self.lost = False
        self.released = False
        self.since = owner.env.now
        self._pool = pool

    def release(self) -> None:
        """Give the connection back.

        Raises:
            RuntimeError: It was given back before.
        """
        self._pool.release(self)

    def watch_owner(self) -> None:
        """Take the connection back when the owner's process ends."""
        self.owner.callbacks.append(self._owner_ended)

    def stop_watching(self) -> None:
        """Forget the owner."""
        if self.owner.callbacks is not None and self._owner_ended in self.owner.callbacks:
            self.owner.callbacks.remove(self._owner_ended)

    def _owner_ended(self, _process: object) -> None:
        self._pool.reclaim(self)

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the connection back, unless the block did."""
        if not self.released:
            self.release()
