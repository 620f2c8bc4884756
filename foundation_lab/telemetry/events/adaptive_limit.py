"""Events of `foundation_lab.services.AdaptiveLimiter`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Permitted(Event, frozen=True):
    """A call got a place after `wait` seconds; `in_flight` of `limit` places are taken now."""

    event_name: ClassVar[str] = "foundation.adaptive_limit.permitted"

    service_id: Label
    wait: Seconds
    in_flight: Count
    limit: Count


class Rejected(Event, frozen=True):
    """A call was turned away: ``limit`` at once, ``timeout`` after `wait` seconds, or ``down``."""

    event_name: ClassVar[str] = "foundation.adaptive_limit.rejected"

    service_id: Label
    reason: Label
    wait: Seconds
    limit: Count


class Changed(Event, frozen=True):
    """The limit changed upon a call that took `rtt` seconds."""

    event_name: ClassVar[str] = "foundation.adaptive_limit.changed"

    service_id: Label
    limit: Count
    previous: Count
    rtt: Seconds
