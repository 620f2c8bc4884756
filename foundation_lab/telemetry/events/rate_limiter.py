"""Events of `foundation_lab.services.RateLimiter`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from foundation_lab.telemetry.event import Event, Label, Measurement, Seconds


class Allowed(Event, frozen=True):
    """A request got its permits; `remaining` are left for the same key."""

    event_name: ClassVar[str] = "foundation.rate_limiter.allowed"

    service_id: Label
    key: Label
    amount: Annotated[float, Measurement("1")]
    remaining: Annotated[float, Measurement("1")]


class Denied(Event, frozen=True):
    """A request found too few permits; it would be allowed after `retry_after` seconds."""

    event_name: ClassVar[str] = "foundation.rate_limiter.denied"

    service_id: Label
    key: Label
    amount: Annotated[float, Measurement("1")]
    retry_after: Seconds


class Drained(Event, frozen=True):
    """All permits that a key had left were taken away at once."""

    event_name: ClassVar[str] = "foundation.rate_limiter.drained"

    service_id: Label
    key: Label
    amount: Annotated[float, Measurement("1")]
