"""Events of alert rules."""

from __future__ import annotations

from typing import Annotated, ClassVar

from foundation_lab.telemetry.event import Count, Event, Flag, Label, Measurement, Seconds


class Pending(Event, frozen=True):
    """A rule's condition holds, but not yet for long enough."""

    event_name: ClassVar[str] = "foundation.alert.pending"

    rule: Label
    alert_id: Label
    key: Label
    value: Annotated[float, Measurement("1")]


class Firing(Event, frozen=True):
    """A rule's condition held for its whole `for` time."""

    event_name: ClassVar[str] = "foundation.alert.firing"

    rule: Label
    alert_id: Label
    key: Label
    severity: Label
    value: Annotated[float, Measurement("1")]


class Resolved(Event, frozen=True):
    """A firing alert's condition no longer holds; it fired for `duration` seconds."""

    event_name: ClassVar[str] = "foundation.alert.resolved"

    rule: Label
    alert_id: Label
    key: Label
    duration: Seconds


class Notified(Event, frozen=True):
    """A notifier was told of an alert, or could not be."""

    event_name: ClassVar[str] = "foundation.alert.notified"

    rule: Label
    alert_id: Label
    notifier: Label
    state: Label
    delivered: Flag


class Escalated(Event, frozen=True):
    """A firing alert was passed on to the next level."""

    event_name: ClassVar[str] = "foundation.alert.escalated"

    rule: Label
    alert_id: Label
    level: Count
    notifier: Label
    duration: Seconds
