"""What a recording holds, as the records that handlers were given."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from foundation_lab.recording.columns import kind_of
from foundation_lab.telemetry.event import catalogue, fields_of
from foundation_lab.telemetry.record import AdHoc, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.recording.recording import Recording
    from foundation_lab.telemetry.event import Event


def past_records(
    recording: Recording,
    matches_name: Callable[[str], bool],
    *,
    since: int = 0,
    before: int | None = None,
    most: int | None = None,
) -> list[Record]:
    """Return recorded events.

    Args:
        recording: Where they are taken from.
        matches_name: Which event names are wanted.
        since: The first sequence number.
        before: The first sequence number that is not wanted any more.
        most: How many of each name at most, the latest ones.

    Returns:
        The records in order of sequence. What a recording keeps as JSON is read back.
    """
    found: list[Record] = []
    for name in filter(matches_name, recording.counts):
        frame = recording.frame(name)
        sequence = frame["sequence"]
        chosen = sequence >= since
        if before is not None:
            chosen &= sequence < before
        rows = frame.filter(chosen)
        if most is not None:
            rows = rows.tail(most)
        found += [_record(name, row) for row in rows.iter_rows(named=True)]
    return sorted(found, key=attrgetter("sequence"))


def latest_records(recording: Recording, most: int) -> list[Record]:
    """Return the last `most` events of a recording, whatever their names."""
    spine = recording.lazy().tail(most).collect()
    if spine.is_empty():
        return []
    names = set(spine["event"])
    return past_records(recording, names.__contains__, since=spine["sequence"][0])


def _record(name: str, row: dict[str, Any]) -> Record:
    stamps = (row.pop("node"), row.pop("process"), row.pop("correlation_id"), row.pop("cause"))
    sequence, time = row.pop("sequence"), row.pop("time")
    cls = catalogue.get(name)
    event = _loose(name, row) if cls is None else _typed(cls, row)
    return Record(sequence, time, name, event, *stamps)


def _loose(name: str, row: dict[str, Any]) -> AdHoc:
    return AdHoc(name, {}, {key: value for key, value in row.items() if value is not None})


def _typed(cls: type[Event], row: dict[str, Any]) -> Event:
    values = {}
    for field in fields_of(cls):
        value = row[field.name]
        if kind_of(field.type) == "json" and value is not None:
            value = json.loads(value)
        values[field.attribute] = tuple(value) if isinstance(value, list) else value
    return cls(**values)
