"""Events of `foundation_lab.services.Fallback`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Event, Label


class Used(Event, frozen=True):
    """A call failed, and a ``value``, a ``function`` of the error or a ``call`` stands in."""

    event_name: ClassVar[str] = "foundation.fallback.used"

    service_id: Label
    error: Label
    source: Label


class Passed(Event, frozen=True):
    """A call ended and nothing stood in: it came back well, or with an error not covered."""

    event_name: ClassVar[str] = "foundation.fallback.passed"

    service_id: Label
    outcome: Label
