"""Stays in a system, and Little's law, which every set of stays obeys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from foundation_lab.analytics.arguments import require_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LittlesLaw(NamedTuple):
    """The three sides of L = lambda W as they were observed.

    Attributes:
        mean_number: L, the number in the system averaged over time.
        arrival_rate: lambda, arrivals a second.
        mean_time: W, seconds in the system averaged over arrivals.
        difference: L - lambda W, which is 0 but for float rounding.
    """

    mean_number: float
    arrival_rate: float
    mean_time: float
    difference: float


def littles_law(
    frame: pl.DataFrame,
    start: str = "start",
    end: str = "end",
    horizon: tuple[float, float] | None = None,
) -> LittlesLaw:
    """Observe Little's law over a horizon; there it holds as an identity, in steady state or not.

    L comes from the times of arrivals and departures alone, as the area under the number in the
    system; W from the stays. A stay is cut at the horizon's ends: who is there when it begins
    arrives then, and who is still there when it ends departs then. So a difference from 0 means
    stays that do not match the counted arrivals and departures.

    Source: Little, "Little's Law as Viewed on Its 50th Anniversary", Operations Research 59 (2011).

    Args:
        frame: One row per stay in the system; rows without a start are left out.
        start: Column of arrival times, in virtual seconds.
        end: Column of departure times, in virtual seconds; null while the stay goes on.
        horizon: From when to when to observe, in virtual seconds; None stands for the first start
            to the last end.

    Returns:
        A `LittlesLaw`; without any stay in the horizon all of it is 0.

    Raises:
        ValueError: A column is unknown or not numeric, a stay ends before it starts, the horizon is
            empty, or it is not given although the frame has no stay or one that goes on.

    Example:
        Two stays of 4 s and 2 s within 6 s: L = 6 / 6, lambda = 2 / 6, W = 3.

        >>> import polars as pl
        >>> stays = pl.DataFrame({"start": [0.0, 4.0], "end": [4.0, 6.0]})
        >>> law = littles_law(stays)
        >>> law.mean_number, round(law.arrival_rate, 6), law.mean_time
        (1.0, 0.333333, 3.0)
    """
    require_numbers(frame, "start", start)
    require_numbers(frame, "end", end)
    stays = frame.select(
        pl.col(start).cast(pl.Float64).alias("start"), pl.col(end).cast(pl.Float64).alias("end")
    ).drop_nulls("start")
    backwards = stays.filter(pl.col("end") < pl.col("start"))
    if backwards.height > 0:
        raise ValueError(
            f"end={backwards['end'][0]!r} lies before start={backwards['start'][0]!r} "
            f"in {backwards.height} rows; "
            "swap the columns or correct those rows"
        )
    begin, finish = _horizon(stays) if horizon is None else horizon
    if not -math.inf < begin < finish < math.inf:
        raise ValueError(
            f"horizon={(begin, finish)!r} is empty or endless; give a start before an end"
        )

    went_on = pl.col("end").is_null() | (pl.col("end") > begin)
    seen = stays.filter(pl.col("start") < finish, went_on | (pl.col("start") >= begin))
    if seen.is_empty():
        return LittlesLaw(0.0, 0.0, 0.0, 0.0)
    arrivals = seen["start"].clip(begin, finish).to_numpy()
    departures = seen["end"].fill_null(finish).clip(begin, finish).to_numpy()
    mean_number = _area(arrivals, departures) / (finish - begin)
    arrival_rate = seen.height / (finish - begin)
    mean_time = float(np.mean(departures - arrivals))
    return LittlesLaw(mean_number, arrival_rate, mean_time, mean_number - arrival_rate * mean_time)


def _horizon(stays: pl.DataFrame) -> tuple[float, float]:
    if stays.is_empty() or stays["end"].null_count() > 0:
        raise ValueError(
            "horizon=None needs at least one stay, all of them ended; "
            "give horizon=(start, end) in seconds"
        )
    return stays.select(pl.col("start").min(), pl.col("end").max()).row(0)


def _area(arrivals: NDArray[np.float64], departures: NDArray[np.float64]) -> float:
    times = np.concatenate([arrivals, departures])
    steps = np.concatenate([np.ones(len(arrivals)), -np.ones(len(departures))])
    order = np.argsort(times, kind="stable")
    number = np.cumsum(steps[order])
    return float(np.dot(number[:-1], np.diff(times[order])))
