"""A server of a network in memory."""

from __future__ import annotations

import asyncio
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Self

from foundation_lab.simulation.event_loop.task import EMITTER, TaskEmitter
from foundation_lab.simulation.memory_network.transport import (
    Address,
    MemorySocket,
    MemoryTransport,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.event_loop.clock import LoopClock
    from foundation_lab.simulation.memory_network.network import MemoryNetwork


class MemoryServer(asyncio.AbstractServer):
    """A server of a `MemoryNetwork`, as `asyncio.Server` is one of the operating system.

    What its connections do is done with the node and the correlation id of who made the server.
    """

    def __init__(
        self,
        loop: LoopClock,
        network: MemoryNetwork,
        protocol_factory: Callable[[], Any],
        hosts: list[str],
        port: int,
    ) -> None:
        self._loop = loop
        self._network = network
        self._factory = protocol_factory
        emitter = TaskEmitter.of(self, loop, f"server {port}")
        self._variables = copy_context()
        self._variables.run(EMITTER.set, emitter)
        self._addresses = [(host, port) for host in hosts]
        self._ends: dict[MemoryTransport, None] = {}
        self._serving = False
        self._closed: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] | None = None

    @property
    def sockets(self) -> tuple[MemorySocket, ...]:
        """Where it listens."""
        if self._closed.done():
            return ()
        places = [(host or "0.0.0.0", port) for host, port in self._addresses]  # noqa: S104
        return tuple(MemorySocket(None, place, None) for place in places)

    def get_loop(self) -> Any:
        """Return the event loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return self._serving

    async def start_serving(self) -> None:
        """Accept connections from now on."""
        if not self._serving and not self._closed.done():
            for host, port in self._addresses:
                self._network.listen(self, host, port)
            self._serving = True

    async def serve_forever(self) -> None:
        """Accept connections until the server is closed, or the task cancelled."""
        await self.start_serving()
        try:
            await asyncio.shield(self._closed)
        finally:
            self.close()

    def accept(self, client: MemoryTransport, host: str, address: Address, peer: Address) -> None:
        """Take a connection."""
        end = self._variables.copy().run(
            MemoryTransport, self._loop, self._network, host, address, peer
        )
        client.connect_to(end)
        self._ends[end] = None
        self._network.accepted(end, self._lost)
        self._loop.call_soon(self._start, end, context=end.variables)

    def close(self) -> None:
        """Accept no more connections; those that there are stay."""
        self._network.unlisten(self)
        self._serving = False
        if not self._closed.done():
            self._closed.set_result(None)

    def close_clients(self) -> None:
        """Close the connections that there are."""
        for end in list(self._ends):
            end.close()

    def abort_clients(self) -> None:
        """Close the connections that there are at once."""
        for end in list(self._ends):
            end.abort()

    async def wait_closed(self) -> None:
        """Wait until the server is closed; from Python 3.12 on until its connections are, too."""
        if sys.version_info >= (3, 12):
            await asyncio.shield(self._closed)
            while self._ends:
                self._gone = self._loop.create_future()
                await self._gone

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self.wait_closed()

    def _start(self, end: MemoryTransport) -> None:
        end.start(self._factory())

    def _lost(self, end: MemoryTransport) -> None:
        self._ends.pop(end, None)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
