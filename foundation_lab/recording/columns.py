"""Typed, append-only columns that hold events in memory.

Numbers are packed into buffers of 8 bytes a value. Strings are coded once in a `Codebook` shared by
all columns, so that a repeated label costs 4 bytes. ``None`` has a sentinel of its own in each kind
of column, which becomes a null in the frames.
"""

from __future__ import annotations

import json
import math
import struct
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from foundation_lab.errors import FoundationLabError

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_CODE: Final = 2**32 - 1
NO_FLAG: Final = -1
NO_INT: Final = -(2**63)
NO_FLOAT: Final = math.nan

MISFITS: Final = (TypeError, OverflowError, ValueError, struct.error)
"""What `Column.extend` raises when a value is not of the column's type."""


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


class Buffer:
    """Numbers of one type, packed, only ever added to.

    Args:
        typecode: The type as the module `struct` names it.

    Attributes:
        rows: How many numbers there are.
    """

    __slots__ = ("_earlier", "_latest", "rows", "typecode")

    def __init__(self, typecode: str) -> None:
        self.typecode = typecode
        self.rows = 0
        self._earlier = bytearray()
        self._latest = bytearray()

    def extend(self, numbers: Sequence[Any]) -> None:
        """Add numbers.

        Raises:
            struct.error: One is not of the type.
        """
        self._latest += struct.pack(f"{len(numbers)}{self.typecode}", *numbers)
        self.rows += len(numbers)

    def repeat(self, number: float, times: int) -> None:
        """Add the same number several times."""
        self._latest += struct.pack(self.typecode, number) * times
        self.rows += times

    def read(self) -> bytearray:
        """Return all numbers, packed; what is added later does not change it."""
        if self._latest:
            self._earlier = self._earlier + self._latest if self._earlier else self._latest
            self._latest = bytearray()
        return self._earlier

    @property
    def bytes(self) -> int:
        """The memory of the numbers, in bytes."""
        return self.rows * struct.calcsize(self.typecode)


class Column:
    """One typed column.

    Args:
        kind: ``float``, ``int``, ``bool``, ``str``, ``list`` (of strings) or ``json`` (a mapping).
        codebook: Where strings are numbered.
        optional: Whether ``None`` is allowed.

    Attributes:
        values: The values, or what stands for them.
        missing: The rows whose value did not fit, although none may be missing.
    """

    __slots__ = ("_codebook", "kind", "missing", "optional", "values")

    def __init__(self, kind: str, codebook: Codebook, *, optional: bool) -> None:
        self.kind = kind
        self.optional = optional
        self._codebook = codebook
        self.values = Buffer(_TYPECODES[kind])
        self.missing: list[int] = []

    def extend(self, values: Sequence[Any]) -> None:
        """Add values: all of them, or none.

        Raises:
            TypeError: A value is not of the column's type.
            OverflowError: An integer has more than 64 bits.
            ValueError: A text or a mapping cannot be written to a file.
            struct.error: A value is no number.
        """
        first = values[0]
        if (
            (self.kind == "str" or first is None)
            and first == values[-1]
            and values.count(first) == len(values)
        ):
            self.values.repeat(self._encode(values[:1])[0], len(values))
        else:
            self.values.extend(self._encode(values))

    def skip(self) -> None:
        """Add a null in place of a value that does not fit."""
        if not self.optional:
            self.missing.append(self.values.rows)
        self.values.repeat(_NULLS.get(self.kind, NO_CODE), 1)

    def freeze(self, value: Any) -> Any:
        """Return a value as it is now, whatever becomes of it later.

        What cannot be written down is returned as it is, and does not fit the column later.
        """
        if self.kind not in _TEXTS or value is None:
            return value
        try:
            return Frozen(_TEXTS[self.kind](value))
        except MISFITS:
            return value

    def pad(self, count: int) -> None:
        """Add nulls until the column has `count` values, and allow them from now on."""
        self.optional = True
        missing = count - self.values.rows
        if missing > 0:
            self.values.repeat(_NULLS.get(self.kind, NO_CODE), missing)

    def __len__(self) -> int:
        """Return how many values the column has."""
        return self.values.rows

    @property
    def bytes(self) -> int:
        """The memory of the buffer, in bytes, without the strings."""
        return self.values.bytes

    def _encode(self, values: Sequence[Any]) -> Sequence[Any]:
        null = _NULLS.get(self.kind)
        if null is None:
            return self._codes(values)
        if self.kind == "bool" and not _FLAGS.issuperset(values):
            message = "a flag is True or False"
            raise TypeError(message)
        if self.optional:
            return [null if value is None else value for value in values]
        return values

    def _codes(self, values: Sequence[Any]) -> list[int]:
        code = self._codebook.__getitem__
        texts = values if self.kind == "str" else list(map(_TEXTS[self.kind], values))
        if self.optional:
            return [NO_CODE if text is None else code(text) for text in texts]
        return list(map(code, texts))


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


class Frozen(str):
    """A list or a mapping, written down."""

    __slots__ = ()


def kind_of_value(value: Any) -> str:
    """Return the column kind that a loose value asks for; ``json`` for what is nothing simpler."""
    if isinstance(value, Frozen):
        return "json"
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


_TYPECODES = {"float": "d", "int": "q", "bool": "b", "str": "I", "list": "I", "json": "I"}
_NULLS = {"float": NO_FLOAT, "int": NO_INT, "bool": NO_FLAG}
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
    if value is None or isinstance(value, Frozen):
        return value
    return canonical_json(value)


def _list_text(value: Any) -> str | None:
    if value is None or isinstance(value, Frozen):
        return value
    if not isinstance(value, tuple | list) or not all(isinstance(item, str) for item in value):
        message = "give a tuple of strings"
        raise TypeError(message)
    return canonical_json(value)


_TEXTS = {"list": _list_text, "json": _json_text}
