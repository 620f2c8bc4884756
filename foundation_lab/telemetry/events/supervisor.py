"""Events of `foundation_lab.services.Supervisor`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class ChildStarted(Event, frozen=True):
    """A supervisor started a child, or started it again."""

    event_name: ClassVar[str] = "foundation.supervisor.child_started"

    service: Label
    child: Label


class ChildExited(Event, frozen=True):
    """A supervised child ended: killed, crashed or stopped."""

    event_name: ClassVar[str] = "foundation.supervisor.child_exited"

    service: Label
    child: Label
    reason: Label


class GaveUp(Event, frozen=True):
    """A supervisor saw more than `intensity` restarts within `period` and stopped trying."""

    event_name: ClassVar[str] = "foundation.supervisor.gave_up"

    service: Label
    child: Label
    restarts: Count
    intensity: Count
    period: Seconds
