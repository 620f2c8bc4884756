"""Services in a scenario file."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from foundation_lab.scenario.duration_specs import Duration  # noqa: TC001  (pydantic reads it)
from foundation_lab.scenario.retry_specs import AnyBackoff, BudgetSpec, RetrySpec
from foundation_lab.scenario.section import (
    Name,
    NotNegative,
    Positive,
    PositiveShare,
    Section,
    Share,
    Whole,
    WholeOrZero,
)


class BackendSpec(Section):
    """Something that does work; requests line up for one of `concurrency` places."""

    kind: Literal["backend"]
    service_time: Duration
    """Seconds of service: a number, or a distribution."""
    concurrency: Whole = 1
    """How many requests are served at the same time."""
    queue_limit: WholeOrZero | None = None
    """How many may wait in line; no limit without it."""
    error_rate: Share = 0.0
    """The chance that a request fails."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""


class CountWindowSpec(Section):
    """Judges the last calls."""

    kind: Literal["count"]
    size: Whole
    """How many calls."""
    failure_rate: PositiveShare = 0.5
    """The share of failures that opens the breaker."""
    slow_rate: PositiveShare = 1.0
    """The share of slow calls that opens it, when `slow_call_duration` says what is slow."""
    minimum_calls: Whole | None = None
    """How many calls must be in the window before it is judged; all of them by default."""


class TimeWindowSpec(Section):
    """Judges the calls of the last seconds."""

    kind: Literal["time"]
    seconds: Positive
    """The length of the window."""
    failure_rate: PositiveShare = 0.5
    """The share of failures that opens the breaker."""
    slow_rate: PositiveShare = 1.0
    """The share of slow calls that opens it, when `slow_call_duration` says what is slow."""
    minimum_calls: Whole = 10
    """How many calls must be in the window before it is judged."""


class CircuitBreakerSpec(Section):
    """Stops calling what keeps failing."""

    kind: Literal["circuit_breaker"]
    failure_threshold: Whole = 5
    """How many failures in a row open it, unless there is a `window`."""
    window: Annotated[CountWindowSpec | TimeWindowSpec, Field(discriminator="kind")] | None = None
    """Another way of counting."""
    slow_call_duration: Positive | None = None
    """A call that takes more than so many seconds is slow; none is without it."""
    reset_timeout: Positive = 30.0
    """Seconds from opening to half-open."""
    reset_backoff: AnyBackoff | None = None
    """Seconds from opening to half-open, by the openings in a row, instead of `reset_timeout`."""
    reset_jitter: Literal["none", "full", "equal"] = "none"
    """How the time from opening to half-open is spread."""
    automatic_half_open: bool = True
    """Whether it is half-open as soon as the time is over, or only when somebody calls then."""
    half_open_calls: Whole = 1
    """How many probes half-open admits."""
    half_open_rule: Literal["every", "rate"] = "every"
    """Whether every probe must succeed, or the rates of the `window` judge them."""
    half_open_max_wait: Positive | None = None
    """The longest stay in half-open in seconds, then it is open again; no limit without it."""
    call_timeout: Positive | None = None
    """Seconds that a call may take."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    @model_validator(mode="after")
    def _rates_come_from_a_window(self) -> Self:
        if self.half_open_rule == "rate" and self.window is None:
            message = "half_open_rule 'rate' judges probes by the rates of a window; add `window`"
            raise ValueError(message)
        return self


class HedgeSpec(Section):
    """Asks again while the first answer is still to come."""

    kind: Literal["hedge"]
    delay: NotNegative
    """Seconds without an answer after which another attempt is sent."""
    max_attempts: Whole = 2
    """How many attempts are sent for a call at most."""
    budget: BudgetSpec | None = None
    """What attempts after the first may cost, all calls together."""


class ConnectionManagerSpec(Section):
    """A pool of connections."""

    kind: Literal["connection_manager"]
    size: Whole
    """How many connections are kept."""
    max_overflow: WholeOrZero = 0
    """How many more may be opened for a time."""
    checkout_timeout: NotNegative | None = 30.0
    """Seconds to wait for a connection; for ever when it is null."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""


class TokenBucketSpec(Section):
    """Tokens that are refilled continuously."""

    kind: Literal["token_bucket"]
    rate: Positive
    """Tokens a second."""
    capacity: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    """How many tokens fit; a call takes one."""


class FixedWindowSpec(Section):
    """So many permits in each window of the clock."""

    kind: Literal["fixed_window"]
    limit: Whole
    """Permits a window."""
    window: Positive
    """Seconds."""


class SlidingWindowSpec(Section):
    """So many permits in any span of time."""

    kind: Literal["sliding_window"]
    limit: Whole
    """Permits in any such span."""
    window: Positive
    """Seconds."""


class RateLimiterSpec(Section):
    """Limits how often something happens."""

    kind: Literal["rate_limiter"]
    limit: Annotated[
        TokenBucketSpec | FixedWindowSpec | SlidingWindowSpec, Field(discriminator="kind")
    ]
    """How it counts."""


class SupervisorSpec(Section):
    """Restarts services that crash."""

    kind: Literal["supervisor"]
    children: Annotated[list[Name], Field(min_length=1)]
    """The names of the services."""
    restart_delay: NotNegative = 0.0
    """Seconds from a crash to the restart."""
    intensity: WholeOrZero = 3
    """How many restarts are allowed within the period."""
    period: Positive = 5.0
    """Seconds."""


ServiceSpec = Annotated[
    BackendSpec
    | CircuitBreakerSpec
    | RetrySpec
    | HedgeSpec
    | ConnectionManagerSpec
    | RateLimiterSpec
    | SupervisorSpec,
    Field(discriminator="kind"),
]
