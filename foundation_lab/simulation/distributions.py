"""Distributions of durations: data that draws from a stream.

Every distribution has a `mean` in seconds and `sample(stream)`, which returns one duration in
seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    import random


class Distribution(Protocol):
    """What a duration is drawn from."""

    @property
    def mean(self) -> float:
        """The expected value in seconds."""

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""


class Constant(msgspec.Struct, frozen=True):
    """Always the same duration."""

    value: float

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        return self.value

    def sample(self, stream: random.Random) -> float:  # noqa: ARG002  (nothing to draw)
        """Return the duration."""
        return self.value


class Exponential(msgspec.Struct, frozen=True):
    """Memoryless: the distribution of M/M/c."""

    mean: float

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return -self.mean * math.log(1.0 - stream.random())


class Uniform(msgspec.Struct, frozen=True):
    """Anything from `low` to `high` with equal chance."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        return (self.low + self.high) / 2

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return self.low + (self.high - self.low) * stream.random()


class LogNormal(msgspec.Struct, frozen=True):
    """A long right tail, given by its median and the `sigma` of its logarithm.

    The mean is ``median * exp(sigma**2 / 2)``; the 99th percentile is
    ``median * exp(2.326 * sigma)``.
    """

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        return self.median * math.exp(self.sigma**2 / 2)

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return self.median * math.exp(self.sigma * stream.gauss(0.0, 1.0))


class Erlang(msgspec.Struct, frozen=True):
    """The sum of `stages` exponential stages: less variable than the exponential one."""

    mean: float
    stages: int

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        logarithms = (math.log(1.0 - stream.random()) for _ in range(self.stages))
        return -self.mean / self.stages * math.fsum(logarithms)


def constant(value: float) -> Constant:
    """Return the distribution that is always `value` seconds."""
    return Constant(_duration("value", value, zero=True))


def exponential(mean: float) -> Exponential:
    """Return the exponential distribution with this mean in seconds."""
    return Exponential(_duration("mean", mean))


def uniform(low: float, high: float) -> Uniform:
    """Return the uniform distribution from `low` to `high` seconds."""
    if not low <= high:
        message = f"low={low!r} is above high={high!r}; exchange them"
        raise ValueError(message)
    return Uniform(_duration("low", low, zero=True), _duration("high", high, zero=True))


def lognormal(median: float, sigma: float) -> LogNormal:
    """Return the log-normal distribution with this median in seconds and log-scale `sigma`."""
    return LogNormal(_duration("median", median), _duration("sigma", sigma, zero=True))


def erlang(mean: float, stages: int) -> Erlang:
    """Return the Erlang distribution with this mean in seconds, made of `stages` stages."""
    if isinstance(stages, bool) or not isinstance(stages, int) or stages < 1:
        message = f"stages={stages!r}; an Erlang distribution has a whole number of stages, from 1"
        raise ValueError(message)
    return Erlang(_duration("mean", mean), stages)


def as_distribution(duration: float | Distribution) -> Distribution:
    """Return a distribution; a plain number of seconds is a constant one.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(duration, int | float):
        return constant(duration)
    if isinstance(duration, type) or not hasattr(duration, "sample"):
        message = f"{duration!r} is no duration; give seconds, or one such as exponential(0.02)"
        raise TypeError(message)
    return duration


def _duration(name: str, value: float, *, zero: bool = False) -> float:
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        limit = "0 or more" if zero else "more than 0"
        message = f"{name}={value!r}; it must be a finite number of seconds, {limit}"
        raise ValueError(message)
    return float(value)
