"""Findings: the sleeps that an audit found, and what it could not read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from foundation_lab.testing.sleeps.purposes import Purpose  # noqa: TC001  (a field's type)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SCHEMA_VERSION = 1
"""Goes up when a name in the JSON document changes its meaning or goes away."""


class Replacement(msgspec.Struct, frozen=True):
    """What to write instead of a sleep.

    Attributes:
        advice: What to do, in a sentence.
        code: The code, with the names of the finding filled in.
    """

    advice: str
    code: str


class Finding(msgspec.Struct, frozen=True):
    """One place where a test waits for the wall clock.

    Attributes:
        file: The file, as it was reached from the path that was given.
        line: Where the call begins.
        column: The same, from 1.
        test: The test, fixture or function that it is in; empty at the top of a module.
        kind: ``sleep``, ``wait``, ``select``, ``pause``, ``process``, ``call_later``,
            ``busy_wait``, ``passed`` (the function is handed on), ``wrapper`` or ``fixture`` (one
            that sleeps is called).
        call: The code of the call, on one line.
        via: The wrapper or fixture that sleeps, and where; ``None`` when the call itself does.
        seconds: How long it sleeps each time; ``None`` when that is not known.
        at_least: The lower bound of that.
        times: How often, by loops and parameters of the test; ``None`` when that is not known.
        total: All of it in seconds; ``None`` when it is not known. 0 for the sleep in a wrapper
            whose calls are findings themselves: it is counted there.
        total_at_least: The lower bound of that.
        purpose: What it waits for.
        confidence: How sure that is, from 0 to 1.
        evidence: What it was told by, in words, the strongest first.
        replacement: What to write instead.
        allowed: The reason of the comment that allows it, or ``None``.
    """

    file: str
    line: int
    column: int
    test: str
    kind: str
    call: str
    via: str | None
    seconds: float | None
    at_least: float
    times: int | None
    total: float | None
    total_at_least: float
    purpose: Purpose
    confidence: float
    evidence: tuple[str, ...]
    replacement: Replacement
    allowed: str | None = None


class Problem(msgspec.Struct, frozen=True, order=True):
    """A file that could not be audited, or a comment that allows nothing."""

    file: str
    line: int
    message: str


class Sum(NamedTuple):
    """How many sleeps share a name, and how long they last at least, in seconds."""

    name: str
    sleeps: int
    seconds: float
    unknown: int


class Audit(msgspec.Struct, frozen=True):
    """What an audit came to: findings and problems by file and line, and how many files it read."""

    files: int
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings that no comment allows."""
        return tuple(finding for finding in self.findings if finding.allowed is None)

    def by_purpose(self) -> list[Sum]:
        """Sum up by purpose, the longest first."""
        return sums(self.findings, lambda finding: finding.purpose)

    def by_file(self) -> list[Sum]:
        """Sum up by file, the longest first."""
        return sums(self.findings, lambda finding: finding.file)

    def by_test(self) -> list[Sum]:
        """Sum up by test (``file::test``), the longest first."""
        return sums(self.findings, lambda finding: f"{finding.file}::{finding.test}")

    def document(self) -> dict[str, object]:
        """Return the JSON document: stable names, everything sorted."""
        return {
            "version": SCHEMA_VERSION,
            "files": self.files,
            "totals": {
                "findings": len(self.findings),
                "allowed": len(self.findings) - len(self.counted),
                "counted": len(self.counted),
                "seconds_at_least": rounded(sum(f.total_at_least for f in self.findings)),
                "unknown": sum(f.total is None for f in self.findings),
            },
            "by_purpose": [_row(each) for each in self.by_purpose()],
            "by_file": [_row(each) for each in self.by_file()],
            "by_test": [_row(each) for each in self.by_test()],
            "findings": [msgspec.to_builtins(finding) for finding in self.findings],
            "problems": [msgspec.to_builtins(problem) for problem in self.problems],
        }


def sums(findings: Iterable[Finding], key: Callable[[Finding], str]) -> list[Sum]:
    """Sum findings up by a key: the longest first, then by count, then by name."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[str(key(finding))].append(finding)
    rows = [
        Sum(
            name,
            len(group),
            rounded(sum(each.total_at_least for each in group)),
            sum(each.total is None for each in group),
        )
        for name, group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.seconds, -row.sleeps, row.name))


def rounded(seconds: float) -> float:
    """Return seconds without the dust of floating point."""
    return round(seconds, 9)


def _row(each: Sum) -> dict[str, object]:
    return {
        "name": each.name,
        "sleeps": each.sleeps,
        "seconds_at_least": each.seconds,
        "unknown": each.unknown,
    }
