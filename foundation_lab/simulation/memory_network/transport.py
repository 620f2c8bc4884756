"""One end of a connection in memory: a transport as `asyncio.Transport` describes it."""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio.transports import _FlowControlMixin
from collections import deque
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.memory_network.pipe import END, Pipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.event_loop.clock import LoopClock
    from foundation_lab.simulation.memory_network.network import MemoryNetwork

Address = tuple[str, int]


class MemoryTransport(_FlowControlMixin):
    """One end of a connection; `connect_to` joins it to the other one.

    Its protocol is called with the context variables of whoever opened this end.

    Args:
        loop: The event loop.
        network: The network.
        host: Which host this end is on.
        address: Its own address.
        peer: The address of the other end.
    """

    out: Pipe
    other: MemoryTransport
    _maybe_pause_protocol: Callable[[], None]
    _maybe_resume_protocol: Callable[[], None]

    def __init__(
        self, loop: LoopClock, network: MemoryNetwork, host: str, address: Address, peer: Address
    ) -> None:
        self.loop = loop
        self.host = host
        self.variables = copy_context()
        self.on_close: Any = None
        self._network = network
        self._protocol: Any = None
        self._unread: deque[bytes] = deque()
        self._paused = False
        self._end_sent = False
        self._end_received = False
        self._closing = False
        self._closed = False
        extra = {"peername": peer, "sockname": address, "socket": MemorySocket(self, address, peer)}
        super().__init__(extra, loop)

    def connect_to(self, other: MemoryTransport) -> None:
        """Join two ends."""
        self.other, other.other = other, self
        self.out, other.out = Pipe(self._network, self, other), Pipe(self._network, other, self)

    def start(self, protocol: Any) -> None:
        """Tell the protocol that the connection is there; what has come already follows."""
        self._protocol = protocol
        protocol.connection_made(self)
        if self._unread or self._end_received:
            self.loop.call_soon(self._read_on, context=self.variables)

    # -- what comes in -------------------------------------------------------------------------

    def receive(self, piece: bytes) -> None:
        """Take in what has arrived."""
        if self._closed:  # nobody reads it any more: the sender is told so
            self._network.reset_end(self.other)
            return
        if self._paused or self._unread or self._protocol is None:
            self._unread.append(piece)
            return
        self._read(piece)

    def receive_end(self) -> None:
        """Take in that the other end sends no more."""
        self._end_received = True
        if not self._unread and not self._paused and self._protocol is not None:
            self._read_end()

    def is_reading(self) -> bool:
        """Whether the protocol is given what arrives."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Keep what arrives, as much as the link's window; the sender waits with the rest."""
        if not self._closing:
            self._paused = True

    def resume_reading(self) -> None:
        """Give the protocol what has arrived meanwhile, and then what arrives."""
        if self._paused and not self._closing:
            self._paused = False
            self.loop.call_soon(self._read_on, context=self.variables)

    # -- what goes out -------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send bytes.

        Raises:
            TypeError: They are no bytes.
            RuntimeError: The end was written already.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            message = f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            raise TypeError(message)
        if self._closing:
            return
        if self._end_sent:
            message = "Cannot call write() after write_eof()"
            raise RuntimeError(message)
        if data:
            self.out.put(bytes(data))
            self._maybe_pause_protocol()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed: yes."""
        return True

    def write_eof(self) -> None:
        """Send no more; what comes in is read further."""
        if not self._end_sent and not self._closing:
            self._end_sent = True
            self.out.put(END)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes have not been sent yet."""
        return self.out.size

    def has_sent(self) -> None:
        """Note that something was sent."""
        if not self._closed:
            self._maybe_resume_protocol()
            if self._closing and not self.out.size:
                self._finish(None)

    # -- the end -------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Whether the transport is closed, or is about to be."""
        return self._closing

    def close(self) -> None:
        """Send what is left, and the end; then close."""
        if self._closing:
            return
        self._closing = True
        if not self._end_sent:
            self._end_sent = True
            self.out.put(END)
        if not self.out.size:
            self._finish(None)

    def abort(self) -> None:
        """Close at once; the other end's connection is reset."""
        if not self._closed:
            self.out.clear()
            self._closing = True
            self._finish(None)
            self._network.reset_end(self.other)

    def break_off(self, error: OSError | None) -> None:
        """Lose the connection."""
        if not self._closed:
            self.out.clear()
            self._unread.clear()
            self._closing = True
            self._finish(error)

    def get_protocol(self) -> Any:
        """Return the protocol."""
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        """Talk to another protocol from now on."""
        self._protocol = protocol

    # -- private -------------------------------------------------------------------------------

    def _read_on(self) -> None:
        while self._unread and not self._paused and not self._closed:
            self._read(self._unread.popleft())
        if self._end_received and not self._unread and not self._paused:
            self._read_end()

    def _read(self, piece: bytes) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            asyncio.protocols._feed_data_to_buffered_proto(protocol, piece)  # type: ignore[attr-defined]
        else:
            protocol.data_received(piece)
        self.other.out.taken(len(piece))

    def _read_end(self) -> None:
        if not self._closing and not self._protocol.eof_received():
            self.close()

    def _finish(self, error: OSError | None) -> None:
        if not self._closed:
            self._closed = True
            self.loop.call_soon(self._tell_the_end, error, context=self.variables)

    def _tell_the_end(self, error: OSError | None) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(error)
        if self.on_close is not None:
            self.on_close(self)


class MemorySocket:
    """What asks a transport for its socket finds here: names and options, no file."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, end: MemoryTransport | None, address: Address, peer: Address | None) -> None:
        self._end = end
        self._address = address
        self._peer = peer

    def getsockname(self) -> Address:
        """Return the own address."""
        return self._address

    def getpeername(self) -> Address:
        """Return the address of the other end.

        Raises:
            OSError: There is none.
        """
        if self._peer is None:
            raise OSError(107, "Transport endpoint is not connected")
        return self._peer

    def fileno(self) -> int:
        """Return a file in which nothing is to be read, for who polls; -1 when something is."""
        end = self._end
        quiet = end is not None and not (end._unread or end._end_received or end._closing)
        return _quiet_file() if quiet else -1

    def setsockopt(self, *_option: Any) -> None:
        """Take an option in, which has no effect."""

    def getsockopt(self, *_option: Any) -> int:
        """Return 0."""
        return 0


@cache
def _quiet_file() -> int:
    """Return the end of a pipe that nobody ever writes to."""
    return os.pipe()[0]
