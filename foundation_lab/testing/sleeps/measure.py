"""Measuring: what a suite really sleeps, and what it would save in virtual time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.testing.sleeps.recorder import REPORT

if TYPE_CHECKING:
    from collections.abc import Sequence

VIRTUAL = "--lab-virtual"
"""The option of the pytest plugin that runs a whole suite in virtual time."""


class Changed(msgspec.Struct, frozen=True):
    """A test that ended otherwise in virtual time."""

    test: str
    before: str
    after: str


class Measurement(msgspec.Struct, frozen=True):
    """What two runs of a suite came to.

    Attributes:
        tests: How many tests ran.
        seconds: How long the suite took.
        slept: How long its tests slept, all in all; sleeps beside each other count each.
        by_test: The same for each test that slept, the longest first.
        virtual_seconds: How long it took in virtual time; ``None`` when that was not possible.
        saved: The seconds saved by it.
        changed: The tests that ended otherwise.
        note: Why there was no second run, if so.
    """

    tests: int
    seconds: float
    slept: float
    by_test: tuple[tuple[str, float], ...]
    virtual_seconds: float | None
    saved: float | None
    changed: tuple[Changed, ...]
    note: str | None


class SuiteFailed(RuntimeError):
    """pytest could not run the suite at all; the message ends with what it said."""


def measure(paths: Sequence[str | Path], folder: Path | None = None) -> Measurement:
    """Run a suite as it is, and again in virtual time where that is available.

    This runs the tests, unlike an audit. Both runs are pytest's own, in processes of their own.

    Args:
        paths: What pytest is given.
        folder: Where it runs; the current folder by default.

    Raises:
        SuiteFailed: pytest did not come as far as running tests.
    """
    first = _run(paths, [], folder)
    slept = {test: seconds for test, seconds in first["slept"].items() if test}
    longest = tuple(
        sorted(((t, round(s, 6)) for t, s in slept.items()), key=lambda p: (-p[1], p[0]))
    )
    again: dict[str, Any] | None = None
    note = None
    if not _can_be_virtual(folder):
        note = f"the pytest plugin has no option {VIRTUAL} here, so there was no second run"
    else:
        try:
            again = _run(paths, [VIRTUAL], folder)
        except SuiteFailed as error:
            note = f"the run with {VIRTUAL} failed: {error}"
    return Measurement(
        tests=len(first["outcomes"]),
        seconds=round(first["seconds"], 3),
        slept=round(sum(slept.values()), 3),
        by_test=longest,
        virtual_seconds=None if again is None else round(again["seconds"], 3),
        saved=None if again is None else round(first["seconds"] - again["seconds"], 3),
        changed=() if again is None else differences(first["outcomes"], again["outcomes"]),
        note=note,
    )


def differences(before: dict[str, str], after: dict[str, str]) -> tuple[Changed, ...]:
    """Return the tests that did not end alike in two runs, by name."""
    return tuple(
        Changed(test, before.get(test, "not run"), after.get(test, "not run"))
        for test in sorted({*before, *after})
        if before.get(test) != after.get(test)
    )


def _run(paths: Sequence[str | Path], options: list[str], folder: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.json")
        begun = time.perf_counter()  # noqa: TID251  (how long the suite takes is what is asked)
        done = subprocess.run(  # noqa: S603  (pytest, on the paths that the user gave)
            [
                sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "-p", "foundation_lab.testing.sleeps.recorder",
                *_plugin(), *options, *map(str, paths),
            ],
            cwd=folder,
            env={**os.environ, REPORT: str(report)},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        taken = time.perf_counter() - begun  # noqa: TID251
        if not report.exists() or done.returncode not in _RAN:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
            raise SuiteFailed(f"pytest ended with {done.returncode}: {' / '.join(said)}")
        result: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return {**result, "seconds": taken}


def _plugin() -> list[str]:
    """Return the option that loads the plugin, where it is not installed as one."""
    installed = any(e.value == _PLUGIN for e in entry_points(group="pytest11"))
    return [] if installed else ["-p", _PLUGIN]


def _can_be_virtual(folder: Path | None) -> bool:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", *_plugin(), "--help"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return VIRTUAL in done.stdout


_PLUGIN = "foundation_lab.testing.plugin"
_RAN = (0, 1)
"""pytest's exit codes when all tests passed, and when some failed."""
