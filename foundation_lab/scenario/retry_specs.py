"""Retries in a scenario file: their delays, and what they may cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from foundation_lab.scenario.section import (
    NotNegative,
    Positive,
    Section,
    Share,
    Whole,
    WholeOrZero,
)

Tokens = Annotated[float, Field(ge=0.001, allow_inf_nan=False)]


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


class FibonacciBackoff(Section):
    """base times 1, 1, 2, 3, 5, ... seconds."""

    kind: Literal["fibonacci"]
    base: Positive
    """Seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""


class DecorrelatedV2Backoff(Section):
    """Polly's second decorrelated jitter: random and smooth, ever longer."""

    kind: Literal["decorrelated_v2"]
    median: Positive
    """About the first delay in seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""


class FactorJitter(Section):
    """Up to a share of the delay shorter or longer."""

    kind: Literal["factor"]
    share: Share = 0.5
    """The share of the delay."""


class AdditiveJitter(Section):
    """Up to some seconds longer."""

    kind: Literal["additive"]
    extra: NotNegative
    """Seconds."""


class WindowBudgetSpec(Section):
    """So many retries a second, and a share of the calls: Finagle's budget."""

    kind: Literal["window"]
    share: NotNegative = 0.2
    """How many retries each call adds."""
    min_per_second: NotNegative = 10.0
    """How many retries a second are always allowed."""
    ttl: Positive = 10.0
    """The length of the window in seconds."""


class ThrottleTokensSpec(Section):
    """Tokens that failures take and successes bring: gRPC's retry throttling."""

    kind: Literal["throttle"]
    max_tokens: Tokens = 10.0
    """How many tokens there are at most; retries are made while more than half are there."""
    token_ratio: Tokens = 0.1
    """What a success brings, in tokens."""


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


class AdaptiveThrottleSpec(Section):
    """Turns attempts away as the other side refuses them: the SRE book's client-side throttling."""

    kind: Literal["adaptive_throttle"]
    k: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """How many attempts are asked for each accepted one before any is turned away."""
    window: Positive = 120.0
    """Seconds."""


BudgetSpec = Annotated[
    WindowBudgetSpec | ThrottleTokensSpec | RetryQuotaSpec | AdaptiveThrottleSpec,
    Field(discriminator="kind"),
]


AnyBackoff = Annotated[
    FixedBackoff
    | LinearBackoff
    | ExponentialBackoff
    | FibonacciBackoff
    | DecorrelatedBackoff
    | DecorrelatedV2Backoff,
    Field(discriminator="kind"),
]


class RetrySpec(Section):
    """Calls again what failed."""

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
    attempt_timeout: Positive | None = None
    """Seconds that each attempt may take."""
    total_timeout: Positive | None = None
    """Seconds that all attempts and delays together may take."""
    budget: BudgetSpec | None = None
    """What retries may cost, all calls together."""
