"""A rate limiter in a scenario file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole
from foundation_lab.scenario.services.service import ServiceSection, Stand
from foundation_lab.simulation.invocation import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class TokenBucketSpec(Section):
    """Tokens that are refilled continuously."""

    kind: Literal["token_bucket"]
    rate: Positive
    """Tokens a second."""
    capacity: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    """How many tokens fit; a call takes one."""

    def build(self) -> made.TokenBucket:
        """Return the state of one key."""
        return made.TokenBucket(self.rate, self.capacity)


class LeakyBucketSpec(Section):
    """Permits that are evenly spaced, and a few at once: GCRA."""

    kind: Literal["leaky_bucket"]
    limit: Positive
    """Permits in a period."""
    period: Positive
    """Its length in seconds."""
    burst: Positive | None = None
    """The largest amount at once; `limit` without it."""

    def build(self) -> made.LeakyBucket:
        """Return the state of one key."""
        return made.LeakyBucket(self.limit, self.period, self.burst)


class FixedWindowSpec(Section):
    """So many permits in each window of the clock."""

    kind: Literal["fixed_window"]
    limit: Whole
    """Permits a window."""
    window: Positive
    """Seconds."""

    def build(self) -> made.FixedWindow:
        """Return the state of one key."""
        return made.FixedWindow(self.limit, self.window)


class SlidingWindowSpec(Section):
    """So many permits in any span of time."""

    kind: Literal["sliding_window"]
    limit: Whole
    """Permits in any such span."""
    window: Positive
    """Seconds."""

    def build(self) -> made.SlidingWindow:
        """Return the state of one key."""
        return made.SlidingWindow(self.limit, self.window)


class SlidingCounterSpec(Section):
    """So many permits in any span of time, as two counters estimate it."""

    kind: Literal["sliding_counter"]
    limit: Whole
    """Permits in any such span."""
    window: Positive
    """Seconds."""

    def build(self) -> made.SlidingCounter:
        """Return the state of one key."""
        return made.SlidingCounter(self.limit, self.window)


class CycleLimitSpec(Section):
    """So many permits at the start of each cycle, which can be reserved: resilience4j's limiter."""

    kind: Literal["cycle"]
    limit: Whole
    """Permits a cycle."""
    period: Positive
    """The length of a cycle in seconds."""

    def build(self) -> made.CycleLimit:
        """Return the state of one key."""
        return made.CycleLimit(self.limit, self.period)


class RateLimiterSpec(ServiceSection):
    """Limits how often something happens."""

    stand: ClassVar[Stand] = Stand.AROUND
    takes: ClassVar[tuple[str, ...]] = ("key",)

    kind: Literal["rate_limiter"]
    limit: Annotated[
        TokenBucketSpec
        | LeakyBucketSpec
        | FixedWindowSpec
        | SlidingWindowSpec
        | SlidingCounterSpec
        | CycleLimitSpec,
        Field(discriminator="kind"),
    ]
    """How it counts."""
    amount: Positive = 1.0
    """How many permits a call takes."""
    max_wait: NotNegative | None = 0.0
    """Seconds that a call waits for permits at most; null lets it wait for as long as it takes."""

    @model_validator(mode="after")
    def _so_much_can_be_granted(self) -> Self:
        largest = self.limit.build().largest
        if self.amount > largest:
            message = f"{self.limit.kind} grants {largest:g} at once, and amount is {self.amount:g}"
            raise ValueError(f"{message}; take less, or allow more")
        return self

    def enter(self, service: Any) -> Callable[..., Any]:
        """Return a call that takes permits, and waits for them where it may."""
        limiter: made.RateLimiter = service
        if self.max_wait == 0:
            return limiter.call if self.amount == 1 else partial(limiter.call, amount=self.amount)

        def wait(fn: Callable[[], Any], *, key: str = "") -> Generator[Any, Any, Any]:
            yield from limiter.acquire(key, self.amount, timeout=self.max_wait)
            return (yield from invoke(fn))

        return wait

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.RateLimiter:
        """Return the service."""
        return made.RateLimiter(sim, name, self.limit.build)
