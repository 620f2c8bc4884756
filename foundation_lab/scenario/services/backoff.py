"""The delays of retries and breaks in a scenario file."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative, Positive, Section

if TYPE_CHECKING:
    from foundation_lab.services.retrying.backoff import Backoff


class FixedBackoff(Section):
    """Always the same delay."""

    kind: Literal["fixed"]
    seconds: NotNegative
    """The delay."""

    def build(self) -> Backoff:
        """Return the backoff."""
        return made.fixed_backoff(self.seconds)


class LinearBackoff(Section):
    """base, 2 base, 3 base, ... seconds."""

    kind: Literal["linear"]
    base: Positive
    """Seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""

    def build(self) -> Backoff:
        """Return the backoff."""
        return made.linear_backoff(self.base, cap=_limit(self.cap))


class ExponentialBackoff(Section):
    """base, base factor, base factor squared, ... seconds."""

    kind: Literal["exponential"]
    base: Positive
    """Seconds."""
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """By how much each delay is longer than the last."""
    cap: Positive | None = None
    """The longest delay in seconds."""

    def build(self) -> Backoff:
        """Return the backoff."""
        return made.exponential_backoff(self.base, factor=self.factor, cap=_limit(self.cap))


class FibonacciBackoff(Section):
    """base times 1, 1, 2, 3, 5, ... seconds."""

    kind: Literal["fibonacci"]
    base: Positive
    """Seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""

    def build(self) -> Backoff:
        """Return the backoff."""
        return made.fibonacci_backoff(self.base, cap=_limit(self.cap))


class DecorrelatedBackoff(Section):
    """Random between base and three times the last delay."""

    kind: Literal["decorrelated"]
    base: Positive
    """Seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""

    def build(self) -> Backoff:
        """Return the backoff."""
        return made.decorrelated_backoff(self.base, cap=_limit(self.cap))


class DecorrelatedV2Backoff(Section):
    """Polly's second decorrelated jitter: random and smooth, ever longer."""

    kind: Literal["decorrelated_v2"]
    median: Positive
    """About the first delay in seconds."""
    cap: Positive | None = None
    """The longest delay in seconds."""

    def build(self) -> Backoff:
        """Return the backoff."""
        return made.decorrelated_v2_backoff(self.median, cap=_limit(self.cap))


AnyBackoff = Annotated[
    FixedBackoff
    | LinearBackoff
    | ExponentialBackoff
    | FibonacciBackoff
    | DecorrelatedBackoff
    | DecorrelatedV2Backoff,
    Field(discriminator="kind"),
]


def _limit(cap: float | None) -> float:
    return inf if cap is None else cap
