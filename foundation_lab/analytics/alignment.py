"""Alignment: the series of several services side by side on common windows."""

from __future__ import annotations

import polars as pl

from foundation_lab.analytics.arguments import require_columns
from foundation_lab.analytics.windows import tumbling


def align(
    frame: pl.DataFrame,
    width: float,
    column: str | None = None,
    by: str = "service",
    *,
    start: float = 0.0,
    end: float | None = None,
) -> pl.DataFrame:
    """Put the series of several services side by side on common windows.

    Args:
        frame: A long frame: rows with `time` (virtual seconds), the column `by`, and `column`.
        width: Length of a window in seconds.
        column: The numeric column to average in each window; with None, events are counted.
        by: The column that tells the series apart; its nulls are left out.
        start: Where the first window begins, in virtual seconds.
        end: Where the last window ends; None stands for the window that holds the last event.

    Returns:
        One row per window: `time` (where it begins, in seconds), then one column per value of `by`,
        in order of first appearance. An empty window is 0 if events are counted, and null if a
        column is averaged.

    Raises:
        ValueError: As in `tumbling`, or a series is called "time".

    Example:
        >>> import polars as pl
        >>> services = ["db", "api", "db", "db"]
        >>> events = pl.DataFrame({"time": [0.0, 0.5, 1.5, 2.5], "service": services})
        >>> align(events, width=1.0).rows()
        [(0.0, 1, 1), (1.0, 1, 0), (2.0, 1, 0)]
    """
    require_columns(frame, "by", [by])
    if (frame[by].cast(pl.String) == "time").any():
        raise ValueError(f"by={by!r} holds a series called 'time'; rename that series first")
    known = frame.filter(pl.col(by).is_not_null())
    windows = tumbling(known, width, column, by, start=start, end=end)
    return windows.select(
        pl.col(by),
        pl.col("start").alias("time"),
        pl.col("count" if column is None else "mean").alias("value"),
    ).pivot(on=by, index="time", values="value")
