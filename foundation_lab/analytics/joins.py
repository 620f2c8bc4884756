"""Joins: what belongs together because it carries one correlation id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from foundation_lab.analytics.arguments import require_columns, require_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY = "correlation_id"
How = Literal["inner", "left", "full", "semi", "anti"]


def correlate(
    left: pl.DataFrame, right: pl.DataFrame, suffix: str = "_right", how: How = "inner"
) -> pl.DataFrame:
    """Join two frames of events by correlation id.

    Every pair of rows with one id makes a row, so an id with 2 rows on the left and 3 on the right
    makes 6. A null id belongs to nobody and matches nothing.

    Args:
        left: Rows with a `correlation_id`.
        right: Rows with a `correlation_id`.
        suffix: Added to the right frame's columns whose names the left one has too.
        how: "inner" keeps ids that both sides have, "left" every row of the left, "full" every row
            of either, "semi" and "anti" the rows of the left that have, or have not, a partner.

    Returns:
        The left frame's columns, then (not for "semi" and "anti") the right one's without
        `correlation_id`. Rows are in the left frame's order; rows of the right without partner come
        last.

    Raises:
        ValueError: A side has no `correlation_id`, `how` is unknown, or `suffix` leaves two columns
            with one name.

    Example:
        >>> import polars as pl
        >>> asked = pl.DataFrame({"correlation_id": ["a", "b"], "time": [0.0, 1.0]})
        >>> answered = pl.DataFrame({"correlation_id": ["b"], "time": [5.0]})
        >>> correlate(asked, answered, suffix="_answered").rows(named=True)
        [{'correlation_id': 'b', 'time': 1.0, 'time_answered': 5.0}]
    """
    require_columns(left, "left", [_KEY])
    require_columns(right, "right", [_KEY])
    if how not in get_args(How):
        raise ValueError(f"how={how!r} is unknown; give one of {', '.join(get_args(How))}")
    if how in ("semi", "anti"):
        return left.join(right, on=_KEY, how=how, maintain_order="left")
    _require_distinct(left, right, suffix)
    return left.join(
        right, on=_KEY, how=how, suffix=suffix, coalesce=True, maintain_order="left_right"
    )


def affected(
    events: pl.DataFrame, struck: pl.DataFrame, fault_id: str | Iterable[str]
) -> pl.DataFrame:
    """Return the events of the requests that a fault struck.

    Args:
        events: Rows with a `correlation_id`: a recording's events, or the frame of one event.
        struck: The frame of ``fault.struck``: `correlation_id` and `fault_id`.
        fault_id: The id of the fault, or several, such as those of all its occurrences.

    Returns:
        The rows of `events` whose correlation id was struck, in their order and with their columns:
        what happened to these requests from their beginning to their end, everywhere. A request
        without a correlation id is left out.

    Raises:
        ValueError: A column is missing.

    Example:
        >>> import polars as pl
        >>> struck = pl.DataFrame({"correlation_id": ["b"], "fault_id": ["hang:db:1"]})
        >>> events = pl.DataFrame({"correlation_id": ["a", "b", "b"], "time": [0.0, 1.0, 2.0]})
        >>> affected(events, struck, "hang:db:1")["time"].to_list()
        [1.0, 2.0]
    """
    require_columns(struck, "struck", [_KEY, "fault_id"])
    ids = [fault_id] if isinstance(fault_id, str) else list(fault_id)
    return correlate(events, struck.filter(pl.col("fault_id").is_in(ids)), how="semi")


def journeys(events: pl.DataFrame) -> pl.DataFrame:
    """Follow each correlation id through the events that carry it.

    Args:
        events: A recording's events in time order: `correlation_id`, `time` (virtual seconds),
            `service`, `event`. Events without an id are left out.

    Returns:
        One row per correlation id, in order of first appearance: `correlation_id`, `start` and
        `end` (times of its first and last event, in seconds), `span` (end - start, seconds),
        `events` (how many, Int64), `services` (list of the services touched, in order of first
        touch, each once) and `names` (list of the event names in order).

    Raises:
        ValueError: A column is missing, or `time` is not numeric.

    Example:
        >>> import polars as pl
        >>> events = pl.DataFrame({
        ...     "correlation_id": ["a", None, "a"],
        ...     "time": [1.0, 2.0, 4.0],
        ...     "service": ["api", "db", "api"],
        ...     "event": ["asked", "idle", "answered"],
        ... })
        >>> journeys(events).row(0)
        ('a', 1.0, 4.0, 3.0, 2, ['api'], ['asked', 'answered'])
    """
    require_columns(events, "events", [_KEY, "service", "event"])
    require_numbers(events, "events", "time")
    return (
        events.filter(pl.col(_KEY).is_not_null())
        .group_by(_KEY, maintain_order=True)
        .agg(
            pl.col("time").min().alias("start"),
            pl.col("time").max().alias("end"),
            (pl.col("time").max() - pl.col("time").min()).alias("span"),
            pl.len().cast(pl.Int64).alias("events"),
            pl.col("service").drop_nulls().unique(maintain_order=True).alias("services"),
            pl.col("event").alias("names"),
        )
    )


def _require_distinct(left: pl.DataFrame, right: pl.DataFrame, suffix: str) -> None:
    shared = [name for name in right.columns if name in left.columns and name != _KEY]
    taken = {*left.columns, *right.columns}
    for name in shared:
        if f"{name}{suffix}" in taken:
            raise ValueError(
                f"suffix={suffix!r} would make a second column {name + suffix!r}; "
                "choose another suffix"
            )
