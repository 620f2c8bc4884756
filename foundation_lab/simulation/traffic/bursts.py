"""Bursty arrivals: Poisson processes that switch between rates, and samples drawn again."""

from __future__ import annotations

import math
from itertools import cycle, pairwise
from typing import TYPE_CHECKING

import msgspec

from foundation_lab.simulation.distributions import Distribution, exponential

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence


class Switching(msgspec.Struct, frozen=True):
    """A Poisson process whose rate is one after the other of several, and again from the first.

    With exponential stays it is a Markov-modulated Poisson process (MMPP) whose states follow each
    other in a circle; with two states that is the MMPP(2). What is left of a gap when the rate
    changes is drawn anew, which is exact, for exponential gaps have no memory. Source: Fischer and
    Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation
    18 (1993).

    Attributes:
        rates: Arrivals a second in each state, 0 or more.
        stays: What the seconds in each state are drawn from.
    """

    rates: tuple[float, ...]
    stays: tuple[Distribution, ...]

    @property
    def mean_rate(self) -> float:
        """Arrivals a second on average over a long time."""
        means = [stay.mean for stay in self.stays]
        sums = [rate * mean for rate, mean in zip(self.rates, means, strict=True)]
        return math.fsum(sums) / math.fsum(means)

    def times(self, stream: random.Random, start: float) -> Iterator[float]:
        """Yield arrival times, from the begin of a stay in the first state on."""
        time = start
        for rate, stay in cycle(zip(self.rates, self.stays, strict=True)):
            end = time + stay.sample(stream)
            while rate:
                time -= math.log(1.0 - stream.random()) / rate
                if time >= end:
                    break
                yield time
            time = end


class Bootstrap(msgspec.Struct, frozen=True):
    """Arrivals whose gaps are drawn from a sample: one at a time, or blocks of neighbours.

    Blocks keep what single draws lose: that short gaps come together. Source: Kuensch, "The
    jackknife and the bootstrap for general stationary observations", Annals of Statistics 17 (1989)
    on the moving-block bootstrap; each block begins at any place of the sample with equal chance.

    Attributes:
        gaps: The sample, in seconds, in its order.
        block: How many gaps a block has.
    """

    gaps: tuple[float, ...]
    block: int = 1

    def times(self, stream: random.Random, start: float) -> Iterator[float]:
        """Yield arrival times, endlessly."""
        time, places = start, len(self.gaps) - self.block + 1
        while True:
            begin = int(stream.random() * places)
            for gap in self.gaps[begin : begin + self.block]:
                time += gap
                yield time


def on_off(rate: float, on: float | Distribution, off: float | Distribution) -> Switching:
    """Return bursts: Poisson arrivals while on, none while off; the first burst begins at once.

    Args:
        rate: Arrivals a second while on.
        on: What the length of a burst is drawn from; a number is the mean of an exponential one.
        off: The same for the time between two bursts.

    Raises:
        ValueError: A number is out of range.
    """
    return switching([rate, 0.0], [on, off])


def switching(rates: Sequence[float], stays: Sequence[float | Distribution]) -> Switching:
    """Return Poisson arrivals that go through several rates in a circle (an MMPP).

    Args:
        rates: Arrivals a second in each state, 0 or more, not all of them 0.
        stays: What the seconds in each state are drawn from; a number is the mean of an exponential
            stay, as an MMPP has it.

    Raises:
        ValueError: A number is out of range, or there are not as many stays as rates.
    """
    if len(rates) != len(stays) or not rates:
        message = f"{len(rates)} rates and {len(stays)} stays; give one of each for every state"
        raise ValueError(message)
    wrong = [rate for rate in rates if not (math.isfinite(rate) and rate >= 0)]
    if wrong or not any(rates):
        message = f"rates are finite, 0 or more, and not all 0; not {(wrong or list(rates))!r}"
        raise ValueError(message)
    made = tuple(exponential(stay) if isinstance(stay, int | float) else stay for stay in stays)
    if not any(stay.mean > 0 for stay in made):
        message = "every stay takes 0 s; give at least one that takes time"
        raise ValueError(message)
    return Switching(tuple(map(float, rates)), made)


def bootstrap_arrivals(
    *,
    gaps: Sequence[float] | None = None,
    times: Sequence[float] | None = None,
    block: int = 1,
) -> Bootstrap:
    """Return arrivals whose gaps are drawn again from those of a sample.

    Args:
        gaps: The seconds between one arrival and the next, in order; or
        times: when requests arrived, in order; two or more.
        block: How many neighbouring gaps are drawn together; 1 draws each for itself.

    Raises:
        ValueError: There is not one of both samples, it is empty or all of its gaps are 0, a gap is
            negative, or the block is longer than the sample.
    """
    if (gaps is None) == (times is None):
        message = "give gaps, or times; one of both"
        raise ValueError(message)
    if gaps is None:
        gaps = [b - a for a, b in pairwise(times or ())]
    wrong = [gap for gap in gaps if not (math.isfinite(gap) and gap >= 0)]
    if wrong or not any(gaps):
        message = f"gaps are finite, 0 or more, and not all 0; not {(wrong or list(gaps))[:3]!r}"
        raise ValueError(message)
    if isinstance(block, bool) or not isinstance(block, int) or not 1 <= block <= len(gaps):
        message = f"block={block!r}; give a whole number from 1 to {len(gaps)}, the sample's length"
        raise ValueError(message)
    return Bootstrap(tuple(map(float, gaps)), block)
