"""The errors of a pydantic model in plain words, each at its place in the user's file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from foundation_lab.scenario.diagnostics import Problem, shortened, suggestion
from foundation_lab.scenario.json_schema import known_keys, known_tags
from foundation_lab.scenario.location import data_path, value_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import UnionType

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from foundation_lab.scenario.diagnostics import Data, DataPath, Place


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
        problem names all that would have been accepted. A validator can report several problems
        at once with a `PydanticCustomError` whose context has `problems`: pairs of a path, from
        the value that it checks, and a message.
    """
    schema = _schema_of(model)
    findings = [
        finding
        for each in error.errors(include_url=False)
        for finding in _findings(each, data, schema)
    ]
    problems = [
        Problem.at(
            locate(finding.path, finding.at_key),
            finding.message,
            finding.hint,
            path=finding.path,
            value=finding.value,
            known=finding.known,
        )
        for finding in _merged(findings)
    ]
    return tuple(sorted(dict.fromkeys(problems), key=_order))


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


@dataclass(frozen=True, slots=True)
class _Finding:
    path: DataPath
    value: str
    message: str
    hint: str = ""
    known: tuple[str, ...] = ()
    expected: str = ""  # given when all that is wrong is that the value is not this
    at_key: bool = False


def _findings(error: ErrorDetails, data: Data, schema: dict[str, Any]) -> Iterator[_Finding]:
    path, kind, context = data_path(error, data), error["type"], error.get("ctx", {})
    if kind == "missing":
        meaning = known_keys(schema, path[:-1], data).get(str(path[-1]), {}).get("description", "")
        yield _missing_key(path, meaning)
    elif kind == "extra_forbidden":
        yield _unknown_key(path, data, schema)
    elif kind.startswith("union_tag_") and (key := _tag_key(context["discriminator"])):
        yield _wrong_tag(error, (*path, key), data, schema)
    elif "problems" in context:
        for inner, message in context["problems"]:
            whole = (*path, *inner)
            yield _Finding(whole, shortened(value_at(data, whole)), message)
    else:
        yield _wrong_value(error, path, data)


def _missing_key(path: DataPath, meaning: str, known: tuple[str, ...] = ()) -> _Finding:
    message = f"required key {shortened(path[-1])} is missing"
    hint = f"add it ({meaning.rstrip('.')})" if meaning else "add it"
    return _Finding(path, "", message, hint, known)


def _unknown_key(path: DataPath, data: Data, schema: dict[str, Any]) -> _Finding:
    known = tuple(known_keys(schema, path[:-1], data))
    message = f"unknown key {shortened(path[-1])}"
    hint = suggestion(str(path[-1]), known) or "remove it"
    return _Finding(path, shortened(value_at(data, path)), message, hint, known, at_key=True)


def _wrong_tag(error: ErrorDetails, path: DataPath, data: Data, schema: dict[str, Any]) -> _Finding:
    if error["type"] == "union_tag_not_found":
        known = known_tags(schema, path[:-1], data)
        return _missing_key(path, "it tells what kind of entry this is", known)
    known, tag = _quoted(error["ctx"]["expected_tags"]), value_at(data, path)
    hint = suggestion(str(tag), known) or "use a known one"
    return _Finding(path, shortened(tag), f"unknown {path[-1]} {shortened(tag)}", hint, known)


def _wrong_value(error: ErrorDetails, path: DataPath, data: Data) -> _Finding:
    kind, context = error["type"], error.get("ctx", {})
    at_key = error["loc"][-1:] == ("[key]",)
    value = path[-1] if at_key else value_at(data, path)
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


def _quoted(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"'([^']*)'", text))


def _tag_key(discriminator: str) -> str:
    """Return the key of a tag: it is named itself, or the function that knows a default for it."""
    found = re.fullmatch(r"'(\w+)'|(\w+)_of\(\)", discriminator)
    return (found[1] or found[2]) if found else ""


def _choices(text: str) -> tuple[str, ...]:
    return _quoted(text) or tuple(re.split(r", | or ", text))


def _merged(findings: list[_Finding]) -> Iterator[_Finding]:
    """Join what the members of a union said about the same value.

    A member that wanted a value of another type says nothing of use once another member has
    accepted the type and complains about something inside, or about the whole of it.
    """
    inner = {found.path[:depth] for found in findings for depth in range(len(found.path))}
    inner |= {found.path for found in findings if not (found.expected or found.at_key)}
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


def _order(problem: Problem) -> tuple[bool, int, int]:
    return not problem.line, problem.line, problem.column


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
