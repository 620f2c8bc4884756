"""Simple distributions in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole
from foundation_lab.simulation import distributions
from foundation_lab.simulation.durations import compositions

if TYPE_CHECKING:
    from foundation_lab.simulation.distributions import Distribution


class ConstantDuration(Section):
    """Always the same duration."""

    kind: Literal["constant"]
    value: NotNegative
    """Seconds."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return distributions.constant(self.value)


class ExponentialDuration(Section):
    """Memoryless durations."""

    kind: Literal["exponential"]
    mean: Positive
    """Mean in seconds."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return distributions.exponential(self.mean)


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
        return distributions.uniform(self.low, self.high)


class LogNormalDuration(Section):
    """Durations with a long right tail."""

    kind: Literal["lognormal"]
    median: Positive
    """Median in seconds."""
    sigma: NotNegative
    """Standard deviation of the logarithm; 0.5 is mild, 1.5 is heavy."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return distributions.lognormal(self.median, self.sigma)


class ErlangDuration(Section):
    """The sum of several exponential stages."""

    kind: Literal["erlang"]
    mean: Positive
    """Mean in seconds."""
    stages: Whole
    """How many stages; more make it less variable."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return distributions.erlang(self.mean, self.stages)


class TriangularDuration(Section):
    """From a lowest to a highest duration, most likely one in between."""

    kind: Literal["triangular"]
    low: NotNegative
    """Seconds."""
    mode: NotNegative
    """The most likely duration in seconds."""
    high: NotNegative
    """Seconds."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.mode <= self.high:
            message = (
                f"low ({self.low:g}), mode ({self.mode:g}) and high ({self.high:g}) are not in "
                "order of size; exchange them"
            )
            raise ValueError(message)
        return self

    def build(self) -> Distribution:
        """Return the distribution."""
        return compositions.triangular(self.low, self.mode, self.high)
