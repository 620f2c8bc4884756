"""What is wrong with a file, where, and what to do about it.

`explain` turns the errors of a pydantic model into `Problem`s that name the place in the user's
file and say in plain words what is expected there. Nothing here knows about YAML.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import UnionType

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

Data: TypeAlias = "bool | int | float | str | list[Data] | dict[str, Data] | None"
DataPath: TypeAlias = tuple[str | int, ...]


class Place(NamedTuple):
    """Where something is written: a file with a 1-based line and column.

    Line and column are 0 when the file as a whole is meant, or when `file` is not a file but the
    option that set the value, such as `--set services.db.concurrency=8`.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, or the file alone when there is no line."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    Attributes:
        file: The file as the user named it, or the `--set …` option that is to blame.
        line: Line, from 1; 0 when the problem has no line.
        column: Column, from 1; 0 when the problem has no line.
        path: Dotted path of the value, such as `faults[2].start`; empty for the whole file.
        value: The offending value, shortened; empty when there is none.
        message: What is wrong, in plain words.
        hint: What to do about it; empty when the message says it already.
        known: The keys or values that would have been accepted, where these can be listed.
    """

    file: str
    line: int
    column: int
    path: str
    value: str
    message: str
    hint: str = ""
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line, and a second one that lists what is known, if anything is."""
        where = str(Place(self.file, self.line, self.column))
        text = ": ".join(part for part in (where, self.path, self.message) if part)
        if self.hint:
            text += f" — {self.hint}"
        if self.known:
            text += f"\n    known: {', '.join(self.known)}"
        return text


class InvalidFile(ValueError):  # noqa: N818 - read as a sentence: raise InvalidFile
    """A file can't be used; `problems` holds everything that is wrong with it.

    Args:
        problems: The problems, in the order in which they are to be shown.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return every problem, each on its own line or two."""
        return "\n".join(map(str, self.problems))


def explain(
    error: ValidationError,
    model: type[BaseModel],
    data: Data,
    locate: Callable[[DataPath, bool], Place],
) -> tuple[Problem, ...]:
    """Put the errors of a model into plain words, each at the place where it was written.

    Args:
        error: What the validation of `data` as JSON raised.
        model: The model that refused the data; it must be able to give a JSON Schema.
        data: The plain data that was validated.
        locate: Gives the place of the value at a path or, if its second argument is true, of the
            key that names it; for a path that does not exist, the place of what encloses it.

    Returns:
        The problems in the order of the file. Where no member of a union accepts a value, one
        problem names all that would have been accepted.
    """
    schema = model.model_json_schema()
    findings = [_finding(each, data, schema) for each in error.errors(include_url=False)]
    problems = {
        Problem(
            *locate(finding.path, finding.at_key),
            path=dotted(finding.path),
            value=finding.value,
            message=finding.message,
            hint=finding.hint,
            known=finding.known,
        ): None
        for finding in _merged(findings)
    }
    return tuple(sorted(problems, key=_order))


def _order(problem: Problem) -> tuple[bool, int, int]:
    return not problem.line, problem.line, problem.column


