"""The entrance of a queue: room for one more message, and what happens when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.errors import ServiceDown
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.messaging.afterlife import Afterlife
    from foundation_lab.services.messaging.stock import Stock
    from foundation_lab.telemetry.event import Event

OVERFLOWS = ("reject", "block", "drop_oldest")


class Entrance:
    """Takes room for messages before they are kept.

    Args:
        name: The queue's name.
        stock: What it keeps, and the room for that.
        afterlife: Where the oldest message goes when it has to make room.
        overflow: What happens when there is no room: one of `OVERFLOWS`.

    Raises:
        ValueError: `overflow` is none of them.
    """

    def __init__(self, name: str, stock: Stock, afterlife: Afterlife, overflow: str) -> None:
        if overflow not in OVERFLOWS:
            message = f"overflow={overflow!r}; use one of {', '.join(OVERFLOWS)}"
            raise ValueError(message)
        self._name = name
        self._stock = stock
        self._room = stock.room
        self._afterlife = afterlife
        self._overflow = overflow

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return self._room is not None and self._room.free <= 0

    @property
    def is_open(self) -> bool:
        """Whether a message that comes now finds room, or makes it."""
        return self._overflow == "drop_oldest" or not self.full

    def enter(self, say: Callable[[Event], object]) -> bool:
        """Take room for a message; return whether there was some, or was made.

        Args:
            say: Called with the event that there was none.
        """
        room = self._room
        if room is None or room.try_acquire():
            return True
        say(events.queue.Full(self._name, self._overflow, room.capacity))
        if self._overflow != "drop_oldest":
            return False
        while not room.try_acquire():
            self._afterlife.bury(self._stock.oldest(), "maxlen")
        return True

    def wait(self, on_wait: Callable[[], object]) -> Generator[Any, Any, None]:
        """Wait for room and take it (``yield from``).

        Args:
            on_wait: Called with the publisher in the line.

        Raises:
            ServiceDown: The publishers were sent away.
        """
        if self._room is not None:
            yield from self._room.acquire(on_wait=on_wait)

    def send_away(self, why: str) -> None:
        """Raise `ServiceDown` in every publisher who waits."""
        message = f"queue {self._name!r} {why}"
        if self._room is not None:
            self._room.fail_all(lambda: ServiceDown(message))
