"""Durations in a scenario file: a number of seconds, or a distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole
from foundation_lab.simulation import distributions as made

if TYPE_CHECKING:
    from foundation_lab.simulation.distributions import Distribution


class ConstantDuration(Section):
    """Always the same duration."""

    kind: Literal["constant"]
    value: NotNegative
    """Seconds."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return made.constant(self.value)


class ExponentialDuration(Section):
    """Memoryless durations."""

    kind: Literal["exponential"]
    mean: Positive
    """Mean in seconds."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return made.exponential(self.mean)


class UniformDuration(Section):
    """Any duration between two limits, with equal chance."""

    kind: Literal["uniform"]
    low: NotNegative
    """Seconds."""
    high: NotNegative
    """Seconds."""

    @field_validator("high")
    @classmethod
    def _not_below_low(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get("low", 0.0)
        if high < low:
            message = f"high ({high:g}) is below low ({low:g}); exchange them"
            raise ValueError(message)
        return high

    def build(self) -> Distribution:
        """Return the distribution."""
        return made.uniform(self.low, self.high)


class LogNormalDuration(Section):
    """Durations with a long right tail."""

    kind: Literal["lognormal"]
    median: Positive
    """Median in seconds."""
    sigma: NotNegative
    """Standard deviation of the logarithm; 0.5 is mild, 1.5 is heavy."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return made.lognormal(self.median, self.sigma)


class ErlangDuration(Section):
    """The sum of several exponential stages."""

    kind: Literal["erlang"]
    mean: Positive
    """Mean in seconds."""
    stages: Whole
    """How many stages; more make it less variable."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return made.erlang(self.mean, self.stages)


Duration = (
    NotNegative
    | Annotated[
        ConstantDuration
        | ExponentialDuration
        | UniformDuration
        | LogNormalDuration
        | ErlangDuration,
        Field(discriminator="kind"),
    ]
)


def distribution(spec: Duration) -> Distribution:
    """Return the distribution that a part of a scenario describes; a number is a constant."""
    return made.constant(spec) if isinstance(spec, float | int) else spec.build()
