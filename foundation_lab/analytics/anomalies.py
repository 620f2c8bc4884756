"""Anomalies: values far from what their recent past would lead one to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.analytics.arguments import (
    group_columns,
    require_count,
    require_free,
    require_not_negative,
    require_numbers,
    require_positive,
    require_time_order,
)
from foundation_lab.analytics.ticks import tick_count, ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution / its median absolute deviation
_NORMAL_MEAN = 1.2533  # standard deviation of a normal distribution / its mean absolute deviation
_ROUNDING = 1e-9  # of the median: a smaller MAD is float rounding around one value, that is 0
_TICK, _ROW = "__tick", "__row"


def anomalies(
    frame: pl.DataFrame,
    column: str = "duration",
    window: float = 300.0,
    *,
    threshold: float = 3.5,
    refractory: float = 0.0,
    by: str | Sequence[str] = (),
    min_points: int = 10,
    min_deviation: float = 1e-9,
) -> pl.DataFrame:
    """Flag values by their robust z-score against a trailing window.

    A row at time t is compared with the rows in [t - window, t), so neither it nor anything at its
    own instant is part of its baseline. The score is (value - median) / (1.4826 MAD), MAD being the
    median absolute deviation from the median. If MAD is 0 but for float rounding, because over half
    of the window is one value, the mean absolute deviation times 1.2533 takes its place; if that is
    0 too, the window is constant and any other value scores plus or minus infinity. The factors
    make either one estimate the standard deviation of normal data.

    Flagged rows form episodes: the first starts one, those less than `refractory` seconds after
    that start belong to it, and the next one starts another. A fault that lasts thus starts again
    once every `refractory` seconds.

    Source: Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993), who advise 3.5, for
    the score; the fallback is the mean absolute deviation of the same window.

    Args:
        frame: Rows in time order with a `time` column, in virtual seconds. Null and NaN in `column`
            are left out.
        column: The numeric column to judge.
        window: Length of the trailing window in seconds.
        threshold: The absolute score from which a row is flagged.
        refractory: Length of an episode in seconds; 0 makes every flagged row its own.
        by: One or more columns; each group is judged by itself, with its own episodes.
        min_points: Rows that the window must hold, else the row is not judged.
        min_deviation: Deviations from the median of this size or less are never flagged, whatever
            their score; in the unit of `column`. The default keeps float rounding around a constant
            from being an anomaly.

    Returns:
        The flagged rows in time order with the frame's columns and `baseline` (the median),
        `spread` (the estimated standard deviation), `score`, `points` (rows in the window),
        `episode` (Int64, counted from 0 in each group) and `is_start` (Boolean, the first row of
        its episode).

    Raises:
        ValueError: `window` or `threshold` is not above 0, `refractory` or `min_deviation` is
            negative, `min_points` is below 2, a column is unknown or not numeric, a column of `by`
            has the name of a result column, or `time` goes back.

    Example:
        The window 8, 9, 10, 11, 12 has median 10 and MAD 1, so 20 scores 10 / 1.4826.

        >>> import polars as pl
        >>> times = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        >>> load = pl.DataFrame({"time": times, "queue": [8, 9, 10, 11, 12, 20]})
        >>> found = anomalies(load, "queue", window=60.0, min_points=5)
        >>> found.select("time", "queue", "baseline", pl.col("score").round(3), "is_start").rows()
        [(5.0, 20, 10.0, 6.745, True)]
    """
    require_numbers(frame, "column", column)
    require_time_order(frame)
    require_positive("window", window)
    require_positive("threshold", threshold)
    require_not_negative("refractory", refractory)
    require_not_negative("min_deviation", min_deviation)
    require_count("min_points", min_points, least=2)
    require_free(frame, ["baseline", "spread", "score", "points", "episode", "is_start"])
    groups = group_columns(frame, by)
    value = pl.col(column).cast(pl.Float64)
    rows = (
        frame.with_row_index(_ROW)
        .with_columns(ticks().alias(_TICK))
        .filter(value.is_not_null(), value.is_not_nan())
    )
    period = tick_count("window", window)
    gap = tick_count("refractory", refractory)
    unusual = (pl.col("score").abs() >= threshold) & (
        (value - pl.col("baseline")).abs() > min_deviation
    )
    parts = rows.partition_by(groups, maintain_order=True) if groups else [rows]
    flagged = [
        _with_episodes(_scored(part, column, period, min_points).filter(unusual), gap)
        for part in parts
    ]
    empty = _with_episodes(_scored(rows.clear(), column, period, min_points), gap)
    return pl.concat([empty, *flagged]).sort(_ROW).drop(_ROW, _TICK)


def _scored(part: pl.DataFrame, column: str, period: int, min_points: int) -> pl.DataFrame:
    value = pl.col(column).cast(pl.Float64)
    deviation = (value - value.median()).abs()
    past = part.rolling(_TICK, period=f"{period}i", closed="left").agg(
        value.median().alias("baseline"),
        (deviation.median() * _NORMAL_MAD).alias("by_median"),
        (deviation.mean() * _NORMAL_MEAN).alias("by_mean"),
        pl.len().cast(pl.Int64).alias("points"),
    )
    is_spread = pl.col("by_median") > _ROUNDING * pl.col("baseline").abs()
    spread = pl.when(is_spread).then("by_median").otherwise("by_mean")
    return (
        part.hstack(past.select("baseline", spread.alias("spread"), "points"))
        .filter(pl.col("points") >= min_points)
        .with_columns(score=(value - pl.col("baseline")) / pl.col("spread"))
        .select(*part.columns, "baseline", "spread", "score", "points")
    )


def _with_episodes(flagged: pl.DataFrame, gap: int) -> pl.DataFrame:
    episodes = pl.Series("episode", list(_episodes(flagged[_TICK], gap)), dtype=pl.Int64)
    return flagged.with_columns(episodes).with_columns(
        is_start=pl.col("episode").diff().fill_null(1) > 0
    )


def _episodes(ticks_of_flagged: Iterable[int], gap: int) -> Iterable[int]:
    episode, start = -1, 0
    for tick in ticks_of_flagged:
        if episode < 0 or tick - start >= gap:
            episode, start = episode + 1, tick
        yield episode
