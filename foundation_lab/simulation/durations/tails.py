"""Distributions with one parameter for their shape: from more even than exponential to heavy tails.

Each has a `mean` in seconds, exact, and `sample(stream)`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from foundation_lab.simulation.distributions import _duration

if TYPE_CHECKING:
    import random


class Gamma(msgspec.Struct, frozen=True):
    """The gamma distribution: Erlang's with any number of stages; 1 is the exponential one.

    Its squared coefficient of variation is ``1 / shape``.
    """

    mean: float
    shape: float

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return stream.gammavariate(self.shape, self.mean / self.shape)


class Weibull(msgspec.Struct, frozen=True):
    """The Weibull distribution: below a shape of 1 with a long tail, at 1 exponential.

    The mean is ``scale * Gamma(1 + 1 / shape)``.
    """

    scale: float
    shape: float

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        return self.scale * math.gamma(1 + 1 / self.shape)

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        return self.scale * math.pow(-math.log(1.0 - stream.random()), 1 / self.shape)


class Pareto(msgspec.Struct, frozen=True):
    """The Pareto distribution, cut off at a largest value: a power law between two bounds.

    A value above x has the chance ``(smallest / x) ** shape`` before the cut; what would be above
    `largest` is drawn anew (the bounded Pareto distribution). Source: Harchol-Balter, "Performance
    Modeling and Design of Computer Systems" (2013), chapter 20.
    """

    smallest: float
    shape: float
    largest: float = math.inf

    @property
    def mean(self) -> float:
        """The expected value in seconds."""
        low, high, shape = self.smallest, self.largest, self.shape
        if math.isinf(high):
            return shape * low / (shape - 1)
        share = 1 - math.pow(low / high, shape)
        if shape == 1:
            return low * math.log(high / low) / share
        return shape / (shape - 1) * (low - high * math.pow(low / high, shape)) / share

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        share = 1 - math.pow(self.smallest / self.largest, self.shape)
        found = self.smallest * math.pow(1 - stream.random() * share, -1 / self.shape)
        return min(found, self.largest)


def gamma(mean: float, shape: float) -> Gamma:
    """Return the gamma distribution with this mean in seconds; a larger shape is more even."""
    return Gamma(_duration("mean", mean), _shape(shape))


def weibull(scale: float, shape: float) -> Weibull:
    """Return the Weibull distribution; 63.2 % of the durations are below `scale` seconds."""
    return Weibull(_duration("scale", scale), _shape(shape))


def pareto(smallest: float, shape: float, *, largest: float = math.inf) -> Pareto:
    """Return the Pareto distribution from `smallest` seconds on, cut off at `largest`.

    Raises:
        ValueError: A number is out of range, or the mean would be infinite: without a cut the shape
            is above 1.
    """
    _duration("smallest", smallest)
    if not largest > smallest:
        message = f"largest={largest!r}; give seconds, more than smallest={smallest!r}"
        raise ValueError(message)
    if math.isinf(largest) and _shape(shape) <= 1:
        message = f"shape={shape!r} has an infinite mean; give a shape above 1, or `largest`"
        raise ValueError(message)
    return Pareto(float(smallest), _shape(shape), float(largest))


def _shape(shape: float) -> float:
    if not (math.isfinite(shape) and shape > 0):
        message = f"shape={shape!r}; give a finite number, more than 0"
        raise ValueError(message)
    return float(shape)
