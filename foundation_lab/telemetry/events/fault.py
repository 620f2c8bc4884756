"""Events of the fault schedule."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Details, Event, Label, Seconds


class Injected(Event, frozen=True):
    """A fault took hold of a service; `parameters` say how strongly."""

    event_name: ClassVar[str] = "foundation.fault.injected"

    service: Label
    fault_id: Label
    kind: Label
    parameters: Details


class Cleared(Event, frozen=True):
    """A fault let go of a service after `duration` seconds."""

    event_name: ClassVar[str] = "foundation.fault.cleared"

    service: Label
    fault_id: Label
    kind: Label
    duration: Seconds
