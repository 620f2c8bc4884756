"""What is wrong with a file, and where: the words in which users are told.

Nothing here knows about YAML or pydantic.
"""

from __future__ import annotations

import json
import re
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from foundation_lab.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    @classmethod
    def at(
        cls,
        place: Place,
        message: str,
        hint: str = "",
        *,
        path: DataPath = (),
        value: str = "",
        known: tuple[str, ...] = (),
    ) -> Problem:
        """Return the problem of the value at a `path` that is written at a `place`."""
        return cls(*place, dotted(path), value, message, hint, known)

    def __str__(self) -> str:
        """Return one line, and a second one that lists what is known, if anything is."""
        where = str(Place(self.file, self.line, self.column))
        text = ": ".join(part for part in (where, self.path, self.message) if part)
        if self.hint:
            text += f" — {self.hint}"
        if self.known:
            text += f"\n    known: {', '.join(self.known)}"
        return text


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
    near = nearest(word.casefold(), folded, most=1)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what is wrong with a `name` that is not among the `known` ones."""
    names = list(known)
    near = nearest(name, names)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"there is no {kind} {name!r}; {hint}"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60
_short.maxlevel, _short.maxdict, _short.maxlist = 2, 3, 3
