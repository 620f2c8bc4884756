"""The entrance of a queue: takes messages in, and says what happens when there is no room."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from foundation_lab.errors import QueueFull, ServiceDown
from foundation_lab.services.arguments import positive, positive_or_none
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.message_queue import Queue
    from foundation_lab.services.messaging.afterlife import Afterlife
    from foundation_lab.services.messaging.message import Message
    from foundation_lab.services.messaging.message_news import MessageNews
    from foundation_lab.services.messaging.stock import Stock
    from foundation_lab.telemetry.event import Event

OVERFLOWS = ("reject", "block", "drop_oldest")


class Entrance:
    """Takes messages in.

    Args:
        queue: The queue.
        stock: What it keeps, and the room for that.
        afterlife: Where the oldest message goes when it has to make room.
        news: Where it is noted.
        overflow: What happens when there is no room: one of `OVERFLOWS`.
        taken: Called when a message was taken in, to deliver it.

    Attributes:
        published: How many messages were taken in so far.

    Raises:
        ValueError: `overflow` is none of them.
    """

    def __init__(
        self,
        queue: Queue,
        stock: Stock,
        afterlife: Afterlife,
        news: MessageNews,
        *,
        overflow: str,
        taken: Callable[[], object],
    ) -> None:
        if overflow not in OVERFLOWS:
            message = f"overflow={overflow!r}; use one of {', '.join(OVERFLOWS)}"
            raise ValueError(message)
        self.published = 0
        self._queue = queue
        self._sim = queue.sim
        self._stock = stock
        self._room = stock.room
        self._afterlife = afterlife
        self._news = news
        self._overflow = overflow
        self._taken = taken

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return self._room is not None and self._room.free <= 0

    @property
    def takes_more(self) -> bool:
        """Whether a message that comes now finds room, or makes it."""
        return self._overflow == "drop_oldest" or not self.full

    def publish(
        self, message: Message, delay: float, ttl: float | None
    ) -> Generator[Any, Any, Message]:
        """Take a message in, after a wait for room if publishers are blocked (``yield from``)."""
        _check_times(delay, ttl)
        asked = self._sim.now
        if not self._enter(self._news.in_passing):
            if self._room is None or self._overflow != "block":
                self._turn_away()
            yield from self._room.acquire(on_wait=self._news.tell)
        return self._publish(message, delay, ttl, self._sim.now - asked)

    def offer(self, message: Message, delay: float, ttl: float | None) -> Message:
        """Take a message in if there is room."""
        _check_times(delay, ttl)
        if not self._enter(self._news.in_passing):
            self._turn_away()
        return self._publish(message, delay, ttl, 0.0)

    def take_letter(self, letter: Message) -> None:
        """Take a dead letter in; the caller tells of it."""
        self._enter(partial(self._news.of_queue, letter))
        self._take(letter, 0.0, None, 0.0, self._news.of_queue)

    def send_away(self, why: str) -> None:
        """Raise `ServiceDown` in every publisher who waits."""
        message = f"queue {self._queue.name!r} {why}"
        if self._room is not None:
            self._room.fail_all(lambda: ServiceDown(message))

    # -- private -------------------------------------------------------------------------------

    def _enter(self, say: Callable[[Event], object]) -> bool:
        """Take room for a message; return whether there was some, or was made.

        Args:
            say: Called with the event that there was none.

        Raises:
            ServiceDown: The queue is down or stopping.
        """
        queue, room = self._queue, self._room
        queue.require_up()
        if queue.stopping:
            message = f"queue {queue.name!r} is stopping"
            raise ServiceDown(message)
        if room is None or room.try_acquire():
            return True
        say(events.queue.Full(queue.name, self._overflow, room.capacity))
        if self._overflow != "drop_oldest":
            return False
        while not room.try_acquire():
            self._afterlife.bury(self._stock.oldest(), "maxlen")
        return True

    def _turn_away(self) -> NoReturn:
        self._news.tell()
        queue = self._queue
        message = f"queue {queue.name!r} is full ({queue.capacity} messages)"
        raise QueueFull(message)

    def _publish(self, message: Message, delay: float, ttl: float | None, waited: float) -> Message:
        message.correlation_id = self._sim.telemetry.running.context.correlation_id
        self._take(message, delay, ttl, waited, self._news.by_caller)
        self._news.tell()
        return message

    def _take(
        self,
        message: Message,
        delay: float,
        ttl: float | None,
        waited: float,
        note: Callable[[Message, Event], object],
    ) -> None:
        """Keep a message, for which there is room, and have it delivered if it can be."""
        queue, now = self._queue, self._sim.now
        self.published += 1
        message.number = self.published
        message.message_id = f"{queue.name}-{self.published}"
        message.published_at = message.available_at = now
        lives = min((t for t in (ttl, queue.ttl) if t is not None), default=math.inf)
        message.expires_at = now + lives
        self._stock.add(message, delay)
        published, name = events.queue.Published, message.message_id
        kept = len(self._stock)
        note(message, published(queue.name, name, message.key, delay, waited, kept))
        self._taken()


def _check_times(delay: float, ttl: float | None) -> None:
    positive("delay", delay, zero=True)
    positive_or_none("ttl", ttl)
