"""Events of `foundation_lab.services.Bulkhead`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Permitted(Event, frozen=True):
    """A call got one of the places after `wait` seconds; `in_use` places are taken now."""

    event_name: ClassVar[str] = "foundation.bulkhead.permitted"

    service_id: Label
    wait: Seconds
    in_use: Count


class Rejected(Event, frozen=True):
    """A call was turned away: ``full`` at once, ``timeout`` after `wait` seconds, or ``down``."""

    event_name: ClassVar[str] = "foundation.bulkhead.rejected"

    service_id: Label
    reason: Label
    wait: Seconds


class Finished(Event, frozen=True):
    """A permitted call ended and gave its place back; `duration` is without its wait."""

    event_name: ClassVar[str] = "foundation.bulkhead.finished"

    service_id: Label
    outcome: Label
    duration: Seconds
