"""YAML files read with care: every mistake is reported at its line and column, all at once.

`load` gives a validated model, `read_yaml` plain data that knows where each value was written, and
`schema` what an editor needs to complete and check a file while it is typed.

Values follow the core schema of YAML 1.2: `no` and `1_000` are text, `1e-3` is a number, `0o17` is
15 and `017` is 17. Dates and times stay text. Keys are always text, as they are written. A tag is
refused, an alias stands for a copy, and merge keys (`<<`), which YAML 1.2 does not have, are
refused too. So is a file that is too large, too deep, or grows too much through its aliases.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
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

from foundation_lab.scenario.diagnostics import (
    Data,
    DataPath,
    InvalidFile,
    Place,
    Problem,
    dotted,
    explain,
    shortened,
    suggestion,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ruamel.yaml.error import StreamMark

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 5_000_000
MAX_NODES = 100_000
MAX_DEPTH = 64
MAX_DIGITS = 400
MAX_TAG = 10_000


def load(path: str | os.PathLike[str], model: type[M], *, overrides: Sequence[str] = ()) -> M:
    """Read a YAML file into a model.

    The data is held strictly to the types that JSON knows: no text passes for a number, but a
    whole number passes where any number is expected, a list where the model has a tuple or a set,
    and text where it has an enum, a date or a path.

    Args:
        path: The file.
        model: What the file must hold.
        overrides: Values that replace those of the file, such as `services.db.concurrency=8` or
            `faults[0].start=10`; `faults.0.start` means the same. A key that is not a plain word
            is written `services["db.eu"]`. What follows the first `=` is read as YAML. All but
            the last step of the path must exist.

    Returns:
        The model.

    Raises:
        InvalidFile: With everything that is wrong with the file and the overrides. A problem
            with an overridden value is placed at `--set …` and has no line.
    """
    document, refused = read_yaml(pathlib.Path(path)), list[Problem]()
    for override in overrides:
        try:
            document = document.overridden(override)
        except InvalidFile as error:
            refused += error.problems
    try:
        loaded = model.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        wrong = explain(error, model, document.data, document.place)
        raise InvalidFile((*wrong, *refused)) from None
    if refused:
        raise InvalidFile(refused)
    return loaded


def read_yaml(source: str | os.PathLike[str], *, name: str | None = None) -> Document:
    """Read one YAML document whose top level is a mapping.

    Args:
        source: The text itself if this is a `str`; the file to read if it is a path object.
        name: What problems call the source; by default the path, or `<text>`.

    Returns:
        The document.

    Raises:
        InvalidFile: The file can't be read, is too large or not UTF-8, is empty or not YAML, or
            holds a duplicate key, a tag or anything else that is not supported. Problems that
            do not keep the rest from being read are reported together.
    """
    name = name or ("<text>" if isinstance(source, str) else os.fspath(source))
    text = source if isinstance(source, str) else _text_of(pathlib.Path(source), name)
    root = _Reading(text, name).root()
    if root is None:
        raise _invalid(Place(name), "the file is empty", "begin with a `key: value` line")
    if not isinstance(root.content, dict):
        kind = "a list" if isinstance(root.content, list) else shortened(root.content)
        raise _invalid(
            root.place,
            f"expected a mapping at the top level, not {kind}",
            "begin with a `key: value` line",
        )
    return Document(name, root)


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """Describe the files that a model accepts, for editors and other tools.

    Returns:
        A JSON Schema, draft 2020-12, with the titles and descriptions of the model. Point an
        editor at it with `# yaml-language-server: $schema=<file>` in the first line.
    """
    return {"$schema": GenerateJsonSchema.schema_dialect, **model.model_json_schema()}


@dataclass(frozen=True)
class Document:
    """What a YAML document holds, and where each value is written.

    Attributes:
        name: The file, as problems name it.
    """

    name: str
    _root: _Node = field(repr=False)

    @cached_property
    def data(self) -> dict[str, Data]:
        """The content: plain dicts with text keys, lists and scalars, of which none is shared."""
        return cast("dict[str, Data]", _plain(self._root))

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

    def overridden(self, override: str) -> Document:
        """Put one value in the place of another.

        Args:
            override: The path and the new value, such as `services.db.concurrency=8`.

        Returns:
            A new document.

        Raises:
            InvalidFile: The override can't be read, or what should hold the value does not exist.
        """
        place = Place(f"--set {override if override.isprintable() else ascii(override)[1:-1]}")
        match = _OVERRIDE.fullmatch(override)
        if match is None:
            hint = "write a path, `=` and a value, such as services.db.concurrency=8"
            raise _invalid(place, "not an override", hint)
        steps = [
            word or index or re.sub(r"\\(.)", r"\1", quoted)
            for word, index, quoted in _STEP.findall(match["path"])
        ]
        value = _Reading(match["value"], place.file, tuple(steps), in_file=False).root()
        value = value or _Node(place, None)
        return Document(self.name, _replaced(self._root, (), steps, value, place))


_QUOTED_KEY = r'\["(?:[^"\\\ud800-\udfff]|\\["\\])*"\]'
_WORD = r"[^.=\[\]\"\s\ud800-\udfff]+"
_OVERRIDE = re.compile(
    rf"(?P<path>(?:{_WORD}|{_QUOTED_KEY})(?:\.{_WORD}|\[\d+\]|{_QUOTED_KEY})*)=(?P<value>.*)",
    re.DOTALL,
)
_STEP = re.compile(rf'({_WORD})|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')

_Scalar: TypeAlias = bool | int | float | str | None
_ValueEvent: TypeAlias = AliasEvent | ScalarEvent | SequenceStartEvent | MappingStartEvent


@dataclass(frozen=True, slots=True)
class _Node:
    """A value as it is written, with the places of its keys if it is a mapping."""

    place: Place
    content: _Scalar | list[_Node] | dict[str, _Node]
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1  # values in it, itself counted
    height: int = 1  # levels in it, its own counted

    def child(self, step: str | int) -> _Node | None:
        if isinstance(self.content, dict) and isinstance(step, str):
            return self.content.get(step)
        if isinstance(self.content, list) and isinstance(step, int) and step < len(self.content):
            return self.content[step]
        return None


def _plain(node: _Node) -> Data:
    if isinstance(node.content, dict):
        return {key: _plain(inner) for key, inner in node.content.items()}
    if isinstance(node.content, list):
        return [_plain(inner) for inner in node.content]
    return node.content


def _replaced(node: _Node, path: DataPath, steps: list[str], value: _Node, place: Place) -> _Node:
    """Return a copy of `node`, which is at `path`, that holds `value` where `steps` lead."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    here = dotted(path) or "the top level"
    if isinstance(node.content, list):
        index = int(step) if re.fullmatch(r"\d{1,9}", step) else len(node.content)
        if index >= len(node.content):
            hint = f"{here} is a list of {len(node.content)}, counted from 0"
            raise _invalid(place, f"there is no entry {shortened(step)}", hint, (*path, step))
        entries = list(node.content)
        entries[index] = _replaced(entries[index], (*path, index), rest, value, place)
        return replace(node, content=entries)
    if not isinstance(node.content, dict):
        message = f"{here} is {shortened(node.content)}, which has no keys"
        hint = f"set all of it: --set '{here}={{{step}: …}}'"
        raise _invalid(place, message, hint, (*path, step))
    if step not in node.content and rest:
        missing, known = (*path, step), tuple(node.content)
        whole = f"set all of it: --set '{dotted(missing)}={{{rest[0]}: …}}'"
        hint = suggestion(step, known) or whole
        raise _invalid(place, f"there is no key {shortened(step)}", hint, missing, known)
    inner = node.content.get(step, value)
    content = {**node.content, step: _replaced(inner, (*path, step), rest, value, place)}
    return replace(node, content=content, keys={step: place, **node.keys})


