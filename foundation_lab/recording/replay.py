"""Playing a recording: its events again as records, in order, at their virtual times.

A handler is given the records that it was given live. Only events without a class lose a little:
tuples come as lists, and fields that were ``None`` are missing.
"""

from __future__ import annotations

import heapq
import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from foundation_lab.recording.columns import kind_of
from foundation_lab.telemetry.bus import Telemetry
from foundation_lab.telemetry.event import Event, catalogue, fields_of
from foundation_lab.telemetry.record import AdHoc, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from foundation_lab.recording.recording import Recording
    from foundation_lab.recording.schema import TableFacts


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
        """Deliver every event that a handler listens to; return how many were."""
        wanted = [name for name in self._recording.counts if self.telemetry.handlers(name)]
        delivered = 0
        for record in records(self._recording, wanted):
            self.clock.now = record.time
            self.telemetry.deliver(record)
            delivered += 1
        return delivered


def records(recording: Recording, names: Iterable[str] | None = None) -> Iterator[Record]:
    """Yield the events of a recording as records, in order of sequence.

    Args:
        recording: Where they are.
        names: Which events; all of them by default.
    """
    wanted = recording.counts if names is None else names
    return heapq.merge(*(_of(recording, name) for name in wanted), key=attrgetter("sequence"))


def _of(recording: Recording, name: str) -> Iterator[Record]:
    frame = recording.frame(name)
    stamps = ("sequence", "time", "node", "process", "correlation_id", "cause")
    fields = [column for column in frame.columns if column not in stamps]
    make = _maker(recording, name, fields)
    for row in frame.select(*stamps, *fields).iter_rows():
        sequence, time, node, process, correlation_id, cause, *values = row
        yield Record(sequence, time, name, make(values), node, process, correlation_id, cause)


def _maker(
    recording: Recording, name: str, fields: list[str]
) -> Callable[[list[Any]], Event | AdHoc]:
    cls = catalogue.get(name)
    if cls is None:
        facts = recording.tables[name]
        return lambda values: _ad_hoc(name, facts, zip(fields, values, strict=True))
    known = {field.name: field for field in fields_of(cls)}
    kinds = [kind_of(known[field].type) for field in fields]
    attributes = [known[field].attribute for field in fields]

    def make(values: list[Any]) -> Event:
        plain = map(_plain, kinds, values)
        return cls(**dict(zip(attributes, plain, strict=True)))

    return make


def _ad_hoc(name: str, facts: TableFacts, values: Iterable[tuple[str, Any]]) -> AdHoc:
    present = {
        field: json.loads(value) if field in facts.json else value
        for field, value in values
        if value is not None
    }
    return AdHoc(
        name,
        {field: value for field, value in present.items() if field in facts.units},
        {field: value for field, value in present.items() if field not in facts.units},
    )


def _plain(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "list":
        return tuple(value)
    return json.loads(value) if kind == "json" else value
