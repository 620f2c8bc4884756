"""Durations in a scenario file: a number of seconds, or a distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from foundation_lab.scenario.durations.empirical import EmpiricalDuration
from foundation_lab.scenario.durations.simple import (
    ConstantDuration,
    ErlangDuration,
    ExponentialDuration,
    LogNormalDuration,
    TriangularDuration,
    UniformDuration,
)
from foundation_lab.scenario.durations.tails import (
    GammaDuration,
    HyperexponentialDuration,
    ParetoDuration,
    WeibullDuration,
    refuse_weightless,
)
from foundation_lab.scenario.section import NotNegative, Positive, Section
from foundation_lab.simulation import distributions
from foundation_lab.simulation.durations import compositions

if TYPE_CHECKING:
    from foundation_lab.simulation.distributions import Distribution


class MixtureDuration(Section):
    """One of several durations, each with its chance."""

    kind: Literal["mixture"]
    parts: Annotated[list[tuple[NotNegative, Duration]], Field(min_length=1)]
    """Rows of [weight, seconds or distribution]."""

    @field_validator("parts")
    @classmethod
    def _has_a_weight(cls, parts: list[tuple[float, Duration]]) -> list[tuple[float, Duration]]:
        refuse_weightless([weight for weight, _ in parts])
        return parts

    def build(self) -> Distribution:
        """Return the distribution."""
        return compositions.mixture([(weight, distribution(part)) for weight, part in self.parts])


class ShiftedDuration(Section):
    """A fixed time, and after it what another distribution says."""

    kind: Literal["shifted"]
    offset: NotNegative
    """The fixed time in seconds."""
    rest: Duration
    """What comes on top: a number of seconds, or a distribution."""

    def build(self) -> Distribution:
        """Return the distribution."""
        return compositions.shifted(self.offset, distribution(self.rest))


AnyDistribution = Annotated[
    ConstantDuration
    | ExponentialDuration
    | UniformDuration
    | LogNormalDuration
    | ErlangDuration
    | GammaDuration
    | WeibullDuration
    | ParetoDuration
    | HyperexponentialDuration
    | MixtureDuration
    | ShiftedDuration
    | TriangularDuration
    | EmpiricalDuration,
    Field(discriminator="kind"),
]

Duration = NotNegative | AnyDistribution
"""A number of seconds from 0, or a distribution."""

PositiveDuration = Positive | AnyDistribution
"""A number of seconds above 0, or a distribution."""

MixtureDuration.model_rebuild()
ShiftedDuration.model_rebuild()


def distribution(spec: Duration) -> Distribution:
    """Return the distribution that a part of a scenario describes; a number is a constant."""
    return distributions.constant(spec) if isinstance(spec, float | int) else spec.build()


def takes_time(spec: Duration) -> bool:
    """Return whether a duration is above 0 now and then; of one still in a file that is hoped."""
    if isinstance(spec, float | int):
        return spec > 0
    match spec:
        case EmpiricalDuration(values=None):
            return True
        case MixtureDuration():
            return any(weight > 0 and takes_time(part) for weight, part in spec.parts)
        case ShiftedDuration():
            return spec.offset > 0 or takes_time(spec.rest)
    return spec.build().mean > 0
