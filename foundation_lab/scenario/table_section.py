"""Parts of a scenario whose values may lie in a table: a CSV or Parquet file.

The table is read when the scenario is loaded, and the part that names it is replaced by one that
holds the values itself: so a scenario holds all it needs to be run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError

from foundation_lab.scenario.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from foundation_lab.scenario.diagnostics import DataPath

FileName = Annotated[str, Field(min_length=1)]


class TableSection(Section):
    """The base of parts that may name a file."""

    file: FileName | None = None
    """The table, relative to the scenario file (relative to where you are when given by --set)."""

    def read(self, path: Path) -> Section:
        """Return the part with the values that the file at this path holds.

        Raises:
            InvalidFile: The file cannot be read, or a value makes no sense.
            ValidationError: The values are none that the part can have.
        """
        raise NotImplementedError

    def refuse_beside_file(self, *names: str) -> Self:
        """Return itself if keys that only say how to read a file stand beside one.

        Raises:
            ValueError: One of them stands alone.
        """
        alone = [name for name in names if getattr(self, name) is not None]
        if self.file is None and alone:
            message = f"{alone[0]} says how a file is read; add file, or leave it out"
            raise ValueError(message)
        return self


def tables_in(value: Any, path: DataPath = ()) -> Iterator[tuple[DataPath, TableSection]]:
    """Yield every part within a value that names a file, with its place in it."""
    if isinstance(value, TableSection) and value.file is not None:
        yield path, value
    for step, inner in _inner(value):
        yield from tables_in(inner, (*path, step))


class Unfit(Exception):
    """A part with the values of its table does not fit what holds it."""

    def __init__(self, path: DataPath, error: ValidationError) -> None:
        super().__init__(path)
        self.path = path
        self.error = error


def with_parts(value: Any, parts: Mapping[DataPath, Any], path: DataPath = ()) -> Any:
    """Return a value with other parts at some places in it.

    What holds them is checked anew, by its own rules.

    Raises:
        Unfit: What holds a part cannot have it.
    """
    if path in parts:
        return parts[path]
    if not any(each[: len(path)] == path for each in parts):
        return value
    changed = {step: with_parts(inner, parts, (*path, step)) for step, inner in _inner(value)}
    if isinstance(value, BaseModel):
        try:
            return type(value).model_validate({**dict(iter(value)), **changed})
        except ValidationError as error:
            raise Unfit(path, error) from None
    if isinstance(value, dict):
        return value | changed
    return type(value)(changed.get(number, each) for number, each in enumerate(value))


def _inner(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield the values within a value that may hold others, each with its key or number."""
    steps: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, BaseModel):
        steps = value
    elif isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list | tuple):
        steps = enumerate(value)
    for step, inner in steps:
        if isinstance(inner, BaseModel | dict | list | tuple):
            yield step, inner
