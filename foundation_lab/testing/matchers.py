"""Matching events: which name, and which values of which fields.

A field's wanted value is one of these; `mismatch` tries them in this order:

- anything that is ``==`` to the field: a plain value, ``pytest.approx(...)``, ``mock.ANY``, a
  matcher of another library;
- ``...``: the field is there and not ``None``;
- a type: the field is an instance (``float`` takes whole numbers too, ``int`` no booleans);
- a compiled regular expression: it matches the whole text;
- a predicate: it returns something true for the field's value.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.event import NAMESPACE, RESERVED_FIELDS, catalogue, fields_of
from foundation_lab.telemetry.pattern import dotted, matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record


class Absent(msgspec.Struct, frozen=True):
    """Stands for the value of a field that an event does not have."""

    def __repr__(self) -> str:
        """Return ``<absent>``."""
        return "<absent>"


ABSENT = Absent()


class Wanted(msgspec.Struct, frozen=True):
    """An event that is looked for; made by `wanted_event`.

    Attributes:
        pattern: The name or pattern in dotted form, in full where the catalogue has it.
        fields: The wanted value of each field, by public name.
        where: A predicate on the whole record, if any.
        matches_name: Says whether an event name is the right one.
    """

    pattern: str
    fields: dict[str, Any]
    where: Callable[[Record], object] | None
    matches_name: Callable[[str], bool]

    def difference(self, record: Record) -> dict[str, tuple[Any, Any]]:
        """Return the fields of a record that are not as wanted, as (wanted, got)."""
        return mismatch(stamped_fields(record), self.fields)

    def matches(self, record: Record) -> bool:
        """Return whether a record is the one that is looked for."""
        return (
            self.matches_name(record.name)
            and not self.difference(record)
            and (self.where is None or bool(self.where(record)))
        )

    def __str__(self) -> str:
        """Return the name and what is wanted of it, as one would call a function."""
        parts = [f"{name}={describe_wanted(value)}" for name, value in self.fields.items()]
        if self.where is not None:
            parts.append(f"where={describe_wanted(self.where)}")
        return f"{self.pattern}({', '.join(parts)})"


def wanted_event(
    name: EventName,
    fields: Mapping[str, Any] | None = None,
    where: Callable[[Record], object] | None = None,
) -> Wanted:
    """Return what is looked for, with its name and the names of its fields checked.

    Args:
        name: An event class, a name, a prefix or a pattern.
        fields: The wanted values by field name (``from`` or ``from_``). The columns that the bus
            fills (``node``, ``process``, ``correlation_id``, ...) can be named too.
        where: A predicate on the whole record.

    Raises:
        UnknownName: No event of the catalogue can match, or none that matches has such a field; the
            message lists the nearest names.
        TypeError: `where` cannot be called.
    """
    if where is not None and not callable(where):
        message = f"where={where!r} is no predicate; give wanted fields by keyword or as a mapping"
        raise TypeError(message)
    text, matches_name = dotted(name), matcher(name)
    exact = catalogue.get(text)
    pattern = text if exact is None else exact.event_name
    classes = [cls for cls in catalogue.classes() if matches_name(cls.event_name)]
    names = _public_names(classes)
    closed = exact is not None or (not text.startswith("*") and _all_of_namespace(classes))
    wanted = {}
    for key, value in (fields or {}).items():
        if closed and key not in names:
            raise UnknownName.among(f"field of {pattern}", key, sorted({*names.values()}))
        wanted[names.get(key, _without_underscore(key))] = value
    return Wanted(pattern, wanted, where, matches_name)


def mismatch(
    record_fields: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Return the fields that are not as wanted.

    Args:
        record_fields: The values of an event's fields by name.
        wanted: What they should be; fields that are not named here do not matter.

    Returns:
        For each field that differs the pair (wanted, got); `ABSENT` is got where there is no such
        field. Empty when all is as wanted.

    >>> mismatch({"attempt": 2, "error": "TimedOut"}, {"attempt": 3, "error": ...})
    {'attempt': (3, 2)}
    """
    pairs = {name: (value, record_fields.get(name, ABSENT)) for name, value in wanted.items()}
    return {name: pair for name, pair in pairs.items() if not _fits(name, *pair)}


def stamped_fields(record: Record) -> dict[str, Any]:
    """Return an event's own fields together with the columns that the bus fills."""
    return {
        "sequence": record.sequence,
        "time": record.time,
        "event": record.name,
        "node": record.node,
        "process": record.process,
        "correlation_id": record.correlation_id,
        "cause": record.cause,
        **record.fields,
    }


def describe_wanted(value: object) -> str:
    """Return a wanted value as a test would spell it."""
    if value is ...:
        return "..."
    if isinstance(value, re.Pattern):
        return f"re.compile({value.pattern!r})"
    if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
        return str(value.__name__)
    return repr(value)


def _fits(name: str, wanted: Any, got: Any) -> bool:
    if got is ABSENT:
        return False
    if wanted == got:
        return True
    if wanted is ...:
        return got is not None
    if isinstance(wanted, type):
        return _is_instance(got, wanted)
    if isinstance(wanted, re.Pattern):
        return isinstance(got, str) and wanted.fullmatch(got) is not None
    return callable(wanted) and _holds(name, wanted, got)


def _holds(name: str, predicate: Callable[[Any], object], got: Any) -> bool:
    try:
        return bool(predicate(got))
    except Exception as error:
        error.add_note(f"raised by the predicate for the field {name!r}, called with {got!r}")
        raise


def _is_instance(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return issubclass(bool, kind) and kind is not int
    return isinstance(value, kind) or (kind is float and isinstance(value, int))


def _public_names(classes: list[type[Event]]) -> dict[str, str]:
    names = {name: name for name in RESERVED_FIELDS}
    for cls in classes:
        for field in fields_of(cls):
            names[field.name] = names[field.attribute] = field.name
    return names


def _all_of_namespace(classes: list[type[Event]]) -> bool:
    return bool(classes) and all(cls.event_name.startswith(f"{NAMESPACE}.") for cls in classes)


def _without_underscore(name: str) -> str:
    """Return ``from`` for ``from_``: a name that Python does not take as a keyword argument."""
    plain = name.removesuffix("_")
    return plain if keyword.iskeyword(plain) else name
