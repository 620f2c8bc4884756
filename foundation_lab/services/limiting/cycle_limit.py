"""The cycle limiter: permits come at the start of each cycle and may be reserved beforehand."""

from __future__ import annotations

import math
from bisect import bisect_left

from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.limiting.limits import (
    CLOSE,
    Reservation,
    covers,
    wait_until,
    window_number,
)


class CycleLimit:
    """`limit` permits at the start of each cycle of `period` seconds, counted from virtual 0.

    Whoever waits takes permits of future cycles at once, of the first that have some. Unused
    permits are not saved. Neither time nor memory depends on how many cycles are taken at once.

    Source: `AtomicRateLimiter` of resilience4j, with ``limitForPeriod`` and ``limitRefreshPeriod``;
    its ``timeoutDuration`` is the `timeout` of `RateLimiter.acquire`. There a waiter that is
    interrupted loses its permits; here they go back to their own cycles.

    >>> cycles = CycleLimit(limit=2, period=10)
    >>> cycles.take(3, 2)
    >>> cycles.wait_for(3, 1)
    7
    >>> mine = cycles.reserve(3, 2)  # all permits of the cycle from 10 on
    >>> cycles.wait_for(3, 1)
    17
    >>> cycles.give_back(3, mine)
    >>> cycles.wait_for(3, 1)
    7
    """

    def __init__(self, limit: int, period: float) -> None:
        self.limit = whole("limit", limit)
        self.period = positive("period", period)
        self._present = 0
        # What is free, in order: a first cycle, how many there are, and the permits of each. Only
        # where all permits of a cycle are free may others follow it; the last entry is endless.
        self._free: list[tuple[int, float, float]] = [(0, math.inf, float(limit))]

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.limit

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until the cycle begins whose permits cover `amount`."""
        self._go_on(now)
        permits = 0.0
        for first, cycles, each in self._free:
            if covers(permits + cycles * each, amount):
                more = max(0, math.ceil((amount - permits) / each) - 1)
                rounded_up = more > 0 and covers(permits + more * each, amount)
                cycle = first + more - rounded_up
                break
            permits += cycles * each
        if cycle <= window_number(now, self.period):
            return 0.0
        return wait_until(now, cycle * self.period)

    def take(self, now: float, amount: float) -> None:
        """Take permits, or reserve them when they are not there yet."""
        self.reserve(now, amount)

    def reserve(self, now: float, amount: float) -> Reservation:
        """Take permits of the first cycles that have some; return how many of which."""
        self._go_on(now)
        parts: list[tuple[int, int, float]] = []
        while amount > CLOSE:
            first, cycles, each = self._free.pop(0)
            emptied = int(min(cycles, amount // each))
            if emptied:
                parts.append((first, emptied, each))
                amount -= emptied * each
            if emptied < cycles:
                rest = [(first + emptied, cycles - emptied, each)]
                if amount > CLOSE:
                    rest = self._opened(*rest[0], amount)
                    parts.append((first + emptied, 1, amount))
                    amount = 0.0
                self._free[:0] = rest
        return tuple(parts)

    def give_back(self, now: float, reservation: Reservation) -> None:
        """Give permits back to their cycles; who reserved later keeps the cycle it has."""
        self._go_on(now)
        for first, cycles, each in reservation:
            start = max(first, self._present)
            if start < first + cycles:
                place = bisect_left(self._free, (start,))
                left = 0.0
                if self._free[place][0] == start:  # what nobody has taken of this one cycle
                    left = self._free.pop(place)[2]
                self._free.insert(place, (start, first + cycles - start, left + each))

    def remaining(self, now: float) -> float:
        """Return how many permits are left in the present cycle."""
        self._go_on(now)
        first, _, each = self._free[0]
        return each if first == self._present else 0.0

    def _opened(
        self, first: int, cycles: float, each: float, taken: float
    ) -> list[tuple[int, float, float]]:
        """Return what is free when permits are taken of the first of some cycles."""
        parts = [(first, 1.0, each - taken), (first + 1, cycles - 1, each)]
        return [part for part in parts if part[1] and part[2] > CLOSE]

    def _go_on(self, now: float) -> None:
        """Forget the cycles that are over; a clock that was set back brings none of them again."""
        present = window_number(now, self.period)
        if present <= self._present:
            return
        self._present = present
        while self._free[0][0] < present:
            first, cycles, each = self._free.pop(0)
            if first + cycles > present:
                self._free.insert(0, (present, first + cycles - present, each))
