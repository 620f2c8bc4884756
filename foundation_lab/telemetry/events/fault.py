"""Events of the fault schedule, and of the requests that faults strike."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Details, Event, Label, Seconds


class Injected(Event, frozen=True):
    """A fault took hold of a service; `parameters` say how strongly.

    All occurrences of one fault have its id in the schedule as their `plan`.
    """

    event_name: ClassVar[str] = "foundation.fault.injected"

    service: Label
    fault_id: Label
    kind: Label
    parameters: Details
    plan: Label = ""


class Cleared(Event, frozen=True):
    """A fault let go of a service after `duration` seconds."""

    event_name: ClassVar[str] = "foundation.fault.cleared"

    service: Label
    fault_id: Label
    kind: Label
    duration: Seconds


class Struck(Event, frozen=True):
    """A fault struck a request; told by the request's own process."""

    event_name: ClassVar[str] = "foundation.fault.struck"

    service: Label
    fault_id: Label
    kind: Label
