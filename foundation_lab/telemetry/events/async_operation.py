"""Events of `foundation_lab.services.async_operation`: work that goes on in the background."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Event, Label, Seconds


class Started(Event, frozen=True):
    """A background operation began."""

    event_name: ClassVar[str] = "foundation.async.started"

    operation: Label
    operation_id: Label


class Completed(Event, frozen=True):
    """A background operation came to its end."""

    event_name: ClassVar[str] = "foundation.async.completed"

    operation: Label
    operation_id: Label
    duration: Seconds


class Failed(Event, frozen=True):
    """A background operation failed or was cancelled."""

    event_name: ClassVar[str] = "foundation.async.failed"

    operation: Label
    operation_id: Label
    error: Label
    duration: Seconds
