"""The connections of a pool that are out: who has them, and how they are lost with the pool."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from foundation_lab.errors import ConnectionLost
from foundation_lab.services.eviction import evict
from foundation_lab.services.pooling.connection import Connection
from foundation_lab.simulation.component import Held
from foundation_lab.simulation.timer import Timer

if TYPE_CHECKING:
    from foundation_lab.services.pooling.link import Link
    from foundation_lab.simulation.process import Process


class Lent(dict[Connection, Timer | None]):
    """Connections that are out, each with the timer that tells of a leak, if there is one."""

    def owners(self) -> list[Process]:
        """Return the processes that have connections, one for each connection."""
        return [connection.owner for connection in self]

    def held(self, pool: str) -> list[Held]:
        """Return what is out of a pool of this name, and who has it."""
        return [Held(f"connection {out.name!r} of pool {pool!r}", out.owner) for out in self]

    def over(self, link: Link) -> Connection | None:
        """Return the connection that a link was lent as; ``None`` when it is not out."""
        return next((connection for connection in self if connection.link is link), None)

    def break_off(self, connection: Connection, message: str) -> None:
        """Have the owner of a connection told that it died."""
        evict(connection.owner, ConnectionLost(message), partial(_any_held, [connection]))

    def lose_all(self, message: str) -> None:
        """Have all owners told that the pool went down, each of them once."""
        held: dict[Process, list[Connection]] = {}
        for connection, leak in self.items():
            connection.lost = True
            connection.stop_watching()
            if leak is not None:
                leak.cancel()
            held.setdefault(connection.owner, []).append(connection)
        for owner, connections in held.items():
            evict(owner, ConnectionLost(message), partial(_any_held, connections))


def _any_held(connections: list[Connection]) -> bool:
    return not all(connection.released for connection in connections)
