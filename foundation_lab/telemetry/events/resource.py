"""Events of `foundation_lab.services.ResourceManager`: limited tokens of any kind.

`service_id` names the manager.
"""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, OptionalLabel, Seconds


class Acquired(Event, frozen=True):
    """A token of a resource was taken; `duration` is how long its owner waited."""

    event_name: ClassVar[str] = "foundation.resource.acquired"

    resource: Label
    token: Label
    duration: Seconds
    service_id: OptionalLabel = None


class Released(Event, frozen=True):
    """A token of a resource came back; `duration` is how long it was out."""

    event_name: ClassVar[str] = "foundation.resource.released"

    resource: Label
    token: Label
    duration: Seconds
    service_id: OptionalLabel = None


class Exhausted(Event, frozen=True):
    """No token of a resource is left for a new owner."""

    event_name: ClassVar[str] = "foundation.resource.exhausted"

    resource: Label
    limit: Count
    waiting: Count
    service_id: OptionalLabel = None
