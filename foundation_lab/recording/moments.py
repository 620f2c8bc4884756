"""Moments: count, sum, mean, standard deviation, least and largest of numbers that pass by.

Sums are kept without any rounding, as integers in units of the smallest number that there is, in
the manner of Neal, "Fast exact summation using small and large superaccumulators",
arXiv:1505.05571 (2015). So neither the order of the numbers nor how they come in batches changes a
digit of the results, each of which is rounded once, when it is read.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SCALE: Final = 1126
"""Sums are in units of 2**-SCALE, sums of squares in units of its square."""

_EXPONENTS: Final = 12
_MIDDLE: Final = 2 ** (_EXPONENTS - 1)
"""A key holds a series above, and 12 bits of an exponent below, counted from the middle."""

_DIGITS: Final = 53
"""The binary digits of a number; they are summed in three parts of 18, 18 and 17 digits, so that
sums of their products are exact in 64 bits for 2**24 numbers at a time."""


class Moments:
    """The moments of a series of numbers.

    Attributes:
        count: How many numbers there are.
        low: The least of them; infinity as long as there are none.
        high: The largest of them; minus infinity as long as there are none.
        total: The sum of the finite ones, times 2**SCALE.
        squares: The sum of their squares, times 2**(2 SCALE).
    """

    __slots__ = ("count", "high", "low", "squares", "total")

    def __init__(
        self,
        count: int = 0,
        low: float = math.inf,
        high: float = -math.inf,
        total: int = 0,
        squares: int = 0,
    ) -> None:
        self.count = count
        self.low = low
        self.high = high
        self.total = total
        self.squares = squares

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Return the moments of an array of numbers; infinities may be among them, NaN may not."""
        found: dict[int, Moments] = {}
        add_moments(found, np.zeros(len(values), dtype=np.int64), values)
        return found.get(0, cls())

    def merged(self, other: Moments) -> Moments:
        """Return the moments of the numbers of both."""
        return Moments(
            self.count + other.count,
            min(self.low, other.low),
            max(self.high, other.high),
            self.total + other.total,
            self.squares + other.squares,
        )

    @property
    def sum(self) -> float:
        """The sum, rounded once; infinite or NaN with infinite numbers, 0 without any."""
        return self._over(1)

    @property
    def mean(self) -> float | None:
        """The mean, rounded once; infinite or NaN with infinite numbers, ``None`` without any."""
        return self._over(self.count) if self.count else None

    @property
    def std(self) -> float | None:
        """The standard deviation of a sample (divided by n - 1), to the last digit or the next.

        NaN with infinite numbers, ``None`` with fewer than two.

        Example:
            >>> Moments.of(np.array([1.0, 2.0, 3.0])).std
            1.0
        """
        if self.count < 2:
            return None
        if math.isinf(self.low) or math.isinf(self.high):
            return math.nan
        spread = self.count * self.squares - self.total**2
        return _root(spread, self.count * (self.count - 1) << 2 * SCALE)

    def _over(self, divisor: int) -> float:
        """Return the sum over a positive integer."""
        ends = {self.low, self.high} if self.count else set()
        infinite = [end for end in ends if math.isinf(end)]
        return sum(infinite) if infinite else _quotient(self.total, divisor << SCALE)


def add_moments(known: dict[int, Moments], series: Ints, values: Floats) -> None:
    """Add numbers, each to the moments of its series.

    Args:
        known: The moments by number of the series; new ones are added.
        series: The number of each value's series, from 0 to below 2**51.
        values: At most 2**24 values; infinities may be among them, NaN may not.
    """
    fraction, exponent = np.frexp(np.where(np.isfinite(values), values, 0.0))
    keys = (series << _EXPONENTS) + (exponent + _MIDDLE)
    order = np.argsort(keys)
    keys, values = keys[order], values[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    digits = np.ldexp(fraction[order], _DIGITS).astype(np.int64)
    sums, squares = _sums(digits, starts)
    rows: Any = zip(
        keys[starts].tolist(),
        np.diff(starts, append=len(keys)).tolist(),
        np.minimum.reduceat(values, starts).tolist(),
        np.maximum.reduceat(values, starts).tolist(),
        sums,
        squares,
        strict=True,
    )
    for key, count, low, high, total, square in rows:
        number, place = divmod(key, 2 * _MIDDLE)
        shift = place - _MIDDLE - _DIGITS + SCALE
        found = known.get(number)
        if found is None:
            found = known[number] = Moments()
        found.count += count
        found.low = min(found.low, low)
        found.high = max(found.high, high)
        found.total += total << shift
        found.squares += square << 2 * shift


def _sums(digits: Ints, starts: Ints) -> tuple[list[int], list[int]]:
    """Return the sums of integers of 53 digits between starts, and the sums of their squares."""
    a, b, c = digits >> 35, digits >> 17 & 0x3FFFF, digits & 0x1FFFF

    def exact(parts: Ints) -> Any:
        return np.add.reduceat(parts, starts).astype(object)

    sums = (exact(a) << 35) + (exact(b) << 17) + exact(c)
    squares = (
        (exact(a * a) << 70)
        + (exact(a * b) << 53)
        + (exact(4 * a * c + b * b) << 34)
        + (exact(b * c) << 18)
        + exact(c * c)
    )
    return sums.tolist(), squares.tolist()


def _quotient(dividend: int, divisor: int) -> float:
    """Return a quotient, rounded once; infinity when it is no float."""
    try:
        return dividend / divisor
    except OverflowError:
        return math.inf if dividend > 0 else -math.inf


def _root(dividend: int, divisor: int) -> float:
    """Return the square root of a quotient."""
    shift = (dividend.bit_length() - divisor.bit_length() - 128) // 2
    if shift < 0:
        dividend <<= -2 * shift
    else:
        divisor <<= 2 * shift
    try:
        return math.ldexp(math.isqrt(dividend // divisor), shift)
    except OverflowError:
        return math.inf
