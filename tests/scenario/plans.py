"""A model to read files into, and what reading them comes to."""

from __future__ import annotations

import math
from datetime import date  # noqa: TC003 - pydantic reads it
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.diagnostics import Problem
from foundation_lab.scenario.files import load, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Backend(Strict):
    """Does the work."""

    kind: Literal["backend"]
    concurrency: int = Field(gt=0, description="Requests served at once.")
    backend: dict[str, int] = {}


class Cache(Strict):
    kind: Literal["cache"]
    size: int
    policy: Literal["least_recent", "random"] = "least_recent"


class Exponential(Strict):
    kind: Literal["exponential"]
    mean: FiniteFloat = Field(gt=0.0)


class Constant(Strict):
    kind: Literal["constant"]
    value: float


class Fault(Strict):
    start: float = Field(ge=0.0)
    end: float = math.inf

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            message = "end must come after start"
            raise ValueError(message)
        return self


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Plan(Strict):
    """A plan for a test."""

    services: dict[str, Annotated[Backend | Cache, Field(discriminator="kind")]]
    faults: list[Fault] = Field(default=[], max_length=4)
    delay: float | Annotated[Exponential | Constant, Field(discriminator="kind")] = 1.0
    name: str | None = Field(default=None, pattern="^[a-z]+$")
    enabled: bool = True
    limit: Literal["none"] | int = "none"
    weights: tuple[float, ...] = ()
    quantiles: dict[int, float] = {}
    colour: Colour = Colour.RED
    day: date | None = None
    step: int = Field(default=2, multiple_of=2, le=100)


VALID = """\
services:
  db:
    kind: backend
    concurrency: 4
  front: {kind: cache, size: 10}
faults:
  - start: 1
    end: 2.5
"""

MARKS = [*"\t\n :-[]{},#&*!|>'\"%@`?\\~<0.e", "\ufeff", "\x00", "é", "\u2028", '"\\U', "\n\n  "]
WORDS = ["---", "...", "<<: *a", "&a ", "*a", "!!int ", "!<", ".nan", "0x", "kind", "1e999"]
PIECES = st.sampled_from([*MARKS, *WORDS, "{kind: cache}"])

Write: TypeAlias = "Callable[[str], Path]"


def problems(path: Path, *overrides: str, model: type[BaseModel] = Plan) -> list[Problem]:
    return refused(lambda: load(path, model, overrides=overrides))


def problem(path: Path, *overrides: str) -> Problem:
    (only,) = problems(path, *overrides)
    return only


def refusal(text: str) -> Problem:
    (only,) = refused(lambda: read_yaml(text))
    return only


def refused(read: Callable[[], object]) -> list[Problem]:
    with pytest.raises(InvalidFile) as caught:
        read()
    found = [each for each in caught.value.problems if isinstance(each, Problem)]
    assert len(found) == len(caught.value.problems)
    return found


def where(found: Problem) -> tuple[int, int, str]:
    return found.line, found.column, found.path


def attempt(read: Callable[[], object]) -> object:
    try:
        return read()
    except InvalidFile as error:
        assert str(error)  # noqa: PT017 - either way is right
        return error
