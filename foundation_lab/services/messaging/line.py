"""The line of a message queue: who is next, by priority and arrival, in order within each key."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation_lab.services.messaging.message import Message


class Line:
    """Messages that wait.

    The next one is that of the highest priority, and of those the first that came. Messages of one
    key stay in the order in which they came, whatever their priority, and only one of them is out
    at a time. A message that comes back stands where it stood before.
    """

    def __init__(self) -> None:
        self._waiting = 0
        self._ranks = count(1)
        self._next: list[tuple[int, int, Message]] = []
        self._lanes: dict[str, Lane] = {}

    def __len__(self) -> int:
        """Return how many messages wait."""
        return self._waiting

    def is_ready(self) -> bool:
        """Return whether there is a message that may be taken."""
        return any(message.state == "waiting" for _, _, message in self._next)

    def put(self, message: Message) -> None:
        """Line a message up; one that is out, or waits to come back, is back with that."""
        if message.rank == 0:
            message.rank = next(self._ranks)
        message.state = "waiting"
        self._waiting += 1
        if message.key is None:
            heappush(self._next, (-message.priority, message.rank, message))
            return
        lane = self._lanes.setdefault(message.key, Lane())
        heappush(lane.messages, (message.rank, message))
        if lane.out is message:
            lane.out = None
        self._show(lane)

    def take(self) -> Message | None:
        """Take the next message out; ``None`` when there is none that may be."""
        while self._next:
            message = heappop(self._next)[2]
            if message.state != "waiting":
                continue
            self._waiting -= 1
            if message.key is not None:
                lane = self._lanes[message.key]
                heappop(lane.messages)
                lane.out, lane.shown = message, None
            message.state = "out"
            return message
        return None

    def remove(self, message: Message) -> None:
        """Forget a message, whether it waits, is out, or waits to come back."""
        if message.state == "waiting":
            self._waiting -= 1
        message.state = "done"
        if message.key is None:
            return
        lane = self._lanes.get(message.key)
        if lane is None:  # it was delayed, and never here
            return
        if lane.out is message:
            lane.out = None
        if lane.shown is message:
            lane.shown = None
        self._show(lane)
        if lane.out is None and lane.shown is None:
            del self._lanes[message.key]

    def _show(self, lane: Lane) -> None:
        """Let the first message of a key be taken, unless another one is out."""
        if lane.out is not None or lane.shown is not None:
            return
        messages = lane.messages
        while messages and messages[0][1].state != "waiting":
            heappop(messages)
        if messages:
            rank, message = messages[0]
            lane.shown = message
            heappush(self._next, (-message.priority, rank, message))


class Lane:
    """The messages of one key.

    Attributes:
        messages: Those that wait, as a heap; and some that do not any more.
        shown: The first one, if it may be taken.
        out: The one that is out, or waits to come back.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[int, Message]] = []
        self.shown: Message | None = None
        self.out: Message | None = None
