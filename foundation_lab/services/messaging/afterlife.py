"""What becomes of a message that was not acknowledged: another try, a dead letter, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from foundation_lab.services.arguments import positive
from foundation_lab.services.messaging.message import Message
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.services.messaging.message_news import MessageNews
    from foundation_lab.services.messaging.stock import Stock
    from foundation_lab.services.retrying.backoff import Backoff
    from foundation_lab.simulation.engine import Simulation


class Home(Protocol):
    """Where dead letters go."""

    name: str

    @property
    def takes_more(self) -> bool:
        """Whether a letter that comes now is taken."""

    def take_letter(self, letter: Message) -> None:
        """Take a letter; whoever sends it tells of it."""


class Afterlife:
    """Decides, and notes, what becomes of messages.

    Args:
        sim: The simulation.
        name: The queue's name.
        stock: What the queue keeps.
        news: Where it is noted.
        home: Where dead letters go; they are dropped without it.
        max_deliveries: After how many deliveries in vain a message is a dead letter.
        retry_delay: Seconds until the next delivery, or a backoff over the deliveries.

    Attributes:
        dead_lettered: How many messages went to the home of dead letters.
        dropped: How many messages are gone for good.

    Raises:
        ValueError: `retry_delay` is a number below 0.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        stock: Stock,
        news: MessageNews,
        *,
        home: Home | None,
        max_deliveries: int | None,
        retry_delay: float | Backoff,
    ) -> None:
        if isinstance(retry_delay, int | float):
            positive("retry_delay", retry_delay, zero=True)
        self.dead_lettered = 0
        self.dropped = 0
        self._sim = sim
        self._name = name
        self._stock = stock
        self._news = news
        self._home = home
        self._max_deliveries = max_deliveries
        self._retry_delay = retry_delay
        self._delays = sim.stream(f"queue.{name}.retry_delay")

    def delay(self, message: Message) -> float:
        """Return after how many seconds a message is tried again."""
        if isinstance(self._retry_delay, int | float):
            return self._retry_delay
        if message.delays is None:
            message.delays = self._retry_delay.begin()
        message.retry_delay = float(
            message.delays.delay(message.deliveries, message.retry_delay, self._delays)
        )
        return message.retry_delay

    def put_back(self, message: Message, reason: str, delay: float) -> None:
        """Put a message back that was delivered in vain; end it after its last delivery."""
        if self._max_deliveries is not None and message.deliveries >= self._max_deliveries:
            self.bury(message, "delivery_limit")
        elif self._sim.now >= message.expires_at:
            self.expire(message)
        else:
            self._stock.put_back(message, delay)
            redelivered = events.queue.Redelivered
            self._news.of_queue(
                message,
                redelivered(self._name, message.message_id, reason, message.deliveries, delay),
            )

    def expire(self, message: Message) -> None:
        """End a message whose time to live is over."""
        self._stock.withdraw(message)
        expired = events.queue.Expired
        age = self._age(message)
        self._news.of_queue(
            message, expired(self._name, message.message_id, message.deliveries, age)
        )
        self.bury(message, "expired")

    def bury(self, message: Message, reason: str) -> None:
        """Make a message a dead letter; drop it where there is no place for it."""
        home = self._home
        if home is None or not home.takes_more:
            self.drop(message, reason)
            return
        self._stock.remove(message)
        self.dead_lettered += 1
        name, age = message.message_id, self._age(message)
        dead = events.queue.DeadLettered
        history = (*message.history, (self._name, reason))
        letter = Message("", 0, message.body, message.key, message.priority, history=history)
        letter.correlation_id = message.correlation_id
        self._news.of_queue(
            message, dead(self._name, name, reason, home.name, message.deliveries, age), letter
        )
        home.take_letter(letter)

    def drop(self, message: Message, reason: str) -> None:
        """End a message for good."""
        self._stock.remove(message)
        self.dropped += 1
        name, age = message.message_id, self._age(message)
        dropped = events.queue.Dropped
        self._news.of_queue(message, dropped(self._name, name, reason, message.deliveries, age))

    def _age(self, message: Message) -> float:
        return self._sim.now - message.published_at
