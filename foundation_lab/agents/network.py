"""A network between agents: messages take time, get lost, and stop at partitions."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from foundation_lab.agents.disturbance import Disturbances
from foundation_lab.agents.invariants import conservation_violations
from foundation_lab.agents.message import Message
from foundation_lab.errors import UnknownName
from foundation_lab.simulation.distributions import as_distribution
from foundation_lab.telemetry import events
from foundation_lab.telemetry.context import NO_CAUSE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.agents.message import Endpoint
    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer


class Network:
    """Carries messages between addresses.

    Every link (a pair of addresses) has two random streams of its own, one for latency and one for
    loss, and each message draws once from both. So another loss rate changes neither the latency
    of a link's messages nor anything on other links.

    Args:
        sim: The simulation.
        name: The network's name; unique among networks.
        latency: Seconds that a message is under way: a number or a distribution.
        loss: The probability that a message is lost, 0 to 1.
        fifo: Whether messages of one link arrive in the order in which they were sent; without it
            a fast message overtakes a slow one.
    """

    kind: ClassVar[str] = "network"
    MessageSent = events.coordination.MessageSent
    MessageReceived = events.coordination.MessageReceived
    MessageDropped = events.coordination.MessageDropped

    def __init__(
        self,
        sim: Simulation,
        name: str = "net",
        *,
        latency: float | Distribution = 0.0,
        loss: float = 0.0,
        fifo: bool = False,
    ) -> None:
        self.sim = sim
        self.name = name
        self.latency = as_distribution(latency)
        self.fifo = fifo
        self.sent = 0
        self.received = 0
        self.dropped = 0
        self._ids = count(1)
        self._endpoints: dict[str, Endpoint | None] = {}
        self._under_way: dict[str, Timer] = {}
        self._last_arrival: dict[tuple[str, str], float] = {}
        self._disturbances = Disturbances(sim, name, loss)
        sim.add(self)

    # -- addresses -----------------------------------------------------------------------------

    def connect(self, address: str, endpoint: Endpoint) -> None:
        """Make an endpoint reachable under an address.

        Raises:
            ValueError: Another endpoint has this address.
        """
        if not address:
            message = f"an endpoint of network {self.name!r} needs an address"
            raise ValueError(message)
        if self._endpoints.get(address) is not None:
            message = f"the address {address!r} of network {self.name!r} is taken; disconnect it"
            raise ValueError(message)
        self._endpoints[address] = endpoint

    def disconnect(self, address: str) -> None:
        """Take an endpoint off the network; messages to it are dropped from now on.

        Raises:
            UnknownName: Nothing is connected under this address.
        """
        if self._endpoints.get(address) is None:
            raise UnknownName.among("address", address, self.addresses)
        self._endpoints[address] = None

    @property
    def addresses(self) -> list[str]:
        """The addresses that can be reached now, in order of connection."""
        return [a for a, endpoint in self._endpoints.items() if endpoint is not None]

    # -- messages ------------------------------------------------------------------------------

    def send(
        self,
        sender: str,
        to: str,
        type: str,  # noqa: A002
        body: Any = None,
        *,
        session_id: str = "",
    ) -> Message:
        """Send a message; it arrives, or is dropped, at a later event.

        Args:
            sender: The address it comes from.
            to: The address it goes to.
            type: What it is, in a word.
            body: What it says.
            session_id: The coordination session that it belongs to.

        Returns:
            The message.

        Raises:
            UnknownName: One of the addresses was never connected.
        """
        for address in (sender, to):
            if address not in self._endpoints:
                raise UnknownName.among("address", address, self._endpoints)
        latency = self.latency.sample(self._stream("latency", sender, to))
        lost = self._stream("loss", sender, to).random() < self.loss
        telemetry = self.sim.telemetry
        message = Message(
            message_id=f"{self.name}-{next(self._ids)}",
            session_id=session_id,
            sender=sender,
            to=to,
            type=type,
            body=body,
            sent_at=self.sim.now,
            correlation_id=telemetry.running.context.correlation_id,
            cause=self._next_sequence(),
        )
        self.sent += 1
        reason = "loss" if lost else self._cut(message)
        if reason is None:
            arrival = self._arrival(sender, to, latency)
            timer = self.sim.call_at(arrival, lambda: self._arrive(message))
            self._under_way[message.message_id] = timer
        else:
            self.dropped += 1
        telemetry.emit(
            events.coordination.MessageSent(session_id, message.message_id, sender, to, type)
        )
        if reason is not None:
            with telemetry.context(cause=message.cause):
                self._emit_drop(message, reason)
        return message

    @property
    def in_flight(self) -> int:
        """How many messages are under way."""
        return len(self._under_way)

    # -- faults --------------------------------------------------------------------------------

    @property
    def loss(self) -> float:
        """The probability that a message is lost; may be changed while the simulation runs.

        While it is another than the network was made with, that is a fault of the network.
        """
        return self._disturbances.loss

    @loss.setter
    def loss(self, probability: float) -> None:
        self._disturbances.lose(probability)

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Cut every link between addresses of different groups, until `heal`.

        Messages are dropped when they are sent over a cut link, and when they would arrive over
        one. An address in no group still reaches everybody. A new partition replaces the old one.
        Each is recorded as a fault of the network.

        Args:
            groups: The addresses of each group.

        Raises:
            UnknownName: An address was never connected.
            ValueError: An address is in two groups, or there are fewer than two groups.
        """
        self._disturbances.part(groups, self._endpoints)

    def heal(self) -> None:
        """End the partition, if there is one."""
        self._disturbances.heal()

    # -- component -----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """``connected`` or ``partitioned``."""
        return "partitioned" if self._disturbances.partitioned else "connected"

    def violations(self) -> list[str]:
        """Return every law of the network that does not hold, in words."""
        return conservation_violations(self.sent, self.received, self.dropped, self.in_flight)

    def __repr__(self) -> str:
        """Return one line: name, state, counts of messages."""
        return (
            f"<Network {self.name!r} {self.status}: {self.sent} sent, {self.received} received, "
            f"{self.dropped} dropped>"
        )

    # -- private -------------------------------------------------------------------------------

    def _stream(self, purpose: str, sender: str, to: str) -> Any:
        return self.sim.stream(f"network.{self.name}.{purpose}.{sender}>{to}")

    def _next_sequence(self) -> int:
        telemetry = self.sim.telemetry
        return telemetry.sequence if telemetry.enabled else NO_CAUSE

    def _arrival(self, sender: str, to: str, latency: float) -> float:
        arrival = self.sim.now + latency
        if self.fifo:
            arrival = max(arrival, self._last_arrival.get((sender, to), arrival))
            self._last_arrival[sender, to] = arrival
        return arrival

    def _cut(self, message: Message) -> str | None:
        return "partition" if self._disturbances.cuts(message.sender, message.to) else None

    def _arrive(self, message: Message) -> None:
        del self._under_way[message.message_id]
        endpoint = self._endpoints[message.to]
        reason = self._cut(message)
        if reason is None and endpoint is None:
            reason = "receiver_unregistered"
        if reason is None and endpoint is not None:
            reason = endpoint.refusal(message)
        telemetry = self.sim.telemetry
        with telemetry.context(
            correlation_id=message.correlation_id,
            cause=message.cause,
            node=None if endpoint is None else endpoint.node,
        ):
            if reason is not None or endpoint is None:
                self.dropped += 1
                self._emit_drop(message, str(reason))
                return
            self.received += 1
            endpoint.deliver(msgspec.structs.replace(message, cause=self._next_sequence()))
            telemetry.emit(
                events.coordination.MessageReceived(
                    message.session_id,
                    message.message_id,
                    message.sender,
                    message.to,
                    message.type,
                    self.sim.now - message.sent_at,
                )
            )

    def _emit_drop(self, message: Message, reason: str) -> None:
        self.sim.telemetry.emit(
            events.coordination.MessageDropped(
                message.session_id,
                message.message_id,
                message.sender,
                message.to,
                message.type,
                reason,
            ),
            cause=message.cause,
        )
