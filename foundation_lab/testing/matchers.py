"""Matchers: which values of the fields of an event are wanted.

A field's wanted value is one of these; `mismatch` tries them in this order:

- anything that is ``==`` to the field: a plain value, ``pytest.approx(...)``, ``mock.ANY``, a
  matcher of another library; a list and a tuple of the same values are the same, inside of others,
  too;
- ``...``: the field is there and not ``None``;
- a type: the field is an instance; ``float`` takes whole numbers, too, ``int`` takes 3.0 (which is
  what a recording has of 3), but no booleans;
- a compiled regular expression: it matches the whole text;
- a predicate: it returns something true for the field's value;
- ``bind("x")``: whatever it is, it is called ``x`` from here on, and every other ``bind("x")`` must
  be equal to it: in another field, and in the later steps of a sequence. ``bind("x", matcher)``
  takes only what the matcher fits.
"""

from __future__ import annotations

import re
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from foundation_lab.testing.spelling import describe_got, describe_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping


class Absent(msgspec.Struct, frozen=True):
    """Stands for the value of a field that an event does not have."""

    def __repr__(self) -> str:
        """Return ``<absent>``."""
        return "<absent>"


ABSENT = Absent()


class Bind(msgspec.Struct, frozen=True):
    """A value that gets a name; made by `bind`."""

    spells_itself: ClassVar[bool] = True

    name: str
    inner: Any

    def __str__(self) -> str:
        """Return how it was made."""
        more = "" if self.inner is _ANYTHING else f", {describe_wanted(self.inner)}"
        return f"bind({self.name!r}{more})"


class Bound(msgspec.Struct, frozen=True):
    """Stands, where a value differs, for what was wanted of it: the value that its name has."""

    spells_itself: ClassVar[bool] = True

    name: str
    value: Any

    def __str__(self) -> str:
        """Return the name and what it stands for."""
        return f"{describe_got(self.value)}, which is bind({self.name!r})"


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
    return differences(record_fields, wanted, dict(bound or {}))


def differences(
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


def _fits(name: str, wanted: Any, got: Any) -> bool:
    if got is ABSENT:
        return False
    try:
        return _agrees(wanted, got)
    except Exception as error:
        error.add_note(f"raised by {describe_wanted(wanted)}, wanted of {name}={describe_got(got)}")
        raise


def _agrees(wanted: Any, got: Any) -> bool:
    if _equal(wanted, got) or (isinstance(got, list | tuple | dict) and _same_values(wanted, got)):
        return True
    if wanted is ...:
        return got is not None
    if isinstance(wanted, type):
        return _is_instance(got, wanted)
    if isinstance(wanted, re.Pattern):
        return isinstance(got, str) and wanted.fullmatch(got) is not None
    return callable(wanted) and holds(wanted(got))


def holds(answer: object) -> bool:
    """Return whether a predicate has said yes.

    Raises:
        TypeError: It has said nothing yet, as a coroutine, which is true whatever it would return.
    """
    if isinstance(answer, CoroutineType):
        answer.close()
    elif not isinstance(answer, GeneratorType | AsyncGeneratorType):
        return bool(answer)
    message = f"a predicate returned {answer!r}, which is always true; give a plain function"
    raise TypeError(message)


def _equal(wanted: Any, got: Any) -> bool:
    same = wanted == got
    try:
        return bool(same)
    except ValueError:  # an array of answers, one for each element
        return bool(same.size and same.all())


def _same_values(wanted: Any, got: Any) -> bool:
    """Return whether two values are the same but for what is a list here and a tuple there."""
    if isinstance(got, list | tuple) and isinstance(wanted, list | tuple):
        pairs: Any = zip(wanted, got, strict=False)
    elif isinstance(got, dict) and isinstance(wanted, dict) and wanted.keys() == got.keys():
        pairs = [(value, got[key]) for key, value in wanted.items()]
    else:
        return False
    return len(wanted) == len(got) and all(_equal(a, b) or _same_values(a, b) for a, b in pairs)


def _is_instance(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return issubclass(bool, kind) and kind is not int
    if kind is int and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, kind) or (kind is float and isinstance(value, int))


_ANYTHING = object()
"""What `bind` takes without a matcher."""
