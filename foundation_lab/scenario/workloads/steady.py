"""Arrivals with one rate, or with a rate that a table gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from foundation_lab.scenario.section import NotNegative, Positive, Section
from foundation_lab.simulation.traffic import arrivals

if TYPE_CHECKING:
    from foundation_lab.simulation.traffic.arrivals import Arrivals


class PoissonArrivals(Section):
    """Arrivals at random, at a constant rate."""

    kind: Literal["poisson"]
    rate: Positive
    """Requests a second."""

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.poisson(self.rate)


class ConstantArrivals(Section):
    """Arrivals at equal distances."""

    kind: Literal["constant"]
    rate: Positive
    """Requests a second."""

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.constant_rate(self.rate)


class PiecewiseArrivals(Section):
    """Arrivals at random, at a rate that follows a table."""

    kind: Literal["piecewise"]
    table: Annotated[list[tuple[NotNegative, NotNegative]], Field(min_length=1)]
    """Rows of [seconds, requests a second], in order of time."""
    between: Literal["step", "linear"] = "step"
    """Between two rows: the earlier rate holds, or the rate changes steadily."""

    @field_validator("table")
    @classmethod
    def _rising(cls, table: list[tuple[float, float]]) -> list[tuple[float, float]]:
        times = [time for time, _ in table]
        if times != sorted(set(times)):
            message = "the rows must be in order of time, each time once"
            raise ValueError(message)
        refuse_silence([rate for _, rate in table])
        return table

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.piecewise(self.table, between=self.between)


def refuse_silence(rates: list[float]) -> None:
    """Refuse rates that are all 0.

    Raises:
        ValueError: They are.
    """
    if not any(rates):
        message = "all rates are 0; give at least one above 0"
        raise ValueError(message)
