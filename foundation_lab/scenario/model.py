"""What a scenario file may say, as pydantic models.

Unknown keys are refused, numbers are checked, and names that refer to something in the same file
must exist there. Every duration is in virtual seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from foundation_lab.scenario.references import references

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Whole = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """The base of all parts of a scenario: strict, closed, unchangeable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


# -- durations -------------------------------------------------------------------------------------


class ConstantDuration(Section):
    """Always the same duration."""

    kind: Literal["constant"]
    value: NotNegative
    """Seconds."""


class ExponentialDuration(Section):
    """Memoryless durations."""

    kind: Literal["exponential"]
    mean: Positive
    """Mean in seconds."""


class UniformDuration(Section):
    """Any duration between two limits, with equal chance."""

    kind: Literal["uniform"]
    low: NotNegative
    """Seconds."""
    high: NotNegative
    """Seconds."""

    @model_validator(mode="after")
    def _ordered(self) -> UniformDuration:
        if self.low > self.high:
            message = f"low ({self.low:g}) is above high ({self.high:g}); exchange them"
            raise ValueError(message)
        return self


class LogNormalDuration(Section):
    """Durations with a long right tail."""

    kind: Literal["lognormal"]
    median: Positive
    """Median in seconds."""
    sigma: NotNegative
    """Standard deviation of the logarithm; 0.5 is mild, 1.5 is heavy."""


class ErlangDuration(Section):
    """The sum of several exponential stages."""

    kind: Literal["erlang"]
    mean: Positive
    """Mean in seconds."""
    stages: Whole
    """How many stages; more make it less variable."""


Duration = (
    NotNegative
    | Annotated[
        ConstantDuration | ExponentialDuration | UniformDuration | LogNormalDuration | ErlangDuration,
        Field(discriminator="kind"),
    ]
)

# -- services --------------------------------------------------------------------------------------


class BackendSpec(Section):
    """Something that does work; requests line up for one of `concurrency` places."""

    kind: Literal["backend"]
    service_time: Duration
    """Seconds of service: a number, or a distribution."""
    concurrency: Whole = 1
    """How many requests are served at the same time."""
    queue_limit: Annotated[int, Field(ge=0)] | None = None
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
    minimum_calls: Whole | None = None
    """How many calls must be in the window before it is judged; all of them by default."""


class TimeWindowSpec(Section):
    """Judges the calls of the last seconds."""

    kind: Literal["time"]
    seconds: Positive
    """The length of the window."""
    failure_rate: PositiveShare = 0.5
    """The share of failures that opens the breaker."""
    minimum_calls: Whole = 10
    """How many calls must be in the window before it is judged."""


class CircuitBreakerSpec(Section):
    """Stops calling what keeps failing."""

    kind: Literal["circuit_breaker"]
    failure_threshold: Whole = 5
    """How many failures in a row open it, unless there is a `window`."""
    window: Annotated[CountWindowSpec | TimeWindowSpec, Field(discriminator="kind")] | None = None
    """Another way of counting."""
    reset_timeout: Positive = 30.0
    """Seconds from opening to half-open."""
    half_open_calls: Whole = 1
    """How many probes half-open admits."""
    call_timeout: Positive | None = None
    """Seconds that a call may take."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""


class FixedBackoff(Section):
    """Always the same delay."""

    kind: Literal["fixed"]
    seconds: NotNegative
    """The delay."""


class LinearBackoff(Section):
    """base, 2 base, 3 base, ... seconds."""

    kind: Literal["linear"]
    base: Positive
    """Seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""


class ExponentialBackoff(Section):
    """base, base factor, base factor squared, ... seconds."""

    kind: Literal["exponential"]
    base: Positive
    """Seconds."""
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """By how much each delay is longer than the last."""
    cap: Positive | None = None
    """The longest delay in seconds."""


