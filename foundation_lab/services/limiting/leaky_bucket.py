"""The leaky bucket as a meter: the generic cell rate algorithm (GCRA)."""

from __future__ import annotations

from foundation_lab.services.arguments import positive
from foundation_lab.services.limiting.limits import covers, wait_until


class LeakyBucket:
    """`limit` permits in `period` seconds, evenly spaced, and up to `burst` of them at once.

    Each permit fills the bucket by one; it leaks ``limit / period`` a second and holds `burst`. It
    is kept as the instant at which the next request would be due if all came evenly spaced, the
    theoretical arrival time: a request of one permit conforms from ``(burst - 1) * period / limit``
    seconds before that instant on. Source: ITU-T I.371 (2004), Annex A, virtual scheduling.

    Args:
        limit: How many permits a period has.
        period: Its length in seconds.
        burst: The largest amount at once; `limit` without it.

    >>> bucket = LeakyBucket(limit=4, period=8)
    >>> bucket.take(0, 4)
    >>> bucket.wait_for(0, 1)
    2.0
    """

    def __init__(self, limit: float, period: float, burst: float | None = None) -> None:
        self.limit = positive("limit", limit)
        self.period = positive("period", period)
        self.burst = limit if burst is None else positive("burst", burst)
        self._interval = period / limit
        self._at = 0.0
        self._ahead = 0.0  # seconds from `_at` on: a sum of large times would lose small intervals

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.burst

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until a request of `amount` conforms."""
        if covers(self.remaining(now), amount):
            return 0.0
        due = max(now, self._at) + self._backlog(now) - (self.burst - amount) * self._interval
        return wait_until(now, due, lambda time: covers(self.remaining(time), amount))

    def take(self, now: float, amount: float) -> None:
        """Put the theoretical arrival time off by `amount` intervals."""
        self._ahead = self._backlog(now) + amount * self._interval
        self._at = now

    def remaining(self, now: float) -> float:
        """Return how much the bucket has room for."""
        return self.burst - self._backlog(now) / self._interval

    def _backlog(self, now: float) -> float:
        """Return how many seconds the theoretical arrival time is ahead of the clock."""
        return max(0.0, self._ahead - max(0.0, now - self._at))
