"""YAML text as plain nodes that know where they were written.

The YAML library only says what is written; values are made here, so that nothing in the text can
have anything executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.diagnostics import DataPath, Place, Problem, shortened
from foundation_lab.scenario.scalar import Scalar, plain_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ruamel.yaml.error import StreamMark

    from foundation_lab.scenario.diagnostics import Data

MAX_NODES = 100_000
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Node:
    """A value as it is written.

    Attributes:
        place: Where it begins.
        content: A scalar, or the nodes in it.
        keys: The places of its keys if it is a mapping.
        size: How many values are in it, itself counted.
        height: How many levels are in it, its own counted.
    """

    place: Place
    content: Scalar | list[Node] | dict[str, Node]
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def child(self, step: str | int) -> Node | None:
        """Return what is under a key or index, or None if there is nothing."""
        if isinstance(self.content, dict) and isinstance(step, str):
            return self.content.get(step)
        if isinstance(self.content, list) and isinstance(step, int) and step < len(self.content):
            return self.content[step]
        return None

    def plain(self) -> Data:
        """Return the content as dicts, lists and scalars, of which none is shared."""
        if isinstance(self.content, dict):
            return {key: inner.plain() for key, inner in self.content.items()}
        if isinstance(self.content, list):
            return [inner.plain() for inner in self.content]
        return self.content


def parsed(text: str, name: str, above: DataPath = (), at: Place | None = None) -> Node | None:
    """Read a text that holds one YAML document.

    Args:
        text: The text.
        name: What problems call it.
        above: The path that its value gets in the data.
        at: Where all of it is, when the text is not a file of its own.

    Returns:
        The value of the document, or None if the text holds none.

    Raises:
        InvalidFile: It is not YAML, or uses something that is not supported. Problems that do not
            keep the rest from being read are reported together.
    """
    return _Reading(text, name, above, at).root()


def end_of(text: str) -> tuple[int, int]:
    """Return the line and column, both from 1, of what would follow a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


_ValueEvent: TypeAlias = AliasEvent | ScalarEvent | SequenceStartEvent | MappingStartEvent


