"""Events of `foundation_lab.services.CircuitBreaker`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import (
    Event,
    Flag,
    Label,
    OptionalLabel,
    OptionalSeconds,
    Seconds,
)


class CallStart(Event, frozen=True):
    """A call was admitted by a circuit breaker."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.call_start"

    service_id: Label
    timeout: OptionalSeconds


class CallSuccess(Event, frozen=True):
    """A call through a circuit breaker came back well."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.call_success"

    service_id: Label
    duration: Seconds


class CallFailure(Event, frozen=True):
    """A call through a circuit breaker failed and was counted."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.call_failure"

    service_id: Label
    error: Label
    duration: Seconds


class CallTimeout(Event, frozen=True):
    """A call through a circuit breaker took longer than its timeout; a call_failure follows."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.call_timeout"

    service_id: Label
    timeout: Seconds


class CallRejected(Event, frozen=True):
    """A circuit breaker turned a call away."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.call_rejected"

    service_id: Label
    state: Label
    retry_after: OptionalSeconds


class CallIgnored(Event, frozen=True):
    """A call ended in a way that does not count: an ignored error, or a cancellation."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.call_ignored"

    service_id: Label
    error: Label
    duration: Seconds


class SlowCall(Event, frozen=True):
    """A call that a circuit breaker counted took longer than what it calls slow."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.slow_call"

    service_id: Label
    duration: Seconds
    threshold: Seconds


class WouldOpen(Event, frozen=True):
    """A circuit breaker that only measures has reached what would open it."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.would_open"

    service_id: Label
    reason: Label


class StateChange(Event, frozen=True):
    """A circuit breaker went from one state to another."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.state_change"

    service_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    reason: Label


class Reset(Event, frozen=True):
    """A circuit breaker was set back to closed by hand, with empty counts."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.reset"

    service_id: Label
    from_: Label = msgspec.field(name="from")


class HealthCheck(Event, frozen=True):
    """A circuit breaker said whether it lets calls through."""

    event_name: ClassVar[str] = "foundation.circuit_breaker.health_check"

    service_id: Label
    healthy: Flag
    state: OptionalLabel = None
