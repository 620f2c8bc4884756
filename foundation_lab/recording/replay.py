"""Playing a recording: its events again as records, in order, at their virtual times.

A handler is given the records that it was given live. Only events without a class lose a little:
tuples come as lists, and fields that were ``None`` are missing. An event whose class has changed
since is made with today's class: fields that it lacks are left out, and those that are new have
their defaults.
"""

from __future__ import annotations

import heapq
import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.errors import InvalidRecording
from foundation_lab.telemetry.bus import Telemetry
from foundation_lab.telemetry.event import Event, catalogue, fields_of
from foundation_lab.telemetry.pattern import resolve
from foundation_lab.telemetry.record import AdHoc, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    import polars as pl

    from foundation_lab.recording.recording import Recording


class PlayedTime:
    """The clock of a recording that is played: it stands at the record at hand."""

    emitter = None

    def __init__(self) -> None:
        self.now = 0.0


class Player:
    """Delivers a recording's events to the handlers that are attached to its `telemetry`."""

    def __init__(self, recording: Recording) -> None:
        self.clock = PlayedTime()
        self.telemetry = Telemetry(self.clock, sink=None, ids=None)
        self._recording = recording

    def play(self) -> int:
        """Deliver every event that a handler listens to; return how many were.

        Raises:
            InvalidRecording: Today's class of such an event requires a field that was not recorded.
        """
        wanted = [name for name in self._recording.counts if self.telemetry.handlers(name)]
        delivered = 0
        for record in records(self._recording, wanted):
            self.clock.now = record.time
            self.telemetry.deliver(record)
            delivered += 1
        return delivered


def records(
    recording: Recording,
    names: Iterable[str] | None = None,
    *,
    since: int = 0,
    before: int | None = None,
    most: int | None = None,
) -> Iterator[Record]:
    """Yield the events of a recording as records, in order of sequence.

    Args:
        recording: Where they are.
        names: Which events; all of them by default.
        since: The first sequence number that is wanted.
        before: The first sequence number that is not wanted any more.
        most: How many of each name at most, the latest ones.

    Raises:
        UnknownName: There is no such event; the message lists the nearest names.
        InvalidRecording: Today's class of an event requires a field that was not recorded; raised
            before the first record.
    """
    counts = recording.counts
    wanted = counts if names is None else [n if n in counts else resolve(n) for n in names]
    streams = (_of(recording, name, since, before, most) for name in wanted)
    return heapq.merge(*streams, key=attrgetter("sequence"))


def _of(
    recording: Recording, name: str, since: int, before: int | None, most: int | None
) -> Iterator[Record]:
    rows = _between(recording.frame(name), since, before, most)
    if rows.is_empty():
        return
    stamps = ("sequence", "time", "node", "process", "correlation_id", "cause")
    fields = [column for column in rows.columns if column not in stamps]
    make = _maker(recording, name, fields)
    for row in rows.select(*stamps, *fields).iter_rows():
        sequence, time, node, process, correlation_id, cause, *values = row
        yield Record(sequence, time, name, make(values), node, process, correlation_id, cause)


def _between(frame: pl.DataFrame, since: int, before: int | None, most: int | None) -> pl.DataFrame:
    rows = frame.filter(frame["sequence"] >= since)
    if before is not None:
        rows = rows.filter(rows["sequence"] < before)
    return rows if most is None else rows.tail(most)


def _maker(
    recording: Recording, name: str, fields: list[str]
) -> Callable[[list[Any]], Event | AdHoc]:
    facts = recording.tables[name]
    is_json = [field in facts.json for field in fields]
    cls = catalogue.get(name)
    if cls is None:
        return lambda values: _ad_hoc(
            name, facts.units, zip(fields, _read(is_json, values), strict=True)
        )
    _require_fields(recording, cls, fields)
    known = {field.name: field.attribute for field in fields_of(cls)}
    attributes = [known.get(field) for field in fields]
    return lambda values: _typed(cls, zip(attributes, _read(is_json, values), strict=True))


def _require_fields(recording: Recording, cls: type[Event], fields: list[str]) -> None:
    missing = [
        repr(field.encode_name)
        for field in msgspec.structs.fields(cls)
        if field.required and field.encode_name not in fields
    ]
    if missing:
        made_with = ", ".join(f"{name} {version}" for name, version in recording.versions.items())
        message = (
            f"{recording!r} was made before {cls.event_name} had the field {', '.join(missing)}, "
            f"which {cls.__qualname__} requires today; give it a default there, or play the "
            f"recording with what it was made with: {made_with}"
        )
        raise InvalidRecording(message)


def _read(is_json: list[bool], values: list[Any]) -> Iterator[Any]:
    for as_json, value in zip(is_json, values, strict=True):
        yield json.loads(value) if as_json and value is not None else value


def _typed(cls: type[Event], values: Iterable[tuple[str | None, Any]]) -> Event:
    return cls(
        **{
            attribute: tuple(value) if isinstance(value, list) else value
            for attribute, value in values
            if attribute is not None
        }
    )


def _ad_hoc(name: str, numbers: Collection[str], values: Iterable[tuple[str, Any]]) -> AdHoc:
    present = {field: value for field, value in values if value is not None}
    return AdHoc(
        name,
        {field: value for field, value in present.items() if field in numbers},
        {field: value for field, value in present.items() if field not in numbers},
    )
