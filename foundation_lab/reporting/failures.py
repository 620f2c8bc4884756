"""Failures: the errors in a recording, alike ones together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording

ERROR_FIELDS = ("error", "final_error")
"""The fields of an event that name an error."""


class Failure(msgspec.Struct, frozen=True):
    """Equal errors of one emitter.

    Attributes:
        event: The event that told of them.
        service: The emitter: a service, a client, an agent; ``None`` when the event names none.
        error: The error's name.
        count: How often it happened.
        first: When it first did, in virtual seconds.
        last: When it last did.
    """

    event: str
    service: str | None
    error: str
    count: int
    first: float
    last: float


class Failures(msgspec.Struct, frozen=True):
    """The errors of a recording.

    An error that passes through several services counts once in each.

    Attributes:
        groups: The most frequent groups, the most frequent first.
        other_groups: How many groups there are beside.
        other_count: How many errors are in those.
    """

    groups: tuple[Failure, ...]
    other_groups: int
    other_count: int


def failures(recording: Recording, most: int = 50) -> Failures:
    """Return the errors in a recording, grouped by event, emitter and name.

    Args:
        recording: The recording; each of its events with a text field ``error`` or ``final_error``
            counts when that is not null.
        most: How many groups are listed one by one.
    """
    parts = [part for name in recording.counts if (part := _errors(recording, name)) is not None]
    if not parts:
        return Failures((), 0, 0)
    grouped = (
        pl.concat(parts)
        .group_by("event", "service", "error")
        .agg(
            count=pl.len(),
            first=pl.col("time").min(),
            last=pl.col("time").max(),
            sequence=pl.col("sequence").min(),
        )
        .sort("count", "sequence", descending=[True, False])
        .drop("sequence")
    )
    rest = grouped.slice(most)
    groups = tuple(Failure(**row) for row in grouped.head(most).iter_rows(named=True))
    return Failures(groups, rest.height, int(rest["count"].sum()))


def _errors(recording: Recording, event: str) -> pl.DataFrame | None:
    schema = recording.lazy_frame(event).collect_schema()
    field = next((name for name in ERROR_FIELDS if schema.get(name) == pl.String), None)
    if field is None:
        return None
    emitters = recording.lazy().filter(pl.col("event") == event).select("sequence", "service")
    return (
        recording.lazy_frame(event)
        .filter(pl.col(field).is_not_null())
        .join(emitters, on="sequence", how="left")
        .select(
            "sequence",
            "time",
            "service",
            pl.lit(event).alias("event"),
            pl.col(field).alias("error"),
        )
        .collect()
    )
