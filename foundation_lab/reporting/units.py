"""Units of time that people read: a duration in its own unit, an axis in one unit for all of it."""

from __future__ import annotations

import math
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of time.

    Attributes:
        symbol: How it is written.
        seconds: How long it is.
    """

    symbol: str
    seconds: float


UNITS = (
    Unit("µs", 1e-6),
    Unit("ms", 1e-3),
    Unit("s", 1.0),
    Unit("min", 60.0),
    Unit("h", 3600.0),
    Unit("d", 86400.0),
)
"""The units in use, from the shortest to the longest."""


def unit_of(longest: float) -> Unit:
    """Return the unit for values of up to `longest` seconds.

    A unit is left for the next one when there are at least three of that: 3 min instead of 180 s.
    Below a second it is left as soon as the next one reaches 1.

    >>> [unit_of(seconds).symbol for seconds in (0.002, 0.9, 90.0, 180.0, 7200.0)]
    ['ms', 'ms', 's', 'min', 'min']
    """
    fitting = [unit for unit in UNITS if longest >= unit.seconds * (3 if unit.seconds > 1 else 1)]
    return fitting[-1] if fitting else _smallest(longest)


def duration_text(seconds: float | None) -> str:
    """Return a duration in a unit that suits it, to three significant digits; a dash for None.

    >>> [duration_text(seconds) for seconds in (None, 0.0, 0.0123, 0.99999, 2.5, 300.0)]
    ['—', '0 s', '12.3 ms', '1 s', '2.5 s', '5 min']
    """
    if seconds is None:
        return "—"
    unit = unit_of(float(f"{abs(seconds):.3g}"))  # of what is read: not 1,000 ms
    return f"{number_text(seconds / unit.seconds)} {unit.symbol}"


def number_text(value: float | None) -> str:
    """Return a number to three significant digits, whole numbers in full; a dash for None.

    >>> [number_text(value) for value in (None, 0.12345, 12345, 12345.6)]
    ['—', '0.123', '12,345', '12,346']
    """
    if value is None:
        return "—"
    if not math.isfinite(value) or value == 0 or abs(value) < _TINY:
        return f"{value:.3g}"
    if isinstance(value, int) or abs(value) >= _FULL:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.10g}"


def share_text(value: float | None) -> str:
    """Return a share as a percentage; a dash for None. Only a whole share is 100 %, none is 0 %.

    >>> [share_text(value) for value in (None, 0.0, 0.99999, 1.0)]
    ['—', '0 %', '99.99 %', '100 %']
    """
    if value is None:
        return "—"
    percent = 100 * value
    if 0 < percent < _LEAST:
        return f"<{_LEAST} %"
    if 0 <= percent < 100:
        percent = math.floor(percent * 100 + 1e-6) / 100
    return f"{percent:.4g} %"


def nice_width(span: float, windows: int = 120) -> float:
    """Return a window's width in seconds that cuts `span` into at most about `windows` windows.

    It is the least of 1, 2 and 5 times a power of ten that does, so there are between two fifths of
    `windows` and all of them.

    >>> [nice_width(span) for span in (3600.0, 120.0, 1.0)]
    [50.0, 1.0, 0.01]
    """
    if span <= 0:
        return 1.0
    least = span / windows
    power = math.floor(math.log10(least))
    steps = (float(f"{step}e{power}") for step in (1, 2, 5, 10))
    return next((step for step in steps if step >= least * (1 - 1e-9)), float(f"1e{power + 1}"))


_TINY = 1e-3
_FULL = 1000
_LEAST = 0.01


def _smallest(longest: float) -> Unit:
    return UNITS[2] if longest == 0 else UNITS[0]
