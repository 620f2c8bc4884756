"""Typed, append-only columns that hold events in memory.

Numbers lie in `array` buffers of 8 bytes a value. Strings are coded once in a `Codebook` shared by
all columns, so that a repeated label costs 4 bytes. ``None`` has a sentinel of its own in each kind
of column, which becomes a null in the frames.
"""

from __future__ import annotations

import json
import math
from array import array
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.errors import FoundationLabError

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_CODE: Final = -1
NO_INT: Final = -(2**63)
NO_FLOAT: Final = math.nan


class Codebook(dict[str, int]):
    """Numbers strings in order of first use: ``codebook[text]`` is the code of `text`."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def __missing__(self, text: str) -> int:
        """Give a new string the next code."""
        if not isinstance(text, str):
            message = f"{text!r} is not a string"
            raise TypeError(message)
        plain = str(text)
        code = len(self.texts)
        self.texts.append(plain)
        self[plain] = code
        return code


class ColumnTypeError(FoundationLabError, TypeError):
    """An event carries a value that its field's type does not allow."""


class Column:
    """One typed column.

    Args:
        kind: ``float``, ``int``, ``bool``, ``str``, ``list`` (of strings) or ``json`` (any mapping).
        codebook: Where strings are numbered.
        optional: Whether ``None`` is allowed.
    """

    __slots__ = ("_codebook", "kind", "optional", "values")

    def __init__(self, kind: str, codebook: Codebook, *, optional: bool) -> None:
        self.kind = kind
        self.optional = optional
        self._codebook = codebook
        self.values: array[Any] = array(_TYPECODES[kind])

    def encode(self, values: Iterable[Any]) -> array[Any]:
        """Return values as a buffer that fits the column, without adding them.

        Raises:
            TypeError: A value is not of the column's type.
        """
        typecode = self.values.typecode
        if self.kind in _NULLS:
            null = _NULLS[self.kind]
            items = [null if v is None else v for v in values] if self.optional else values
            return array(typecode, items)
        code = self._codebook.__getitem__
        texts = values if self.kind == "str" else map(_text, values)
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
    name = getattr(annotation, "__origin__", annotation)
    kind = _KINDS.get(name)
    if kind is None:
        message = f"no column holds values of type {annotation!r}; use {', '.join(_NAMES)}"
        raise TypeError(message)
    return kind


def kind_of_value(value: Any) -> str:
    """Return the column kind that a loose value asks for; ``json`` for what is nothing simpler."""
    if isinstance(value, bool):
        return "bool"
    for cls, kind in ((int, "int"), (float, "float"), (str, "str")):
        if isinstance(value, cls):
            return kind
    return "json"


def canonical_json(value: Any) -> str:
    """Return `value` as compact JSON with sorted keys; anything unknown by its `str`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)


_TYPECODES = {"float": "d", "int": "q", "bool": "b", "str": "i", "list": "i", "json": "i"}
_NULLS = {"float": NO_FLOAT, "int": NO_INT, "bool": NO_CODE}
_KINDS = {float: "float", int: "int", bool: "bool", str: "str", tuple: "list", dict: "json"}
_NAMES = ("float", "int", "bool", "str", "tuple[str, ...]", "dict[str, Any]")


def _text(value: Any) -> str | None:
    return None if value is None else canonical_json(value)
