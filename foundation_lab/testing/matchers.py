"""Matching events: which name, and which values of which fields.

A field's wanted value is one of these; `mismatch` tries them in this order:

- anything that is ``==`` to the field: a plain value, ``pytest.approx(...)``, ``mock.ANY``, a
  matcher of another library;
- ``...``: the field is there and not ``None``;
- a type: the field is an instance (``float`` takes whole numbers too, ``int`` no booleans);
- a compiled regular expression: it matches the whole text;
- a predicate: it returns something true for the field's value;
- ``bind("x")``: whatever it is, it is called ``x`` from here on, and every other ``bind("x")`` must
  be equal to it: in another field, and in the later steps of a sequence. ``bind("x", matcher)``
  takes only what the matcher fits.
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


class Bind(msgspec.Struct, frozen=True):
    """A value that gets a name; made by `bind`."""

    name: str
    inner: Any

    def __str__(self) -> str:
        """Return how it was made."""
        more = "" if self.inner is _ANYTHING else f", {describe_wanted(self.inner)}"
        return f"bind({self.name!r}{more})"


class Bound(msgspec.Struct, frozen=True):
    """Stands, where a value differs, for what was wanted of it: the value that its name has."""

    name: str
    value: Any

    def __str__(self) -> str:
        """Return the name and what it stands for."""
        return f"{self.value!r}, which is bind({self.name!r})"


def bind(name: str, matcher: Any = ...) -> Bind:
    """Return a matcher that gives a field's value a name; all values of one name must be equal.

    Args:
        name: The name. What it stands for is in the `bound` of the expectation.
        matcher: What the value must be; by default anything but ``None``.

    Raises:
        TypeError: The name is no string.
    """
    if not isinstance(name, str):
        message = f"bind({name!r}): give the value a name, as in bind('service')"
        raise TypeError(message)
    return Bind(name, _ANYTHING if matcher is ... else matcher)


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

        Args:
            record: The record.
            bound: What names stand for already; see `bind`.
        """
        return mismatch(stamped_fields(record), self.fields, bound)

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
        if self.fields:
            found = dict(bound)
            if _differences(stamped_fields(record), self.fields, found):
                return None
            bound = found
        if self.where is not None and not self.where(record):
            return None
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


def mismatch(
    record_fields: Mapping[str, Any],
    wanted: Mapping[str, Any],
    bound: Mapping[str, Any] | None = None,
) -> dict[str, tuple[Any, Any]]:
    """Return the fields that are not as wanted.

    Args:
        record_fields: The values of an event's fields by name.
        wanted: What they should be; fields that are not named here do not matter.
        bound: What the names of `bind` stand for already.

    Returns:
        For each field that differs the pair (wanted, got); `ABSENT` is got where there is no such
        field. Empty when all is as wanted.

    >>> mismatch({"attempt": 2, "error": "TimedOut"}, {"attempt": 3, "error": ...})
    {'attempt': (3, 2)}
    """
    return _differences(record_fields, wanted, dict(bound or {}))


def _differences(
    fields: Mapping[str, Any], wanted: Mapping[str, Any], bound: dict[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Return the fields that are not as wanted, and add to `bound` what gets a name."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, value in wanted.items():
        got = fields.get(name, ABSENT)
        if isinstance(value, Bind):
            if value.name in bound and got is not ABSENT:
                if bound[value.name] != got:
                    found[name] = (Bound(value.name, bound[value.name]), got)
                    continue
            elif got is ABSENT or got is None:
                found[name] = (value, got)
                continue
            if value.inner is _ANYTHING or _fits(name, value.inner, got):
                bound[value.name] = got
                continue
        elif _fits(name, value, got):
            continue
        found[name] = (value, got)
    return found


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
    if isinstance(value, Bind | Bound):
        return str(value)
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


_ANYTHING = object()
"""What `bind` takes without a matcher."""
