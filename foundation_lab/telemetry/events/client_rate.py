"""Events of `foundation_lab.services.ClientRateLimiter`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from foundation_lab.telemetry.event import Event, Label, Measurement, Seconds


class Permitted(Event, frozen=True):
    """An attempt got its token after `wait` seconds; `rate` tokens come in a second now."""

    event_name: ClassVar[str] = "foundation.client_rate.permitted"

    service_id: Label
    wait: Seconds
    rate: Annotated[float, Measurement("1/s")]


class Throttled(Event, frozen=True):
    """The other side refused an attempt as one too many; the client slows down to `rate`."""

    event_name: ClassVar[str] = "foundation.client_rate.throttled"

    service_id: Label
    error: Label
    measured_rate: Annotated[float, Measurement("1/s")]
    rate: Annotated[float, Measurement("1/s")]
