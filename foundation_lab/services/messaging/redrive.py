"""A redrive: dead letters go back to the queues that they came from, at a rate.

As Amazon SQS's ``StartMessageMoveTask``: the oldest letter first; what is moved is a new message
there, with a new name, time to live and count of deliveries, behind whatever came before; one
redrive of a queue at a time. Sources: SQS API reference, "StartMessageMoveTask"; SQS developer
guide, "Configuring a dead-letter queue redrive" and "Troubleshooting dead-letter queue redrive".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from foundation_lab.services.arguments import positive_or_none
from foundation_lab.services.messaging.changes import Changes
from foundation_lab.services.messaging.message import Message
from foundation_lab.simulation.ability import able
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.message_queue import Queue
    from foundation_lab.services.messaging.message_news import MessageNews
    from foundation_lab.services.messaging.stock import Stock


class Redrive:
    """Moves the letters that a queue keeps when it begins; those in flight at their turn stay.

    It ends when all had their turn, when it is cancelled, or when a letter cannot be moved. What
    was moved stays moved, all else stays where it is.

    Args:
        queue: The queue of dead letters.
        stock: What it keeps.
        news: Where its events are noted.
        go_on: Has the queue deliver what can be delivered, and tell what was done.
        rate: How many letters are moved a second, the first at once; all at once without it.
        to: Where all of them go, instead of where each came from.

    Attributes:
        status: ``running``, ``completed``, ``cancelled`` or ``failed``.
        reason: Why it failed: ``no_source`` (a letter was not a message of another queue before, or
            that is no more), ``source_down``, ``destination_down`` or ``destination_full``.
        moved: How many letters were moved so far.
        to_move: How many there were when it began.

    Raises:
        ValueError: `rate` is not above 0, or `to` is the queue itself.
        TypeError: `to` is no queue.
    """

    def __init__(
        self,
        queue: Queue,
        stock: Stock,
        news: MessageNews,
        go_on: Callable[[], None],
        *,
        rate: float | None,
        to: Queue | None,
    ) -> None:
        self.rate = positive_or_none("rate", rate)
        if to is queue:
            message = f"to={to.name!r} is the queue itself; give another, or leave it out"
            raise ValueError(message)
        remedy = "give the Queue that takes the letters"
        self.to = None if to is None else able("to", to, "take_letter", remedy)
        self.status = "running"
        self.reason: str | None = None
        self.moved = 0
        self._queue = queue
        self._stock = stock
        self._news = news
        self._deliver = go_on
        self._sim = queue.sim
        self._letters = deque(stock.messages())
        self.to_move = len(self._letters)
        self._began = self._sim.now
        self._timer: Timer | None = None
        self._changes = Changes(self._sim)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.status == "running"

    def begin(self) -> None:
        """Move what is to be moved at once."""
        to = None if self.to is None else self.to.name
        started = events.queue.RedriveStarted(self._queue.name, to, self.rate, self.to_move)
        self._news.in_passing(started)
        self._go_on()

    def cancel(self) -> int:
        """Move no more, if it goes on still; return how many letters were moved."""
        if self.running:
            self._end("cancelled")
        return self.moved

    def done(self) -> Generator[Any, Any, None]:
        """Wait until it has ended (``yield from``)."""
        what = f"the redrive of queue {self._queue.name!r} to end"
        yield from self._changes.until(lambda: not self.running, what)

    # -- private -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Move what is due now; a handler that raises cancels what is left."""
        self._timer = None
        try:
            self._news.tell()
            self._move_due()
        except BaseException:
            self.cancel()
            raise

    def _move_due(self) -> None:
        while self.running:
            letter = self._next()
            if letter is None:
                self._end("completed")
                return
            target = self._target(letter)
            reason = self._hindrance(target)
            if target is None or reason is not None:
                self._end("failed", reason)
                return
            self._move(letter, target)
            if self.running and self.rate is not None and self._letters:
                due = self._began + self.moved / self.rate
                self._timer = Timer(self._sim, due, self._go_on)
                return

    def _next(self) -> Message | None:
        """Return the oldest letter that is there still, and that nobody has in hand."""
        while self._letters:
            letter = self._letters.popleft()
            if letter.state in {"waiting", "delayed"}:
                return letter
        return None

    def _target(self, letter: Message) -> Queue | None:
        """Return where a letter goes: where all go, or the queue that it came from last."""
        if self.to is not None:
            return self.to
        if not letter.history:
            return None
        name, _ = letter.history[-1]
        return self._sim.components.get(("queue", name))  # type: ignore[return-value]

    def _hindrance(self, target: Queue | None) -> str | None:
        """Return why a letter cannot be moved, if so."""
        if not self._queue.up or self._queue.stopping:
            return "source_down"
        if target is None:
            return "no_source"
        if target.takes_more:
            return None
        return "destination_full" if target.up and not target.stopping else "destination_down"

    def _move(self, letter: Message, target: Queue) -> None:
        queue, redriven = self._queue, events.queue.Redriven
        self._stock.remove(letter)
        queue.redriven += 1
        self.moved += 1
        age = self._sim.now - letter.published_at
        again = Message("", 0, letter.body, letter.key, letter.priority, history=letter.history)
        again.correlation_id = letter.correlation_id
        moved = redriven(queue.name, letter.message_id, target.name, age)
        self._news.of_queue(letter, moved, again)
        target.take_letter(again)
        self._deliver()
        target.tell()

    def _end(self, status: str, reason: str | None = None) -> None:
        self.status, self.reason = status, reason
        if self._timer is not None:
            self._timer.cancel()
        self._changes.tell()
        ended = events.queue.RedriveEnded
        left = self.to_move - self.moved
        self._news.in_passing(ended(self._queue.name, status, reason, self.moved, left))
        self._news.tell()
