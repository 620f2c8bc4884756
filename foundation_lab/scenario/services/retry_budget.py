"""What retries and hedges may cost, in a scenario file: a budget of one's own, or a shared one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import (
    Name,
    NotNegative,
    Positive,
    Section,
    Whole,
    WholeOrZero,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.retrying.retry_budget import RetryBudget

Tokens = Annotated[float, Field(ge=0.001, allow_inf_nan=False)]


class WindowBudgetSpec(Section):
    """So many retries a second, and a share of the calls: Finagle's budget."""

    kind: Literal["window"]
    share: NotNegative = 0.2
    """How many retries each call adds."""
    min_per_second: NotNegative = 10.0
    """How many retries a second are always allowed."""
    ttl: Positive = 10.0
    """The length of the window in seconds."""

    def build(self, label: str) -> made.WindowBudget:
        """Return the budget, which events call by the label."""
        return made.WindowBudget(
            self.share, min_per_second=self.min_per_second, ttl=self.ttl, label=label
        )


class ThrottleTokensSpec(Section):
    """Tokens that failures take and successes bring: gRPC's retry throttling."""

    kind: Literal["throttle"]
    max_tokens: Tokens = 10.0
    """How many tokens there are at most; retries are made while more than half are there."""
    token_ratio: Tokens = 0.1
    """What a success brings, in tokens."""

    def build(self, label: str) -> made.ThrottleTokens:
        """Return the budget, which events call by the label."""
        return made.ThrottleTokens(self.max_tokens, token_ratio=self.token_ratio, label=label)


class RetryQuotaSpec(Section):
    """A quota that retries are paid from: the standard mode of the AWS SDKs."""

    kind: Literal["quota"]
    capacity: Whole = 500
    """How much there is at most."""
    cost: WholeOrZero = 5
    """What a retry costs."""
    timeout_cost: WholeOrZero = 10
    """What a retry costs after a timeout."""
    refill: WholeOrZero = 1
    """What a success at the first attempt brings."""

    def build(self, label: str) -> made.RetryQuota:
        """Return the budget, which events call by the label."""
        return made.RetryQuota(
            self.capacity,
            cost=self.cost,
            timeout_cost=self.timeout_cost,
            refill=self.refill,
            label=label,
        )


class AdaptiveThrottleSpec(Section):
    """Turns attempts away as the other side refuses them: the SRE book's client-side throttling."""

    kind: Literal["adaptive_throttle"]
    k: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """How many attempts are asked for each accepted one before any is turned away."""
    window: Positive = 120.0
    """Seconds."""

    def build(self, label: str) -> made.AdaptiveThrottle:
        """Return the budget, which events call by the label."""
        return made.AdaptiveThrottle(self.k, window=self.window, label=label)


BudgetSpec = Annotated[
    WindowBudgetSpec | ThrottleTokensSpec | RetryQuotaSpec | AdaptiveThrottleSpec,
    Field(discriminator="kind"),
]

OneBudget = Name | BudgetSpec
"""A budget of one's own, or the name of one of the scenario's, which is shared."""


def budget_of(given: OneBudget | None, shared: Mapping[str, RetryBudget]) -> RetryBudget | None:
    """Return the budget that is meant: a new one, the shared one of that name, or none."""
    if given is None:
        return None
    return shared[given] if isinstance(given, str) else given.build(given.kind)