def dotted(path: DataPath) -> str:
    """Write a path as users do.

    Returns:
        The path with dots between keys; an index, or a key that is not a plain word, in brackets.

    >>> dotted(("services", "db", "hosts", 0))
    'services.db.hosts[0]'
    >>> dotted(("services", "db.eu"))
    'services["db.eu"]'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[^\W\d][\w-]*|\d+", step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=not step.isprintable())}]"
    return text


def shortened(value: object) -> str:
    """Return a value on one line of moderate length, the way a YAML file spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return _short.repr(value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word, whatever its capitals.

    Returns:
        `did you mean 'concurrency'?`, or an empty string if nothing known is near.
    """
    folded = {name.casefold(): name for name in known}
    nearest = difflib.get_close_matches(word[:100].casefold(), folded, n=1)
    return f"did you mean {folded[nearest[0]]!r}?" if nearest else ""


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60
_short.maxlevel, _short.maxdict, _short.maxlist = 2, 3, 3

# What a value should have been, by pydantic's type of error; `{}` fields come from its context.
_EXPECTED = {
    "string_type": "text",
    "string_too_short": "text of length {min_length} or more",
    "string_too_long": "text of length {max_length} or less",
    "string_pattern_mismatch": "text that matches the pattern {pattern}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "{ge} or a greater number",
    "less_than": "a number less than {lt}",
    "less_than_equal": "{le} or a smaller number",
    "multiple_of": "a multiple of {multiple_of}",
    "none_required": "null",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} or fewer entries",
    "literal_error": "a known value",
    "enum": "a known value",
}


@dataclass(frozen=True, slots=True)
class _Finding:
    path: DataPath
    value: str
    message: str
    hint: str = ""
    known: tuple[str, ...] = ()
    expected: str = ""  # given when all that is wrong is that the value is not this
    at_key: bool = False


def _finding(error: ErrorDetails, data: Data, schema: dict[str, Any]) -> _Finding:
    path, kind = _real_path(error, data), error["type"]
    if kind == "missing":
        known_keys = _properties(schema, path[:-1], data)
        return _missing_key(path, known_keys.get(str(path[-1]), {}).get("description", ""))
    if kind == "extra_forbidden":
        return _unknown_key(path, data, schema)
    if kind.startswith("union_tag_") and (name := _quoted(error["ctx"]["discriminator"])):
        return _wrong_tag(error, (*path, name[0]), data, schema)
    return _wrong_value(error, path, data)


def _missing_key(path: DataPath, meaning: str, known: tuple[str, ...] = ()) -> _Finding:
    message = f"required key {shortened(path[-1])} is missing"
    hint = f"add it ({meaning.rstrip('.')})" if meaning else "add it"
    return _Finding(path, "", message, hint, known)


def _unknown_key(path: DataPath, data: Data, schema: dict[str, Any]) -> _Finding:
    known = tuple(_properties(schema, path[:-1], data))
    message = f"unknown key {shortened(path[-1])}"
    hint = suggestion(str(path[-1]), known) or "remove it"
    return _Finding(path, shortened(_value_at(data, path)), message, hint, known, at_key=True)


def _wrong_tag(error: ErrorDetails, path: DataPath, data: Data, schema: dict[str, Any]) -> _Finding:
    if error["type"] == "union_tag_not_found":
        return _missing_key(
            path, "it tells what kind of entry this is", _tags(schema, path[:-1], data)
        )
    known, tag = _quoted(error["ctx"]["expected_tags"]), _value_at(data, path)
    hint = suggestion(str(tag), known) or "use a known one"
    return _Finding(path, shortened(tag), f"unknown {path[-1]} {shortened(tag)}", hint, known)


def _wrong_value(error: ErrorDetails, path: DataPath, data: Data) -> _Finding:
    kind, context = error["type"], error.get("ctx", {})
    at_key = error["loc"][-1:] == ("[key]",)
    value = path[-1] if at_key else _value_at(data, path)
    if kind in {"value_error", "assertion_error"}:
        return _Finding(path, shortened(value), str(context["error"]), at_key=at_key)
    if kind not in _EXPECTED:
        told = error["msg"].removeprefix("Input ").replace("input", "it")
        message = f"{told}, not {shortened(value)}"
        return _Finding(path, shortened(value), message, at_key=at_key)
    limits = {key: f"{at:g}" if isinstance(at, float) else at for key, at in context.items()}
    expected = _EXPECTED[kind].format_map(limits)
    known = _choices(context["expected"]) if kind in {"literal_error", "enum"} else ()
    hint = suggestion(str(value), known) or _remedy(expected, value)
    return _Finding(path, shortened(value), "", hint, known, expected, at_key)


def _remedy(expected: str, value: Data) -> str:
    """Name the slip that usually leads to such a value, if it looks like one."""
    for wanted, given, pattern, hint in _SLIPS:
        if (
            re.fullmatch(wanted, expected)
            and isinstance(value, given)
            and re.fullmatch(pattern, str(value), re.DOTALL)
        ):
            return hint.format(shortened(value))
    return ""


# What was expected, the type of what was given and its text, and what to do.
_SLIPS: tuple[tuple[str, type | UnionType, str, str], ...] = (
    (".*", type(None), ".*", "give it a value, or remove the key"),
    ("true or false", str, "(?i:y|yes|on)", "write true; {} is text in YAML 1.2"),
    ("true or false", str, "(?i:n|no|off)", "write false; {} is text in YAML 1.2"),
    (
        ".*number.*",
        str,
        r"[-+]?[\d_.]+(?:e[-+]?\d+)?",
        "write the digits alone, without quotes or underscores",
    ),
    (".*number.*", str, r"[-+]?[\d.]+\s*(?:[^\W\d]+|%)", "write the number without its unit"),
    ("a whole number", float, r".*\.0", "write it without .0"),
    ("text", bool | int | float, ".*", "put it in quotes"),
    ("a list", bool | int | float | str, ".*", "write it as a list: [{}]"),
    ("a list", dict, ".*", "begin each entry with a dash"),
    ("a mapping", list, ".*", "write `key: value` lines, without dashes"),
)


def _merged(findings: list[_Finding]) -> Iterator[_Finding]:
    """Join what the members of a union said about the same value.

    A member that wanted a value of another type says nothing of use once another member has
    accepted the type and complains about something inside.
    """
    inner = {found.path[:depth] for found in findings for depth in range(len(found.path))}
    mismatches: dict[tuple[DataPath, bool], list[_Finding]] = {}
    for found in findings:
        if not found.expected:
            yield found
        elif found.at_key or found.path not in inner:
            mismatches.setdefault((found.path, found.at_key), []).append(found)
    for (path, at_key), same in mismatches.items():
        expected = " or ".join(dict.fromkeys(each.expected for each in same))
        yield _Finding(
            path,
            same[0].value,
            f"expected {expected}, not {same[0].value}",
            next((each.hint for each in same if each.hint), ""),
            tuple(dict.fromkeys(known for each in same for known in each.known)),
            at_key=at_key,
        )


def _real_path(error: ErrorDetails, data: Data) -> DataPath:
    """Find the path in the data that an error is about.

    The location that pydantic gives also holds names of union members, which are not in the data.
    A step can be both a tag and a key, so every reading is followed, and the one wins that ends
    at the value that pydantic was looking at.
    """
    location, kind = error["loc"], error["type"]
    if kind == "missing":
        path = _walked(location[:-1], data, lambda here: here == error["input"])
        return (*path, location[-1])
    if location[-1:] == ("[key]",):
        key = str(location[-2])
        return (
            *_walked(location[:-2], data, lambda here: isinstance(here, dict) and key in here),
            key,
        )
    return _walked(location, data, lambda here: here == error["input"])


def _walked(location: DataPath, data: Data, accepts: Callable[[Data], bool]) -> DataPath:
    readings: dict[DataPath, _Reading] = {(): _Reading(data)}
    for step in location:
        longer: dict[DataPath, _Reading] = {}
        for path, reading in readings.items():
            here, skipped = reading
            if isinstance(step, str):
                longer.setdefault(path, _Reading(here, (*skipped, (here, step))))
            if isinstance(here, dict) and str(step) in here:
                longer.setdefault((*path, str(step)), _Reading(here[str(step)], skipped))
            elif isinstance(here, list) and isinstance(step, int) and step < len(here):
                longer.setdefault((*path, step), _Reading(here[step], skipped))
        readings = longer or readings
    likely = {path: each for path, each in readings.items() if accepts(each.here)} or readings
    if len(likely) == 1:
        return next(iter(likely))
    return min(likely, key=lambda path: likely[path].guesses())


class _Reading(NamedTuple):
    """Where one reading of a location has come to, and the steps it took for tags on the way."""

    here: Data
    skipped: tuple[tuple[Data, str], ...] = ()

    def guesses(self) -> int:
        """Count the skipped steps that can hardly be the tag of the mapping they stand at."""
        return sum(
            not isinstance(here, dict)
            or step not in here.values()
            or (here, step) in self.skipped[:earlier]
            for earlier, (here, step) in enumerate(self.skipped)
        )


def _value_at(data: Data, path: DataPath) -> Data:
    for step in path:
        if isinstance(data, dict) and isinstance(step, str):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _quoted(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"'([^']*)'", text))


def _choices(text: str) -> tuple[str, ...]:
    return _quoted(text) or tuple(re.split(r", | or ", text))


def _properties(schema: dict[str, Any], path: DataPath, data: Data) -> dict[str, Any]:
    """Return the keys, with their schemas, that are known in the mapping at a path."""
    return {
        name: inner
        for node in _schemas_at(schema, path, data)
        for name, inner in node.get("properties", {}).items()
    }


def _tags(schema: dict[str, Any], path: DataPath, data: Data) -> tuple[str, ...]:
    """Return the values that tell the members of the union at a path apart."""
    unions = (node.get("discriminator", {}) for node in _schemas_at(schema, path, data))
    return tuple(tag for union in unions for tag in union.get("mapping", {}))


def _schemas_at(schema: dict[str, Any], path: DataPath, data: Data) -> list[dict[str, Any]]:
    """Return every schema that may describe the value at a path, unions and their members."""
    nodes = list(_members(schema, schema, data))
    for depth, step in enumerate(path, start=1):
        here = _value_at(data, path[:depth])
        nodes = [
            member
            for node in nodes
            for inner in _inner(node, step)
            for member in _members(inner, schema, here)
        ]
    return nodes


def _members(node: dict[str, Any], schema: dict[str, Any], value: Data) -> Iterator[dict[str, Any]]:
    yield node
    union = node.get("discriminator", {})
    tag = value.get(union.get("propertyName", "")) if isinstance(value, dict) else None
    if isinstance(tag, str) and tag in union.get("mapping", {}):
        members = [{"$ref": union["mapping"][tag]}]
    else:
        members = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
    if "$ref" in node:
        members.append(schema["$defs"][node["$ref"].rpartition("/")[2]])
    for member in members:
        yield from _members(member, schema, value)


def _inner(node: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(step, str):
        named = node.get("properties", {})
        inner = named[step] if step in named else node.get("additionalProperties")
    else:
        entries = node.get("prefixItems", [])
        inner = entries[step] if step < len(entries) else node.get("items")
    if isinstance(inner, dict):
        yield inner
