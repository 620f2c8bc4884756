"""Allowed: the comments that let a sleep stand, each with its reason.

``# lab: allow-sleep <reason>`` on a line of the sleep's statement, or alone right above it, allows
it; at the head of a function it allows all sleeps in it. ``# lab: allow-sleep-in-file <reason>``
allows those of a whole file, for instance of tests that run on a virtual clock.
"""

from __future__ import annotations

import io
import re
import tokenize
from typing import NamedTuple

ALLOW = re.compile(
    r"#\s*lab:\s*allow[-_ ]sleeps?(?P<file>-in-file)?\b[\s:,–—-]*(?P<reason>.*)", re.IGNORECASE
)


class Allowance(NamedTuple):
    """A comment that allows sleeps.

    Attributes:
        line: Where it stands.
        reason: Why; empty when it gives none.
    """

    line: int
    reason: str


WHOLE_FILE = 0
"""The line that an allowance for a whole file is about."""


def allowances(text: str) -> dict[int, Allowance]:
    """Return the comments that allow sleeps, by the line that they are about."""
    if not re.search(r"allow[-_ ]sleep", text, re.IGNORECASE):
        return {}
    lines = text.splitlines()
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = ALLOW.search(token.string) if token.type == tokenize.COMMENT else None
            if match is not None:
                line = token.start[0]
                alone = not lines[line - 1][: token.start[1]].strip()
                about = _next_code(lines, line) if alone else line
                about = WHOLE_FILE if match["file"] else about
                found[about] = Allowance(line, match["reason"].strip())
    except (tokenize.TokenError, SyntaxError):  # what ast can read, tokenize can read nearly always
        return found
    return found


def _next_code(lines: list[str], line: int) -> int:
    """Return the line of the first code below a comment, if it follows without a gap."""
    for number in range(line, len(lines)):
        text = lines[number].strip()
        if not text:
            return line
        if not text.startswith("#"):
            return number + 1
    return line
