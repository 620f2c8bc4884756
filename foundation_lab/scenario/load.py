"""Loading a scenario: the file, the overrides, and the tables that it names."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from foundation_lab.errors import InvalidFile, nearest
from foundation_lab.scenario.diagnostics import Problem, dotted, shortened
from foundation_lab.scenario.document import Document
from foundation_lab.scenario.files import read_yaml, validated
from foundation_lab.scenario.model import Scenario
from foundation_lab.scenario.table_section import Unfit, tables_in, with_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.recording.keeping import Keep
    from foundation_lab.scenario.diagnostics import DataPath
    from foundation_lab.scenario.section import Section


def load_scenario(
    path: str | Path,
    *,
    variant: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    until: float | None = None,
    keep: Keep | None = None,
) -> Scenario:
    """Return the scenario in a file, ready to be built.

    Tables are read in, so that the scenario holds all it needs to be run again. The file itself
    may name only those in its own folder or below; an override may name any.

    Args:
        path: The YAML file.
        variant: One of the file's variants; as it is without it.
        overrides: More changes, as ``services.db.concurrency=8``.
        seed: Another seed.
        until: Another horizon, in virtual seconds.
        keep: What to keep of the run, instead of what the file says.

    Raises:
        InvalidFile: The file, an override or a table is wrong; the message lists everything.
    """
    changes = list(overrides)
    if seed is not None:
        changes.append(f"seed={seed}")
    if until is not None:
        changes.append(f"horizon={until!r}")
    if keep is not None:
        changes.append(f"keep={keep}")
    document = read_yaml(Path(path))
    if variant is not None:
        document = varied(document, variant)
    scenario = validated(document, Scenario, overrides=changes)
    if next(tables_in(scenario), None) is None:
        return scenario
    return _with_tables(scenario, reduce(Document.overridden, changes, document))


def varied(document: Document, variant: str) -> Document:
    """Return a scenario's document with the changes of one of its variants.

    Raises:
        InvalidFile: There is no such variant, or a change of it cannot be made.
    """
    given = document.data.get("variants")
    variants = given if isinstance(given, dict) else {}
    changes = variants.get(variant)
    if not isinstance(changes, list):
        near = nearest(variant, variants)
        names = ", ".join(variants) or "none"
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {names}"
        place = document.place(("variants",))
        raise InvalidFile(Problem.at(place, f"there is no variant {shortened(variant)}", hint))
    for number, change in enumerate(changes):
        place = document.place(("variants", variant, number))
        document = document.overridden(str(change), at=place)
    return document


def _with_tables(scenario: Scenario, document: Document) -> Scenario:
    """Return a scenario with what its files hold in the place of their names."""
    parts: dict[DataPath, Section] = {}
    problems: list[object] = []
    for path, section in tables_in(scenario):
        place = document.place((*path, "file"))
        try:
            parts[path] = section.read(_located(document, (*path, "file"), str(section.file)))
        except InvalidFile as error:
            problems += error.problems
        except ValidationError as error:
            problems += [Problem.at(place, text, path=path) for text in _texts(error)]
    if problems:
        raise InvalidFile(*problems)
    try:
        filled: Scenario = with_parts(scenario, parts)
    except Unfit as refused:
        place = document.place(refused.path)
        texts = _texts(refused.error)
        raise InvalidFile(*(Problem.at(place, t, path=refused.path) for t in texts)) from None
    return filled


def _texts(error: ValidationError) -> list[str]:
    return [each["msg"].removeprefix("Value error, ") for each in error.errors()]


def _located(document: Document, path: DataPath, name: str) -> Path:
    """Return a table: beside the scenario, or from where the user is in an override."""
    place = document.place(path)
    folder = Path(document.name).parent
    in_file = place.line > 0
    file = folder / name if in_file else Path(name)
    if in_file and not file.resolve().is_relative_to(folder.resolve()):
        message = f"{shortened(name)} lies outside of the scenario's folder"
        hint = f"copy it there, or name it yourself with --set '{dotted(path)}={name}'"
    elif not file.is_file():
        near = nearest(file.name, (each.name for each in file.parent.glob("*.*")))
        message = f"there is no file {shortened(str(file))}"
        hint = f"did you mean {near[0]!r}?" if near else "check the path"
    else:
        return file
    raise InvalidFile(Problem.at(place, message, hint, path=path, value=shortened(name)))
