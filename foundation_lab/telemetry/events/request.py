"""Events of a workload's requests, as their caller sees them."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Event, Label, OptionalLabel, Seconds


class Started(Event, frozen=True):
    """A client's request begins: at its intended time, even when it still waits to be sent."""

    event_name: ClassVar[str] = "foundation.request.started"

    client: Label


class Delayed(Event, frozen=True):
    """A request was sent `delay` seconds after its start: all connections of its client were busy.

    The delay is part of the duration of ``request.finished``.
    """

    event_name: ClassVar[str] = "foundation.request.delayed"

    client: Label
    delay: Seconds


class Finished(Event, frozen=True):
    """A request ended as ok, error, timeout, rejected or cancelled; `duration` is the latency."""

    event_name: ClassVar[str] = "foundation.request.finished"

    client: Label
    outcome: Label
    error: OptionalLabel
    duration: Seconds
