"""Filters on an event's fields, as plain data.

A filter is a mapping from field names to what is wanted of them; every field must agree:

```python
{"outcome": "error"}                         # equals
{"outcome": ["error", "timeout"]}            # one of
{"outcome": {"not": "ok"}}                   # anything but; a list is possible here too
{"duration": {">": 0.5, "<=": 2}}            # compared as numbers: > >= < <=
{"error": None}                              # the field is missing, or has no value
```

A field that holds a list agrees when one of its elements does. ``True`` is not 1. A missing value
is "not" everything, and neither above nor below a number. Beside an event's own fields,
`STAMP_FIELDS` may be named: they are what the bus adds to each event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

STAMP_FIELDS = ("event", "node", "process", "correlation_id", "service")
"""The fields that every event has beside its own; `service` is who emitted it, where that is known
and the event has no field of this name itself."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}

Test = Callable[[Any], bool]


def predicate(where: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that says whether an event's fields pass a filter.

    Raises:
        ValueError: The filter is not one.
    """
    tests = tuple(tests_of(where).items())

    def passes(fields: Mapping[str, Any]) -> bool:
        return all(test(fields.get(field)) for field, test in tests)

    return passes


def tests_of(where: Mapping[str, Any]) -> dict[str, Test]:
    """Return a filter's test of each field's value.

    Raises:
        ValueError: The filter is not one.
    """
    if not isinstance(where, Mapping) or not all(isinstance(field, str) for field in where):
        message = f"{where!r} is no filter; give a mapping such as {{'outcome': 'error'}}"
        raise ValueError(message)
    return {field: _test(field, condition) for field, condition in where.items()}


def plain(where: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a filter that shares nothing with it: mappings, lists and plain values."""
    return {field: _copy(condition) for field, condition in where.items()}


def _copy(condition: Any) -> Any:
    if isinstance(condition, Mapping):
        return plain(condition)
    return list(condition) if isinstance(condition, list | tuple) else condition


def _test(field: str, condition: Any) -> Test:
    if not isinstance(condition, Mapping):
        return _one_of(field, condition)
    if not condition:
        message = f"the filter of {field!r} is empty; give a value, a list or {{'not': value}}"
        raise ValueError(message)
    tests = [_operator(field, operator, operand) for operator, operand in condition.items()]
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _operator(field: str, operator: object, operand: Any) -> Test:
    if operator == "not":
        unwanted = _one_of(field, operand)
        return lambda value: not unwanted(value)
    compare = COMPARISONS.get(operator) if isinstance(operator, str) else None
    if compare is None:
        message = f"the filter of {field!r} has {operator!r}; use one of 'not', > >= < <="
        raise ValueError(message)
    if not is_number(operand):
        message = f"the filter of {field!r} compares with {operand!r}; give a number"
        raise ValueError(message)
    return lambda value: is_number(value) and compare(value, operand)


def is_number(value: object) -> bool:
    """Return whether a value is a number; ``True`` and ``False`` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(field: str, condition: Any) -> Test:
    wanted = tuple(condition) if isinstance(condition, list | tuple) else (condition,)
    for value in wanted:
        if not (value is None or isinstance(value, str | int | float)):
            message = (
                f"the filter of {field!r} wants {value!r}; give a text, a number, true, false, "
                "null, or a list of these"
            )
            raise ValueError(message)

    def holds(value: Any) -> bool:
        if isinstance(value, list | tuple):
            return any(holds(element) for element in value)
        return any(_same(value, each) for each in wanted)

    return holds


def _same(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
