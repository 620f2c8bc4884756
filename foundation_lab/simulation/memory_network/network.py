"""A network in memory: connections of asyncio code, in virtual time.

A connection takes a latency there and a latency back, as the handshake of TCP does; then each piece
takes a latency, and the time that its bytes take at the bandwidth. Acknowledgements take no time.
"""

from __future__ import annotations

import asyncio
import errno
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from foundation_lab.simulation.memory_network.pipe import Link
from foundation_lab.simulation.memory_network.server import MemoryServer
from foundation_lab.simulation.memory_network.transport import Address, MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.event_loop.clock import LoopClock

CONNECT_TIMEOUT: Final = 127.0
"""Seconds after which Linux gives a connection up: 1 + 2 + 4 + … + 64, with tcp_syn_retries = 6."""

ANY: Final = ""
LOCAL: Final = "localhost"
_SAME: Final = {"0.0.0.0": ANY, "::": ANY, "127.0.0.1": LOCAL, "::1": LOCAL}  # noqa: S104


class MemoryNetwork:
    """Who can be reached, and how.

    Args:
        sim: The simulation.
        link: How all hosts are joined, unless `set_link` says otherwise.
    """

    def __init__(self, sim: Simulation, link: Link | None = None) -> None:
        self.sim = sim
        self.link = Link() if link is None else link
        self._links: dict[tuple[str, str], Link] = {}
        self._parted: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._servers: dict[Address, MemoryServer] = {}
        self._ends: dict[MemoryTransport, None] = {}
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._ports = count(49152)

    # -- how it behaves ------------------------------------------------------------------------

    def set_link(self, a: str | None = None, b: str | None = None, **changes: Any) -> Link:
        """Change how two hosts are joined, or with no hosts how all are.

        What is under way already is not affected.

        Args:
            a: A host: the name that a server is reached by, or the node of a client (``lab``).
            b: The other one.
            changes: Fields of `Link`.

        Raises:
            ValueError: A number is out of its range, or only one host is given.
        """
        if (a is None) != (b is None):
            message = f"a={a!r}, b={b!r}; give two hosts, or none"
            raise ValueError(message)
        if a is None or b is None:
            self.link = _changed(self.link, changes)
            return self.link
        link = self._links[_pair(a, b)] = _changed(self.link_between(a, b), changes)
        return link

    def link_between(self, a: str, b: str) -> Link:
        """Return how two hosts are joined."""
        return self._links.get(_pair(a, b), self.link)

    def part(self, a: str, b: str) -> None:
        """Cut two hosts off from each other until `heal`.

        What was sent before arrives. What is sent meanwhile waits; a new connection waits 127 s and
        is given up then.
        """
        self._parted.setdefault(_pair(a, b), asyncio.Future(loop=self.sim.event_loop()))

    def heal(self, a: str, b: str) -> None:
        """Join two hosts again; what has waited is sent now."""
        healed = self._parted.pop(_pair(a, b), None)
        if healed is not None:
            healed.set_result(None)
            for end in list(self._ends):
                end.out.pump()

    def is_parted(self, a: str, b: str) -> bool:
        """Whether two hosts are cut off from each other."""
        return _pair(a, b) in self._parted

    def reset(self, a: str, b: str) -> int:
        """Break all connections between two hosts at once; return how many there were."""
        pair = _pair(a, b)
        ends = [end for end in self._ends if _pair(end.host, end.other.host) == pair]
        for end in ends:
            end.break_off(_reset())
        return len(ends) // 2

    def close(self, loop: LoopClock) -> int:
        """Break what a loop has open, without a word to the other end; return how much it was."""
        ends = [end for end in self._ends if end.loop is loop]
        for end in ends:
            end.break_off(None)
        self._servers = {key: one for key, one in self._servers.items() if one._loop is not loop}
        return len(ends)

    # -- connections ---------------------------------------------------------------------------

    async def connect(
        self,
        loop: LoopClock,
        protocol_factory: Callable[[], Any],
        host: str,
        port: int,
        local: Address | None = None,
    ) -> tuple[MemoryTransport, Any]:
        """Connect to a server.

        Returns:
            The client's transport and protocol.

        Raises:
            ConnectionRefusedError: Nobody listens there.
            TimeoutError: The host cannot be reached.
        """
        there = self.name_of(host)
        here = _name(local[0]) if local else self.sim.telemetry.running.context.node
        address = (self.address_of(here), next(self._ports))
        began = self.sim.now
        await self._trip(here, there, began)
        server = self._servers.get((there, port)) or self._servers.get((ANY, port))
        if server is None:
            await self._trip(there, here, began)
            words = f"Connect call failed {(host, port)!r}"
            raise ConnectionRefusedError(errno.ECONNREFUSED, words)
        end = MemoryTransport(loop, self, here, address, (self.address_of(there), port))
        server.accept(end, there, (self.address_of(there), port), address)
        self._ends[end] = None
        end.on_close = self._forget
        try:
            await self._trip(there, here, began)
        except BaseException:
            end.abort()
            raise
        protocol = protocol_factory()
        end.start(protocol)
        return end, protocol

    def serve(
        self, loop: LoopClock, protocol_factory: Callable[[], Any], hosts: list[Any], port: int
    ) -> MemoryServer:
        """Return a server, which does not accept connections yet.

        Args:
            loop: The event loop.
            protocol_factory: Makes the protocol of a connection.
            hosts: By which names it is reached; ``None`` and ``0.0.0.0`` stand for any name.
            port: The port; 0 for any that is free.
        """
        port = port or next(self._ports)
        return MemoryServer(loop, self, protocol_factory, [_name(host) for host in hosts], port)

    def listen(self, server: MemoryServer, host: str, port: int) -> None:
        """Let a server be found.

        Raises:
            OSError: There is one at that address.
        """
        if (host, port) in self._servers:
            words = f"error while attempting to bind on address {(host, port)!r}: in use"
            raise OSError(errno.EADDRINUSE, words)
        self._servers[host, port] = server

    def unlisten(self, server: MemoryServer) -> None:
        """Let a server be found no more."""
        self._servers = {key: one for key, one in self._servers.items() if one is not server}

    # -- names ---------------------------------------------------------------------------------

    def address_of(self, host: str) -> str:
        """Return the address of a host: itself, if it is one already."""
        name = _name(host)
        if name == LOCAL or host in self._names or host.replace(".", "").isdigit():
            return "127.0.0.1" if name == LOCAL else host
        if name not in self._addresses:
            number = len(self._addresses) + 1
            address = f"10.0.{number // 256}.{number % 256}"
            self._addresses[name] = address
            self._names[address] = name
        return self._addresses[name]

    def name_of(self, host: str) -> str:
        """Return the name of the host that has an address."""
        return self._names.get(host, _name(host))

    # -- for pipes and ends --------------------------------------------------------------------

    def losses(self, link: Link) -> int:
        """Draw how often in a row a piece is lost."""
        lost = 0
        if link.loss:
            stream = self.sim.stream("memory_network.loss")
            while stream.random() < link.loss:
                lost += 1
        return lost

    def break_off(self, source: MemoryTransport, target: MemoryTransport) -> None:
        """Break a connection at both ends at once."""
        source.break_off(_reset())
        target.break_off(_reset())

    def reset_end(self, end: MemoryTransport) -> None:
        """Tell an end after a latency that the other one is gone."""
        latency = self.link_between(end.host, end.other.host).latency
        end.loop.call_later(latency, end.break_off, _reset(), context=end.variables)

    def accepted(self, end: MemoryTransport, on_close: Callable[[MemoryTransport], None]) -> None:
        """Note the end of a connection that a server has."""
        self._ends[end] = None

        def forget(end: MemoryTransport) -> None:
            self._forget(end)
            on_close(end)

        end.on_close = forget

    # -- private -------------------------------------------------------------------------------

    def _forget(self, end: MemoryTransport) -> None:
        self._ends.pop(end, None)

    async def _trip(self, here: str, there: str, began: float) -> None:
        """Go from one host to another, once that is possible."""
        while (healed := self._parted.get(_pair(here, there))) is not None:
            try:
                async with asyncio.timeout_at(began + CONNECT_TIMEOUT):
                    await asyncio.shield(healed)
            except TimeoutError:
                words = f"Connection to {there!r} timed out"
                raise TimeoutError(errno.ETIMEDOUT, words) from None
        link = self.link_between(here, there)
        late = link.retransmit_after * (2 ** self.losses(link) - 1)
        await asyncio.sleep(link.latency + late)


def _name(host: Any) -> str:
    """Return the name under which a host is known."""
    name = ANY if host is None else str(host)
    return _SAME.get(name, name)


def _pair(a: str, b: str) -> tuple[str, str]:
    first, second = sorted((_name(a), _name(b)))
    return first, second


def _changed(link: Link, changes: dict[str, Any]) -> Link:
    return Link(**{**msgspec.structs.asdict(link), **changes})


def _reset() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
