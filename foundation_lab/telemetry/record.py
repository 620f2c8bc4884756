"""Records: events with their stamps, as handlers receive them."""

from __future__ import annotations

from typing import Any

import msgspec

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.event import Event, field_values


class AdHoc(msgspec.Struct, frozen=True, gc=False):
    """An event without a class: a user's own name with loose fields."""

    event_name: str
    measurements: dict[str, float]
    metadata: dict[str, Any]


class Record(msgspec.Struct, frozen=True):
    """One stamped event, as handlers receive it.

    Attributes:
        sequence: The event's place in the total order, from 0.
        time: Virtual seconds.
        name: The dotted event name.
        event: The event itself.
        node: The simulated node of the emitter.
        process: The name of the emitting process or task, ``main`` outside of any.
        correlation_id: The request or session the event belongs to, if any.
        cause: The sequence of the event that led to this one, if any.
    """

    sequence: int
    time: float
    name: str
    event: Event | AdHoc
    node: str
    process: str
    correlation_id: str | None
    cause: int | None

    @property
    def fields(self) -> dict[str, Any]:
        """The event's own fields by public name (``from``, not ``from_``)."""
        if isinstance(self.event, AdHoc):
            return {**self.event.measurements, **self.event.metadata}
        return field_values(self.event)

    def __getitem__(self, field: str) -> Any:
        """Return one of the event's own fields.

        Raises:
            UnknownName: The event has no such field; the message lists the nearest.
        """
        fields = self.fields
        if field not in fields:
            raise UnknownName.among(f"field of {self.name}", field, fields)
        return fields[field]

    def get(self, field: str, default: Any = None) -> Any:
        """Return one of the event's own fields, or `default` when it has no such field."""
        return self.fields.get(field, default)
