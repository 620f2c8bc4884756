"""A retry in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative, Positive, Section, Share, Whole
from foundation_lab.scenario.services.backoff import AnyBackoff, ExponentialBackoff
from foundation_lab.scenario.services.error_names import ErrorName, Errors, error_types
from foundation_lab.scenario.services.retry_budget import OneBudget, budget_of
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from foundation_lab.scenario.services.service import Parts
    from foundation_lab.services.retrying.jitter import Jitter
    from foundation_lab.simulation.engine import Simulation


class FactorJitter(Section):
    """Up to a share of the delay shorter or longer."""

    kind: Literal["factor"]
    share: Share = 0.5
    """The share of the delay."""

    def build(self) -> Jitter:
        """Return the jitter."""
        return made.factor_jitter(self.share)


class AdditiveJitter(Section):
    """Up to some seconds longer."""

    kind: Literal["additive"]
    extra: NotNegative
    """Seconds."""

    def build(self) -> Jitter:
        """Return the jitter."""
        return made.additive_jitter(self.extra)


class RetrySpec(ServiceSection):
    """Calls again what failed."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["retry"]
    max_attempts: Whole = 3
    """How often to call at most; the first call counts."""
    backoff: AnyBackoff = ExponentialBackoff(kind="exponential", base=0.1, cap=10.0)
    """How long to wait in between."""
    jitter: (
        Literal["none", "full", "equal"]
        | Annotated[FactorJitter | AdditiveJitter, Field(discriminator="kind")]
    ) = "none"
    """How the delay is spread."""
    max_delay: Positive | None = None
    """Seconds that a delay has at most after the jitter."""
    use_retry_after: bool = False
    """Whether to wait at least until an open breaker or a limiter would let the call through."""
    retry_on: Errors | None = None
    """Which errors are tried again, and all below them; every failure without it."""
    never_on: list[ErrorName] = Field(default_factory=list)
    """Which errors are not, although `retry_on` covers them."""
    attempt_timeout: Positive | None = None
    """Seconds that each attempt may take."""
    total_timeout: Positive | None = None
    """Seconds that all attempts and delays together may take."""
    budget: OneBudget | None = None
    """What retries may cost, all calls together; by name, a shared one."""

    def build(self, sim: Simulation, name: str, services: Parts) -> made.Retry:
        """Return the service."""
        options: dict[str, Any] = {}
        if self.retry_on is not None:
            options["retry_on"] = error_types(self.retry_on)
        return made.Retry(
            sim,
            name,
            max_attempts=self.max_attempts,
            backoff=self.backoff.build(),
            jitter=self.jitter if isinstance(self.jitter, str) else self.jitter.build(),
            max_delay=self.max_delay,
            use_retry_after=self.use_retry_after,
            attempt_timeout=self.attempt_timeout,
            total_timeout=self.total_timeout,
            budget=budget_of(self.budget, services.budgets),
            never_on=error_types(self.never_on),
            **options,
        )
