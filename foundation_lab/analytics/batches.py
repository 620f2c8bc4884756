"""Batch means: a confidence interval from one long run whose values depend on each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from foundation_lab.analytics.arguments import require_confidence, require_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray


class ConfidenceInterval(NamedTuple):
    """A mean, and the interval around it, in the unit of the values."""

    mean: float
    low: float
    high: float


def batch_means(
    values: Sequence[float] | pl.Series | NDArray[np.floating], batches: int = 20
) -> list[float]:
    """Cut a long correlated series into batches of equal length and return the mean of each.

    The means of long batches are nearly independent, which single waits in a queue are not. What
    does not fill the batches, fewer values than there are batches, is dropped at the beginning,
    where a run is furthest from its steady state.

    Source: Law, "Simulation Modeling and Analysis", on the method of batch means; 10 to 30 batches
    are usual.

    Args:
        values: The series in order of time, without null or NaN.
        batches: Number of batches, 2 or more.

    Returns:
        `batches` means, in order.

    Raises:
        ValueError: There are fewer values than batches, a value is null, NaN or infinite, or
            `batches` is below 2.

    Example:
        >>> batch_means([9.0, 1.0, 3.0, 5.0, 7.0], batches=2)
        [2.0, 6.0]
    """
    require_count("batches", batches, least=2)
    series = _finite("values", values)
    size = len(series) // batches
    if size == 0:
        raise ValueError(
            f"values holds {len(series)} numbers for batches={batches!r}; "
            "give more values or fewer batches"
        )
    kept = series[len(series) - size * batches :]
    return [float(mean) for mean in kept.reshape(batches, size).mean(axis=1)]


def confidence_interval(
    means: Sequence[float] | pl.Series | NDArray[np.floating], confidence: float = 0.95
) -> ConfidenceInterval:
    """Return the mean of independent values, such as batch means, and its Student t interval.

    Source: Student, "The Probable Error of a Mean", Biometrika 6 (1908).

    Args:
        means: Two or more independent values of one distribution, nearly normal.
        confidence: Level of the interval, between 0 and 1.

    Returns:
        A `ConfidenceInterval`: mean +- t s / sqrt(n), with t of n - 1 degrees of freedom.

    Raises:
        ValueError: There are fewer than 2 values, one is null, NaN or infinite, or `confidence` is
            out of range.

    Example:
        With 2 values and a confidence of 0.5, t is 1 and s / sqrt(2) is half the distance between
        them.

        >>> interval = confidence_interval([1.0, 3.0], confidence=0.5)
        >>> interval.mean, round(interval.low, 9), round(interval.high, 9)
        (2.0, 1.0, 3.0)
    """
    from scipy.stats import t as student  # noqa: PLC0415 - scipy takes most of a second to import

    require_confidence(confidence)
    values = _finite("means", means)
    if len(values) < 2:
        raise ValueError(f"means holds {len(values)} numbers; an interval needs at least 2")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half_width = float(student.ppf((1 + confidence) / 2, df=len(values) - 1)) * error
    return ConfidenceInterval(mean, mean - half_width, mean + half_width)


def _finite(
    argument: str, values: Sequence[float] | pl.Series | NDArray[np.floating]
) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{argument} holds null, NaN or infinity; leave those values out")
    return array
