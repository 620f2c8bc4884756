"""YAML files read with care: every mistake is reported at its line and column, all at once.

`load` gives a validated model, `read_yaml` plain data that knows where each value was written, and
`schema` what an editor needs to complete and check a file while it is typed.

Values follow the core schema of YAML 1.2: `no` and `1_000` are text, `1e-3` is a number, `0o17` is
15 and `017` is 17. Dates and times stay text. Keys are always text, as they are written. A tag is
refused, an alias stands for a copy, and merge keys (`<<`), which YAML 1.2 does not have, are
refused too. So is a file that is too large, too deep, or grows too much through its aliases.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from foundation_lab.errors import InvalidFile, nearest
from foundation_lab.scenario.diagnostics import Place, Problem, shortened
from foundation_lab.scenario.document import Document
from foundation_lab.scenario.explain import explain
from foundation_lab.scenario.yaml_text import end_of, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1_000_000


def load(path: str | os.PathLike[str], model: type[M], *, overrides: Sequence[str] = ()) -> M:
    """Read a YAML file into a model.

    The data is held strictly to the types that JSON knows: no text passes for a number, but a
    whole number passes where any number is expected, a list where the model has a tuple or a set,
    and text where it has an enum, a date or a path.

    Args:
        path: The file.
        model: What the file must hold.
        overrides: Values that replace those of the file, such as `services.db.concurrency=8` or
            `faults[0].start=10`; `faults.0.start` means the same. A key that is not a plain word
            is written `services["db.eu"]`. What follows the first `=` is read as YAML. All but
            the last step of the path must exist.

    Returns:
        The model.

    Raises:
        InvalidFile: With everything that is wrong with the file and the overrides. A problem
            with an overridden value is placed at `--set …` and has no line.
    """
    return validated(read_yaml(pathlib.Path(path)), model, overrides=overrides)


def validated(document: Document, model: type[M], *, overrides: Sequence[str] = ()) -> M:
    """Return a document as a model; arguments and errors as for `load`."""
    refused: list[object] = []
    for override in overrides:
        try:
            document = document.overridden(override)
        except InvalidFile as error:
            refused += error.problems
    try:
        loaded = model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        wrong = explain(error, model, document.data, document.place)
        raise InvalidFile(*wrong, *refused) from None
    if refused:
        raise InvalidFile(*refused)
    return loaded


def read_yaml(source: str | os.PathLike[str], *, name: str | None = None) -> Document:
    """Read one YAML document whose top level is a mapping.

    Args:
        source: The text itself if this is a `str`; the file to read if it is a path object.
        name: What problems call the source; by default the path, or `<text>`.

    Returns:
        The document.

    Raises:
        InvalidFile: The file can't be read, is too large or not UTF-8, is empty or not YAML, or
            holds a duplicate key, a tag or anything else that is not supported. Problems that
            do not keep the rest from being read are reported together.
    """
    name = name or ("<text>" if isinstance(source, str) else os.fspath(source))
    text = source if isinstance(source, str) else _text_of(pathlib.Path(source), name)
    root = parsed(text, name)
    if root is None:
        raise InvalidFile(Problem.at(Place(name), "the file is empty", _BEGINNING))
    if not isinstance(root.content, dict):
        kind = "a list" if isinstance(root.content, list) else shortened(root.content)
        message = f"expected a mapping at the top level, not {kind}"
        raise InvalidFile(Problem.at(root.place, message, _BEGINNING))
    return Document(name, root)


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """Describe the files that a model accepts, for editors and other tools.

    Returns:
        A JSON Schema, draft 2020-12, with the titles and descriptions of the model. Point an
        editor at it with `# yaml-language-server: $schema=<file>` in the first line.
    """
    return {"$schema": GenerateJsonSchema.schema_dialect, **model.model_json_schema()}


_BEGINNING = "begin with a `key: value` line"


def _text_of(path: pathlib.Path, name: str) -> str:
    place = Place(name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = _sibling(path) or "check the path"
        raise InvalidFile(Problem.at(place, "there is no such file", hint)) from None
    except IsADirectoryError:
        hint = "name a file inside it"
        raise InvalidFile(Problem.at(place, "this is a folder", hint)) from None
    except (OSError, ValueError) as error:
        message = f"can't be read: {getattr(error, 'strerror', None) or error}"
        raise InvalidFile(Problem.at(place, message, "check the path and its rights")) from None
    if len(content) > MAX_BYTES:
        message = f"larger than {MAX_BYTES // 1_000_000} MB"
        raise InvalidFile(Problem.at(place, message, "split the file"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace")
        message = f"not UTF-8: byte 0x{content[error.start]:02x}"
        place = Place(name, *end_of(before))
        raise InvalidFile(Problem.at(place, message, "save the file as UTF-8 text")) from None


def _sibling(path: pathlib.Path) -> str:
    """Name the YAML file beside a path that is most like it, as a hint."""
    try:
        siblings = {each.stem: each.name for each in path.parent.iterdir() if each.suffix in _YAML}
    except OSError:
        return ""
    near = nearest(path.stem, sorted(siblings), most=1)
    return f"did you mean {siblings[near[0]]!r}?" if near else ""


_YAML = {".yaml", ".yml"}
