"""Latency: a set of durations in six numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foundation_lab.analytics import percentiles

if TYPE_CHECKING:
    import polars as pl

QUANTILES = (0.5, 0.95, 0.99)


class Latency(msgspec.Struct, frozen=True):
    """A set of durations; all but `count` in seconds, and ``None`` when there are none.

    Attributes:
        count: How many durations there are.
        mean: Their mean.
        p50: Their median, interpolated as in `foundation_lab.analytics.percentiles`.
        p95: The duration that 95 % do not exceed.
        p99: The duration that 99 % do not exceed.
        max: The longest.
    """

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


def latencies(frame: pl.DataFrame, by: str, column: str = "duration") -> dict[str, Latency]:
    """Return the latency of every group of rows, by the group's name; null durations left out."""
    table = percentiles(frame, column, by=by, q=QUANTILES)
    return {
        row[by]: Latency(**{name: row[name] for name in Latency.__struct_fields__})
        for row in table.iter_rows(named=True)
    }
