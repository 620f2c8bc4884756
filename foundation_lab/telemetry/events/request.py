"""Events of a workload's requests, as their caller sees them."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Event, Label, OptionalLabel, Seconds


class Started(Event, frozen=True):
    """A client sent a request."""

    event_name: ClassVar[str] = "foundation.request.started"

    client: Label


class Finished(Event, frozen=True):
    """A request ended as ok, error, timeout, rejected or cancelled; `duration` is the latency."""

    event_name: ClassVar[str] = "foundation.request.finished"

    client: Label
    outcome: Label
    error: OptionalLabel
    duration: Seconds
