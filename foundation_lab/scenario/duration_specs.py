"""Durations in a scenario file: a number of seconds, or a distribution."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole


class ConstantDuration(Section):
    """Always the same duration."""

    kind: Literal["constant"]
    value: NotNegative
    """Seconds."""


class ExponentialDuration(Section):
    """Memoryless durations."""

    kind: Literal["exponential"]
    mean: Positive
    """Mean in seconds."""


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


class LogNormalDuration(Section):
    """Durations with a long right tail."""

    kind: Literal["lognormal"]
    median: Positive
    """Median in seconds."""
    sigma: NotNegative
    """Standard deviation of the logarithm; 0.5 is mild, 1.5 is heavy."""


class ErlangDuration(Section):
    """The sum of several exponential stages."""

    kind: Literal["erlang"]
    mean: Positive
    """Mean in seconds."""
    stages: Whole
    """How many stages; more make it less variable."""


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