def _invalid(
    place: Place, message: str, hint: str, path: DataPath = (), known: tuple[str, ...] = ()
) -> InvalidFile:
    return InvalidFile([Problem(*place, dotted(path), "", message, hint, known)])


def _text_of(path: pathlib.Path, name: str) -> str:
    place = Place(name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        siblings: list[str] = []
        with contextlib.suppress(OSError):
            siblings = [each.name for each in path.parent.iterdir()]
        hint = suggestion(path.name, siblings) or "check the path"
        raise _invalid(place, "there is no such file", hint) from None
    except IsADirectoryError:
        raise _invalid(place, "this is a folder", "name a file inside it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _invalid(place, f"can't be read: {reason}", "check the path and its rights") from None
    if len(content) > MAX_BYTES:
        raise _invalid(place, f"larger than {MAX_BYTES // 1_000_000} MB", "split the file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace")
        message = f"not UTF-8: byte 0x{content[error.start]:02x}"
        place = Place(name, *_end_of(before))
        raise _invalid(place, message, "save the file as UTF-8 text") from None


def _end_of(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


class _Reading:
    """One pass over the events of a YAML text, from which nodes are made.

    The YAML library only says what is written; values are made here, so that nothing in the text
    can have anything executed.
    """

    def __init__(self, text: str, name: str, above: DataPath = (), *, in_file: bool = True) -> None:
        self._text = text
        self._name = name
        self._above = above
        self._in_file = in_file
        self._latest = self._at(1, 1)
        self._problems: list[Problem] = []
        self._anchored: dict[str, _Node | None] = {}  # None while the value is still open
        self._size = 0
        self._events = self._parsed()

    def root(self) -> _Node | None:
        """Return the value of the only document, or None if the text holds none."""
        if len(self._text) > MAX_BYTES:
            self._stop(self._latest, "the text is too long", "split it")
        # The parser takes time quadratic in the length of a tag, and tags are refused anyway.
        if any(len(word) > MAX_TAG and "!" in word for word in self._text.split()):
            self._stop(self._latest, f"a word with '!' of more than {MAX_TAG} letters", "split it")
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                place = self._at_mark(event.start_mark)
                self._stop(place, "a second document begins here", "keep one document in a file")
            if isinstance(event, _ValueEvent):
                root = self._node(event, self._above)
        if self._problems:
            raise InvalidFile(self._problems)
        return root

    def _node(self, event: _ValueEvent, path: DataPath) -> _Node:
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
        content: _Scalar | list[_Node] | dict[str, _Node]
        within: Collection[_Node] = ()
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
        node = _Node(place, content, keys, size, height)
        if event.anchor is not None:
            self._anchored[event.anchor] = node
        return node

    def _alias(self, anchor: str, place: Place, path: DataPath) -> _Node:
        node = self._anchored.get(anchor)
        if node is None:
            inside = anchor in self._anchored
            message = "stands inside its own value" if inside else "has no anchor before it"
            hint = f"write &{anchor} before a value that comes earlier"
            self._add(place, f"the alias *{anchor} {message}", hint, path)
            return _Node(place, None)
        self._grow(place, path, node.size, node.height)
        return replace(node, place=place)

    def _entries(self, path: DataPath, keys: dict[str, Place]) -> Iterator[tuple[str, _Node]]:
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
                first = f" (first in line {keys[key].line})" if self._in_file else ""
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

    def _scalar(self, event: ScalarEvent, place: Place, path: DataPath) -> _Scalar:
        text = self._text_in(event, place, path)
        if event.style is not None:  # quoted, or a block of text
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) <= MAX_DIGITS:
            return _number(text)
        hint = "put it in quotes if it is text"
        self._add(place, f"a number of {len(text)} characters", hint, path)
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
            place = self._at(*_end_of(self._text[: error.position]))
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
        return Place(self._name, line, column) if self._in_file else Place(self._name)

    def _add(self, place: Place, message: str, hint: str, path: DataPath = ()) -> None:
        self._problems += _invalid(place, message, hint, path).problems

    def _stop(self, place: Place, message: str, hint: str, path: DataPath = ()) -> NoReturn:
        self._add(place, message, hint, path)
        raise InvalidFile(self._problems) from None


def _number(text: str) -> int | float:
    if text.startswith(("0o", "0x")):
        return int(text, base=0)
    if text.lstrip("+-").isdecimal():
        return int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"""[-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
    | [-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?
    | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)""",
    re.VERBOSE,
)

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
