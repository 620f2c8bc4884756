"""What the virtual loop has in place of sockets and programs: a network in memory, or a refusal."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NoReturn

from foundation_lab.simulation.event_loop.loop_tasks import LoopTasks

if TYPE_CHECKING:
    from foundation_lab.simulation.memory_network.network import MemoryNetwork
    from foundation_lab.simulation.memory_network.server import MemoryServer

NO_SOCKETS = (
    "the virtual loop has no sockets: use asyncio.open_connection, asyncio.start_server, or "
    "loop.create_connection and loop.create_server with a host and a port; they are connected in "
    "memory (loop.network)"
)
NO_PROCESSES = (
    "the virtual loop starts no programs of the operating system: their time is not virtual. Stand "
    "in a coroutine or a simulated service for the program, or run it with subprocess.run in "
    "asyncio.to_thread"
)
NO_SIGNALS = (
    "the virtual loop has no signal handlers: use signal.signal, or sim.stop() to end a run"
)
NO_TLS = (
    "connections in memory are not encrypted: leave ssl out, or use http:// instead of https://"
)


class LoopNetwork(LoopTasks):
    """An event loop whose connections are those of a `MemoryNetwork`."""

    network: MemoryNetwork

    async def create_connection(
        self,
        protocol_factory: Any,
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        local_addr: tuple[str, int] | None = None,
        **_options: Any,
    ) -> Any:
        """Connect to a server in memory; see `MemoryNetwork.connect`."""
        if ssl:
            raise NotImplementedError(NO_TLS)
        if sock is not None:
            raise NotImplementedError(NO_SOCKETS)
        if host is None or port is None:
            message = f"host={host!r}, port={port!r}; a connection needs both"
            raise ValueError(message)
        return await self.network.connect(self, protocol_factory, str(host), int(port), local_addr)

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Any,
        host: Any = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        start_serving: bool = True,
        **_options: Any,
    ) -> MemoryServer:
        """Start a server in memory; see `MemoryNetwork.serve`."""
        if ssl:
            raise NotImplementedError(NO_TLS)
        if sock is not None:
            raise NotImplementedError(NO_SOCKETS)
        hosts = [host] if host is None or isinstance(host, str) else list(host)
        server = self.network.serve(self, protocol_factory, hosts, port or 0)
        if start_serving:
            await server.start_serving()
        return server

    async def getaddrinfo(self, host: Any, port: Any, **_options: Any) -> list[tuple[Any, ...]]:
        """Return the address of a host in memory; every name has one."""
        name = host.decode() if isinstance(host, bytes) else host
        address = (self.network.address_of(name), int(port or 0))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    async def getnameinfo(
        self,
        sockaddr: Any,
        flags: int = 0,  # noqa: ARG002  (asyncio's signature)
    ) -> tuple[str, str]:
        """Return the name of a host in memory."""
        return self.network.name_of(sockaddr[0]), str(sockaddr[1])


def _refuse(name: str, reason: str) -> None:
    def refusal(_self: object, *_args: object, **_options: object) -> NoReturn:
        message = f"{name}: {reason}"
        raise NotImplementedError(message)

    refusal.__name__ = name
    setattr(LoopNetwork, name, refusal)


for _name in (
    "add_reader", "add_writer", "remove_reader", "remove_writer", "sock_accept", "sock_connect",
    "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall",
    "sock_sendfile", "sock_sendto", "create_datagram_endpoint", "create_unix_connection",
    "create_unix_server", "connect_accepted_socket", "sendfile", "start_tls",
):  # fmt: skip
    _refuse(_name, NO_TLS if _name == "start_tls" else NO_SOCKETS)
for _name in ("add_signal_handler", "remove_signal_handler"):
    _refuse(_name, NO_SIGNALS)
for _name in ("subprocess_exec", "subprocess_shell", "connect_read_pipe", "connect_write_pipe"):
    _refuse(_name, NO_PROCESSES)
