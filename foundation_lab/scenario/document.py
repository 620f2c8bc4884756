"""A YAML document: its data, where each value is written, and values put in from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.diagnostics import Place, Problem, dotted, shortened, suggestion
from foundation_lab.scenario.yaml_text import Node, parsed

if TYPE_CHECKING:
    from foundation_lab.scenario.diagnostics import Data, DataPath


@dataclass(frozen=True)
class Document:
    """What a YAML document holds, and where each value is written.

    Attributes:
        name: The file, as problems name it.
    """

    name: str
    _root: Node = field(repr=False)

    @cached_property
    def data(self) -> dict[str, Data]:
        """The content: plain dicts with text keys, lists and scalars, of which none is shared."""
        return cast("dict[str, Data]", self._root.plain())

    def position(self, path: DataPath, *, key: bool = False) -> tuple[int, int]:
        """Find where a value, or the key that names it, is written.

        Args:
            path: Keys and indices from the top; `()` is the whole document.
            key: Whether the key is meant and not the value.

        Returns:
            Line and column, both from 1. For a path that does not exist, the position of the
            nearest value around it; for an overridden value, zeros.
        """
        place = self.place(path, key)
        return place.line, place.column

    def place(self, path: DataPath, at_key: bool = False) -> Place:  # noqa: FBT001, FBT002
        """Like `position`, with the name of the file, or the override that set the value."""
        node = self._root
        for depth, step in enumerate(path, start=1):
            inner = node.child(step)
            if inner is None:
                break
            if at_key and depth == len(path) and isinstance(step, str):
                return node.keys[step]
            node = inner
        return node.place

    def overridden(self, override: str, at: Place | None = None) -> Document:
        """Put one value in the place of another.

        Args:
            override: The path and the new value, such as `services.db.concurrency=8`.
            at: Where it is written, when it is no option on the command line.

        Returns:
            A new document.

        Raises:
            InvalidFile: The override can't be read, or what should hold the value does not exist.
        """
        option = f"--set {override if override.isprintable() else ascii(override)[1:-1]}"
        place = Place(option) if at is None else at
        match = _OVERRIDE.fullmatch(override)
        if match is None:
            hint = "write a path, `=` and a value, such as services.db.concurrency=8"
            raise InvalidFile(Problem.at(place, "not an override", hint))
        steps = [
            word or index or re.sub(r"\\(.)", r"\1", quoted)
            for word, index, quoted in _STEP.findall(match["path"])
        ]
        value = parsed(match["value"], place.file, tuple(steps), at=place)
        if value is None:
            value = Node(place, None)
        return Document(self.name, _replaced(self._root, (), steps, value, place))


_QUOTED_KEY = r'\["(?:[^"\\\ud800-\udfff]|\\["\\])*"\]'
_WORD = r"[^.=\[\]\"\s\ud800-\udfff]+"
_OVERRIDE = re.compile(
    rf"(?P<path>(?:{_WORD}|{_QUOTED_KEY})(?:\.{_WORD}|\[\d+\]|{_QUOTED_KEY})*)=(?P<value>.*)",
    re.DOTALL,
)
_STEP = re.compile(rf'({_WORD})|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


def _replaced(node: Node, path: DataPath, steps: list[str], value: Node, place: Place) -> Node:
    """Return a copy of `node`, which is at `path`, that holds `value` where `steps` lead."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    here = dotted(path) or "the top level"
    if isinstance(node.content, list):
        index = int(step) if re.fullmatch(r"\d{1,9}", step) else len(node.content)
        if index >= len(node.content):
            hint = f"{here} is a list of {len(node.content)}, counted from 0"
            message = f"there is no entry {shortened(step)}"
            raise InvalidFile(Problem.at(place, message, hint, path=(*path, step)))
        entries = list(node.content)
        entries[index] = _replaced(entries[index], (*path, index), rest, value, place)
        return replace(node, content=entries)
    if not isinstance(node.content, dict):
        message = f"{here} is {shortened(node.content)}, which has no keys"
        hint = f"set all of it: --set '{here}={{{step}: …}}'"
        raise InvalidFile(Problem.at(place, message, hint, path=(*path, step)))
    if step not in node.content and rest:
        missing, known = (*path, step), tuple(node.content)
        whole = f"set all of it: --set '{dotted(missing)}={{{rest[0]}: …}}'"
        hint = suggestion(step, known) or whole
        message = f"there is no key {shortened(step)}"
        raise InvalidFile(Problem.at(place, message, hint, path=missing, known=known))
    inner = node.content.get(step, value)
    content = {**node.content, step: _replaced(inner, (*path, step), rest, value, place)}
    return replace(node, content=content, keys={step: place, **node.keys})
