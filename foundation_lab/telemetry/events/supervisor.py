"""Events of `foundation_lab.services.Supervisor`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Flag, Label, Seconds


class ChildStarted(Event, frozen=True):
    """A supervisor started a child, or started it again."""

    event_name: ClassVar[str] = "foundation.supervisor.child_started"

    service: Label
    child: Label


class ChildExited(Event, frozen=True):
    """A supervised child ended: killed, crashed or stopped, and not by its supervisor."""

    event_name: ClassVar[str] = "foundation.supervisor.child_exited"

    service: Label
    child: Label
    reason: Label


class ChildRestarting(Event, frozen=True):
    """A child will be started again after `delay`, in `scope` with others; a restart counts."""

    event_name: ClassVar[str] = "foundation.supervisor.child_restarting"

    service: Label
    child: Label
    reason: Label
    scope: Count
    restarts: Count
    delay: Seconds


class ChildTerminated(Event, frozen=True):
    """A supervisor ended a child, in good order or, overdue after `duration`, by force."""

    event_name: ClassVar[str] = "foundation.supervisor.child_terminated"

    service: Label
    child: Label
    forced: Flag
    duration: Seconds


class StartFailed(Event, frozen=True):
    """A child did not start; that counts as another restart."""

    event_name: ClassVar[str] = "foundation.supervisor.start_failed"

    service: Label
    child: Label
    error: Label


class AutoShutdown(Event, frozen=True):
    """A significant child ended in good order, and its supervisor shuts down because of that."""

    event_name: ClassVar[str] = "foundation.supervisor.auto_shutdown"

    service: Label
    child: Label


class GaveUp(Event, frozen=True):
    """A supervisor saw more than `intensity` restarts within `period` and stopped trying."""

    event_name: ClassVar[str] = "foundation.supervisor.gave_up"

    service: Label
    child: Label
    restarts: Count
    intensity: Count
    period: Seconds
