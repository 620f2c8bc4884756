"""One direction of a connection in memory: bytes in order, after a latency, at a bandwidth."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from foundation_lab.simulation.memory_network.network import MemoryNetwork
    from foundation_lab.simulation.memory_network.transport import MemoryTransport

PIECE: Final = 65536
"""How many bytes are sent in one piece at most."""

END: Final = b""
"""Stands for the end of what is sent."""


class Link(msgspec.Struct, frozen=True):
    """How a network behaves between two hosts, in each direction.

    Attributes:
        latency: Seconds from one to the other.
        bandwidth: Bytes a second; without a limit if there is none.
        loss: The probability that a piece is lost.
        on_loss: ``delay``: it is sent again after `retransmit_after`, then after twice that, and so
            on. ``reset``: the connection is broken.
        retransmit_after: Seconds; Linux waits 0.2 at least (RFC 6298 says 1).
        window: How many bytes may be under way or unread; the sender keeps the rest.
    """

    latency: float = 0.0
    bandwidth: float | None = None
    loss: float = 0.0
    on_loss: str = "delay"
    retransmit_after: float = 0.2
    window: int = 2**22

    def __post_init__(self) -> None:
        """Refuse what no network can be.

        Raises:
            ValueError: A number is out of its range.
        """
        if not 0 <= self.latency < float("inf"):
            message = f"latency={self.latency!r}; give seconds, 0 or more"
        elif self.bandwidth is not None and not self.bandwidth > 0:
            message = f"bandwidth={self.bandwidth!r}; give bytes a second, or None for no limit"
        elif not 0 <= self.loss < 1:
            message = f"loss={self.loss!r}; give a probability, 0 or more and below 1"
        elif self.on_loss not in {"delay", "reset"}:
            message = f"on_loss={self.on_loss!r}; give 'delay' or 'reset'"
        elif not self.retransmit_after > 0:
            message = f"retransmit_after={self.retransmit_after!r}; give seconds, above 0"
        elif self.window < 1:
            message = f"window={self.window!r}; give bytes, 1 or more"
        else:
            return
        raise ValueError(message)

    def transmission(self, size: int) -> float:
        """Return how many seconds it takes to send so many bytes."""
        return 0.0 if self.bandwidth is None else size / self.bandwidth


class Pipe:
    """What one end of a connection sends to the other.

    Args:
        network: The network.
        source: The end that sends.
        target: The end that receives.
    """

    def __init__(
        self, network: MemoryNetwork, source: MemoryTransport, target: MemoryTransport
    ) -> None:
        self._network = network
        self._source = source
        self._target = target
        self._waiting: deque[bytes] = deque()
        self._free_at = 0.0  # when the line can take the next piece
        self._arrived_at = 0.0  # when the last piece sent arrives
        self._under_way = 0
        self.size = 0

    def put(self, data: bytes) -> None:
        """Send something, or `END`."""
        if data == END:
            self._waiting.append(END)
        for start in range(0, len(data), PIECE):
            self._waiting.append(data[start : start + PIECE])
        self.size += len(data)
        self.pump()

    def clear(self) -> None:
        """Forget what has not been sent."""
        self._waiting.clear()
        self.size = 0

    def pump(self) -> None:
        """Send what can be sent now."""
        network, source, target = self._network, self._source, self._target
        loop = source.loop
        while self._waiting and not network.is_parted(source.host, target.host):
            now = loop.sim.now
            link = network.link_between(source.host, target.host)
            if self._under_way >= link.window or self._free_at > now:
                return  # until something was read, or the piece before is sent
            piece = self._waiting.popleft()
            sent = self._free_at = now + link.transmission(len(piece))
            lost = network.losses(link)
            if lost and link.on_loss == "reset":
                network.break_off(source, target)
                return
            late = link.retransmit_after * (2**lost - 1)
            self._arrived_at = max(self._arrived_at, sent + link.latency + late)
            self._under_way += len(piece)
            loop.call_at(sent, self._sent, len(piece), context=source.variables)
            loop.call_at(self._arrived_at, self._arrive, piece, context=target.variables)

    def taken(self, size: int) -> None:
        """Note that the receiver has read so many bytes."""
        self._under_way -= size
        if self._waiting:
            self.pump()

    def _sent(self, size: int) -> None:
        self.size -= size
        self._source.has_sent()
        self.pump()

    def _arrive(self, piece: bytes) -> None:
        if piece == END:
            self._target.receive_end()
        else:
            self._target.receive(piece)
