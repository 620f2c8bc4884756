"""The control law of CoDel: who is dropped, so that no queue stands.

The delay of whoever leaves the queue tells a burst from a standing queue: a burst is gone within an
interval, so the least delay of an interval is above the target only in a standing queue. Then one
is dropped, and further ones the sooner the more were: the k-th comes ``interval / sqrt(k)`` later.

Source: RFC 8289, "Controlled Delay Active Queue Management" (2018), section 5, with the count that
a new phase of dropping starts from as in Linux.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class DropControl:
    """Decides who is dropped on leaving a queue.

    Args:
        target: The delay in seconds that a queue may have for good.
        interval: Seconds within which a burst should be gone.
        keep: Nobody is dropped while no more than so many are behind; RFC 8289 keeps one packet of
            full size.
    """

    def __init__(self, target: float, interval: float, keep: int = 1) -> None:
        self.target = target
        self.interval = interval
        self.keep = keep
        self.dropping = False
        self.count = 0
        self.drop_next = 0.0
        self._last_count = 0
        self._first_above: float | None = None

    def next_after(self, time: float, count: int) -> float:
        """Return when the next one is dropped, after `count` in this phase and one at `time`."""
        return time + self.interval / math.sqrt(count)

    def emptied(self) -> None:
        """Take notice that nobody waits."""
        self._first_above = None
        self.dropping = False

    def dequeue(
        self,
        now: float,
        take: Callable[[], tuple[T, float, int] | None],
        drop: Callable[[T], object],
    ) -> T | None:
        """Return who is served next, once those before them were dropped.

        Args:
            now: The time in seconds.
            take: Takes the next one out of the queue; returns them, their delay, and how many are
                behind them; ``None`` when nobody is left.
            drop: Called with each who is dropped.
        """
        item, above = self._look(now, take())
        if self.dropping:
            self.dropping = above
            while self.dropping and item is not None and now >= self.drop_next:
                drop(item)
                self.count += 1
                item, above = self._look(now, take())
                if above:
                    self.drop_next = self.next_after(self.drop_next, self.count)
                else:
                    self.dropping = False
        elif above and item is not None:
            drop(item)
            item, _ = self._look(now, take())
            self._begin(now)
        return item

    def _begin(self, now: float) -> None:
        """Begin to drop; at the pace of the last phase, when that ended a short time ago."""
        self.dropping = True
        dropped = self.count - self._last_count
        recent = now - self.drop_next < 16 * self.interval
        self.count = dropped if dropped > 1 and recent else 1
        self.drop_next = self.next_after(now, self.count)
        self._last_count = self.count

    def _look(self, now: float, taken: tuple[T, float, int] | None) -> tuple[T | None, bool]:
        """Return who was taken, and whether the delay has been above the target for long enough."""
        if taken is None:
            self._first_above = None
            return None, False
        item, delay, behind = taken
        if delay < self.target or behind <= self.keep:
            self._first_above = None
        elif self._first_above is None:
            self._first_above = now + self.interval
        else:
            return item, now >= self._first_above
        return item, False
