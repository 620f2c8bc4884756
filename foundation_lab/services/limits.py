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
"""Amounts of permits that differ by a smaller share are equal: accrued fractions are not exact."""


class Limit(Protocol):
    """The state of one limited key.

    A clock of floats cannot show every instant: what `wait_for` returns is rounded up, so that at
    ``now + wait_for(now, amount)`` the amount is there, and a wait above 0 moves the clock.
    """

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
        if _covers(self.remaining(now), amount):
            return 0.0
        wait = _wait_until(now, now + (amount - self.remaining(now)) / self.rate)
        while not _covers(self.remaining(now + wait), amount):
            wait = _wait_until(now, math.nextafter(now + wait, math.inf))
        return wait

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
        if _covers(self.remaining(now), amount):
            return 0.0
        return _wait_until(now, (self._index(now) + 1) * self.window)

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
        windows = now / self.window
        return math.floor(windows + CLOSE + 1e-15 * windows)


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
        if _covers(free, amount):
            return 0.0
        for time, taken in self._log:
            free += taken
            if _covers(free, amount):
                return _wait_until(now, time + self.window)
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


def _covers(permits: float, amount: float) -> bool:
    return permits + CLOSE * max(1.0, amount) >= amount


def _wait_until(now: float, time: float) -> float:
    """Return the shortest wait from `now` on that reaches `time`, and moves the clock."""
    time = max(time, math.nextafter(now, math.inf))
    wait = time - now
    return wait if now + wait >= time else math.nextafter(wait, math.inf)