class _Reading:
    """One pass over the events of a YAML text, from which nodes are made."""

    def __init__(self, text: str, name: str, above: DataPath = (), at: Place | None = None) -> None:
        self._text = text
        self._name = name
        self._above = above
        self._place = at
        self._latest = self._at(1, 1)
        self._problems: list[Problem] = []
        self._anchored: dict[str, Node | None] = {}  # None while the value is still open
        self._size = 0
        self._events = self._parsed()

    def root(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                place = self._at_mark(event.start_mark)
                self._stop(place, "a second document begins here", "keep one document in a file")
            if isinstance(event, _ValueEvent):
                root = self._node(event, self._above)
        if self._problems:
            raise InvalidFile(*self._problems)
        return root

    def _node(self, event: _ValueEvent, path: DataPath) -> Node:
        place = self._at_mark(event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor, place, path)
        self._grow(place, path, size=1, height=1)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._add(place, f"the tag {shortened(tag)} is not allowed", "remove it", path)
        if event.anchor is not None:
            self._anchored[event.anchor] = None
        keys: dict[str, Place] = {}
        content: Scalar | list[Node] | dict[str, Node]
        within: Collection[Node] = ()
        if isinstance(event, MappingStartEvent):
            content = dict(self._entries(path, keys))
            within = content.values()
        elif isinstance(event, SequenceStartEvent):
            inner = enumerate(self._until(SequenceEndEvent))
            content = within = [self._node(each, (*path, index)) for index, each in inner]
        else:
            content = self._scalar(event, place, path)
        size = 1 + sum(each.size for each in within)
        height = 1 + max((each.height for each in within), default=0)
        node = Node(place, content, keys, size, height)
        if event.anchor is not None:
            self._anchored[event.anchor] = node
        return node

    def _alias(self, anchor: str, place: Place, path: DataPath) -> Node:
        node = self._anchored.get(anchor)
        if node is None:
            inside = anchor in self._anchored
            message = "stands inside its own value" if inside else "has no anchor before it"
            hint = f"write &{anchor} before a value that comes earlier"
            self._add(place, f"the alias *{anchor} {message}", hint, path)
            return Node(place, None)
        self._grow(place, path, node.size, node.height)
        return replace(node, place=place)

    def _entries(self, path: DataPath, keys: dict[str, Place]) -> Iterator[tuple[str, Node]]:
        for event in self._until(MappingEndEvent):
            place = self._at_mark(event.start_mark)
            if not isinstance(event, ScalarEvent) or event.tag is not None:
                self._add(place, "a key must be plain text", "write `name: value`", path)
                self._node(event, (*path, "?"))
                self._node(next(self._events), (*path, "?"))
                continue
            key = self._text_in(event, place, path)
            value_event = next(self._events)
            value = self._node(value_event, (*path, key))
            if key == "<<" and event.style is None:
                hint = "write the keys out, or use an alias for a whole value"
                self._add(place, "merge keys (<<) are not part of YAML 1.2", hint, path)
            elif key in keys:
                first = f" (first in line {keys[key].line})" if self._place is None else ""
                message = f"the key {shortened(key)} is given twice{first}"
                self._add(place, message, "remove or rename one", (*path, key))
            else:
                keys[key] = place
                nothing = isinstance(value_event, ScalarEvent) and not value_event.value
                # Where nothing is written, the parser's mark is at whatever comes next.
                yield key, replace(value, place=place) if nothing else value

    def _until(self, end: type) -> Iterator[_ValueEvent]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _scalar(self, event: ScalarEvent, place: Place, path: DataPath) -> Scalar:
        text = self._text_in(event, place, path)
        if event.style is not None:  # quoted, or a block of text
            return text
        try:
            return plain_value(text)
        except ValueError as error:
            self._add(place, str(error), "put it in quotes if it is text", path)
            return None

    def _text_in(self, event: ScalarEvent, place: Place, path: DataPath) -> str:
        """Return the text of a scalar, its surrogate pairs (as JSON escapes them) joined."""
        try:
            return str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            hint = "write the whole pair, or one \\U escape"
            self._add(place, "half of a surrogate pair is not a character", hint, path)
            return ""

    def _parsed(self) -> Iterator[Any]:
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._latest = self._at_mark(event.start_mark)
                yield event
        except ReaderError as error:
            place = self._at(*end_of(self._text[: error.position]))
            message = f"the character {self._text[error.position]!a} is not allowed in YAML"
            self._stop(place, message, "remove it; is this a text file?")
        except MarkedYAMLError as error:
            wrong, message, hint = next(
                (entry for entry in _SYNTAX if entry[0] in f"{error.context}: {error.problem}"),
                ("", f"not valid YAML: {error.problem}", "check quotes, brackets and indentation"),
            )
            mark = error.context_mark if wrong in _AT_START else error.problem_mark
            self._stop(self._at_mark(mark) if mark else self._latest, message, hint)
        except (YAMLError, ValueError, OverflowError):  # such as an escape beyond U+10FFFF
            hint = "check the escapes that begin with a backslash"
            self._stop(self._latest, "not valid YAML after this place", hint)

    def _grow(self, place: Place, path: DataPath, size: int, height: int) -> None:
        self._size += size
        if self._size > MAX_NODES:
            message = f"more than {MAX_NODES} values, aliases counted as what they stand for"
            self._stop(place, message, "make the file smaller", path)
        if len(path) + height > MAX_DEPTH:
            self._stop(place, f"nested more than {MAX_DEPTH} levels deep", "make it flatter", path)

    def _at_mark(self, mark: StreamMark) -> Place:
        return self._at(mark.line + 1, mark.column + 1)

    def _at(self, line: int, column: int) -> Place:
        return Place(self._name, line, column) if self._place is None else self._place

    def _add(self, place: Place, message: str, hint: str, path: DataPath = ()) -> None:
        self._problems.append(Problem.at(place, message, hint, path=path))

    def _stop(self, place: Place, message: str, hint: str, path: DataPath = ()) -> NoReturn:
        self._add(place, message, hint, path)
        raise InvalidFile(*self._problems) from None


# What the parser says, what it means, and what to do.
_SYNTAX = (
    (r"character '\t'", "a tab can't be used here", "indent with spaces"),
    ("that cannot start any token", "text can't begin with this character", "put it in quotes"),
    (
        "mapping values are not allowed",
        "a ': ' is not expected here",
        "check the indentation, and put text that contains ': ' in quotes",
    ),
    ("unexpected end of stream", "this quote is never closed", "close it"),
    ("flow sequence", "this '[' is not closed, or a comma is missing after it", "close it with ]"),
    ("flow mapping", "this '{' is not closed, or a comma is missing after it", "close it with }"),
    ("expected <block end>", "this does not fit the lines above", "check the indentation"),
    ("<document start>", "this does not belong to what stands before it", "check the line above"),
    ("the node content", "a value is missing here", "check brackets, quotes and indentation"),
    ("could not find expected ':'", "this is neither a key nor a value", "write `key: value`"),
)
_AT_START = {"unexpected end of stream", "flow sequence", "flow mapping"}
