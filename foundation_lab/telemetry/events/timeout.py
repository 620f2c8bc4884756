"""Events of `foundation_lab.services.Timeout`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Event, Flag, Label, Seconds


class TimedOut(Event, frozen=True):
    """A call took `timeout` seconds and was given up; as a ghost, its work goes on."""

    event_name: ClassVar[str] = "foundation.timeout.timed_out"

    service_id: Label
    timeout: Seconds
    ghost: Flag


class Finished(Event, frozen=True):
    """A call ended before its limit, well or not, after `duration` seconds."""

    event_name: ClassVar[str] = "foundation.timeout.finished"

    service_id: Label
    outcome: Label
    duration: Seconds
