"""A limit that learns from a window of calls at a time instead of from each call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from foundation_lab.services.arguments import positive, whole
from foundation_lab.simulation.ability import able

if TYPE_CHECKING:
    import random

    from foundation_lab.services.limiting.concurrency_limits import ConcurrencyLimit


class WindowedLimit:
    """Gathers calls for a while, and gives another limit one sample for all of them.

    The sample has the mean time of the calls, or a percentile of it, the most calls that were in
    flight, and is a drop when one of them was. A window ends with the first call that ends after
    its time is over; the next one is as long as twice the shortest time of a call in it, within its
    bounds. A window of fewer than `size` calls is dropped. The first window ends with the first
    call. All of this as Netflix's ``WindowedLimit``, whose defaults these are; there a mean is cut
    to whole nanoseconds.

    Args:
        inner: The limit that learns.
        least: The shortest window, in seconds.
        most: The longest window, in seconds.
        size: How many calls a window needs to count.
        least_rtt: Calls that take less than so many seconds do not count.
        percentile: Which share of the calls of a window takes no longer than its sample says;
            their mean without it.
    """

    def __init__(
        self,
        inner: ConcurrencyLimit,
        *,
        least: float = 1.0,
        most: float = 1.0,
        size: int = 10,
        least_rtt: float = 0.0001,
        percentile: float | None = None,
    ) -> None:
        if percentile is not None and not 0 < percentile < 1:
            message = f"percentile={percentile!r}; give a share between 0 and 1, such as 0.9"
            raise ValueError(message)
        self.inner = able("inner", inner, "sample", "give a limit that learns: VegasLimit(5)")
        self.least = positive("least", least)
        self.most = positive("most", most)
        self.size = whole("size", size)
        self.least_rtt = positive("least_rtt", least_rtt, zero=True)
        self.percentile = percentile
        self._end = 0.0
        self._rtts: list[float] = []
        self._in_flight = 0
        self._dropped = False

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return self.inner.limit

    def sample(
        self, now: float, rtt: float, in_flight: int, stream: random.Random, *, dropped: bool
    ) -> None:
        """Learn from a call that ended, together with others."""
        if rtt < self.least_rtt:
            return
        self._rtts.append(rtt)
        self._in_flight = max(self._in_flight, in_flight)
        self._dropped |= dropped
        if now <= self._end:
            return
        rtts, busiest, drop = self._rtts, self._in_flight, self._dropped
        self._begin()
        self._end = now + min(max(2 * min(rtts), self.least), self.most)
        if len(rtts) >= self.size:
            self.inner.sample(now, self._tracked(rtts), busiest, stream, dropped=drop)

    # -- private -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._rtts = []
        self._in_flight = 0
        self._dropped = False

    def _tracked(self, rtts: list[float]) -> float:
        if self.percentile is None:
            return math.fsum(rtts) / len(rtts)
        return sorted(rtts)[max(1, math.floor(len(rtts) * self.percentile + 0.5)) - 1]
