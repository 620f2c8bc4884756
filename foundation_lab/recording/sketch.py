"""Sketches: how numbers are distributed, in bounded memory, for quantiles within 1 %.

A sketch rounds every number to seven significant binary digits, and counts how often each rounded
number occurs. Whatever is read from it is at most 1/128 (0.8 %) away from the truth, and numbers
that have no more digits, such as whole ones up to 128, come back as they are.

It is the sketch of Masson, Rim and Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
Relative-Error Guarantees", PVLDB 12 (2019), in the variant that divides the space between two
powers of two into equal parts: its buckets are read off the bits of a number, with no logarithm, so
that they are the same on every machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MOST: Final = 4096
"""How many different rounded numbers a sketch holds. They span 64 powers of two or more, that is 19
decades below the largest number. When there are more, the lowest are counted as the lowest that is
left, so that it is the low quantiles that become inexact."""

_CUT: Final = 52 - 6
"""How many of the 52 stored digits of a number are rounded away; a leading 1 is not stored."""

_WIDTH: Final = 18
_MIDDLE: Final = 2 ** (_WIDTH - 1)
"""A key holds a series above, and 18 bits of a place below, counted from the middle."""


class Sketch:
    """The distribution of some numbers.

    Attributes:
        places: The rounded numbers as integers in the same order, rising; see `places_of`.
        counts: How often each occurs.
    """

    def __init__(self, places: Ints, counts: Ints) -> None:
        self.places = places
        self.counts = counts

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Return the sketch of an array of numbers; infinities may be among them, NaN may not."""
        sketches = Sketches()
        sketches.add(np.zeros(len(values), dtype=np.int64), values)
        alone = sketches.of(0)
        return cls(alone.places, alone.counts)

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Self:
        """Return the sketch of the numbers of all sketches, whatever their order."""
        empty = Sketch(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        parts = [empty, *sketches]
        places = np.concatenate([part.places for part in parts])
        counts = np.concatenate([part.counts for part in parts])
        order = np.argsort(places)
        starts = np.flatnonzero(np.diff(places[order], prepend=-_MIDDLE))
        counts = np.add.reduceat(counts[order], starts)
        return cls(*_collapsed(places[order][starts], counts))

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """Return the number that lies at position (n - 1) q of the n sorted numbers.

        Between two of them it is interpolated, as `foundation_lab.analytics.percentiles` does it.

        Args:
            q: From 0 to 1.

        Returns:
            The quantile of the rounded numbers; NaN when there are none.

        Example:
            >>> Sketch.of(np.array([1.0, 2.0, 3.0, 4.0])).quantile(0.5)
            2.5
        """
        if not len(self.counts):
            return math.nan
        ends = np.cumsum(self.counts)
        position = q * (int(ends[-1]) - 1)
        ranks = (math.floor(position), math.ceil(position))
        lower, upper = numbers_at(self.places[np.searchsorted(ends, ranks, side="right")]).tolist()
        if lower == upper:
            return float(lower)
        share = position - ranks[0]
        return float(lower * (1 - share) + upper * share)


class Sketches:
    """The sketches of many series of numbers, all in two arrays.

    Attributes:
        keys: The number of a series and a place in its sketch, as one integer, rising.
        counts: How often the number at that place occurs.
    """

    def __init__(self) -> None:
        self.keys: Ints = np.empty(0, dtype=np.int64)
        self.counts: Ints = np.empty(0, dtype=np.int64)

    def add(self, series: Ints, values: Floats) -> None:
        """Add numbers, each to the sketch of its series; the order makes no difference.

        Args:
            series: The number of each value's series, from 0 to below 2**45.
            values: The values; infinities may be among them, NaN may not.
        """
        keys: Ints
        keys, counts = np.unique(
            (series << _WIDTH) + (places_of(values) + _MIDDLE), return_counts=True
        )
        at: Ints = np.searchsorted(self.keys, keys)
        known = at < len(self.keys)
        known[known] = self.keys[at[known]] == keys[known]
        self.counts[at[known]] += counts[known]
        if not known.all():
            new = at[~known]
            self.keys = np.insert(self.keys, new, keys[~known])
            self.counts = np.insert(self.counts, new, counts[~known])
            self._collapse(np.unique(keys[~known] >> _WIDTH))

    def of(self, series: int) -> Sketch:
        """Return the sketch of one series as it is now; it is empty when nothing was added."""
        begin, end = np.searchsorted(self.keys, [series << _WIDTH, (series + 1) << _WIDTH])
        places = self.keys[begin:end] - ((series << _WIDTH) + _MIDDLE)
        return Sketch(places, self.counts[begin:end].copy())

    @property
    def bytes(self) -> int:
        """The memory of the arrays, in bytes."""
        return self.keys.nbytes + self.counts.nbytes

    def _collapse(self, series: Ints) -> None:
        """Let none of these series have more than `MOST` places."""
        begins = np.searchsorted(self.keys, series << _WIDTH)
        leasts = np.searchsorted(self.keys, (series + 1) << _WIDTH) - MOST
        over = leasts > begins
        if not over.any():
            return
        keep = np.ones(len(self.keys), dtype=bool)
        for begin, least in zip(begins[over].tolist(), leasts[over].tolist(), strict=True):
            self.counts[least] += self.counts[begin:least].sum()
            keep[begin:least] = False
        self.keys, self.counts = self.keys[keep], self.counts[keep]


def places_of(values: Floats) -> Ints:
    """Return numbers, rounded to seven significant binary digits, as integers in the same order.

    Next to a number lies the next number of seven digits. Zero has place 0, and an infinity the
    place that follows the largest number. Below 2.2e-308 they lie 2**-1028 apart.
    """
    bits = np.abs(values).view(np.int64)
    places = (bits + (1 << (_CUT - 1))) >> _CUT
    return np.where(values < 0, -places, places)


def numbers_at(places: Ints) -> Floats:
    """Return the rounded numbers that `places_of` gave these places."""
    return np.copysign((np.abs(places) << _CUT).view(np.float64), places)


def _collapsed(places: Ints, counts: Ints) -> tuple[Ints, Ints]:
    extra = len(places) - MOST
    if extra <= 0:
        return places, counts
    counts[extra] += counts[:extra].sum()
    return places[extra:], counts[extra:]
