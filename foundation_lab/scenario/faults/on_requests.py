"""Faults that strike single requests, in a scenario file."""

from __future__ import annotations

from typing import ClassVar, Literal

from foundation_lab.scenario.duration_specs import Duration
from foundation_lab.scenario.faults.fault import LastingSection, OnServices
from foundation_lab.scenario.section import NotNegative, Share
from foundation_lab.simulation import faults


class RequestSection(OnServices, LastingSection):
    """A fault that strikes each request with some chance."""

    probability: Share = 1.0
    """The chance of each request."""


class LatencySpec(RequestSection):
    """Requests come later, and hold no place meanwhile."""

    fault: ClassVar[type[faults.Fault]] = faults.Latency

    kind: Literal["latency"]
    delay: Duration
    """How many seconds later: a number, or a distribution."""
    jitter: NotNegative = 0.0
    """By how many seconds the delay differs at most, up or down."""


class ErrorRateSpec(OnServices, LastingSection):
    """Requests fail by chance."""

    fault: ClassVar[type[faults.Fault]] = faults.ErrorRate

    kind: Literal["error_rate"]
    rate: Share
    """The chance of each request."""


class HangSpec(RequestSection):
    """Requests are not answered; they hold their places."""

    fault: ClassVar[type[faults.Fault]] = faults.Hang

    kind: Literal["hang"]
    release: bool = True
    """Whether they go on when the fault is over; otherwise only their callers set them free."""


class ConnectionResetSpec(RequestSection):
    """The connections of requests break during the service."""

    fault: ClassVar[type[faults.Fault]] = faults.Reset

    kind: Literal["connection_reset"]
    after: Duration | None = None
    """Seconds of service after which it breaks, or a distribution; anywhere without it."""


class LossSection(RequestSection):
    """A fault that leaves callers without an answer."""

    detect_after: NotNegative | None = None
    """Seconds after which a caller learns of it; without it he waits until a limit of his own."""


class LostRequestSpec(LossSection):
    """Requests never arrive."""

    fault: ClassVar[type[faults.Fault]] = faults.LostRequest

    kind: Literal["lost_request"]


class LostResponseSpec(LossSection):
    """Requests are served, but their callers never hear."""

    fault: ClassVar[type[faults.Fault]] = faults.LostResponse

    kind: Literal["lost_response"]


class PartitionSpec(LossSection):
    """Nothing comes through, neither way."""

    fault: ClassVar[type[faults.Fault]] = faults.Partition

    kind: Literal["partition"]
