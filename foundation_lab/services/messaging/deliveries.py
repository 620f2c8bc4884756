"""The deliveries of a queue: who gets which message, how long he has it, and what he answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.services.arguments import positive
from foundation_lab.services.messaging.message import Delivery
from foundation_lab.services.messaging.receivers import Receivers
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.message_queue import Queue
    from foundation_lab.services.messaging.afterlife import Afterlife
    from foundation_lab.services.messaging.message import Message
    from foundation_lab.services.messaging.message_news import MessageNews
    from foundation_lab.services.messaging.stock import Stock


class Deliveries:
    """Hands messages out, and takes answers for them.

    Args:
        queue: The queue; nothing is delivered unless it `delivers`.
        stock: What it keeps.
        afterlife: What becomes of messages that come back.
        news: Where deliveries and answers are noted.
        answered: Called after each delivery that ended.

    Attributes:
        receivers: Those who wait for a message.
        acknowledged: How many messages were acknowledged.
    """

    def __init__(
        self,
        queue: Queue,
        stock: Stock,
        afterlife: Afterlife,
        news: MessageNews,
        answered: Callable[[], object],
    ) -> None:
        self.acknowledged = 0
        self.receivers = Receivers(queue.sim, f"a message of queue {queue.name}")
        self._queue = queue
        self._sim = queue.sim
        self._stock = stock
        self._afterlife = afterlife
        self._news = news
        self._answered = answered

    def hand_out(self) -> None:
        """Deliver what can be delivered; the caller tells of it."""
        while self.receivers and self._queue.delivers:
            message = self._stock.take()
            if message is None:
                return
            if self._sim.now >= message.expires_at:
                self._afterlife.expire(message)
            else:
                self._deliver(message)

    # -- answers -------------------------------------------------------------------------------

    def acknowledge(self, delivery: Delivery) -> bool:
        """Forget a delivery's message; return whether it was out still."""
        if not self._in_time(delivery):
            return False
        message, now = delivery.message, self._sim.now
        self.end(delivery)
        self._stock.remove(message)
        self.acknowledged += 1
        since, age = now - delivery.since, now - message.published_at
        acknowledged, name = events.queue.Acknowledged, self._queue.name
        event = acknowledged(name, message.message_id, delivery.consumer, since, age)
        self._news.by_caller(message, event)
        self._go_on()
        return True

    def reject(
        self, delivery: Delivery, *, requeue: bool, reason: str, delay: float | None
    ) -> bool:
        """Take a message back that could not be processed; return whether it was out still."""
        if delay is not None:
            positive("delay", delay, zero=True)
        if not self._in_time(delivery):
            return False
        message, consumer = delivery.message, delivery.consumer
        self.end(delivery)
        rejected, since = events.queue.Rejected, self._sim.now - delivery.since
        name, number = self._queue.name, message.message_id
        self._news.by_caller(message, rejected(name, number, consumer, reason, requeue, since))
        if requeue:
            delay = self._afterlife.delay(message) if delay is None else delay
            self._afterlife.put_back(message, "rejected", delay)
        else:
            self._afterlife.bury(message, "rejected")
        self._go_on()
        return True

    def extend(self, delivery: Delivery, seconds: float) -> bool:
        """Move the end of a delivery to so many seconds from now, if it has not ended."""
        positive("seconds", seconds, zero=True)
        if not delivery.is_current:
            return False
        self._limit(delivery, seconds)
        return True

    def take_back(self, delivery: Delivery, reason: str) -> bool:
        """Put a message back into the line at once; return whether it was out still."""
        if not delivery.is_current:
            return False
        self.end(delivery)
        self._afterlife.put_back(delivery.message, reason, 0.0)
        self._go_on()
        return True

    def end(self, delivery: Delivery) -> None:
        """End a delivery; its message is nowhere then, and the caller does something with it."""
        message = delivery.message
        message.delivery = None
        message.state = "out"
        self._stock.in_flight -= 1
        if delivery.timer is not None:
            delivery.timer.cancel()
        self._answered()

    def violations(self) -> list[str]:
        """Return every law of deliveries that does not hold, in words."""
        if self.receivers and self._queue.delivers and self._stock.line.is_ready():
            return ["consumers and messages wait for each other"]
        return []

    # -- private -------------------------------------------------------------------------------

    def _deliver(self, message: Message) -> None:
        now, queue = self._sim.now, self._queue
        turn = self.receivers.first()
        message.state = "in_flight"
        message.deliveries += 1
        self._stock.in_flight += 1
        delivery = Delivery(queue, message, turn.consumer, message.deliveries, now)
        message.delivery = delivery
        if queue.visibility_timeout is not None:
            self._limit(delivery, queue.visibility_timeout)
        turn.succeed(delivery)
        self._news.delivered(
            delivery,
            queue.name,
            message.message_id,
            turn.consumer,
            message.deliveries,
            now - message.available_at,
            now - message.published_at,
        )

    def _limit(self, delivery: Delivery, seconds: float) -> None:
        """Set the end of a delivery; an answer at that very instant is in time."""
        if delivery.timer is not None:
            delivery.timer.cancel()
        until = self._sim.now + seconds
        delivery.timer = Timer(
            self._sim, until, lambda: self.take_back(delivery, "visibility_timeout"), last=True
        )

    def _in_time(self, delivery: Delivery) -> bool:
        """Return whether a delivery has not ended; tell of an answer that comes too late."""
        if delivery.is_current:
            return True
        late, since = events.queue.Late, self._sim.now - delivery.since
        message, name = delivery.message, self._queue.name
        self._news.in_passing(late(name, message.message_id, delivery.consumer, since))
        self._news.tell()
        return False

    def _go_on(self) -> None:
        self.hand_out()
        self._news.tell()
