"""Suites that the auditor is tried on, written as text: nothing of them is ever run."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import audit_text

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.testing.sleeps import Finding


def findings(code: str) -> tuple[Finding, ...]:
    """The findings in a text."""
    return audit_text(dedent(code)).findings


def only(code: str) -> Finding:
    """The one finding in a text."""
    (found,) = findings(code)
    return found


def suite(folder: Path, **files: str) -> Path:
    """Write files to a folder; the keywords are their names, with ``__`` for each slash."""
    for name, code in files.items():
        package, is_package, _ = name.partition("____init__")
        file = f"{package}__init" if is_package else name
        path = folder / f"{file.replace('__', '/').replace('/init', '/__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(code), encoding="utf-8")
    return folder
