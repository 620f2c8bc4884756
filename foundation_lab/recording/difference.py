"""Where two recordings part: the first event that differs, and in what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording


class Difference(msgspec.Struct, frozen=True):
    """The first event in which two recordings differ.

    Attributes:
        sequence: The event's number in both recordings.
        left: The event in the first recording, all fields by name; ``None`` when it has ended.
        right: The event in the second.
        fields: The names of what differs.
    """

    sequence: int
    left: dict[str, Any] | None
    right: dict[str, Any] | None
    fields: tuple[str, ...]

    def __str__(self) -> str:
        """Return the difference in a few lines."""
        if self.left is None or self.right is None:
            longer = "second" if self.left is None else "first"
            event = self.right if self.left is None else self.left
            name = event["event"] if event else "?"
            return f"event {self.sequence} ({name}) exists in the {longer} recording only"
        lines = [
            f"event {self.sequence} ({self.left['event']}) at t={self.left['time']:g} differs:"
        ]
        lines += [
            f"  {name}: {self.left.get(name)!r} != {self.right.get(name)!r}" for name in self.fields
        ]
        return "\n".join(lines)


def first_difference(left: Recording, right: Recording) -> Difference | None:
    """Return the first event that differs between two recordings, ``None`` when they are equal.

    Events that carry wall-clock data are compared by their stamps only.
    """
    if left.digest == right.digest:
        return None
    candidates = [_first_in_spine(left, right)]
    deterministic = {
        n for n, facts in {**left.tables, **right.tables}.items() if facts.deterministic
    }
    candidates += [_first_in_table(left, right, name) for name in sorted(deterministic)]
    found = [sequence for sequence in candidates if sequence is not None]
    if not found:
        return None
    sequence = min(found)
    one, two = _event(left, sequence), _event(right, sequence)
    names = sorted({*(one or {}), *(two or {})})
    differing = [n for n in names if (one or {}).get(n) != (two or {}).get(n)]
    return Difference(sequence, one, two, tuple(differing))


def _first_in_spine(left: Recording, right: Recording) -> int | None:
    columns = ("event", "time", "node", "process", "correlation_id", "cause")
    return _first(
        left.events.select("sequence", *columns), right.events.select("sequence", *columns)
    )


def _first_in_table(left: Recording, right: Recording, name: str) -> int | None:
    if name not in left.counts or name not in right.counts:
        return None  # the spine tells
    one, two = left.frame(name), right.frame(name)
    return _first(_with_columns_of(one, two), _with_columns_of(two, one))


def _with_columns_of(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with nulls for what only `other` has, in an order that both can share."""
    foreign = [
        pl.lit(None, other.schema[c]).alias(c) for c in other.columns if c not in frame.columns
    ]
    frame = frame.with_columns(foreign)
    return frame.select(sorted(frame.columns))


def _first(one: pl.DataFrame, two: pl.DataFrame) -> int | None:
    rows = min(one.height, two.height)
    a, b = one.head(rows), two.head(rows)
    unequal = (
        pl.Series([False]).new_from_index(0, rows) if rows else pl.Series([], dtype=pl.Boolean)
    )
    for column in one.columns:
        if a.schema[column] == b.schema[column]:
            unequal |= a[column].ne_missing(b[column])
        else:
            unequal |= a[column].is_not_null() | b[column].is_not_null()
    places = unequal.arg_true()
    if places.len():
        place = int(places[0])
        return int(min(a["sequence"][place], b["sequence"][place]))
    if one.height != two.height:
        longer = one if one.height > two.height else two
        return int(longer["sequence"][rows])
    return None


def _event(recording: Recording, sequence: int) -> dict[str, Any] | None:
    rows = recording.events.filter(pl.col("sequence") == sequence)
    if rows.is_empty():
        return None
    stamp = rows.row(0, named=True)
    fields = recording.frame(stamp["event"]).filter(pl.col("sequence") == sequence)
    return {**stamp, **fields.row(0, named=True)}
