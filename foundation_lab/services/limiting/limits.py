"""Rate limits as state machines: pure functions of virtual time, nothing here waits or emits.

Each limit answers how long a request of some weight would have to wait (`wait_for`), and takes the
permits (`take`) when that is zero.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from foundation_lab.services.arguments import positive, whole

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSE = 1e-9
"""Amounts of permits that differ by a smaller share are equal: accrued fractions are not exact."""

Reservation = tuple[tuple[int, int, float], ...]
"""What was reserved: a first cycle, how many cycles there are, and how many permits of each."""


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


@runtime_checkable
class Reserving(Limit, Protocol):
    """A limit of which permits can be taken before they are there: a reservation.

    What was reserved may be used after `wait_for`, asked before.
    """

    def reserve(self, now: float, amount: float) -> Reservation:
        """Take permits, whenever they come; return which."""

    def give_back(self, now: float, reservation: Reservation) -> None:
        """Give back permits that were reserved and will not be used."""


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
        if covers(self.remaining(now), amount):
            return 0.0
        due = self._latest(now) + (amount - self.remaining(now)) / self.rate
        return wait_until(now, due, lambda time: covers(self.remaining(time), amount))

    def take(self, now: float, amount: float) -> None:
        """Take tokens."""
        self._tokens = max(0.0, self.remaining(now) - amount)
        self._at = now

    def remaining(self, now: float) -> float:
        """Return how many tokens are in the bucket."""
        elapsed = 0.0 if self._at is None else self._latest(now) - self._at
        return min(self.capacity, self._tokens + elapsed * self.rate)

    def _latest(self, now: float) -> float:
        """Return the time, which stands still for the bucket while a clock set back catches up.

        As golang.org/x/time/rate does (`advance` in rate.go).
        """
        return now if self._at is None else max(now, self._at)


class FixedWindow:
    """`limit` permits in each window ``[k * window, (k + 1) * window)`` of virtual time.

    Across the border of two windows, up to ``2 * limit`` come through within less than one length.
    """

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
        if covers(self.remaining(now), amount):
            return 0.0
        return wait_until(now, (window_number(now, self.window) + 1) * self.window)

    def take(self, now: float, amount: float) -> None:
        """Take permits of the present window."""
        number = window_number(now, self.window)
        if number != self._number:
            self._number, self._used = number, 0.0
        self._used += amount

    def remaining(self, now: float) -> float:
        """Return how many permits the present window has left."""
        return self.limit - (self._used if window_number(now, self.window) == self._number else 0.0)


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
        if covers(free, amount):
            return 0.0
        latest = -math.inf
        for time, taken in self._log:
            free += taken
            latest = max(latest, time)  # a clock that was set back: the log is not in order then
            if covers(free, amount):
                return wait_until(now, latest + self.window)
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


def covers(permits: float, amount: float) -> bool:
    """Return whether there are `amount` permits, but for what rounding takes off."""
    return permits + CLOSE * max(1.0, amount) >= amount


def wait_until(now: float, time: float, is_there: Callable[[float], bool] | None = None) -> float:
    """Return the shortest wait from `now` on that reaches `time`, and moves the clock.

    Args:
        now: The present instant.
        time: When the wait is to end.
        is_there: Whether what is waited for is there at an instant. When rounding has made `time`
            too early, the wait is the first that is long enough.
    """
    time = max(time, math.nextafter(now, math.inf))
    wait = time - now
    wait = wait if now + wait >= time else math.nextafter(wait, math.inf)
    while is_there is not None and not is_there(now + wait):
        wait = wait_until(now, math.nextafter(now + wait, math.inf))
    return wait


def window_number(now: float, window: float) -> int:
    """Return the number of the window ``[k * window, (k + 1) * window)`` that `now` is in.

    A multiple of the window belongs to the window that begins there, whatever the rounding.
    """
    windows = now / window
    return math.floor(windows + CLOSE + 1e-15 * windows)
