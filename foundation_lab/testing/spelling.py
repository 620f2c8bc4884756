"""Spelling: how messages write down a time, a record, and what a test wants."""

from __future__ import annotations

import inspect
import linecache
import re
from typing import TYPE_CHECKING

from foundation_lab.testing.configuration import current

if TYPE_CHECKING:
    from types import CodeType, FunctionType

    from foundation_lab.telemetry.record import Record

LONGEST = 60
"""How many characters are shown of the body of a lambda."""

LONGEST_VALUE = 200
"""How many characters are shown of a value, where not everything is to be told."""


def seconds(time: float) -> str:
    """Return a virtual time to nine digits, without needless ones."""
    return f"{time:.9g}"


def place(record: Record) -> str:
    """Return where a record stands in the run: its sequence number and its time."""
    return f"#{record.sequence} t={seconds(record.time)}"


def describe_record(record: Record) -> str:
    """Return a record as one line: place, name, fields, process."""
    fields = ", ".join(f"{name}={describe_got(value)}" for name, value in record.fields.items())
    return f"{place(record)} {record.name}({fields}) by {record.process}"


def describe_got(value: object) -> str:
    """Return a value as it is spelt in a program, without its end when it is long."""
    text = repr(value)
    if len(text) <= LONGEST_VALUE or current().verbose:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text):,} characters)"


def describe_wanted(value: object) -> str:
    """Return a wanted value as a test would spell it."""
    if value is ...:
        return "..."
    if isinstance(value, re.Pattern):
        return f"re.compile({value.pattern!r})"
    if getattr(value, "__name__", None) == "<lambda>":
        return _lambda(value)  # type: ignore[arg-type]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
        return str(value.__name__)
    return str(value) if getattr(value, "spells_itself", False) else describe_got(value)


def _lambda(function: FunctionType) -> str:
    """Return a lambda as it stands in its file, or ``<lambda>`` when that cannot be read."""
    body = _body(function.__code__)
    if not body:
        return "<lambda>"
    arguments = str(inspect.signature(function)).strip("()")
    short = body if len(body) <= LONGEST else f"{body[:LONGEST]}…"
    return f"lambda {arguments}: {short}" if arguments else f"lambda: {short}"


def _body(code: CodeType) -> str:
    spans = [
        (line, start, last, end)
        for line, last, start, end in code.co_positions()
        if line and last and start is not None and end  # the first and last steps have no place
    ]
    if not spans or code.co_filename == "<string>":  # from `eval`, but so is `python -c` called
        return ""
    line, start = min(span[:2] for span in spans)
    last, end = max(span[2:] for span in spans)
    # Columns are counted in bytes.
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(line, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return " ".join(b"".join(lines).decode(errors="replace").split())
