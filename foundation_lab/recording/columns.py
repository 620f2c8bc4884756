"""Typed, append-only columns that hold events in memory.

Numbers lie in `array` buffers of 8 bytes a value. Strings are coded once in a `Codebook` shared by
all columns, so that a repeated label costs 4 bytes. ``None`` has a sentinel of its own in each kind
of column, which becomes a null in the frames.
"""

from __future__ import annotations

import json
import math
from array import array
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from foundation_lab.errors import FoundationLabError

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_CODE: Final = -1
NO_INT: Final = -(2**63)
NO_FLOAT: Final = math.nan

MISFITS: Final = (TypeError, OverflowError, ValueError)
"""What `Column.encode` raises when a value is not of the column's type."""


class Codebook(dict[str, int]):
    """Numbers strings in order of first use: ``codebook[text]`` is the code of `text`."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def __missing__(self, text: str) -> int:
        """Give a new string the next code.

        Raises:
            TypeError: It is no string.
            UnicodeEncodeError: It holds half of a surrogate pair, which no file can keep.
        """
        if not isinstance(text, str):
            message = f"{text!r} is not a string"
            raise TypeError(message)
        plain = str.__str__(text)  # an enumeration's value, not its name
        plain.encode()
        code = len(self.texts)
        self.texts.append(plain)
        self[plain] = code
        return code


class ColumnTypeError(FoundationLabError, TypeError):
    """An event carries a value that its field's type does not allow."""


class Column:
    """One typed column.

    Args:
        kind: ``float``, ``int``, ``bool``, ``str``, ``list`` (of strings) or ``json`` (a mapping).
        codebook: Where strings are numbered.
        optional: Whether ``None`` is allowed.
    """

    __slots__ = ("_codebook", "kind", "optional", "values")

    def __init__(self, kind: str, codebook: Codebook, *, optional: bool) -> None:
        self.kind = kind
        self.optional = optional
        self._codebook = codebook
        self.values: array[Any] = array(_TYPECODES[kind])

    def encode(self, values: Sequence[Any]) -> array[Any]:
        """Return values as a buffer that fits the column, without adding them.

        Raises:
            TypeError: A value is not of the column's type.
            OverflowError: An integer has more than 64 bits.
            ValueError: A text or a mapping cannot be written to a file.
        """
        typecode = self.values.typecode
        if self.kind in _NULLS:
            if self.kind == "bool" and not _FLAGS.issuperset(values):
                message = "a flag is True or False"
                raise TypeError(message)
            null = _NULLS[self.kind]
            items = [null if v is None else v for v in values] if self.optional else values
            return array(typecode, items)
        code = self._codebook.__getitem__
        texts = values if self.kind == "str" else map(_TEXTS[self.kind], values)
        if self.optional:
            return array(typecode, [NO_CODE if t is None else code(t) for t in texts])
        return array(typecode, map(code, texts))

    def extend(self, encoded: array[Any]) -> None:
        """Add a buffer that `encode` returned."""
        self.values.extend(encoded)

    def pad(self, count: int) -> None:
        """Add nulls until the column has `count` values, and allow them from now on."""
        self.optional = True
        null = _NULLS.get(self.kind, NO_CODE)
        self.values.extend([null] * (count - len(self.values)))

    def __len__(self) -> int:
        """Return how many values the column has."""
        return len(self.values)

    @property
    def bytes(self) -> int:
        """The memory of the buffer, in bytes, without the strings."""
        return len(self.values) * self.values.itemsize


def kind_of(annotation: Any) -> str:
    """Return the column kind for a field's plain type.

    Raises:
        TypeError: No column can hold this type.
    """
    kind = _KINDS.get(get_origin(annotation) or annotation)
    if kind is None or (kind == "list" and get_args(annotation) != (str, ...)):
        message = f"no column holds values of type {annotation!r}; use {', '.join(_NAMES)}"
        raise TypeError(message)
    return kind


def kind_of_value(value: Any) -> str:
    """Return the column kind that a loose value asks for; ``json`` for what is nothing simpler."""
    if isinstance(value, bool):
        return "bool"
    for cls, kind in ((Integral, "int"), (Real, "float"), (str, "str")):
        if isinstance(value, cls):
            return kind
    return "json"


def canonical_json(value: Any) -> str:
    """Return `value` as compact JSON with sorted keys.

    Sets become sorted lists, and anything unknown its `str`.

    Raises:
        TypeError: Keys of different types, or an object whose text holds its address in memory.
        ValueError: The value contains itself.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), default=_plain, ensure_ascii=False
    )


_TYPECODES = {"float": "d", "int": "q", "bool": "b", "str": "i", "list": "i", "json": "i"}
_NULLS = {"float": NO_FLOAT, "int": NO_INT, "bool": NO_CODE}
_KINDS = {float: "float", int: "int", bool: "bool", str: "str", tuple: "list", dict: "json"}
_NAMES = ("float", "int", "bool", "str", "tuple[str, ...]", "dict[str, Any]")
_FLAGS = frozenset({True, False, None})


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value, key=canonical_json)
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    text = str(value)
    if " at 0x" in text:
        message = f"{text} would be recorded by its address, which differs in every run"
        raise TypeError(message)
    return text


def _json_text(value: Any) -> str | None:
    return None if value is None else canonical_json(value)


def _list_text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, tuple | list) or not all(isinstance(item, str) for item in value):
        message = "give a tuple of strings"
        raise TypeError(message)
    return canonical_json(value)


_TEXTS = {"list": _list_text, "json": _json_text}