class DecorrelatedBackoff(Section):
    """Random between base and three times the last delay."""

    kind: Literal["decorrelated"]
    base: Positive
    """Seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""


class RetrySpec(Section):
    """Calls again what failed."""

    kind: Literal["retry"]
    max_attempts: Whole = 3
    """How often to call at most; the first call counts."""
    backoff: Annotated[
        FixedBackoff | LinearBackoff | ExponentialBackoff | DecorrelatedBackoff,
        Field(discriminator="kind"),
    ] = ExponentialBackoff(kind="exponential", base=0.1, cap=10.0)
    """How long to wait in between."""
    jitter: Literal["none", "full", "equal"] = "none"
    """How the delay is spread."""
    attempt_timeout: Positive | None = None
    """Seconds that each attempt may take."""


class ConnectionManagerSpec(Section):
    """A pool of connections."""

    kind: Literal["connection_manager"]
    size: Whole
    """How many connections are kept."""
    max_overflow: Annotated[int, Field(ge=0)] = 0
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
    capacity: Positive
    """How many tokens fit."""


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
    intensity: Annotated[int, Field(ge=0)] = 3
    """How many restarts are allowed within the period."""
    period: Positive = 5.0
    """Seconds."""


ServiceSpec = Annotated[
    BackendSpec
    | CircuitBreakerSpec
    | RetrySpec
    | ConnectionManagerSpec
    | RateLimiterSpec
    | SupervisorSpec,
    Field(discriminator="kind"),
]

# -- workloads -------------------------------------------------------------------------------------


class PoissonArrivals(Section):
    """Arrivals at random, at a constant rate."""

    kind: Literal["poisson"]
    rate: Positive
    """Requests a second."""


class ConstantArrivals(Section):
    """Arrivals at equal distances."""

    kind: Literal["constant"]
    rate: Positive
    """Requests a second."""


class PiecewiseArrivals(Section):
    """Arrivals at random, at a rate that follows a table."""

    kind: Literal["piecewise"]
    table: Annotated[list[tuple[NotNegative, NotNegative]], Field(min_length=1)]
    """Rows of [seconds, requests a second], in order of time."""
    between: Literal["step", "linear"] = "step"
    """Between two rows: the earlier rate holds, or the rate changes steadily."""

    @field_validator("table")
    @classmethod
    def _rising(cls, table: list[tuple[float, float]]) -> list[tuple[float, float]]:
        times = [time for time, _ in table]
        if times != sorted(set(times)):
            message = "the rows must be in order of time, each time once"
            raise ValueError(message)
        if not any(rate for _, rate in table):
            message = "all rates are 0; give at least one above 0"
            raise ValueError(message)
        return table


class TimestampArrivals(Section):
    """Arrivals at given times."""

    kind: Literal["timestamps"]
    seconds: list[NotNegative]
    """Seconds after the start."""


class CountArrivals(Section):
    """As many arrivals in each interval as were counted there."""

    kind: Literal["counts"]
    counts: list[NotNegative]
    """Requests in each interval."""
    interval: Positive
    """The length of an interval in seconds."""
    starts: list[NotNegative] | None = None
    """Where each interval begins, in seconds; one after the other without it."""

    @model_validator(mode="after")
    def _one_start_each(self) -> CountArrivals:
        if self.starts is not None and len(self.starts) != len(self.counts):
            message = f"{len(self.starts)} starts for {len(self.counts)} counts; give one each"
            raise ValueError(message)
        return self


class FileArrivals(Section):
    """Arrivals from a CSV or Parquet file of timestamps, or of counts per interval."""

    kind: Literal["file"]
    file: Annotated[str, Field(min_length=1)]
    """The file, relative to the scenario file (relative to where you are when given by --set)."""
    holds: Literal["counts", "timestamps"]
    """Whether each row is an interval with a count, or one arrival."""
    time_column: str = "timestamp"
    """The column of times: date-times, or seconds."""
    count_column: str = "value"
    """The column of counts."""
    interval: Positive | None = None
    """The length of an interval in seconds; the usual distance of two rows without it."""
    count_scale: Positive = 1.0
    """Every count is multiplied by this."""
    time_scale: Positive = 1.0
    """Every time is multiplied by this: 0.1 makes ten hours of traffic pass in one."""


class WorkloadSpec(Section):
    """Requests that arrive whether or not earlier ones are done."""

    arrivals: Annotated[
        PoissonArrivals
        | ConstantArrivals
        | PiecewiseArrivals
        | TimestampArrivals
        | CountArrivals
        | FileArrivals,
        Field(discriminator="kind"),
    ]
    """When they arrive."""
    call: Annotated[list[Name], Field(min_length=1)]
    """The services that each request goes through, from the outside in; the last is a backend."""
    node: Name = "lab"
    """The simulated node that the requests run on."""


# -- faults ----------------------------------------------------------------------------------------


class FaultSpec(Section):
    """What all faults say."""

    service: Name
    """The backend that it hits."""
    start: NotNegative
    """When it begins, in seconds."""
    duration: Positive | None = None
    """How long it lasts, in seconds; for ever without it."""


class OutageSpec(FaultSpec):
    """The backend refuses everything, and drops what it was working on."""

    kind: Literal["outage"]


class SlowDownSpec(FaultSpec):
    """The backend takes longer."""

    kind: Literal["slow_down"]
    factor: Positive
    """How many times as long."""


class ErrorRateSpec(FaultSpec):
    """Requests fail by chance."""

    kind: Literal["error_rate"]
    rate: Share
    """The chance of each request."""


class CrashSpec(Section):
    """A service is killed; its supervisor may restart it."""

    kind: Literal["crash"]
    service: Name
    """Any service."""
    at: NotNegative
    """When, in seconds."""


# -- the whole -------------------------------------------------------------------------------------

class Scenario(Section):
    """A question, as services, workloads and faults that can be run."""

    name: Name
    """What the scenario is called, in recordings and reports."""
    description: Annotated[str, Field(min_length=1)]
    """The question, and what to look at."""
    seed: int
    """The seed of every random stream."""
    horizon: Positive
    """How long to run, in virtual seconds."""
    start: str | None = None
    """The wall-clock instant that virtual 0 stands for, as ISO 8601: 2026-01-31T12:00:00Z."""
    services: dict[Name, ServiceSpec] = Field(default_factory=dict)
    """The services by name."""
    workloads: dict[Name, WorkloadSpec] = Field(default_factory=dict)
    """The workloads by the name of their client."""
    faults: list[
        Annotated[
            OutageSpec | SlowDownSpec | ErrorRateSpec | CrashSpec, Field(discriminator="kind")
        ]
    ] = Field(default_factory=list)
    """What goes wrong, and when."""

    @field_validator("start")
    @classmethod
    def _is_instant(cls, start: str | None) -> str | None:
        if start is not None:
            try:
                datetime.fromisoformat(start)
            except ValueError:
                message = f"{start!r} is no instant; write it as 2026-01-31T12:00:00Z"
                raise ValueError(message) from None
        return start

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        problems = references(self)
        if problems:
            text = "; ".join(f"{'.'.join(map(str, path))}: {message}" for path, message in problems)
            raise PydanticCustomError("references", "{text}", {"text": text, "problems": problems})
        return self
