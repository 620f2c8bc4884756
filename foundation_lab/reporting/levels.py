"""Levels: how many connections of a pool were out, and how many owners waited, at every instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.reporting.spans import session_spans
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording


def active_connections(recording: Recording) -> pl.DataFrame:
    """Return how many connections of each pool were out after each event that changed it.

    A pool that goes down, and one that is created anew, has none out.

    Returns:
        pool_id, time (s), level; pool by pool, in order of time.
    """
    stopped = recording.frame(events.service.Stopped)
    stopped = stopped.filter(pl.col("kind") == "connection_manager")
    steps = [
        _steps(recording.frame(events.connection.PoolCreated), 0, resets=True),
        _steps(stopped.rename({"service": "pool_id"}), 0, resets=True),
        _steps(recording.frame(events.connection.ConnectionAcquired), 1),
        _steps(recording.frame(events.connection.ConnectionReleased), -1),
    ]
    life = pl.col("resets").cum_sum().over("pool_id").alias("life")
    return (
        pl.concat(steps)
        .sort("sequence")
        .with_columns(life)
        .select("pool_id", "time", level=pl.col("step").cum_sum().over("pool_id", "life"))
        .sort("pool_id", maintain_order=True)
    )


def waiting_owners(recording: Recording) -> pl.DataFrame:
    """Return how many owners waited for a connection of each pool after each change.

    Who waited is known once the wait is over, so whoever still waits at the end is not counted.

    Returns:
        pool_id, time (s), level; pool by pool, in order of time.
    """
    waits = pl.concat(
        recording.frame(event).select("pool_id", "time", "duration")
        for event in (events.connection.ConnectionAcquired, events.connection.Timeout)
    ).filter(pl.col("duration") > 0)
    steps = pl.concat(
        [
            waits.select("pool_id", time=pl.col("time") - pl.col("duration"), step=pl.lit(1)),
            waits.select("pool_id", "time", step=pl.lit(-1)),
        ]
    )
    return (
        steps.group_by("pool_id", "time")
        .agg(pl.col("step").sum())
        .sort("pool_id", "time")
        .select("pool_id", "time", level=pl.col("step").cum_sum().over("pool_id"))
    )


def running_sessions(recording: Recording) -> pl.DataFrame:
    """Return how many sessions of agents ran after each start and each end.

    Returns:
        time (s), level; in order of time.
    """
    spans = session_spans(recording)
    ended = spans.filter(~pl.col("open"))
    steps = [
        spans.select(time=pl.col("start"), step=pl.lit(1)),
        ended.select(time=pl.col("end"), step=pl.lit(-1)),
    ]
    return (
        pl.concat(steps)
        .group_by("time")
        .agg(pl.col("step").sum())
        .sort("time")
        .select("time", level=pl.col("step").cum_sum())
    )


def capacities(recording: Recording) -> dict[str, int]:
    """Return how many connections each pool can have out: `size` + `max_overflow`, by pool."""
    created = recording.frame(events.connection.PoolCreated)
    return {
        pool: size + overflow
        for pool, size, overflow in created.select("pool_id", "size", "max_overflow").iter_rows()
    }


def time_average(levels: pl.DataFrame, until: float) -> float | None:
    """Return the average of one step function over time, from its first step to `until`.

    Args:
        levels: `time` (s) and `level`, in order of time; a level holds until the next one.
        until: Where the last level ends, in virtual seconds.

    Returns:
        The average; ``None`` when no time passes.

    >>> time_average(pl.DataFrame({"time": [0.0, 2.0, 6.0], "level": [0, 3, 1]}), until=8.0)
    1.75
    """
    if levels.is_empty():
        return None
    lasting = levels["time"].shift(-1).fill_null(until) - levels["time"]
    passed = until - levels["time"][0]
    return float((lasting * levels["level"]).sum()) / passed if passed > 0 else None


def _steps(frame: pl.DataFrame, step: int, *, resets: bool = False) -> pl.DataFrame:
    return frame.select(
        "sequence",
        "time",
        "pool_id",
        pl.lit(step, dtype=pl.Int64).alias("step"),
        pl.lit(int(resets), dtype=pl.Int64).alias("resets"),
    )
