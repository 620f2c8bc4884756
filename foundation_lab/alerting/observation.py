"""What rules see of an event, the same from a running simulation as from a recording."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from foundation_lab.alerting.filters import STAMP_FIELDS
from foundation_lab.recording.columns import canonical_json
from foundation_lab.telemetry.event import field_values, subject_of
from foundation_lab.telemetry.record import AdHoc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foundation_lab.telemetry.record import Record


class Observation(NamedTuple):
    """One event as rules see it.

    Attributes:
        sequence: The event's place in the total order.
        time: Virtual seconds.
        name: The full event name.
        fields: The event's own fields and `STAMP_FIELDS`. Mappings are JSON text, as they are in
            a recording, and NaN is ``None``.
    """

    sequence: int
    time: float
    name: str
    fields: Mapping[str, Any]


def observe(record: Record) -> Observation:
    """Return what rules see of a record of the bus."""
    event = record.event
    if isinstance(event, AdHoc):
        subject = None
        numbers = {k: v if v is None else known(float(v)) for k, v in event.measurements.items()}
        own = {**numbers, **{key: _simple(value) for key, value in event.metadata.items()}}
    else:
        subject = subject_of(type(event))
        own = {key: _storable(value) for key, value in field_values(event).items()}
    service = None if subject is None else getattr(event, subject)
    stamps = (record.name, record.node, record.process, record.correlation_id, service)
    fields = {**dict(zip(STAMP_FIELDS, stamps, strict=True)), **own}
    return Observation(record.sequence, record.time, record.name, fields)


def known(value: Any) -> Any:
    """Return a value, but ``None`` for NaN: a recording does not tell one from the other."""
    return None if isinstance(value, float) and math.isnan(value) else value


def key_of(fields: Mapping[str, Any], by: Sequence[str]) -> str:
    r"""Return the label of the group that an event belongs to; empty without `by`.

    Several values are joined by commas, and a comma inside of one is written ``\,``. A missing
    value counts as an empty text.

    >>> key_of({"service_id": "db", "attempt": 2.0}, ["service_id", "attempt"])
    'db,2'
    """
    if len(by) == 1:
        return _text(fields.get(by[0]))
    texts = (_text(fields.get(field)) for field in by)
    return ",".join(text.replace("\\", "\\\\").replace(",", "\\,") for text in texts)


def _storable(value: Any) -> Any:
    return canonical_json(value) if isinstance(value, dict) else known(value)


def _simple(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return known(value)
    return canonical_json(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "+".join(value) if isinstance(value, list | tuple) else str(value)
