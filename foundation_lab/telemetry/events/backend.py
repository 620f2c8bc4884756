"""Events of `foundation_lab.services.Backend`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Served(Event, frozen=True):
    """A request left the backend; `duration` = `wait` in line + `service_time`."""

    event_name: ClassVar[str] = "foundation.backend.served"

    service_id: Label
    outcome: Label
    wait: Seconds
    service_time: Seconds
    duration: Seconds


class Rejected(Event, frozen=True):
    """A request was turned away: the line is full, or the backend is down."""

    event_name: ClassVar[str] = "foundation.backend.rejected"

    service_id: Label
    error: Label
    waiting: Count


class Abandoned(Event, frozen=True):
    """A request was given up by its caller before the backend answered; `duration` says when."""

    event_name: ClassVar[str] = "foundation.backend.abandoned"

    service_id: Label
    stage: Label
    duration: Seconds
