"""Rate limits as state machines: pure functions of virtual time, nothing here waits or emits.

Each limit answers how long a request of some weight would have to wait (`wait_for`), and takes the
permits (`take`) when that is zero.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from foundation_lab.services.arguments import positive, whole

CLOSE = 1e-9
"""Two amounts of permits that differ by less are equal: accrued fractions are never exact."""


class Limit(Protocol):
    """The state of one limited key."""

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until `amount` would be granted; 0 when it is now."""

    def take(self, now: float, amount: float) -> None:
        """Take permits; only when `wait_for` says 0."""

    def remaining(self, now: float) -> float:
        """Return how many permits are left."""


class TokenBucket:
    """`capacity` tokens, refilled continuously at `rate` a second; full at the start."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate = positive("rate", rate)
        self.capacity = positive("capacity", capacity)
        self._tokens = float(capacity)
        self._at: float | None = None

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.capacity

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until there are `amount` tokens."""
        missing = amount - self.remaining(now)
        return missing / self.rate if missing > CLOSE else 0.0

    def take(self, now: float, amount: float) -> None:
        """Take tokens."""
        self._tokens = max(0.0, self.remaining(now) - amount)
        self._at = now

    def remaining(self, now: float) -> float:
        """Return how many tokens are in the bucket."""
        elapsed = 0.0 if self._at is None else now - self._at
        return min(self.capacity, self._tokens + elapsed * self.rate)


class FixedWindow:
    """`limit` permits in each window ``[k * window, (k + 1) * window)`` of virtual time."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit = whole("limit", limit)
        self.window = positive("window", window)
        self._number = -1
        self._used = 0.0

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.limit

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until a window has room for `amount`."""
        if self.remaining(now) + CLOSE >= amount:
            return 0.0
        return (self._index(now) + 1) * self.window - now

    def take(self, now: float, amount: float) -> None:
        """Take permits of the present window."""
        number = self._index(now)
        if number != self._number:
            self._number, self._used = number, 0.0
        self._used += amount

    def remaining(self, now: float) -> float:
        """Return how many permits the present window has left."""
        return self.limit - (self._used if self._index(now) == self._number else 0.0)

    def _index(self, now: float) -> int:
        # a multiple of the window belongs to the window that begins there, whatever the rounding
        return math.floor(now / self.window + CLOSE)


class SlidingWindow:
    """At most `limit` permits in any span of `window` seconds, by a log of what was granted.

    What was granted at t counts while now < t + window.
    """

    def __init__(self, limit: int, window: float) -> None:
        self.limit = whole("limit", limit)
        self.window = positive("window", window)
        self._log: deque[tuple[float, float]] = deque()
        self._used = 0.0

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.limit

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until enough old grants have left the window."""
        free = self.remaining(now)
        if free + CLOSE >= amount:
            return 0.0
        for time, taken in self._log:
            free += taken
            if free + CLOSE >= amount:
                return max(0.0, time + self.window - now)
        return math.inf

    def take(self, now: float, amount: float) -> None:
        """Take permits."""
        self._forget(now)
        self._log.append((now, amount))
        self._used += amount

    def remaining(self, now: float) -> float:
        """Return how many permits are left."""
        self._forget(now)
        return self.limit - self._used

    def _forget(self, now: float) -> None:
        while self._log and now >= self._log[0][0] + self.window:
            self._used -= self._log.popleft()[1]
        if not self._log:
            self._used = 0.0
