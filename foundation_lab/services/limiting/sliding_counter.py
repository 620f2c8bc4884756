"""The sliding counter: two numbers that come close to a log of every request."""

from __future__ import annotations

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.limiting.limits import covers, wait_until, window_number


class SlidingCounter:
    """At most `limit` permits in a span of `window` seconds, as two counters estimate it.

    The permits of the window before count in proportion to how much of it the span still covers,
    as if they had been spread evenly: ``before * (1 - elapsed / window) + present``. It costs two
    numbers a key where `SlidingWindow` keeps a log. Source: Cloudflare, "How we built rate limiting
    capable of scaling to millions of domains" (2017).

    >>> counter = SlidingCounter(limit=50, window=60)
    >>> counter.take(30, 42)
    >>> counter.take(60, 8)
    >>> counter.remaining(75)  # 42 * 45 / 60 + 8 = 39.5 are taken
    10.5
    """

    def __init__(self, limit: int, window: float) -> None:
        self.limit = whole("limit", limit)
        self.window = positive("window", window)
        self._number = 0
        self._before = 0.0
        self._present = 0.0

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.limit

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until the estimate leaves room for `amount`."""
        if covers(self.remaining(now), amount):
            return 0.0
        number = window_number(now, self.window)
        before, present = self._counts(number)
        fading, rest = before, self.limit - present - amount
        if not covers(rest, 0):  # not in this window: what was taken in it has to fade first
            number, fading, rest = number + 1, present, self.limit - amount
        due = (number + max(0.0, 1 - rest / fading)) * self.window
        return wait_until(now, due, lambda time: covers(self.remaining(time), amount))

    def take(self, now: float, amount: float) -> None:
        """Take permits of the present window."""
        number = window_number(now, self.window)
        self._before, self._present = self._counts(number)
        self._number = number
        self._present += amount

    def remaining(self, now: float) -> float:
        """Return how many permits the estimate leaves; none when a clock set back makes it more."""
        number = window_number(now, self.window)
        before, present = self._counts(number)
        elapsed = min(1.0, max(0.0, (now - number * self.window) / self.window))
        return max(0.0, self.limit - before * (1 - elapsed) - present)

    def _counts(self, number: int) -> tuple[float, float]:
        """Return what was taken in the window before the one of this number, and in it."""
        if number == self._number:
            return self._before, self._present
        return (self._present if number == self._number + 1 else 0.0), 0.0
