"""How many calls may be in flight, learnt from how long they take: limits as state machines.

Each limit is given the calls that ended one by one (`sample`) and says how many may be in flight
from then on. Nothing here waits or emits.

The algorithms and their defaults are those of Netflix's concurrency-limits
(github.com/Netflix/concurrency-limits: ``AIMDLimit``, ``VegasLimit``, ``Gradient2Limit``), which
take the ideas of TCP congestion control from packets to calls. A limit is a fraction inside and a
whole number, rounded down, outside.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from foundation_lab.services.arguments import positive, whole

if TYPE_CHECKING:
    import random


class ConcurrencyLimit(Protocol):
    """A limit that learns."""

    @property
    def limit(self) -> int:
        """How many calls may be in flight, 1 or more."""

    def sample(
        self, now: float, rtt: float, in_flight: int, stream: random.Random, *, dropped: bool
    ) -> None:
        """Learn from a call that ended.

        Args:
            now: The virtual time at its end.
            rtt: The seconds that it took, more than 0.
            in_flight: How many calls were in flight when it began, itself among them.
            stream: Where chance comes from.
            dropped: Whether it was turned away or timed out.
        """


class AIMDLimit:
    """One more after a call that went well, a share less after a drop: additive, multiplicative.

    A call that takes longer than `timeout` is a drop, too. The limit grows only when at least half
    of it was in use.

    Args:
        initial: The limit at first.
        least: The smallest limit.
        most: The largest limit.
        backoff: What a drop multiplies the limit with, from 0.5 up to, but not including, 1.
        timeout: Seconds.
    """

    def __init__(
        self,
        initial: int = 20,
        *,
        least: int = 20,
        most: int = 200,
        backoff: float = 0.9,
        timeout: float = 5.0,
    ) -> None:
        if not 0.5 <= backoff < 1:
            message = f"backoff={backoff!r}; give a number from 0.5 up to, but not including, 1"
            raise ValueError(message)
        self.least, self.most = _bounds(least, most)
        self.backoff = backoff
        self.timeout = positive("timeout", timeout)
        self.limit = whole("initial", initial)

    def sample(
        self,
        now: float,  # noqa: ARG002  (time plays no part)
        rtt: float,
        in_flight: int,
        stream: random.Random,  # noqa: ARG002  (nor does chance)
        *,
        dropped: bool,
    ) -> None:
        """Learn from a call that ended."""
        limit = self.limit
        if dropped or rtt > self.timeout:
            limit = int(limit * self.backoff)
        elif in_flight * 2 >= limit:
            limit += 1
        self.limit = min(self.most, max(self.least, limit))


class VegasLimit:
    """As many as the other side handles without a line: TCP Vegas.

    The shortest time seen is taken for that without a line. From it and the time of a call follows
    how many of the calls in flight stand in line: ``ceil(limit * (1 - shortest / rtt))``. With
    L = log10(limit), rounded down, 1 or more: up to L in line, the limit grows by 6 L; below 3 L,
    by L; above 6 L it shrinks by L; in between it stays. A drop shrinks it by L whatever the line.
    When less than half of the limit was in use, only a drop changes it.

    The shortest time is measured anew now and then: after ``30 * limit`` calls, times a number
    drawn from 0.5 to 1 each time. The call that brings a new shortest time changes nothing else.

    Args:
        initial: The limit at first.
        most: The largest limit.
        smoothing: The share of a new limit that is taken over, the rest is the old one's.
        probe_multiplier: How many calls for each place of the limit, at most, lie between two
            measurements of the shortest time.
    """

    def __init__(
        self,
        initial: int = 20,
        *,
        most: int = 1000,
        smoothing: float = 1.0,
        probe_multiplier: int = 30,
    ) -> None:
        self.most = whole("most", most)
        self.smoothing = _share("smoothing", smoothing)
        self.probe_multiplier = whole("probe_multiplier", probe_multiplier)
        self.estimate = float(whole("initial", initial))
        self.shortest = 0.0
        self._calls = 0
        self._jitter: float | None = None

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return int(self.estimate)

    def sample(
        self,
        now: float,  # noqa: ARG002  (time plays no part)
        rtt: float,
        in_flight: int,
        stream: random.Random,
        *,
        dropped: bool,
    ) -> None:
        """Learn from a call that ended."""
        positive("rtt", rtt)
        if self._jitter is None:
            self._jitter = 0.5 + 0.5 * stream.random()
        self._calls += 1
        if self._jitter * self.probe_multiplier * self.estimate <= self._calls:
            self._jitter = 0.5 + 0.5 * stream.random()
            self._calls = 0
            self.shortest = rtt
        elif self.shortest == 0 or rtt < self.shortest:
            self.shortest = rtt
        else:
            wanted = self._wanted(rtt, in_flight, dropped=dropped)
            if wanted is not None:
                wanted = max(1.0, min(float(self.most), wanted))
                self.estimate = (1 - self.smoothing) * self.estimate + self.smoothing * wanted

    def _wanted(self, rtt: float, in_flight: int, *, dropped: bool) -> float | None:
        """Return the new estimate before it is smoothed; ``None`` where it stays."""
        estimate, log = self.estimate, _log10(self.limit)
        in_line = math.ceil(estimate * (1 - self.shortest / rtt))
        if dropped:
            return estimate - log
        if in_flight * 2 < estimate:
            return None
        if in_line <= log:
            return estimate + 6 * log
        if in_line < 3 * log:
            return estimate + log
        return estimate - log if in_line > 6 * log else None


class Gradient2Limit:
    """As many as keep the time of a call near what it was over a long time.

    ``gradient = max(0.5, min(1, tolerance * long / rtt))``, where `long` is an exponential average
    over `long_window` calls; the limit becomes ``limit * gradient + queue_size``, smoothed, and
    then held between its bounds. When `long` is more than twice the time of a call, as after a long
    overload, it loses a twentieth besides. When less than half of the limit was in use, it stays.
    Whether a call was dropped plays no part.

    Args:
        initial: The limit at first.
        least: The smallest limit.
        most: The largest limit.
        queue_size: How much the limit grows, before smoothing, while calls take no longer.
        smoothing: The share of a new limit that is taken over, the rest is the old one's.
        tolerance: How many times as long as usual a call may take before the limit shrinks; 1 or
            more.
        long_window: Calls; the first ten are averaged plainly.
    """

    def __init__(
        self,
        initial: int = 20,
        *,
        least: int = 20,
        most: int = 200,
        queue_size: int = 4,
        smoothing: float = 0.2,
        tolerance: float = 1.5,
        long_window: int = 600,
    ) -> None:
        if not tolerance >= 1:
            message = f"tolerance={tolerance!r}; give a number from 1"
            raise ValueError(message)
        self.least, self.most = _bounds(least, most)
        self.queue_size = whole("queue_size", queue_size, 0)
        self.smoothing = _share("smoothing", smoothing)
        self.tolerance = positive("tolerance", tolerance)
        self.estimate = float(whole("initial", initial))
        self._long = SlowAverage(whole("long_window", long_window), 10)

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return int(self.estimate)

    @property
    def long_rtt(self) -> float:
        """How long calls take over a long time, in seconds; 0 before the first."""
        return self._long.value

    def sample(
        self,
        now: float,  # noqa: ARG002  (time plays no part)
        rtt: float,
        in_flight: int,
        stream: random.Random,  # noqa: ARG002  (nor does chance)
        *,
        dropped: bool,  # noqa: ARG002  (nor do drops)
    ) -> None:
        """Learn from a call that ended."""
        positive("rtt", rtt)
        usual = self._long.add(rtt)
        if usual / rtt > 2:
            self._long.value *= 0.95
        estimate = self.estimate
        if in_flight < estimate / 2:
            return
        gradient = max(0.5, min(1.0, self.tolerance * usual / rtt))
        wanted = estimate * gradient + self.queue_size
        wanted = estimate * (1 - self.smoothing) + wanted * self.smoothing
        self.estimate = max(float(self.least), min(float(self.most), wanted))


class SlowAverage:
    """The exponential average ``value * (1 - f) + sample * f``, f = 2 / (window + 1).

    Its first `warm_up` samples are averaged plainly.
    """

    def __init__(self, window: int, warm_up: int) -> None:
        self.value = 0.0
        self._factor = 2 / (window + 1)
        self._warm_up = warm_up
        self._count = 0
        self._sum = 0.0

    def add(self, sample: float) -> float:
        """Take a sample in, and return the average."""
        if self._count < self._warm_up:
            self._count += 1
            self._sum += sample
            self.value = self._sum / self._count
        else:
            self.value = self.value * (1 - self._factor) + sample * self._factor
        return self.value


def _log10(limit: int) -> int:
    return max(1, int(math.log10(limit)))


def _bounds(least: int, most: int) -> tuple[int, int]:
    if whole("least", least) > whole("most", most):
        message = f"least={least!r} is above most={most!r}; exchange them"
        raise ValueError(message)
    return least, most


def _share(name: str, value: float) -> float:
    if not 0 < value <= 1:
        message = f"{name}={value!r}; give a share, above 0 and up to 1"
        raise ValueError(message)
    return float(value)
