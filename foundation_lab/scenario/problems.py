"""Several things that are wrong within one part of a scenario, each at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from foundation_lab.scenario.diagnostics import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.scenario.diagnostics import DataPath


def refuse(problems: Iterable[tuple[DataPath, str]]) -> None:
    """Refuse what a validator looks at, unless nothing is wrong with it.

    Args:
        problems: Places, from what is looked at, and what is wrong there.

    Raises:
        PydanticCustomError: Something is wrong; `explain` puts each problem at its place.
    """
    found = list(problems)
    if found:
        text = "; ".join(f"{dotted(path)}: {message}" for path, message in found)
        raise PydanticCustomError("references", "{text}", {"text": text, "problems": found})
