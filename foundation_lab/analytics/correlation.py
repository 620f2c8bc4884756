"""Correlation between the series of two services, with one shifted against the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import polars as pl

from foundation_lab.analytics.arguments import (
    require_columns,
    require_count,
    require_not_negative,
    require_numbers,
    require_positive,
)
from foundation_lab.analytics.windows import tumbling

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1e-9  # of a window; float division may put 0.3 / 0.1 just below 3
_NOISE = 1e-12  # of the largest value; means of a constant differ by float rounding


class BestLag(NamedTuple):
    """The lag (seconds) at which two series agree most, its correlation and its pairs."""

    lag: float
    correlation: float
    pairs: int


def lag_correlation(
    frame: pl.DataFrame,
    first: str,
    second: str,
    *,
    width: float,
    max_lag: float,
    min_pairs: int = 10,
) -> pl.DataFrame:
    """Correlate two columns over every lag from -`max_lag` to `max_lag`, in steps of `width`.

    **A positive lag means that `second` follows `first`**: at lag L, `first` at time t is paired
    with `second` at time t + L. Both columns are averaged over tumbling windows first, so that they
    may be irregular; a window without a value takes no part. Spearman's correlation is Pearson's of
    the ranks, with ties at their mean rank.

    Source: Box, Jenkins and Reinsel, "Time Series Analysis", on the cross-correlation function;
    here each lag uses the mean and spread of its own pairs. Two series that both trend or both
    repeat correlate at many lags.

    Args:
        frame: Rows with `time` (virtual seconds) and two numeric columns, for example from `align`.
        first: The column that may lead.
        second: The column that may follow.
        width: Length of a window in seconds, and the step between lags.
        max_lag: The largest lag in seconds.
        min_pairs: Below this number of pairs a correlation is null, since a few points agree by
            chance.

    Returns:
        One row per lag in rising order: `lag` (seconds), `pearson` and `spearman` (-1 to 1, null if
        a side is constant or the pairs are too few), `pairs` (Int64).

    Raises:
        ValueError: A column is unknown or not numeric, `width` is not above 0, `max_lag` is
            negative or not shorter than the series, or `min_pairs` is below 3.

    Example:
        >>> import polars as pl
        >>> times = [0.0, 1.0, 2.0, 3.0, 4.0]
        >>> load = pl.DataFrame({"time": times, "api": [0, 5, 0, 1, 0], "db": [3, 0, 5, 0, 1]})
        >>> found = lag_correlation(load, "api", "db", width=1.0, max_lag=1.0, min_pairs=3)
        >>> best = best_lag(found)
        >>> best.lag, round(best.correlation, 6), best.pairs
        (1.0, 1.0, 4)
    """
    require_numbers(frame, "first", first)
    require_numbers(frame, "second", second)
    require_positive("width", width)
    require_not_negative("max_lag", max_lag)
    require_count("min_pairs", min_pairs, least=3)
    leader, follower = _means(frame, first, width), _means(frame, second, width)
    steps = math.floor(max_lag / width + _ROUNDING)
    if steps >= len(leader):
        raise ValueError(
            f"max_lag={max_lag!r} must be shorter than the series, {len(leader) * width} seconds; "
            "give a smaller one"
        )
    rows = [
        (step * width, *_correlations(*_shifted(leader, follower, step), min_pairs))
        for step in range(-steps, steps + 1)
    ]
    schema = {"lag": pl.Float64, "pearson": pl.Float64, "spearman": pl.Float64, "pairs": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def best_lag(
    correlations: pl.DataFrame, method: Literal["pearson", "spearman"] = "pearson"
) -> BestLag:
    """Return the lag with the strongest correlation, positive or negative.

    Args:
        correlations: What `lag_correlation` returned.
        method: Which correlation to go by.

    Returns:
        A `BestLag`; of equally strong lags the one nearest to 0, and of those the negative one.

    Raises:
        ValueError: The column is unknown, or every correlation is null.

    Example:
        >>> import polars as pl
        >>> lags = {"lag": [-1.0, 0.0, 1.0], "pearson": [0.2, -0.9, 0.5], "pairs": [20, 21, 20]}
        >>> best_lag(pl.DataFrame(lags))
        BestLag(lag=0.0, correlation=-0.9, pairs=21)
    """
    require_columns(correlations, "method", [method])
    known = correlations.drop_nulls(method)
    if known.is_empty():
        raise ValueError(
            f"method={method!r} has no correlation at any lag; "
            "use a longer series, or one that is not constant"
        )
    strongest = known.sort(
        pl.col(method).abs(), pl.col("lag").abs(), "lag", descending=[True, False, False]
    )
    return BestLag(*strongest.select("lag", method, "pairs").row(0))


def _means(frame: pl.DataFrame, column: str, width: float) -> NDArray[np.float64]:
    time = frame["time"].cast(pl.Float64)
    start = 0.0 if time.is_empty() else float(time.to_numpy().min())
    return tumbling(frame, width, column, start=start)["mean"].to_numpy()


def _shifted(
    leader: NDArray[np.float64], follower: NDArray[np.float64], step: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = len(leader)
    now = leader[max(0, -step) : size - max(0, step)]
    later = follower[max(0, step) : size - max(0, -step)]
    both = ~(np.isnan(now) | np.isnan(later))
    return now[both], later[both]


def _correlations(
    now: NDArray[np.float64], later: NDArray[np.float64], min_pairs: int
) -> tuple[float | None, float | None, int]:
    from scipy.stats import rankdata  # noqa: PLC0415 - scipy takes most of a second to import

    pairs = len(now)
    if pairs < min_pairs or _is_constant(now) or _is_constant(later):
        return None, None, pairs
    pearson = float(np.corrcoef(now, later)[0, 1])
    spearman = float(np.corrcoef(rankdata(now), rankdata(later))[0, 1])
    return pearson, spearman, pairs


def _is_constant(values: NDArray[np.float64]) -> bool:
    return bool(np.ptp(values) <= _NOISE * np.max(np.abs(values)))
