"""Suites of other projects in virtual time, as they are: the same results, and nobody waits.

They are fetched from the package index, at fixed versions; nothing of them is kept here.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from tests.testing.inner import PLUGIN

pytestmark = pytest.mark.slow

LOG = logging.getLogger(__name__)
"""Tells how long the suites took: ``pytest --log-cli-level=info``."""

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds of the wall clock, for a download or for one run of a suite."""


class Suite(NamedTuple):
    """The tests of a project.

    Attributes:
        distribution: What is fetched, with its version.
        plugins: The plugins of pytest that it needs.
        options: What it must be run with.
        virtual: What it must be run with in virtual time, too.
        least: How many of its tests pass at least.
    """

    distribution: str
    plugins: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    virtual: tuple[str, ...] = ()
    least: int = 1


SUITES = [
    Suite("tenacity==9.2.1", least=180),
    Suite(
        "circuitbreaker==2.1.3",
        plugins=("asyncio", "pytest_mock"),
        options=("-o", "asyncio_mode=auto"),
        # It expects the clock to be past the end of a sleep, and not just at it.
        virtual=("--lab-read-cost=1e-6",),
        least=60,
    ),
    Suite(
        "async-timeout==5.0.1",
        plugins=("asyncio",),
        options=("-o", "asyncio_mode=auto"),
        least=30,
    ),
    Suite(
        "janus==2.0.0",
        plugins=("asyncio",),
        options=("-o", "asyncio_mode=auto", "--ignore=tests/test_benchmarks.py"),
        least=90,
    ),
    Suite(
        "aiojobs==1.4.0",
        plugins=("asyncio",),
        options=("-o", "asyncio_mode=auto", "--ignore=tests/test_aiohttp.py"),
        least=45,
    ),
    Suite(
        "asgiref==3.13.0",  # event loops in threads, and threads of pools in loops
        plugins=("asyncio",),
        options=(
            *("-o", "asyncio_mode=auto", "--deselect=tests/test_sync.py::test_sync_to_async"),
            # Those that wait in a thread for a lock of multiprocessing, or for a process.
            *("-k", "not blocker and not multiprocessing and not bridges and not bindings"),
        ),
        least=95,
    ),
    Suite(
        "async-lru==2.4.0",
        plugins=("asyncio",),
        options=("-o", "asyncio_mode=auto", "-k", "ttl or thread or loop"),
        least=20,
    ),
    Suite(
        "transitions==0.9.3",  # locks among threads, known by the thread's identifier
        options=(
            "--ignore=tests/test_codestyle.py",
            *("-k", "test_threading and (thread_access or deep or conditional)"),
        ),
        least=5,
    ),
]


@pytest.mark.parametrize("suite", [pytest.param(one, id=one.distribution) for one in SUITES])
def test_a_suite_has_the_same_results_in_virtual_time(suite: Suite, tmp_path: Path) -> None:
    folder = unpack(fetch(suite.distribution, tmp_path), tmp_path)
    real, virtual = run(folder, suite, "real"), run(folder, suite, "virtual")
    assert virtual == real
    assert list(real.values()).count("passed") >= suite.least
    times = [seconds(folder / f"{clock}.xml") for clock in ("real", "virtual")]
    LOG.info("%s: %.1f s in real time, %.1f s in virtual time", suite.distribution, *times)


def fetch(distribution: str, folder: Path) -> Path:
    """Download the sources of a distribution; skip the test when that fails."""
    name = distribution.partition("=")[0]
    options = ["--no-deps", "--no-binary", name, "--retries", "1", "--timeout", "15"]
    command = ["pip", "download", distribution, *options]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command, "--disable-pip-version-check", "--dest", folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as expired:
        reason = str(expired)
    else:
        archives = list(folder.glob("*.tar.gz"))
        if done.returncode == 0 and len(archives) == 1:
            return archives[0]
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        reason = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    pytest.skip(f"THE TESTS OF {name.upper()} DID NOT RUN. Tried: {' '.join(command)}\n{reason}")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a distribution, and leave its settings for pytest aside."""
    with tarfile.open(archive) as sources:
        # An argument of extractall only since 3.11.4; earlier ones know no filters.
        sources.extraction_filter = getattr(tarfile, "data_filter", None)
        sources.extractall(folder / "sources")
    (unpacked,) = (folder / "sources").iterdir()
    (unpacked / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8"
    )
    return unpacked


def run(folder: Path, suite: Suite, clock: str) -> dict[str, str]:
    """Run a suite in a program of its own; return the outcome of each test."""
    told = folder / f"{clock}.xml"
    named = [word for plugin in (PLUGIN, *suite.plugins) for word in ("-p", plugin)]
    virtual = ["--lab-virtual", *suite.virtual] if clock == "virtual" else []
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "-p", "no:cacheprovider"),
            *(*named, *suite.options, *virtual, "-W", "ignore", f"--junitxml={told}", "tests"),
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder), *filter(None, sys.path)]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert told.exists(), done.stdout + done.stderr
    found = {}
    for case in ET.parse(told).iter("testcase"):
        bad = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        found[f"{case.get('classname')}.{case.get('name')}"] = bad[0] if bad else "passed"
    return found


def seconds(told: Path) -> float:
    """Return how long a suite took."""
    (suite,) = ET.parse(told).iter("testsuite")
    return float(suite.get("time", "nan"))


def test_a_download_that_fails_skips_with_the_command_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"pip download tenacity==\S+ .*\n.*No matchi"):
        fetch("tenacity==9.2.1", tmp_path)
