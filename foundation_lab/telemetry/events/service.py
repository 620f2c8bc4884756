"""Events of every service's life (`foundation_lab.services.service.Service`)."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Details, Event, Label


class Started(Event, frozen=True):
    """A service is initialised and ready; `pid` names its incarnation."""

    event_name: ClassVar[str] = "foundation.service.started"

    service: Label
    kind: Label
    pid: Label


class Stopped(Event, frozen=True):
    """A service no longer serves."""

    event_name: ClassVar[str] = "foundation.service.stopped"

    service: Label
    kind: Label
    reason: Label


class Restarted(Event, frozen=True):
    """A service serves again after a crash; `restart_count` counts from 1."""

    event_name: ClassVar[str] = "foundation.service.restarted"

    service: Label
    kind: Label
    pid: Label
    restart_count: Count


class HealthCheck(Event, frozen=True):
    """A service said how it is: ``healthy``, ``degraded``, ``unhealthy`` or ``unknown``."""

    event_name: ClassVar[str] = "foundation.service.health_check"

    service: Label
    kind: Label
    status: Label
    metrics: Details
