"""When requests arrive: data that yields virtual times.

Every kind has `times(stream, start)`, an iterator of rising virtual times in seconds, endless or
not.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import count, pairwise
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence


class Arrivals(Protocol):
    """When requests arrive."""

    def times(self, stream: random.Random, start: float) -> Iterator[float]:
        """Yield the virtual times of the arrivals, from `start` on."""


class ConstantRate(msgspec.Struct, frozen=True):
    """One arrival every ``1 / rate`` seconds."""

    rate: float

    def times(self, stream: random.Random, start: float) -> Iterator[float]:  # noqa: ARG002
        """Yield ``start + k / rate`` for k = 1, 2, ..."""
        return (start + k / self.rate for k in count(1))


class Poisson(msgspec.Struct, frozen=True):
    """A Poisson process of constant rate."""

    rate: float

    def times(self, stream: random.Random, start: float) -> Iterator[float]:
        """Yield arrival times with exponential gaps."""
        time = start
        while True:
            time -= math.log(1.0 - stream.random()) / self.rate
            yield time


class VaryingRate(msgspec.Struct, frozen=True):
    """A Poisson process whose rate is a function of time, by thinning.

    Candidates arrive at `max_rate`; one at time t is kept with the chance ``rate(t) / max_rate``.
    That is exact for any rate up to `max_rate`, at jumps too (Lewis and Shedler, Naval Research
    Logistics 26, 1979).

    Attributes:
        rate: Arrivals a second, as a function of the time since the start.
        max_rate: What the rate never exceeds.
        end: Seconds after the start at which the arrivals end.
    """

    rate: Callable[[float], float]
    max_rate: float
    end: float = math.inf

    def times(self, stream: random.Random, start: float) -> Iterator[float]:
        """Yield arrival times.

        Raises:
            ValueError: The rate is negative or above `max_rate` somewhere.
        """
        time = 0.0
        while True:
            time -= math.log(1.0 - stream.random()) / self.max_rate
            if time >= self.end:
                return
            rate = self.rate(time)
            if not 0 <= rate <= self.max_rate * (1 + 1e-12):
                message = (
                    f"rate {rate!r} at {time:g} s is not between 0 and max_rate={self.max_rate!r}"
                )
                raise ValueError(message)
            if stream.random() * self.max_rate < rate:
                yield start + time


class Timestamps(msgspec.Struct, frozen=True):
    """Arrivals at given times, in seconds after the start."""

    seconds: tuple[float, ...]

    def times(self, stream: random.Random, start: float) -> Iterator[float]:  # noqa: ARG002
        """Yield the given times."""
        return (start + second for second in self.seconds)


class Counts(msgspec.Struct, frozen=True):
    """As many arrivals in each interval as were counted there, at random instants inside of it.

    Given its count, a Poisson process has its arrivals at independent uniform instants.

    Attributes:
        starts: Where each interval begins, in seconds after the start; rising.
        counts: How many arrivals it has; a fraction is one more with that chance.
        interval: The length of each interval in seconds.
    """

    starts: tuple[float, ...]
    counts: tuple[float, ...]
    interval: float

    def times(self, stream: random.Random, start: float) -> Iterator[float]:
        """Yield arrival times."""
        for begin, expected in zip(self.starts, self.counts, strict=True):
            number = math.floor(expected + stream.random()) if expected % 1 else int(expected)
            for instant in sorted(stream.random() for _ in range(number)):
                yield start + begin + instant * self.interval


def constant_rate(rate: float) -> ConstantRate:
    """Return one arrival every ``1 / rate`` seconds."""
    return ConstantRate(_rate(rate))


def poisson(rate: float) -> Poisson:
    """Return a Poisson process of `rate` arrivals a second."""
    return Poisson(_rate(rate))


def piecewise(
    table: Sequence[tuple[float, float]],
    *,
    between: Literal["step", "linear"] = "step",
    end: float = math.inf,
) -> VaryingRate:
    """Return a Poisson process whose rate is given by a table.

    Args:
        table: Pairs of (seconds after the start, arrivals a second), in order of time.
        between: Between two rows, the earlier rate holds (``step``), or the rate changes steadily
            (``linear``). Before the first row the rate is 0; after the last it stays.
        end: Seconds after the start at which the arrivals end.

    Raises:
        ValueError: The table is empty or not in order, a rate is negative, or all of them are 0.
    """
    times = [time for time, _ in table]
    rates = [rate for _, rate in table]
    if not table or times != sorted(set(times)):
        message = "the table of rates must have one row or more, in order of time"
        raise ValueError(message)
    wrong = [rate for rate in rates if not (math.isfinite(rate) and rate >= 0)]
    if wrong or not any(rates):
        message = f"rates are finite, 0 or more, and not all 0; not {(wrong or rates)!r}"
        raise ValueError(message)

    def rate_at(time: float) -> float:
        row = bisect_right(times, time) - 1
        if row < 0:
            return 0.0
        if between == "step" or row + 1 == len(times):
            return rates[row]
        share = (time - times[row]) / (times[row + 1] - times[row])
        return rates[row] + share * (rates[row + 1] - rates[row])

    if rates[-1] == 0:
        end = min(end, times[-1])
    return VaryingRate(rate_at, max(rates), end)


def timestamps(seconds: Sequence[float]) -> Timestamps:
    """Return arrivals at given times in seconds after the start, in any order."""
    wrong = [s for s in seconds if not (math.isfinite(s) and s >= 0)]
    if wrong:
        message = f"arrival times are finite and 0 or more, not {wrong[0]!r}"
        raise ValueError(message)
    return Timestamps(tuple(sorted(seconds)))


def counts_per_interval(
    counts: Sequence[float], interval: float, *, starts: Sequence[float] | None = None
) -> Counts:
    """Return as many arrivals in each interval as `counts` says.

    Args:
        counts: How many arrivals each interval has.
        interval: The length of an interval in seconds.
        starts: Where each interval begins, in seconds after the start; one after the other by
            default.
    """
    if not (math.isfinite(interval) and interval > 0):
        message = f"interval={interval!r}; give seconds, more than 0"
        raise ValueError(message)
    wrong = [c for c in counts if not (math.isfinite(c) and c >= 0)]
    if wrong:
        message = f"counts are finite and 0 or more, not {wrong[0]!r}"
        raise ValueError(message)
    begins = [k * interval for k in range(len(counts))] if starts is None else list(starts)
    if len(begins) != len(counts) or begins != sorted(begins):
        message = f"{len(begins)} starts for {len(counts)} counts; give one each, in order"
        raise ValueError(message)
    overlapping = [b for a, b in pairwise(begins) if b - a < interval * (1 - 1e-9)]
    if overlapping or not all(map(math.isfinite, begins)):
        message = (
            f"starts={begins!r}; give finite seconds, each {interval:g} s after the last or more"
        )
        raise ValueError(message)
    return Counts(tuple(begins), tuple(counts), interval)


def _rate(rate: float) -> float:
    if not (math.isfinite(rate) and rate > 0):
        message = f"rate={rate!r}; give arrivals a second, more than 0"
        raise ValueError(message)
    return float(rate)
