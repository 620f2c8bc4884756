"""Distributions made of others, and of samples.

Each has a `mean` in seconds, exact, and `sample(stream)`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

from foundation_lab.simulation.distributions import (
    Distribution,
    _duration,
    as_distribution,
    exponential,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


class Mixture(msgspec.Struct, frozen=True):
    """One of several distributions, each with its chance.

    Attributes:
        parts: The distributions.
        bounds: The sums of their chances, up to 1.
    """

    parts: tuple[Distribution, ...]
    bounds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        before = (0.0, *self.bounds)
        chances = [b - a for a, b in zip(before, self.bounds, strict=False)]
        return math.fsum(c * part.mean for c, part in zip(chances, self.parts, strict=True))

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return self.parts[bisect_right(self.bounds, stream.random())].sample(stream)


class Shifted(msgspec.Struct, frozen=True):
    """A fixed time, and after it what another distribution says.

    Attributes:
        offset: The fixed time in seconds.
        rest: The other distribution.
    """

    offset: float
    rest: Distribution

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        return self.offset + self.rest.mean

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return self.offset + self.rest.sample(stream)


class Triangular(msgspec.Struct, frozen=True):
    """From `low` to `high`, most likely `mode`, and straight lines in between."""

    low: float
    mode: float
    high: float

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        return (self.low + self.mode + self.high) / 3

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        chance, width = stream.random(), self.high - self.low
        rising = self.mode - self.low
        if chance * width < rising:
            return self.low + math.sqrt(chance * width * rising)
        return self.high - math.sqrt((1 - chance) * width * (self.high - self.mode))


class Empirical(msgspec.Struct, frozen=True):
    """A sample: one of its values, or what lies between two of them.

    Attributes:
        values: The sample in seconds, in order of size.
        interpolate: Whether all that lies between two neighbouring values is as likely as they are
            (the quantiles lie on straight lines between the values); otherwise only the values
            themselves are drawn.
    """

    values: tuple[float, ...]
    interpolate: bool = False

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        total = math.fsum(self.values)
        if not self.interpolate:
            return total / len(self.values)
        return (total - (self.values[0] + self.values[-1]) / 2) / (len(self.values) - 1)

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        if not self.interpolate:
            return self.values[int(stream.random() * len(self.values))]
        place = stream.random() * (len(self.values) - 1)
        below = int(place)
        low, high = self.values[below], self.values[below + 1]
        return low + (place - below) * (high - low)


def mixture(parts: Sequence[tuple[float, float | Distribution]]) -> Mixture:
    """Return a mixture of distributions.

    Args:
        parts: Pairs of (weight, distribution or number of seconds). The weights need not sum up to
            1; what counts is their share of the sum.

    Raises:
        ValueError: There is no part, or a weight is negative or no finite number, or all are 0.
    """
    weights = [weight for weight, _ in parts]
    wrong = [weight for weight in weights if not (math.isfinite(weight) and weight >= 0)]
    if wrong or not any(weights):
        message = f"weights are finite, 0 or more, and not all 0; not {(wrong or weights)!r}"
        raise ValueError(message)
    kept = [(weight, as_distribution(part)) for weight, part in parts if weight]
    total = math.fsum(weights)
    sums = [*accumulate(weight / total for weight, _ in kept)]
    return Mixture(tuple(part for _, part in kept), (*sums[:-1], 1.0))


def hyperexponential(parts: Sequence[tuple[float, float]]) -> Mixture:
    """Return a mixture of exponential distributions: more variable than a single one.

    Args:
        parts: Pairs of (weight, mean in seconds).

    Raises:
        ValueError: There is no part, or a number is out of range.
    """
    return mixture([(weight, exponential(mean)) for weight, mean in parts])


def shifted(offset: float, rest: float | Distribution) -> Shifted:
    """Return a distribution whose durations are all `offset` seconds longer than those of another.

    Raises:
        ValueError: The offset is negative or no finite number.
    """
    return Shifted(_duration("offset", offset, zero=True), as_distribution(rest))


def triangular(low: float, mode: float, high: float) -> Triangular:
    """Return the triangular distribution from `low` to `high` seconds with its top at `mode`.

    Raises:
        ValueError: A number is negative or not finite, or they are not in this order.
    """
    if not 0 <= low <= mode <= high < math.inf:
        message = (
            f"low={low!r}, mode={mode!r}, high={high!r}; give seconds in order of size, from 0"
        )
        raise ValueError(message)
    return Triangular(float(low), float(mode), float(high))


def empirical(values: Sequence[float], *, interpolate: bool = False) -> Empirical:
    """Return the distribution of a sample of durations in seconds, in any order.

    Args:
        values: The sample.
        interpolate: Whether values between those of the sample are drawn, too.

    Raises:
        ValueError: The sample is too small (two values or more to interpolate), or a value is
            negative or no finite number.
    """
    least = 2 if interpolate else 1
    if len(values) < least:
        message = f"values holds {len(values)}; give {least} or more"
        raise ValueError(message)
    return Empirical(tuple(sorted(_duration("value", v, zero=True) for v in values)), interpolate)
