"""Messages between agents, and what can receive them."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One message.

    Attributes:
        message_id: Its id, unique within its network.
        session_id: The coordination session that it belongs to; empty outside of any.
        sender: The address that it comes from.
        to: The address that it goes to.
        type: What it is, in a word: ``vote_request``, ...
        body: What it says.
        sent_at: When it was sent, in virtual seconds.
        correlation_id: The correlation id of its sender.
        cause: The sequence of the last event of this message: that it was sent, then that it was
            received.
    """

    message_id: str
    session_id: str
    sender: str
    to: str
    type: str
    body: Any
    sent_at: float
    correlation_id: str | None
    cause: int


class Endpoint(Protocol):
    """What can be connected to a network."""

    @property
    def node(self) -> str | None:
        """The simulated node that it runs on; ``None`` for the one of whoever set it up."""

    def refusal(self, message: Message) -> str | None:
        """Return why a message cannot be received now, ``None`` when it can."""

    def deliver(self, message: Message) -> None:
        """Take a message. No event may be emitted here: `message_received` follows."""
