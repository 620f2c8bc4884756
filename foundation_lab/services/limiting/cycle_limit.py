"""The cycle limiter: permits come at the start of each cycle and may be reserved beforehand."""

from __future__ import annotations

from itertools import count

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
    permits are not saved.

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
        self._taken: dict[int, float] = {}
        self._first = 0  # whatever came before is over or taken

    @property
    def largest(self) -> float:
        """The largest amount that can ever be granted at once."""
        return self.limit

    def wait_for(self, now: float, amount: float) -> float:
        """Return the seconds until the cycle begins whose permits cover `amount`."""
        self._go_on(now)
        permits = 0.0
        for cycle in count(self._first):
            permits += self._free(cycle)
            if covers(permits, amount):
                break
        if cycle <= window_number(now, self.period):
            return 0.0
        return wait_until(now, cycle * self.period)

    def take(self, now: float, amount: float) -> None:
        """Take permits, or reserve them when they are not there yet."""
        self.reserve(now, amount)

    def reserve(self, now: float, amount: float) -> Reservation:
        """Take permits of the first cycles that have some; return how many of which."""
        self._go_on(now)
        parts: list[tuple[int, float]] = []
        while amount > CLOSE:
            cycle = self._first
            part = min(amount, self._free(cycle))
            if part > 0:
                self._taken[cycle] = self._taken.get(cycle, 0.0) + part
                parts.append((cycle, part))
                amount -= part
            if self._free(cycle) <= CLOSE:
                self._first += 1
        return tuple(parts)

    def give_back(self, now: float, reservation: Reservation) -> None:
        """Give permits back to their cycles; who reserved later keeps the cycle it has."""
        self._go_on(now)
        for cycle, part in reservation:
            if cycle >= self._present:
                self._taken[cycle] -= part
                self._first = min(self._first, cycle)

    def remaining(self, now: float) -> float:
        """Return how many permits are left in the present cycle."""
        self._go_on(now)
        return self._free(self._present) if self._first == self._present else 0.0

    def _free(self, cycle: int) -> float:
        return self.limit - self._taken.get(cycle, 0.0)

    def _go_on(self, now: float) -> None:
        """Forget the cycles that are over; a clock that was set back brings none of them again."""
        present = window_number(now, self.period)
        if present <= self._present:
            return
        if present - self._present <= len(self._taken):
            for cycle in range(self._present, present):
                self._taken.pop(cycle, None)
        else:
            self._taken = {cycle: n for cycle, n in self._taken.items() if cycle >= present}
        self._present = present
        self._first = max(self._first, present)
