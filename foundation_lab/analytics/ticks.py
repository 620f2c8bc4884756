"""Virtual seconds as whole nanoseconds, the integer index that polars' rolling windows need.

Rounding to a nanosecond also heals the last bits of float arithmetic, so that an event at 0.3 s is
exactly 0.2 s after one at 0.1 s. Times up to 292 years fit.
"""

from __future__ import annotations

import polars as pl

_PER_SECOND = 1e9


def ticks(column: str = "time") -> pl.Expr:
    """Return an Int64 expression: the column's seconds as nanoseconds."""
    return (pl.col(column).cast(pl.Float64) * _PER_SECOND).round().cast(pl.Int64)


def tick_count(argument: str, seconds: float) -> int:
    """Return a length in seconds as nanoseconds.

    Raises:
        ValueError: The length is above 0 and yet rounds to no nanosecond at all.
    """
    count = round(seconds * _PER_SECOND)
    if seconds > 0 and count == 0:
        raise ValueError(f"{argument}={seconds!r} is under a nanosecond; give at least 1e-9")
    return count
