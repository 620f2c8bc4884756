"""Wanted events: which name, which values of which fields, and what else must be so."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.event import NAMESPACE, RESERVED_FIELDS, catalogue, fields_of
from foundation_lab.telemetry.pattern import dotted, matcher
from foundation_lab.testing.matchers import ABSENT, differences, holds
from foundation_lab.testing.spelling import describe_record, describe_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record


class Wanted(msgspec.Struct, frozen=True):
    """An event that is looked for; made by `wanted_event`.

    Attributes:
        pattern: The name or pattern in dotted form, in full where the catalogue has it.
        fields: The wanted value of each field, by public name.
        where: A predicate on the whole record, if any.
        matches_name: Says whether an event name is the right one.
        spelt: The name as it was given, for the bus.
    """

    pattern: str
    fields: dict[str, Any]
    where: Callable[[Record], object] | None
    matches_name: Callable[[str], bool]
    spelt: EventName

    def difference(
        self, record: Record, bound: Mapping[str, Any] | None = None
    ) -> dict[str, tuple[Any, Any]]:
        """Return the fields of a record that are not as wanted, as (wanted, got).

        It is for the words of a failure, so a matcher that raises just does not fit: its error must
        not take the place of the failure.

        Args:
            record: The record.
            bound: What names stand for already; see `bind`.
        """
        fields, names = stamped_fields(record), dict(bound or {})
        found: dict[str, tuple[Any, Any]] = {}
        for name, value in self.fields.items():
            try:
                found |= differences(fields, {name: value}, names)
            except Exception:  # noqa: BLE001  (see above)
                found[name] = (value, fields.get(name, ABSENT))
        return found

    def matches(self, record: Record) -> bool:
        """Return whether a record is the one that is looked for."""
        return self.match(record, {}) is not None

    def match(self, record: Record, bound: dict[str, Any]) -> dict[str, Any] | None:
        """Return what names stand for when the record fits, ``None`` when it does not.

        Args:
            record: The record.
            bound: What names stand for already; it is not changed.
        """
        if not self.matches_name(record.name):
            return None
        try:
            if self.fields:
                found = dict(bound)
                if differences(stamped_fields(record), self.fields, found):
                    return None
                bound = found
            if self.where is not None and not holds(self.where(record)):
                return None
        except Exception as error:
            error.add_note(f"looking for {self}\nat {describe_record(record)}")
            raise
        return bound

    @property
    def plain(self) -> dict[str, Any] | None:
        """The wanted fields that are numbers and texts: what the bus itself can compare.

        ``None`` when there are none, or when the columns of the bus are among them.
        """
        found = {
            name: value
            for name, value in self.fields.items()
            if isinstance(value, (str, int, float)) and name not in RESERVED_FIELDS
        }
        return found or None

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
    return Wanted(pattern, wanted, where, matches_name, name)


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
