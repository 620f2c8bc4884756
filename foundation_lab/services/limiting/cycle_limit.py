"""The cycle limiter: permits come at the start of each cycle and may be reserved beforehand."""

from __future__ import annotations

import math

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.limiting.limits import CLOSE, covers, wait_until, window_number


class CycleLimit:
    """`limit` permits at the start of each cycle of `period` seconds, counted from virtual 0.

    Whoever waits takes permits of future cycles at once: the balance goes below zero, and every
    cycle adds `limit` to it, up to `limit`. Unused permits are not saved, reserved ones are.

    Source: `AtomicRateLimiter` of resilience4j, with ``limitForPeriod`` and ``limitRefreshPeriod``;
    its ``timeoutDuration`` is the `timeout` of `RateLimiter.acquire`. There a waiter that is
    interrupted loses its permits; here they are given back.

    >>> cycles = CycleLimit(limit=2, period=10)
    >>> cycles.take(3, 2)
    >>> cycles.wait_for(3, 1)
    7
    >>> cycles.take(3, 2)  # reserved: all permits of the cycle from 10 on
    >>> cycles.wait_for(3, 1)
    17
    """

    def __init__(self, limit: int, period: float) -> None:
        self.limit = whole("limit", limit)
        self.period = positive("period", period)
        self._cycle = 0
        self._balance = float(limit)

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.limit

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until the cycle begins whose permits cover `amount`."""
        missing = amount - self._balance_at(now)
        if covers(0, missing):
            return 0.0
        cycles = max(1, math.ceil(missing / self.limit - CLOSE))
        return wait_until(now, (window_number(now, self.period) + cycles) * self.period)

    def take(self, now: float, amount: float) -> None:
        """Take permits, or reserve them when they are not there yet."""
        self._balance = self._balance_at(now) - amount
        self._cycle = window_number(now, self.period)

    def give_back(self, now: float, amount: float) -> None:
        """Give back permits that were reserved; who reserved later keeps the cycle it has."""
        self._balance = self._balance_at(now) + amount
        self._cycle = window_number(now, self.period)

    def remaining(self, now: float) -> float:
        """Return how many permits are left in the present cycle; 0 while some are owed."""
        return max(0.0, self._balance_at(now))

    def _balance_at(self, now: float) -> float:
        cycles = window_number(now, self.period) - self._cycle
        return min(self.limit, self._balance + cycles * self.limit)
