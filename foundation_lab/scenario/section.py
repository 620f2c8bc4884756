"""What all parts of a scenario file have in common: strictness, and the kinds of value.

Unknown keys are refused and numbers are checked. Every duration is in virtual seconds.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Whole = Annotated[int, Field(ge=1, le=10**9)]
WholeOrZero = Annotated[int, Field(ge=0, le=10**9)]

ROUNDING = 1e-9
"""By which share an interval may reach into the next one: decimal seconds are rounded."""


class Section(BaseModel):
    """The base of all parts of a scenario: strict, closed, unchangeable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )
