"""A pytest plugin that notes how long each test really sleeps, for ``audit-sleeps --measure``.

It is given to pytest as ``-p foundation_lab.testing.sleeps.recorder`` and writes to the file that
the environment variable `REPORT` names. It loads before the tests do, so that ``from time import
sleep`` finds its sleep.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

REPORT = "FOUNDATION_LAB_SLEEPS"
"""The environment variable that names the file to write."""

_clock = time.perf_counter  # noqa: TID251  (it measures the wall clock: that is what it is for)
_sleep, _asyncio_sleep = time.sleep, asyncio.sleep  # noqa: TID251  (wrapped, not called for itself)
_slept: dict[str, float] = defaultdict(float)
_outcomes: dict[str, str] = {}
_running = ""


def pytest_configure(config: pytest.Config) -> None:
    """Put the recording sleeps in the place of the real ones, unless time is virtual."""
    if config.getoption("--lab-virtual", default=False):
        return
    time.sleep = _recorded_sleep  # noqa: TID251
    asyncio.sleep = _recorded_asyncio_sleep


def pytest_unconfigure() -> None:
    """Put the real sleeps back, and write what was noted."""
    if time.sleep is _recorded_sleep:  # noqa: TID251
        time.sleep, asyncio.sleep = _sleep, _asyncio_sleep  # noqa: TID251
    path = os.environ.get(REPORT)
    if path:
        report = {"slept": dict(_slept), "outcomes": _outcomes}
        Path(path).write_text(json.dumps(report), encoding="utf-8")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note which test runs."""
    global _running  # noqa: PLW0603  (a plugin module is its own state)
    _running = item.nodeid
    try:
        return (yield)
    finally:
        _running = ""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test ended: a failure of any phase counts, and a skip before the call."""
    if report.when == "call" or report.outcome != "passed":
        worse = _outcomes.get(report.nodeid) in ("failed", "error")
        if not worse:
            failed_outside = report.when != "call" and report.outcome == "failed"
            _outcomes[report.nodeid] = "error" if failed_outside else report.outcome


def _recorded_sleep(seconds: Any) -> None:
    begun = _clock()
    try:
        _sleep(seconds)
    finally:
        _slept[_running] += _clock() - begun


async def _recorded_asyncio_sleep(delay: float, result: Any = None) -> Any:
    begun = _clock()
    try:
        return await _asyncio_sleep(delay, result)
    finally:
        _slept[_running] += _clock() - begun
