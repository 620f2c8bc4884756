"""Tumbling windows: time cut into equal pieces that do not overlap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.analytics.arguments import group_columns, require_numbers, require_positive
from foundation_lab.analytics.percentiles import present, quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

# Float arithmetic puts 0.3 / 0.1 just below 3. An event this close before a boundary, as a share of
# the window's width, is taken to be on it.
_ROUNDING = 1e-9


def tumbling(
    frame: pl.DataFrame,
    width: float,
    column: str | None = None,
    by: str | Sequence[str] = (),
    *,
    start: float = 0.0,
    end: float | None = None,
    q: Sequence[float] = (0.5, 0.9, 0.99),
    fill: bool = True,
) -> pl.DataFrame:
    """Count events, and summarise a column, in windows [start + k width, start + (k + 1) width).

    An event at exactly k widths after `start` belongs to window k; float rounding up to a billionth
    of a width is forgiven. Events before `start`, and at or after `end`, are left out.

    Args:
        frame: Rows with a `time` column, in virtual seconds.
        width: Length of a window in seconds.
        column: A numeric column to summarise; with None, events are only counted.
        by: One or more columns to group by; with none, the whole frame is one group.
        start: Where window 0 begins, in virtual seconds.
        end: Where the last window ends; it may be shorter than the others. None stands for the end
            of the window that holds the last event.
        q: Quantiles of `column` between 0 and 1, interpolated as in `percentiles`.
        fill: Whether windows without an event get a row too. Every group of the frame then has
            every window, also a group all of whose events lie outside `start` to `end`.

    Returns:
        One row per group and window, group by group in order of first appearance, windows in order
        of time: the columns of `by`, `window` (Int64, k), `start` and `end` (seconds), `count`
        (rows, Int64), `rate` (rows a second), and if `column` is given `mean` and the percentiles
        (`p50`, ...) of its values, null where a window has none.

    Raises:
        ValueError: `width` is not above 0, `end` is not after `start`, a column is unknown or not
            numeric, `time` holds null or NaN, `q` leaves 0 to 1, or a column of `by` has the name
            of a result column.

    Example:
        >>> import polars as pl
        >>> calls = pl.DataFrame({"time": [0.0, 1.0, 10.0, 35.0], "duration": [2.0, 4.0, 5.0, 7.0]})
        >>> windows = tumbling(calls, width=10.0, column="duration")
        >>> windows.select("start", "count", "rate", "mean").rows()
        [(0.0, 2, 0.2, 3.0), (10.0, 1, 0.1, 5.0), (20.0, 0, 0.0, None), (30.0, 1, 0.1, 7.0)]
    """
    require_positive("width", width)
    require_numbers(frame, "time", "time")
    _require_times(frame["time"].cast(pl.Float64))
    summary = [pl.len().cast(pl.Int64).alias("count")]
    if column is not None:
        require_numbers(frame, "column", column)
        summary += [present(column).mean().alias("mean"), *quantiles(column, q)]
    results = [each.meta.output_name() for each in summary]
    groups = group_columns(frame, by, reserved=["window", "start", "end", "rate", *results])
    last = _last_window(frame, width, start, end)

    keys = [*groups, "window"]
    counted = (
        frame.filter(_window(width, start).is_between(0, last), _before(end))
        .group_by(*groups, _window(width, start))
        .agg(summary)
    )
    grid = pl.select(pl.int_range(last + 1, dtype=pl.Int64).alias("window"))
    if groups:
        grid = frame.select(groups).unique(maintain_order=True).join(grid, how="cross")
    left = pl.lit(float(start)) + pl.col("window") * float(width)
    right = pl.lit(float(start)) + (pl.col("window") + 1) * float(width)
    windows = (
        grid.join(counted, on=keys, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            pl.col("count").fill_null(0),
            start=left,
            end=right if end is None else pl.min_horizontal(right, pl.lit(float(end))),
        )
        .with_columns(rate=pl.col("count") / (pl.col("end") - pl.col("start")))
        .select(*keys, "start", "end", "count", "rate", *results[1:])
    )
    return windows if fill else windows.filter(pl.col("count") > 0)


def _require_times(time: pl.Series) -> None:
    if time.null_count() > 0 or not time.is_finite().all():
        raise ValueError("column 'time' holds null, NaN or infinity; drop those rows first")


def _last_window(frame: pl.DataFrame, width: float, start: float, end: float | None) -> int:
    if not math.isfinite(start):
        raise ValueError(f"start={start!r} must be finite; give a time in seconds such as 0.0")
    if end is not None:
        if not start < end < math.inf:
            raise ValueError(
                f"end={end!r} must be finite and after start={start!r}; give a later end"
            )
        return math.ceil((end - start) / width - _ROUNDING) - 1
    last = frame.select(_window(width, start)).to_series().max()
    return last if isinstance(last, int) and last >= 0 else -1


def _window(width: float, start: float) -> pl.Expr:
    position = (pl.col("time").cast(pl.Float64) - start) / width
    return (position + _ROUNDING).floor().cast(pl.Int64).alias("window")


def _before(end: float | None) -> pl.Expr:
    return pl.lit(value=True) if end is None else pl.col("time") < end
