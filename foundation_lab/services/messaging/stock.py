"""The messages that a queue keeps: waiting, delayed, in flight; and the room that they take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from foundation_lab.services.arguments import whole
from foundation_lab.services.messaging.line import Line
from foundation_lab.simulation.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.messaging.message import Message
    from foundation_lab.simulation.engine import Simulation


class Stock:
    """Keeps messages, and knows when they are due and when they expire.

    Args:
        sim: The simulation.
        name: The queue's name.
        capacity: How many messages may wait or be delayed; no limit without it.
        when_due: Called when a delayed message has joined the line.
        when_over: Called with a message whose time to live is over while it is not in flight.
        when_less: Called when a message is not kept any more.

    Attributes:
        line: Those that wait.
        room: The places for those that wait or are delayed, if they are limited.
        delayed: How many are delayed.
        in_flight: How many are in flight.

    Raises:
        ValueError: `capacity` is no whole number from 1.
    """

    def __init__(
        self,
        sim: Simulation,
        name: str,
        capacity: int | None,
        *,
        when_due: Callable[[], object],
        when_over: Callable[[Message], object],
        when_less: Callable[[], object],
    ) -> None:
        self._sim = sim
        self._when_due = when_due
        self._when_over = when_over
        self._when_less = when_less
        self._kept: dict[int, Message] = {}
        self.line = Line()
        self.room: Slots | None = None
        if capacity is not None:
            self.room = Slots(sim, whole("capacity", capacity), f"room in queue {name!r}")
        self.delayed = 0
        self.in_flight = 0

    def __len__(self) -> int:
        """Return how many messages are kept."""
        return len(self._kept)

    def messages(self) -> list[Message]:
        """Return all messages, the oldest one first."""
        return list(self._kept.values())

    def oldest(self) -> Message:
        """Return the oldest message that is not in flight."""
        return next(m for m in self._kept.values() if m.state in {"waiting", "delayed"})

    def add(self, message: Message, delay: float) -> None:
        """Keep a new message, for which room was taken."""
        self._kept[message.number] = message
        self._line_up(message, delay)

    def put_back(self, message: Message, delay: float) -> None:
        """Let a message wait again that was taken out; it has a right to room."""
        if self.room is not None:
            self.room.used += 1  # even if there is none
        self._line_up(message, delay)

    def take(self) -> Message | None:
        """Take the next message out of the line, or ``None``; it is nowhere then, but kept."""
        message = self.line.take()
        if message is not None:
            self._leave(message)
        return message

    def withdraw(self, message: Message) -> None:
        """Take a message out of the line, if it is in it or will be."""
        if message.state in {"waiting", "delayed"}:
            self._leave(message)
            self.line.remove(message)

    def remove(self, message: Message) -> None:
        """Keep a message no longer, wherever it is."""
        self.withdraw(message)
        self.line.remove(message)
        del self._kept[message.number]
        self._when_less()

    def violations(self) -> list[str]:
        """Return every law of stocks that does not hold, in words."""
        kept = {"waiting": len(self.line), "delayed": self.delayed, "in_flight": self.in_flight}
        states = [message.state for message in self._kept.values()]
        broken = [
            f"{number} messages are counted as {state}, {states.count(state)} are"
            for state, number in kept.items()
            if number != states.count(state)
        ]
        out = [m.key for m in self._kept.values() if m.state == "in_flight" and m.key is not None]
        broken += [f"two messages of key {key!r} are out" for key in out if out.count(key) > 1]
        if self.room is not None:
            broken += self.room.violations()
            if self.room.used < kept["waiting"] + kept["delayed"]:
                broken.append(f"more messages than the {self.room.used} places that are taken")
        return broken

    # -- private -------------------------------------------------------------------------------

    def _line_up(self, message: Message, delay: float) -> None:
        now = self._sim.now
        if message.expires_at < math.inf:
            left = max(0.0, message.expires_at - now)
            message.expiry = self._sim.call_in(left, lambda: self._over(message))
        message.available_at = now + delay
        if delay > 0:
            message.state = "delayed"
            self.delayed += 1
            message.timer = self._sim.call_in(delay, lambda: self._due(message))
        else:
            self.line.put(message)

    def _due(self, message: Message) -> None:
        self.delayed -= 1
        message.timer = None
        self.line.put(message)
        self._when_due()

    def _over(self, message: Message) -> None:
        message.expiry = None
        self._when_over(message)

    def _leave(self, message: Message) -> None:
        """Give back the room of a message that waited or was delayed until now."""
        if message.expiry is not None:
            message.expiry.cancel()
            message.expiry = None
        if message.timer is not None:
            message.timer.cancel()
            message.timer = None
            self.delayed -= 1
        if self.room is not None:
            self.room.release()
