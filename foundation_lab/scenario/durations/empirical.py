"""Samples of durations in a scenario file, or in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from foundation_lab.scenario.section import NotNegative, Positive
from foundation_lab.scenario.table_section import TableSection
from foundation_lab.simulation.durations import compositions

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.simulation.distributions import Distribution

COLUMN = "duration"
"""The column of durations, when a file does not say another one."""


class EmpiricalDuration(TableSection):
    """A sample of durations: one of its values is drawn, or what lies between two of them."""

    kind: Literal["empirical"]
    values: Annotated[list[NotNegative], Field(min_length=1)] | None = None
    """The sample, in seconds and any order."""
    column: str | None = None
    """The column of the file that holds it; `duration` without it."""
    scale: Positive | None = None
    """Every value of the file is multiplied by this: 0.001 when it holds milliseconds."""
    interpolate: bool = False
    """Whether durations between two neighbouring values are drawn, too."""

    @model_validator(mode="after")
    def _is_a_sample(self) -> Self:
        if (self.values is None) == (self.file is None):
            message = "give values, or the file that holds them; one of both"
            raise ValueError(message)
        if self.interpolate and self.values is not None and len(self.values) == 1:
            message = "nothing lies between the values of a sample of 1; give 2 or more"
            raise ValueError(message)
        return self.refuse_beside_file("column", "scale")

    def read(self, path: Path) -> EmpiricalDuration:
        """Return the sample with the values of a file."""
        from foundation_lab.scenario.traffic import read_numbers  # noqa: PLC0415 (polars is heavy)

        read = read_numbers(path, self.column or COLUMN, "column", self.scale)
        return EmpiricalDuration(kind=self.kind, values=read, interpolate=self.interpolate)

    def build(self) -> Distribution:
        """Return the distribution.

        Raises:
            TypeError: The values still lie in a file.
        """
        if self.values is None:
            message = f"the values in {self.file!r} must be read before a scenario can be built"
            raise TypeError(message)
        return compositions.empirical(self.values, interpolate=self.interpolate)
