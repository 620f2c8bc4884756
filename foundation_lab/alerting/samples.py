"""What a trailing window holds, and the one number that sums it up."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Protocol


class Samples(Protocol):
    """Numbers that come in at one end and go out at the other."""

    def add(self, number: float) -> None:
        """Take in the newest number."""

    def drop(self) -> None:
        """Let go of the oldest number."""

    @property
    def value(self) -> float:
        """The numbers in one; only asked for when there is one."""


class Count:
    """How many there are, divided by the width of the window for a rate."""

    def __init__(self, divisor: float = 1.0) -> None:
        self._divisor = divisor
        self._number = 0

    def add(self, number: float) -> None:  # noqa: ARG002  (any number counts as one)
        """Take in the newest number."""
        self._number += 1

    def drop(self) -> None:
        """Let go of the oldest number."""
        self._number -= 1

    @property
    def value(self) -> float:
        """The count, divided."""
        return self._number / self._divisor


class Mean:
    """The arithmetic mean, correctly rounded.

    The sum is kept as a whole number of the smallest float, 2 to the power of -1074, so that
    whatever was added can be taken away again without a trace.

    >>> mean = Mean()
    >>> for number in (1e100, 0.1, 0.3):
    ...     mean.add(number)
    >>> mean.drop()
    >>> mean.value
    0.2
    """

    def __init__(self) -> None:
        self._numbers: deque[float] = deque()
        self._sum = 0

    def add(self, number: float) -> None:
        """Take in the newest number."""
        self._numbers.append(number)
        self._sum += _units(number)

    def drop(self) -> None:
        """Let go of the oldest number."""
        self._sum -= _units(self._numbers.popleft())

    @property
    def value(self) -> float:
        """The mean."""
        return self._sum / (len(self._numbers) << _BITS)


class Ordered:
    """A quantile, interpolated linearly; 0 is the minimum and 1 the maximum.

    With n sorted numbers it lies at position (n - 1) q counted from 0: definition 7 of Hyndman and
    Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996).
    """

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._numbers: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, number: float) -> None:
        """Take in the newest number."""
        self._numbers.append(number)
        insort(self._sorted, number)

    def drop(self) -> None:
        """Let go of the oldest number."""
        number = self._numbers.popleft()
        del self._sorted[bisect_left(self._sorted, number)]

    @property
    def value(self) -> float:
        """The quantile."""
        position = (len(self._sorted) - 1) * self._quantile
        below = int(position)
        number = self._sorted[below]
        if position == below:
            return number
        return number + (self._sorted[below + 1] - number) * (position - below)


_BITS = 1074


def _units(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator << (_BITS + 1 - denominator.bit_length())
