"""A message in a queue, and a delivery of it: what a consumer holds until it has answered."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.telemetry.context import NO_CAUSE, Context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from foundation_lab.services.message_queue import Queue
    from foundation_lab.simulation.timer import Timer
    from foundation_lab.telemetry.bus import Telemetry


class Message(msgspec.Struct, eq=False):
    """A message, as its handler gets it.

    Attributes:
        message_id: Its name, unique in its queue for all time.
        number: The how manieth message of its queue it is, from 1.
        body: What it says.
        key: Messages of one key are delivered in order, one at a time; ``None``: in no group.
        priority: The larger, the earlier it is delivered.
        published_at: When it was published.
        expires_at: From when on it is not delivered any more; infinity for ever.
        correlation_id: For whom it was published.
        cause: The sequence of the last event that is about it.
        history: Where it came from, if it is a dead letter: queue and reason, the first one first.
        deliveries: How often it was delivered.
        state: ``waiting``, ``delayed``, ``in_flight`` or ``done``.
        available_at: Since when it can be delivered, or will be.
    """

    message_id: str
    number: int
    body: Any
    key: str | None = None
    priority: int = 0
    published_at: float = 0.0
    expires_at: float = math.inf
    correlation_id: str | None = None
    cause: int = NO_CAUSE
    history: tuple[tuple[str, str], ...] = ()
    deliveries: int = 0
    state: str = "waiting"
    available_at: float = 0.0
    rank: int = 0
    retry_delay: float = 0.0
    delays: Any = None
    timer: Timer | None = None
    expiry: Timer | None = None
    delivery: Delivery | None = None


class Delivery(msgspec.Struct, eq=False):
    """A message in the hands of a consumer, which is to answer with `ack` or `nack`.

    Attributes:
        queue: Where it came from.
        message: The message.
        consumer: Who has it.
        number: The how manieth delivery of the message it is, from 1.
        since: When it was delivered.
        cause: The sequence of the event that tells of the delivery.
        timer: Ends it when the visibility timeout is over.
    """

    queue: Queue
    message: Message
    consumer: str
    number: int
    since: float
    cause: int = NO_CAUSE
    timer: Timer | None = None

    @property
    def is_current(self) -> bool:
        """Whether the message is still in these hands."""
        return self.message.delivery is self

    def ack(self) -> bool:
        """Say that the message is done with; return whether that still counts."""
        return self.queue.deliveries.acknowledge(self)

    def nack(
        self, *, requeue: bool = True, reason: str = "nack", delay: float | None = None
    ) -> bool:
        """Give the message back unprocessed; return whether that still counts.

        Args:
            requeue: Whether it is to be delivered again; otherwise it is a dead letter.
            reason: Why, for the event.
            delay: Seconds until it can be delivered again; by default what the queue's retry delay
                says.
        """
        return self.queue.deliveries.reject(self, requeue=requeue, reason=reason, delay=delay)

    def extend(self, seconds: float) -> bool:
        """Have the visibility timeout end in so many seconds; return whether that still counts."""
        return self.queue.deliveries.extend(self, seconds)

    def give_back(self) -> bool:
        """Have the message delivered to somebody else: its consumer is gone."""
        return self.queue.deliveries.take_back(self, "consumer_lost")

    def context(self) -> AbstractContextManager[None]:
        """Return a context in which events carry the publisher's correlation id.

        Their cause is the delivery.
        """
        return on_behalf_of(self.queue.sim.telemetry, self.message.correlation_id, self.cause)


@contextmanager
def on_behalf_of(telemetry: Telemetry, correlation_id: str | None, cause: int) -> Iterator[None]:
    """Let whoever runs emit for a correlation id, or for none, while the block lasts.

    The cause of his first event is the given one, although he may be handling another event.
    """
    handled = telemetry.handle(NO_CAUSE)
    emitter = telemetry.running
    before, before_cause = emitter.context, emitter.cause
    if before.correlation_id != correlation_id:
        emitter.context = Context(before.node, correlation_id)
    emitter.cause = cause
    try:
        yield
    finally:
        if emitter.context is not before:
            emitter.context = before
        emitter.cause = before_cause
        telemetry.handle(handled)
