"""Events of `foundation_lab.services.HealthMonitor`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Checked(Event, frozen=True):
    """A check of a target came to a result; `in_a_row` results were as good or as bad as it."""

    event_name: ClassVar[str] = "foundation.health.checked"

    service: Label
    monitor: Label
    status: Label
    reason: Label
    in_a_row: Count
    duration: Seconds


class StatusChanged(Event, frozen=True):
    """What a monitor holds of a target changed: unknown, healthy, degraded or unhealthy."""

    event_name: ClassVar[str] = "foundation.health.status_changed"

    service: Label
    monitor: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    reason: Label


class DependencyLost(Event, frozen=True):
    """Something that `service` depends on became unhealthy or went down."""

    event_name: ClassVar[str] = "foundation.health.dependency_lost"

    service: Label
    dependency: Label
    monitor: Label
    reason: Label


class DependencyFound(Event, frozen=True):
    """Something that `service` depends on is back, after it was lost for `duration`."""

    event_name: ClassVar[str] = "foundation.health.dependency_found"

    service: Label
    dependency: Label
    monitor: Label
    duration: Seconds


class OverallChanged(Event, frozen=True):
    """What a monitor holds of all its targets together changed."""

    event_name: ClassVar[str] = "foundation.health.overall_changed"

    service: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    target: Label
