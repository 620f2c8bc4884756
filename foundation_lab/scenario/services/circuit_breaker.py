"""A circuit breaker in a scenario file."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive, PositiveShare, Section, Whole
from foundation_lab.scenario.services.backoff import AnyBackoff
from foundation_lab.scenario.services.error_names import ErrorName, Errors, error_types
from foundation_lab.scenario.services.presets import BREAKER_RIVALS, BREAKERS, filled_in
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.breaking.break_duration import ResetTimeout
    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


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

    def build(self) -> made.CountWindow:
        """Return the window."""
        return made.CountWindow(
            self.size,
            failure_rate=self.failure_rate,
            slow_rate=self.slow_rate,
            minimum_calls=self.minimum_calls,
        )


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

    def build(self) -> made.TimeWindow:
        """Return the window."""
        return made.TimeWindow(
            self.seconds,
            failure_rate=self.failure_rate,
            slow_rate=self.slow_rate,
            minimum_calls=self.minimum_calls,
        )


class CircuitBreakerSpec(ServiceSection):
    """Stops calling what keeps failing."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["circuit_breaker"]
    preset: Literal["resilience4j", "polly", "finagle"] | None = None
    """A library whose defaults hold for every key that is not given."""
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
    use_retry_after: bool = False
    """Whether it stays open as long as the error asks for that opened it, if it asks for a time."""
    max_retry_after: Positive | None = None
    """The longest such time in seconds; no limit without it."""
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
    failure_on: Errors | None = None
    """Which errors count, and all below them; every failure without it."""
    ignore: list[ErrorName] = Field(default_factory=list)
    """Which errors do not, although `failure_on` covers them."""
    call_timeout: Positive | None = None
    """Seconds that a call may take."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    @model_validator(mode="before")
    @classmethod
    def _preset_fills_in(cls, data: Any) -> Any:
        return filled_in(data, BREAKERS, BREAKER_RIVALS)

    @model_validator(mode="after")
    def _one_says_how_long_it_is_open(self) -> Self:
        if self.use_retry_after and self.reset_backoff is not None:
            message = (
                "use_retry_after and reset_backoff both say how long it is open; leave one out"
            )
            raise ValueError(message)
        if self.max_retry_after is not None and not self.use_retry_after:
            message = "max_retry_after limits what use_retry_after does; add use_retry_after: true"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _rates_come_from_a_window(self) -> Self:
        if self.half_open_rule == "rate" and self.window is None:
            message = "half_open_rule 'rate' judges probes by the rates of a window; add `window`"
            raise ValueError(message)
        return self

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.CircuitBreaker:
        """Return the service."""
        options: dict[str, Any] = {}
        if self.failure_on is not None:
            options["failure_on"] = error_types(self.failure_on)
        return made.CircuitBreaker(
            sim,
            name,
            failure_threshold=self.failure_threshold,
            counting=None if self.window is None else self.window.build(),
            slow_call_duration=self.slow_call_duration,
            reset_timeout=self._reset_timeout(),
            reset_jitter=self.reset_jitter,
            automatic_half_open=self.automatic_half_open,
            half_open_calls=self.half_open_calls,
            half_open_rule=self.half_open_rule,
            half_open_max_wait=self.half_open_max_wait,
            ignore=error_types(self.ignore),
            call_timeout=self.call_timeout,
            health_interval=self.health_interval,
            **options,
        )

    def _reset_timeout(self) -> ResetTimeout:
        if self.reset_backoff is not None:
            return self.reset_backoff.build()
        if self.use_retry_after:
            cap = inf if self.max_retry_after is None else self.max_retry_after
            return made.retry_after_or(self.reset_timeout, cap=cap)
        return self.reset_timeout
