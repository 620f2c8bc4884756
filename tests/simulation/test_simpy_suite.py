"""SimPy's own tests and examples pass on a `Simulation`.

They are fetched from the package index, at the version of SimPy that is installed; nothing of them
is kept here.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PATIENCE = 60.0
"""Seconds of the wall clock, for a download or for one run of the suite."""

EXPECTED_DIFFERENCES = {
    "tests/test_benchmark.py::test_store_sim": (
        "It counts, by SimPy's private counter, the events that were put into the queue. That a "
        "`Simulation` puts fewer there changes nothing that a model can see."
    ),
    "tests/test_exceptions.py::test_exception_chaining": (
        "It spells out the traceback of a failure that nobody handles, with the lines of "
        "simpy/core.py where SimPy raises a copy of it. A `Simulation` raises the failure itself."
    ),
}
"""Tests that pass on plain SimPy and on nothing else, with the reason."""


class Run(NamedTuple):
    """What became of the suite.

    Attributes:
        outcomes: The outcome of each test, followed by the last lines of its traceback.
        environments: The class of the fixture `env`, for each test that has it.
    """

    outcomes: dict[str, list[str]]
    environments: dict[str, str]

    @property
    def passed(self) -> set[str]:
        """The tests that passed."""
        return {test for test, outcome in self.outcomes.items() if outcome[0] == "passed"}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with SimPy's tests and examples."""
    return unpack(fetch(tmp_path_factory.mktemp("download")), tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def plain(suite: Path) -> Run:
    """The suite on SimPy as it is."""
    return run(suite, "nothing")


def test_nearly_all_of_the_suite_passes_on_plain_simpy(plain: Run) -> None:
    assert len(plain.passed) > 140
    assert set(plain.environments.values()) == {"Environment"}


@pytest.mark.parametrize("what", ["environment", "everything"])
def test_what_passes_on_plain_simpy_passes_on_a_simulation(
    suite: Path, plain: Run, what: str
) -> None:
    ours = run(suite, what)
    assert set(ours.environments.values()) == {"Simulation"}
    broken = failures(ours, plain.passed - set(EXPECTED_DIFFERENCES))
    assert not broken, f"tests that pass on SimPy alone:\n\n{broken}"
    equal = [
        test for test in EXPECTED_DIFFERENCES if (test in ours.passed) == (test in plain.passed)
    ]
    assert not equal, f"expected differences that are none: {equal}"


def test_a_download_that_fails_skips_with_the_command_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"pip download simpy==\S+ .*\n.*No matching"):
        fetch(tmp_path)


def fetch(folder: Path) -> Path:
    """Download the sources of the SimPy that is installed; skip the test when that fails."""
    wanted = f"simpy=={importlib.metadata.version('simpy')}"
    options = ["--no-deps", "--no-binary", "simpy", "--retries", "1", "--timeout", "15"]
    command = ["pip", "download", wanted, *options]
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
        archives = list(folder.glob("simpy-*.tar.gz"))
        if done.returncode == 0 and len(archives) == 1:
            return archives[0]
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        reason = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    pytest.skip(f"SIMPY'S OWN TESTS DID NOT RUN. Tried: {' '.join(command)}\n{reason}")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack tests and examples, and nothing that Python or pytest would find by itself."""
    with tarfile.open(archive) as sources:
        members = [
            member
            for member in sources.getmembers()
            if Path(member.name).parts[1:2] == ("tests",)
            or Path(member.name).parts[1:4] == ("docs", "examples", "code")
        ]
        # An argument of extractall only since 3.11.4; earlier ones know no filters.
        sources.extraction_filter = getattr(tarfile, "data_filter", None)
        sources.extractall(folder, members)
    (unpacked,) = folder.iterdir()
    (unpacked / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return unpacked


def run(suite: Path, replace: str) -> Run:
    """Run the suite in a program of its own.

    The tests of `simpy.rt` are left out: they are about another environment, which follows the wall
    clock. Plugins that are installed stay out as well, this project's among them.
    """
    outcomes = suite / f"{replace}.json"
    examples = sorted(map(str, suite.glob("docs/examples/code/*.out")))
    options = ["-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "-p", "simpy_replaced"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *options),
            *("--replace", replace, "--outcomes", outcomes),
            *("--ignore", "tests/test_rt.py", "tests", *examples),
        ],
        cwd=suite,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert outcomes.exists(), done.stdout + done.stderr
    return Run(**json.loads(outcomes.read_text(encoding="utf-8")))


def failures(ours: Run, expected: set[str]) -> str:
    """The tests that did not pass, each with the last lines of its traceback."""
    return "\n\n".join(
        "\n    ".join([test, *ours.outcomes.get(test, ["not run"])])
        for test in sorted(expected - ours.passed)
    )
