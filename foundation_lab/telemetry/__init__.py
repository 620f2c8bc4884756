"""What happened: events, the catalogue of their names, and the bus that carries them."""

from foundation_lab.telemetry import events
from foundation_lab.telemetry.bus import Telemetry
from foundation_lab.telemetry.context import Context
from foundation_lab.telemetry.event import (
    Count,
    Details,
    Event,
    Field,
    Flag,
    Label,
    Labels,
    Measurement,
    Metadata,
    OptionalLabel,
    OptionalSeconds,
    Ratio,
    Seconds,
    catalogue,
    describe,
    fields_of,
)
from foundation_lab.telemetry.handlers import Attached
from foundation_lab.telemetry.pattern import EventName, matcher, resolve
from foundation_lab.telemetry.record import Record
from foundation_lab.telemetry.span import Span

__all__ = [
    "Attached",
    "Context",
    "Count",
    "Details",
    "Event",
    "EventName",
    "Field",
    "Flag",
    "Label",
    "Labels",
    "Measurement",
    "Metadata",
    "OptionalLabel",
    "OptionalSeconds",
    "Ratio",
    "Record",
    "Seconds",
    "Span",
    "Telemetry",
    "catalogue",
    "describe",
    "events",
    "fields_of",
    "matcher",
    "resolve",
]
