"""Trends: does a series rise or fall with time, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from foundation_lab.analytics.arguments import require_confidence, require_numbers

_FEWEST = 5  # four points in perfect order still have p = 2 / 4! = 0.083
_MOST = 3_000  # Theil-Sen looks at every pair of points at once: 3 000 points take about 300 MB


@dataclass(frozen=True, slots=True)
class Trend:
    """What `trend` found.

    Attributes:
        direction: "increasing" or "decreasing" if the test is significant, else "none".
        p_value: Two-sided p-value of the Mann-Kendall test.
        tau: Kendall's tau-b between value and time, from -1 to 1.
        slope_per_second: Theil-Sen slope, in the column's unit per second.
        low: Lower end of the slope's confidence interval.
        high: Upper end of the slope's confidence interval.
        count: Points used.
    """

    direction: Literal["increasing", "decreasing", "none"]
    p_value: float
    tau: float
    slope_per_second: float
    low: float
    high: float
    count: int


def trend(frame: pl.DataFrame, column: str = "value", confidence: float = 0.95) -> Trend:
    """Test a series for a monotonic trend and estimate its slope, both robust against outliers.

    The test is Mann-Kendall: Kendall's tau between value and time, with the exact p-value for small
    series without ties and the normal approximation corrected for ties otherwise (Mann,
    Econometrica 13, 1945; Kendall, "Rank Correlation Methods", 1975). The slope is the median slope
    over all pairs of points, with Sen's interval (Sen, Journal of the American Statistical
    Association 63, 1968). A constant series has no trend: tau 0, p 1, slope 0.

    Both take the points for independent. Neighbouring values of a queue's length are not, and make
    p too small; aggregate over windows longer than the series' memory first.

    Args:
        frame: Rows with a `time` column, in virtual seconds, in any order. Null and NaN in `column`
            are left out.
        column: The numeric column to test.
        confidence: Level of the slope's interval; the direction is significant at 1 - `confidence`.

    Returns:
        A `Trend`.

    Raises:
        ValueError: A column is unknown or not numeric, there are fewer than 5 or more than 3 000
            values, all values lie at one instant, or `confidence` is not between 0 and 1.

    Example:
        >>> import polars as pl
        >>> memory = pl.DataFrame({"time": [0.0, 10.0, 20.0, 30.0, 40.0], "mib": [1, 3, 5, 7, 9]})
        >>> leak = trend(memory, "mib")
        >>> leak.direction, round(leak.tau, 12), leak.slope_per_second
        ('increasing', 1.0, 0.2)
    """
    from scipy import stats  # noqa: PLC0415 - scipy takes most of a second to import

    require_confidence(confidence)
    require_numbers(frame, "column", column)
    require_numbers(frame, "time", "time")
    points = (
        frame.select(time=pl.col("time").cast(pl.Float64), value=pl.col(column).cast(pl.Float64))
        .drop_nulls()
        .drop_nans()
    )
    _require_enough(points, column)
    times, values = points["time"].to_numpy(), points["value"].to_numpy()
    if points["value"].n_unique() == 1:
        return Trend("none", 1.0, 0.0, 0.0, 0.0, 0.0, points.height)
    tau, p_value = (float(each) for each in stats.kendalltau(times, values))
    slope = stats.theilslopes(values, times, alpha=confidence)
    significant = p_value < 1 - confidence
    rising: Literal["increasing", "decreasing"] = "increasing" if tau > 0 else "decreasing"
    return Trend(
        direction=rising if significant else "none",
        p_value=p_value,
        tau=tau,
        slope_per_second=float(slope.slope),
        low=float(slope.low_slope),
        high=float(slope.high_slope),
        count=points.height,
    )


def _require_enough(points: pl.DataFrame, column: str) -> None:
    if points.height < _FEWEST:
        raise ValueError(
            f"column={column!r} has {points.height} values; a trend needs at least {_FEWEST}, "
            "so use a longer recording or narrower windows"
        )
    if points.height > _MOST:
        raise ValueError(
            f"column={column!r} has {points.height} values, above the limit of {_MOST}; "
            "aggregate them first with tumbling"
        )
    if points["time"].n_unique() == 1:
        raise ValueError(
            f"time={points['time'][0]!r} is the same for every value; "
            "a trend needs two instants or more, so use a longer recording"
        )
