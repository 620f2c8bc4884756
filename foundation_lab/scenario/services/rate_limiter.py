"""A rate limiter in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive, Section, Whole
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.RateLimiter:
        """Return the service."""
        return made.RateLimiter(sim, name, self.limit.build)
