"""Distributions with a shape in a scenario file: from more even than exponential to heavy tails."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from foundation_lab.scenario.section import NotNegative, Positive, Section
from foundation_lab.simulation.durations import compositions, tails

if TYPE_CHECKING:
    from foundation_lab.simulation.distributions import Distribution

Shape = Annotated[float, Field(ge=0.01, allow_inf_nan=False)]
"""A shape; what is drawn with a smaller one may be too large for a number."""


class GammaDuration(Section):
    """Erlang's distribution with any number of stages."""

    kind: Literal["gamma"]
    mean: Positive
    """Mean in seconds."""
    shape: Shape
    """How even it is; 1 is exponential, more is more even."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return tails.gamma(self.mean, self.shape)


class WeibullDuration(Section):
    """A long tail with a shape below 1; 1 is exponential."""

    kind: Literal["weibull"]
    scale: Positive
    """Seconds; 63.2 % of the durations are shorter."""
    shape: Shape
    """How even it is; 1 is exponential, more is more even."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return tails.weibull(self.scale, self.shape)


class ParetoDuration(Section):
    """A power law: heavy tails."""

    kind: Literal["pareto"]
    smallest: Positive
    """Seconds."""
    shape: Shape
    """How fast the tail falls; above 1, unless there is a largest."""
    largest: Positive | None = None
    """Seconds; what would be above is drawn anew. No limit without it."""

    @field_validator("largest")
    @classmethod
    def _is_above_the_smallest(cls, largest: float | None, info: ValidationInfo) -> float | None:
        smallest = info.data.get("smallest", 0.0)
        if largest is not None and not largest > smallest:
            message = f"largest ({largest:g}) is not above smallest ({smallest:g}); exchange them"
            raise ValueError(message)
        return largest

    @model_validator(mode="after")
    def _has_a_mean(self) -> Self:
        if self.largest is None and self.shape <= 1:
            message = (
                f"a shape of {self.shape:g} has an infinite mean; give a shape above 1, or largest"
            )
            raise ValueError(message)
        return self

    def build(self) -> Distribution:
        """Return the distribution."""
        largest = inf if self.largest is None else self.largest
        return tails.pareto(self.smallest, self.shape, largest=largest)


class HyperexponentialDuration(Section):
    """One of several exponential durations: more variable than a single one."""

    kind: Literal["hyperexponential"]
    parts: Annotated[list[tuple[NotNegative, Positive]], Field(min_length=1)]
    """Rows of [weight, mean in seconds]."""

    @field_validator("parts")
    @classmethod
    def _has_a_weight(cls, parts: list[tuple[float, float]]) -> list[tuple[float, float]]:
        refuse_weightless([weight for weight, _ in parts])
        return parts

    def build(self) -> Distribution:
        """Return the distribution."""
        return compositions.hyperexponential(self.parts)


def refuse_weightless(weights: list[float]) -> None:
    """Refuse weights that are all 0.

    Raises:
        ValueError: They are.
    """
    if not any(weights):
        message = "all weights are 0; give at least one above 0"
        raise ValueError(message)
