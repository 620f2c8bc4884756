"""Events that the telemetry bus emits about itself."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Flag, Label


class HandlerFailure(Event, frozen=True):
    """A handler raised; `detached` says whether its policy removed it."""

    event_name: ClassVar[str] = "foundation.telemetry.handler.failure"

    handler_id: Label
    failed_event: Label
    error: Label
    failures: Count
    detached: Flag
