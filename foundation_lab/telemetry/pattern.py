"""Naming events: the accepted spellings, and patterns that match many names.

A name may be given as the event's class, as a dotted string, or as a tuple of segments
(``("foundation", "retry", "exhausted")``); the leading ``foundation.`` may be left out. In a
pattern ``*`` stands for one segment and ``**`` for any number of segments, none included. A pattern
without a wildcard matches its own name and every name below it (``foundation.retry`` matches
``foundation.retry.backoff``).
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from foundation_lab.errors import UnknownName
from foundation_lab.telemetry.event import NAMESPACE, TEST_NAMESPACE, Event, catalogue, is_dotted

if TYPE_CHECKING:
    from collections.abc import Callable

LIKENESS = 0.75
"""How alike two words are (0 to 1) that may be one word, misspelt."""

EventName = str | tuple[str, ...] | type[Event]
"""The accepted spellings of an event name."""


def dotted(name: EventName) -> str:
    """Return a name or pattern in its dotted form.

    Raises:
        TypeError: `name` is neither a string, a tuple of strings, nor an event class.
    """
    if isinstance(name, str):
        return name
    if isinstance(name, tuple) and all(isinstance(word, str) for word in name):
        return ".".join(name)
    if isinstance(name, type) and issubclass(name, Event):
        if name.event_name:
            return name.event_name
        message = f"{name.__qualname__} is no event of its own; give a class that has an event_name"
        raise TypeError(message)
    message = (
        f"{name!r} does not name an event; give an event class, a dotted string or a tuple of words"
    )
    raise TypeError(message)


def resolve(name: EventName) -> str:
    """Return the full dotted name of one event.

    A name outside of the catalogue is taken as a user's own event, unless it lies in the namespace
    ``foundation`` or each of its words looks like that of a name there, misspelt.

    Raises:
        UnknownName: No such event; the message lists the nearest names.
    """
    text = dotted(name)
    known = catalogue.get(text)
    if known is not None:
        return known.event_name
    _refuse_misspelt(text)
    if not is_dotted(text):
        raise UnknownName.among("event", text, catalogue)
    return text


def matcher(pattern: EventName) -> Callable[[str], bool]:
    """Return a function that says whether a full event name matches `pattern`.

    Raises:
        UnknownName: The pattern can match nothing; the message lists the nearest names.
    """
    if isinstance(pattern, type):
        return dotted(pattern).__eq__
    text = dotted(pattern)
    expression = re.compile(_expression(text))
    if any(map(expression.fullmatch, catalogue)):
        return lambda name: expression.fullmatch(name) is not None
    inside = re.compile(_expression(f"{NAMESPACE}.{text}"))
    if any(map(inside.fullmatch, catalogue)):
        return lambda name: inside.fullmatch(name) is not None
    _refuse_misspelt(text)
    return lambda name: expression.fullmatch(name) is not None


def _expression(pattern: str) -> str:
    segments = pattern.split(".")
    if not all(segments):
        message = f"{pattern!r} is no event pattern: it has an empty segment"
        raise ValueError(message)
    if not re.fullmatch(r"[\w.*]+", pattern):
        message = (
            f"{pattern!r} is no event pattern: names have letters, digits and underscores only"
        )
        raise ValueError(message)
    parts = [_segment(segment) for segment in segments]
    body = r"\.".join(parts).replace(r"\.(?:**)", r"(?:\..+)?").replace(r"(?:**)\.", r"(?:.+\.)?")
    body = body.replace("(?:**)", ".*")
    return body if "*" in pattern else rf"{body}(?:\..+)?"


def _segment(segment: str) -> str:
    if segment == "**":
        return "(?:**)"
    return "[^.]*".join(re.escape(part) for part in segment.split("*"))


@lru_cache(maxsize=1024)
def _refuse_misspelt(text: str) -> None:
    words = text.split(".")
    if text.startswith(f"{TEST_NAMESPACE}."):
        return
    inside = words[0] == NAMESPACE
    if inside or any(_alike(words, spelling) for spelling in _spellings()):
        raise UnknownName.among("event", text, catalogue)


def _alike(words: list[str], others: list[str]) -> bool:
    return len(words) == len(others) and all(
        difflib.SequenceMatcher(None, word, other).ratio() >= LIKENESS
        for word, other in zip(words, others, strict=True)
    )


def _spellings() -> list[list[str]]:
    """Return the words of the package's own names and their prefixes, without the namespace.

    Names of the user's own are no reason to refuse another one like them.
    """
    own = [name.split(".")[1:] for name in catalogue if name.startswith(f"{NAMESPACE}.")]
    return [words[:end] for words in own for end in range(1, len(words) + 1)]
