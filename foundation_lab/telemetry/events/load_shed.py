"""Events of `foundation_lab.services.LoadShedder`, and of lines that send somebody away."""

from __future__ import annotations

from typing import Annotated, ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Metadata, Seconds

Priority = Annotated[int, Metadata()]


class Admitted(Event, frozen=True):
    """A call got one of the places after `wait` seconds; `in_use` places are taken now."""

    event_name: ClassVar[str] = "foundation.load_shed.admitted"

    service_id: Label
    priority: Priority
    wait: Seconds
    in_use: Count


class Rejected(Event, frozen=True):
    """Work was turned away at its arrival: ``full``, ``priority``, ``deadline`` or ``down``."""

    event_name: ClassVar[str] = "foundation.load_shed.rejected"

    service_id: Label
    reason: Label
    priority: Priority
    waiting: Count


class Expired(Event, frozen=True):
    """Work was sent out of the line after `wait` seconds, because of what `reason` names."""

    event_name: ClassVar[str] = "foundation.load_shed.expired"

    service_id: Label
    reason: Label
    priority: Priority
    wait: Seconds


class Abandoned(Event, frozen=True):
    """A call was given up by its caller while it waited for a place."""

    event_name: ClassVar[str] = "foundation.load_shed.abandoned"

    service_id: Label
    priority: Priority
    wait: Seconds


class Finished(Event, frozen=True):
    """A call that was admitted ended and gave its place back; `duration` is without its wait."""

    event_name: ClassVar[str] = "foundation.load_shed.finished"

    service_id: Label
    outcome: Label
    priority: Priority
    duration: Seconds
