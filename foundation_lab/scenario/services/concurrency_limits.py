"""Limits of concurrency that learn, in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.section import (
    NotNegative,
    Positive,
    PositiveShare,
    Section,
    Whole,
    WholeOrZero,
)

if TYPE_CHECKING:
    from foundation_lab.services.limiting.concurrency_limits import ConcurrencyLimit


class BoundedLimit(Section):
    """The base of limits between two bounds."""

    initial: Whole = 20
    """The limit at first."""
    least: Whole = 20
    """The smallest limit."""
    most: Whole = 200
    """The largest limit."""

    @model_validator(mode="after")
    def _most_is_not_below_the_least(self) -> Self:
        if self.least > self.most:
            message = f"least ({self.least}) is above most ({self.most}); exchange them"
            raise ValueError(message)
        return self


class AimdSpec(BoundedLimit):
    """One more after a call that went well, a share less after a drop."""

    kind: Literal["aimd"]
    backoff: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    """What a drop multiplies the limit with."""
    timeout: Positive = 5.0
    """A call that takes longer than so many seconds is a drop, too."""

    def build(self) -> ConcurrencyLimit:
        """Return the limit."""
        return made.AIMDLimit(
            self.initial,
            least=self.least,
            most=self.most,
            backoff=self.backoff,
            timeout=self.timeout,
        )


class VegasSpec(Section):
    """As many as the other side handles without a line: TCP Vegas."""

    kind: Literal["vegas"]
    initial: Whole = 20
    """The limit at first."""
    most: Whole = 1000
    """The largest limit."""
    smoothing: PositiveShare = 1.0
    """The share of a new limit that is taken over."""
    probe_multiplier: Whole = 30
    """How many calls for each place lie between two measurements of the shortest time."""

    def build(self) -> ConcurrencyLimit:
        """Return the limit."""
        return made.VegasLimit(
            self.initial,
            most=self.most,
            smoothing=self.smoothing,
            probe_multiplier=self.probe_multiplier,
        )


class Gradient2Spec(BoundedLimit):
    """As many as keep the time of a call near what it was over a long time."""

    kind: Literal["gradient2"]
    queue_size: WholeOrZero = 4
    """How much the limit grows, before smoothing, while calls take no longer."""
    smoothing: PositiveShare = 0.2
    """The share of a new limit that is taken over."""
    tolerance: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.5
    """How many times as long as usual a call may take before the limit shrinks."""
    long_window: Whole = 600
    """Over how many calls the usual time is averaged."""

    def build(self) -> ConcurrencyLimit:
        """Return the limit."""
        return made.Gradient2Limit(
            self.initial,
            least=self.least,
            most=self.most,
            queue_size=self.queue_size,
            smoothing=self.smoothing,
            tolerance=self.tolerance,
            long_window=self.long_window,
        )


class WindowedSpec(Section):
    """Gives another limit one sample for all the calls of a while."""

    kind: Literal["windowed"]
    inner: Annotated[AimdSpec | VegasSpec | Gradient2Spec, Field(discriminator="kind")]
    """The limit that learns."""
    least: Positive = 1.0
    """The shortest window, in seconds."""
    most: Positive = 1.0
    """The longest window, in seconds."""
    size: Whole = 10
    """How many calls a window needs to count."""
    least_rtt: NotNegative = 0.0001
    """Calls that take less than so many seconds do not count."""
    percentile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Which share of the calls takes no longer than the sample says; their mean without it."""

    def build(self) -> ConcurrencyLimit:
        """Return the limit."""
        return made.WindowedLimit(
            self.inner.build(),
            least=self.least,
            most=self.most,
            size=self.size,
            least_rtt=self.least_rtt,
            percentile=self.percentile,
        )


AnyConcurrencyLimit = Annotated[
    AimdSpec | VegasSpec | Gradient2Spec | WindowedSpec, Field(discriminator="kind")
]
