"""Running averages: over a trailing window, and with weights that fade with age."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import polars as pl

from foundation_lab.analytics.arguments import (
    group_columns,
    require_count,
    require_free,
    require_numbers,
    require_positive,
    require_time_order,
)
from foundation_lab.analytics.ticks import tick_count, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence


def moving_average(
    frame: pl.DataFrame,
    column: str = "duration",
    window: float = 60.0,
    by: str | Sequence[str] = (),
    *,
    unit: Literal["seconds", "rows"] = "seconds",
) -> pl.DataFrame:
    """Average a column over a trailing window that ends with the row itself.

    With unit "seconds" a row at time t averages the rows in (t - window, t], so rows at the same
    instant share one average. With unit "rows" it averages itself and the rows before it, `window`
    in all; the first rows average what there is. Null and NaN are left out of every average.

    Args:
        frame: Rows in time order with a `time` column, in virtual seconds.
        column: The numeric column to average.
        window: Length of the window, in seconds or rows as `unit` says.
        by: One or more columns; each group is averaged by itself.
        unit: What `window` counts.

    Returns:
        The frame as it was, with one more column: `moving_average`, Float64 in the unit of
        `column`, null where the window holds no value.

    Raises:
        ValueError: `window` is not above 0 (or not a whole number of rows), `unit` is unknown, a
            column is unknown or not numeric, or `time` goes back.

    Example:
        >>> import polars as pl
        >>> load = pl.DataFrame({"time": [0.0, 5.0, 10.0], "queue": [1, 3, 8]})
        >>> moving_average(load, "queue", window=10.0)["moving_average"].to_list()
        [1.0, 2.0, 5.5]
    """
    require_numbers(frame, "column", column)
    require_time_order(frame)
    require_free(frame, ["moving_average"])
    groups = group_columns(frame, by)
    values = pl.col(column).cast(pl.Float64).fill_nan(None)
    require_positive("window", window)
    if unit == "seconds":
        average = values.rolling_mean_by(
            ticks(), f"{tick_count('window', window)}i", closed="right"
        )
    elif unit == "rows":
        if window != int(window):
            raise ValueError(f"window={window!r} is not a number of rows; give a whole number")
        require_count("window", int(window), least=1)
        average = values.rolling_mean(int(window), min_samples=1)
    else:
        raise ValueError(f"unit={unit!r} is unknown; give 'seconds' or 'rows'")
    return frame.with_columns(_over(average, groups).alias("moving_average"))


def ewma(
    frame: pl.DataFrame,
    column: str = "duration",
    half_life: float = 60.0,
    by: str | Sequence[str] = (),
) -> pl.DataFrame:
    """Average a column exponentially: a value counts half as much for every `half_life` of its age.

    At time t the average is sum(w x) / sum(w) over the rows so far, with w = 2 ** -(age /
    half_life). The age is real time, not a number of rows, so irregular spacing is right, and rows
    at one instant weigh the same. A null or NaN adds nothing; its row carries the average so far.

    Source: Eckner, "Algorithms for Unevenly Spaced Time Series: Moving Averages and Other Rolling
    Operators" (2019), for decay by elapsed time; normalised by the sum of weights, so that the
    first value has no special rank.

    Args:
        frame: Rows in time order with a `time` column, in virtual seconds.
        column: The numeric column to average.
        half_life: Seconds in which a weight halves.
        by: One or more columns; each group is averaged by itself.

    Returns:
        The frame as it was, with one more column: `ewma`, Float64 in the unit of `column`, null
        before the first value.

    Raises:
        ValueError: `half_life` is not above 0, a column is unknown or not numeric, or `time` goes
            back.

    Example:
        The second value is one half-life younger, so it weighs 2 against 1: (0 * 1 + 9 * 2) / 3 =
        6.

        >>> import polars as pl
        >>> load = pl.DataFrame({"time": [0.0, 10.0], "queue": [0.0, 9.0]})
        >>> ewma(load, "queue", half_life=10.0)["ewma"].to_list()
        [0.0, 6.0]
    """
    require_positive("half_life", half_life)
    require_numbers(frame, "column", column)
    require_time_order(frame)
    require_free(frame, ["ewma"])
    groups = group_columns(frame, by)

    def faded(series: Sequence[pl.Series]) -> pl.Series:
        times, values = series
        return pl.Series(_faded(times.to_list(), values.to_list(), half_life), dtype=pl.Float64)

    inputs = [pl.col("time").cast(pl.Float64), pl.col(column).cast(pl.Float64).fill_nan(None)]
    average = pl.map_batches(inputs, faded, return_dtype=pl.Float64)
    return frame.with_columns(_over(average, groups).alias("ewma"))


def _over(expression: pl.Expr, groups: Sequence[str]) -> pl.Expr:
    return expression.over(groups) if groups else expression


def _faded(
    times: Sequence[float], values: Sequence[float | None], half_life: float
) -> list[float | None]:
    averages: list[float | None] = []
    average = None
    weight = 0.0
    before = -math.inf
    for time, value in zip(times, values, strict=True):
        weight *= 2.0 ** ((before - time) / half_life)
        before = time
        if value is not None:
            weight += 1.0
            average = value if average is None else average + (value - average) / weight
        averages.append(average)
    return averages
