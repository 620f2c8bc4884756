"""Events of `foundation_lab.services.EventLoop`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Served(Event, frozen=True):
    """A request left the loop; `duration` is the sum of its `cpu`, `io` and `lag`."""

    event_name: ClassVar[str] = "foundation.event_loop.served"

    service_id: Label
    outcome: Label
    cpu: Seconds
    io: Seconds
    lag: Seconds
    duration: Seconds


class Rejected(Event, frozen=True):
    """A request was turned away: too many are in flight, or the loop is down."""

    event_name: ClassVar[str] = "foundation.event_loop.rejected"

    service_id: Label
    error: Label
    in_flight: Count


class Abandoned(Event, frozen=True):
    """A request was given up by its caller while it was ``ready``, in ``cpu`` or in ``io``."""

    event_name: ClassVar[str] = "foundation.event_loop.abandoned"

    service_id: Label
    stage: Label
    duration: Seconds


class Lagged(Event, frozen=True):
    """A burst that was ready began `lag` seconds later, at or above the threshold."""

    event_name: ClassVar[str] = "foundation.event_loop.lagged"

    service_id: Label
    lag: Seconds
    ready: Count
