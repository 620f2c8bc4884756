"""A message queue: at least once, to one of several consumers, until somebody acknowledges.

```
            delay                              ack
publish ─► delayed ─► waiting ─► in flight ─────────► acknowledged
                         ▲           │ nack, visibility timeout, consumer lost
                         └───────────┤
                                     └► dead letter, or dropped
```

A message that was taken ends in exactly one way: acknowledged, dead-lettered, dropped or, as a
dead letter that goes back to where it came from, redriven.

Sources: visibility timeout, receipt handles, message groups and the redrive policy of Amazon SQS
(developer guide); acknowledgements, prefetch, overflow and the reasons of dead letters of RabbitMQ
(guides on consumers, ``maxlength``, ``dlx``, ``ttl`` and quorum queues).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ServiceDown
from foundation_lab.services.arguments import positive_or_none, whole
from foundation_lab.services.messaging.afterlife import Afterlife
from foundation_lab.services.messaging.changes import Changes
from foundation_lab.services.messaging.deliveries import Deliveries
from foundation_lab.services.messaging.entrance import Entrance
from foundation_lab.services.messaging.message import Delivery, Message
from foundation_lab.services.messaging.message_news import MessageNews
from foundation_lab.services.messaging.redrive import Redrive
from foundation_lab.services.messaging.stock import Stock
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.ability import able
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.retrying.backoff import Backoff
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class Queue(Service):
    """Keeps messages until they are acknowledged.

    Args:
        sim: The simulation.
        name: The queue's name, `service_id` in its events.
        capacity: How many messages may wait or be delayed; no limit without it. Messages in flight
            do not count, and one that comes back finds room.
        overflow: What a full queue does with one more: ``reject`` it (`QueueFull`), ``block`` its
            publisher until there is room, first in first out, or ``drop_oldest`` to make room.
        visibility_timeout: Seconds that a consumer has to answer before the message is delivered
            again; for ever without it.
        max_deliveries: How often a message is delivered at most; when the last delivery fails it
            is a dead letter. No limit without it.
        retry_delay: Seconds until a message that was given back can be delivered again, or a
            backoff over its deliveries.
        ttl: How many seconds after its publication a message expires; never without it. A message
            may have a shorter one of its own.
        dead_letters: The queue for messages that cannot be delivered; they are dropped without it.
        durable: Whether messages outlive a crash of the queue.

    Attributes:
        deliveries: Its deliveries, and their answers.
        redriven: How many messages, dead letters, went back to where they came from.
    """

    kind: ClassVar[str] = "queue"
    Published = events.queue.Published
    Full = events.queue.Full
    Delivered = events.queue.Delivered
    Acknowledged = events.queue.Acknowledged
    Rejected = events.queue.Rejected
    Redelivered = events.queue.Redelivered
    Late = events.queue.Late
    Expired = events.queue.Expired
    DeadLettered = events.queue.DeadLettered
    Dropped = events.queue.Dropped
    Paused = events.queue.Paused
    Resumed = events.queue.Resumed
    RedriveStarted = events.queue.RedriveStarted
    Redriven = events.queue.Redriven
    RedriveEnded = events.queue.RedriveEnded

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        capacity: int | None = None,
        overflow: str = "reject",
        visibility_timeout: float | None = 30.0,
        max_deliveries: int | None = None,
        retry_delay: float | Backoff = 0.0,
        ttl: float | None = None,
        dead_letters: Queue | None = None,
        durable: bool = True,
    ) -> None:
        self.capacity = capacity
        self.overflow = overflow
        self.visibility_timeout = positive_or_none("visibility_timeout", visibility_timeout)
        self.max_deliveries = (
            None if max_deliveries is None else whole("max_deliveries", max_deliveries)
        )
        self.retry_delay = retry_delay
        self.ttl = positive_or_none("ttl", ttl)
        remedy = "give the Queue that takes them, or None"
        self.dead_letters = (
            None
            if dead_letters is None
            else able("dead_letters", dead_letters, "take_letter", remedy)
        )
        self.durable = durable
        self.redriven = 0
        self.paused = False
        self._changes = Changes(sim)
        self._news: MessageNews = MessageNews(
            sim, None if dead_letters is None else dead_letters._news
        )
        self._stock = Stock(
            sim,
            name,
            capacity,
            when_due=self._go_on,
            when_over=self._time_is_over,
            when_less=self._changes.tell,
        )
        self._afterlife = Afterlife(
            sim,
            name,
            self._stock,
            self._news,
            home=dead_letters,
            max_deliveries=self.max_deliveries,
            retry_delay=retry_delay,
        )
        self._redrive: Redrive | None = None
        self.sim = sim
        self.name = name
        self.deliveries = Deliveries(
            self, self._stock, self._afterlife, self._news, self._changes.tell
        )
        self._entrance = Entrance(
            self,
            self._stock,
            self._afterlife,
            self._news,
            overflow=overflow,
            taken=self.deliveries.hand_out,
        )
        super().__init__(sim, name)

    # -- publishers ----------------------------------------------------------------------------

    def publish(
        self,
        body: Any,
        *,
        key: str | None = None,
        delay: float = 0.0,
        priority: int = 0,
        ttl: float | None = None,
    ) -> Generator[Any, Any, Message]:
        """Publish a message (``yield from``); only a full queue that blocks makes one wait.

        Args:
            body: What it says.
            key: Messages of one key are delivered in order, one at a time.
            delay: Seconds until it can be delivered; its place in line is that of its end.
            priority: The larger, the earlier it is delivered.
            ttl: How many seconds from now it expires, if that is before the queue's `ttl`.

        Returns:
            The message.

        Raises:
            QueueFull: The queue is full and rejects.
            ServiceDown: The queue is down or stopping, or went down meanwhile.
            ValueError: `delay` or `ttl` is no time.
        """
        message = Message("", 0, body, key, priority)
        return (yield from self._entrance.publish(message, delay, ttl))

    def offer(
        self,
        body: Any,
        *,
        key: str | None = None,
        delay: float = 0.0,
        priority: int = 0,
        ttl: float | None = None,
    ) -> Message:
        """Publish a message at once, from outside of a process for instance.

        Arguments and errors are those of `publish`; a full queue that blocks rejects it.
        """
        return self._entrance.offer(Message("", 0, body, key, priority), delay, ttl)

    # -- consumers -----------------------------------------------------------------------------

    def receive(self, consumer: str = "") -> Generator[Any, Any, Delivery]:
        """Wait for a message (``yield from``); who has waited longest gets the next one.

        Args:
            consumer: Who receives, for the events; by default the process's name.

        Returns:
            The delivery, to be answered with `Delivery.ack` or `Delivery.nack`.

        Raises:
            ServiceDown: The queue is down, or went down meanwhile.
        """
        self.require_up()
        process, turn = self.deliveries.receivers.join(consumer)
        try:
            self._go_on()
            return (yield turn)  # type: ignore[no-any-return]
        except BaseException:
            if not turn.triggered:
                self.leave(process)
            elif isinstance(turn.value, Delivery):  # delivered at this very instant to who is gone
                turn.value.give_back()
            raise

    def leave(self, process: Process) -> None:
        """Take a process out of the line of receivers; it is about to end."""
        self.deliveries.receivers.leave(process)

    # -- operators -----------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many messages wait to be delivered, those behind one of their key included."""
        return len(self._stock.line)

    @property
    def delayed(self) -> int:
        """How many messages are not to be delivered yet."""
        return self._stock.delayed

    @property
    def in_flight(self) -> int:
        """How many messages are delivered and not answered."""
        return self._stock.in_flight

    @property
    def published(self) -> int:
        """How many messages it took so far."""
        return self._entrance.published

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged so far."""
        return self.deliveries.acknowledged

    @property
    def dead_lettered(self) -> int:
        """How many messages became dead letters of `dead_letters` so far."""
        return self._afterlife.dead_lettered

    @property
    def dropped(self) -> int:
        """How many messages were lost so far, or were dead letters without a place to go."""
        return self._afterlife.dropped

    @property
    def depth(self) -> int:
        """How many messages it keeps: waiting, delayed and in flight."""
        return len(self._stock)

    @property
    def takes_more(self) -> bool:
        """Whether a message that comes now is taken at once."""
        return self.up and not self.stopping and self._entrance.takes_more

    @property
    def delivers(self) -> bool:
        """Whether messages are delivered: it is up, and neither paused nor stopping."""
        return self.up and not self.paused and not self.stopping

    def take_letter(self, letter: Message) -> None:
        """Take a message of another queue; `takes_more` comes before, `tell` after it."""
        self._entrance.take_letter(letter)

    def tell(self) -> None:
        """Tell what it has done, but not told yet."""
        self._news.tell()

    def pause(self) -> None:
        """Deliver nothing until `resume`; messages are taken still."""
        if self.up and not self.paused:
            self.paused = True
            self._news.in_passing(events.queue.Paused(self.name, self.depth))
            self._news.tell()

    def resume(self) -> None:
        """Deliver again."""
        if self.paused:
            self.paused = False
            self._news.in_passing(events.queue.Resumed(self.name, self.depth))
            self._go_on()

    @property
    def redriving(self) -> bool:
        """Whether dead letters of it are being moved."""
        return self._redrive is not None and self._redrive.running

    def redrive(self, *, rate: float | None = None, to: Queue | None = None) -> Redrive:
        """Begin to move what it keeps, dead letters, back to the queues that they came from.

        Args:
            rate: How many letters are moved a second, the first at once; all at once without it.
            to: Where all of them go, instead of where each came from.

        Returns:
            The redrive: how far it is, to be waited for or cancelled.

        Raises:
            ServiceDown: The queue is down.
            ValueError: Another redrive of this queue is running, `rate` is not above 0, or `to` is
                this queue.
        """
        self.require_up()
        if self.redriving:
            message = f"a redrive of queue {self.name!r} is running; cancel it, or wait until done"
            raise ValueError(message)
        redrive = Redrive(self, self._stock, self._news, self._go_on, rate=rate, to=to)
        self._redrive = redrive  # whoever hears that it has ended may begin another one
        redrive.begin()
        return redrive

    def drain(self) -> Generator[Any, Any, None]:
        """Wait until the queue keeps no message (``yield from``)."""
        yield from self._changes.until(lambda: not self.depth, f"queue {self.name} to be empty")

    def back(self) -> Generator[Any, Any, None]:
        """Wait until the queue is up (``yield from``)."""
        yield from self._changes.until(lambda: self.up, f"queue {self.name} to be up")

    # -- a service -----------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The state in a word: ``up``, ``paused`` or ``down``."""
        return "paused" if self.paused else super().status

    def health(self) -> Health:
        """Return unhealthy when down, degraded when paused or full."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if self.paused or self._entrance.full else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"waiting": self.waiting, "delayed": self.delayed, "in_flight": self.in_flight}

    def violations(self) -> list[str]:
        """Return every law of queues that does not hold, in words."""
        broken = self._stock.violations()
        ended = self.acknowledged + self.dead_lettered + self.dropped + self.redriven
        if self.published != ended + self.depth:
            broken.append(f"{self.published} published, {ended} ended, {self.depth} kept")
        return broken + self.deliveries.violations()

    def wind_down(self) -> Generator[Any, Any, object] | None:
        """Take and deliver nothing any more; wait for the answers of consumers."""
        self._entrance.send_away("is stopping")
        return self._answers() if self.in_flight else super().wind_down()

    def on_exit(self, reason: str) -> None:
        """Send everybody away; keep the messages if they are durable, those in flight as well."""
        self.paused = False
        message = f"queue {self.name!r} went down ({reason})"
        self.deliveries.receivers.send_away(lambda: ServiceDown(message))
        self._entrance.send_away(f"went down ({reason})")
        for kept in self._stock.messages():
            if kept.delivery is not None:
                self.deliveries.end(kept.delivery)
                if self.durable:
                    self._afterlife.put_back(kept, "queue_down", 0.0)
            if not self.durable:
                self._afterlife.drop(kept, "lost")
        self._news.tell()

    def on_restart(self) -> None:
        """Take up the messages that were kept, without those that expired meanwhile."""
        for message in self._stock.messages():
            if self.sim.now >= message.expires_at:
                self._afterlife.expire(message)
        self._changes.tell()
        self._news.tell()

    # -- private -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Deliver what can be delivered, and tell what was done."""
        self.deliveries.hand_out()
        self._news.tell()

    def _time_is_over(self, message: Message) -> None:
        if self.up:  # else it is found when the queue is up again
            self._afterlife.expire(message)
            self._go_on()

    def _answers(self) -> Generator[Any, Any, None]:
        what = f"queue {self.name} to get its answers"
        yield from self._changes.until(lambda: not self.in_flight, what)
        if self.stop_time:
            yield self.stop_time
