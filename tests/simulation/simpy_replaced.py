"""A pytest plugin for a suite that imports `simpy`: it finds classes of this project there.

It is named by ``-p simpy_replaced`` in a pytest that runs as a program of its own, so nobody else
sees what is put into `simpy`. ``--replace`` says what that is:

* ``nothing``: plain SimPy;
* ``environment``: a `Simulation` for `simpy.Environment`; events, processes and resources that are
  made by their class are SimPy's own;
* ``everything``: the classes of events, processes and resources, too.

Besides Python modules it collects files ``name.out``: what the program ``name.py`` beside it
prints. The fixture of pytest-benchmark runs what it is given, once. ``--outcomes`` names the JSON
file that the outcomes are written to.
"""

import json
import runpy
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import simpy

from foundation_lab.simulation.engine import Simulation

SEED = 33
MODULES = {
    "events": ["AllOf", "AnyOf", "Event", "Timeout"],
    "process": ["Process"],
    "resources": [
        "Container",
        "FilterStore",
        "PreemptiveResource",
        "PriorityResource",
        "PriorityStore",
        "Resource",
        "Store",
    ],
}
"""Where the package `foundation_lab.simulation` has what takes the place of SimPy's classes."""

LINES = 12
"""How many lines of a traceback are kept."""

OUTCOMES = pytest.StashKey[dict[str, list[str]]]()
ENVIRONMENTS = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--replace", choices=["nothing", "environment", "everything"], required=True)
    parser.addoption("--outcomes", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "benchmark: of pytest-benchmark")
    config.stash[OUTCOMES] = {}
    config.stash[ENVIRONMENTS] = {}
    for name, replacement in replacements(config.getoption("replace")):
        if not hasattr(simpy, name):
            raise LookupError(f"simpy has no {name} that could be replaced")
        setattr(simpy, name, replacement)


def replacements(what: str) -> Iterator[tuple[str, Any]]:
    """The names of `simpy` that mean something else, each with what it means."""
    if what in {"environment", "everything"}:
        yield "Environment", simulation
    if what == "everything":
        for module, names in MODULES.items():
            found = import_module(f"foundation_lab.simulation.{module}")
            yield from ((name, getattr(found, name)) for name in names)


def simulation(initial_time: float = 0) -> Simulation:
    """What is called instead of `simpy.Environment`, with the same arguments."""
    return Simulation(SEED, initial_time=initial_time)


@pytest.fixture
def benchmark() -> Callable[..., Any]:
    return lambda function, *args, **keywords: function(*args, **keywords)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    if file_path.suffix == ".out":
        return Printed.from_parent(parent, path=file_path)
    return None


class Printed(pytest.File):
    """What a program prints."""

    def collect(self) -> Iterator[pytest.Item]:
        yield Program.from_parent(self, name="printed")


class Program(pytest.Item):
    """A program whose output is known."""

    def runtest(self) -> None:
        output = StringIO()
        with redirect_stdout(output):
            runpy.run_path(str(self.path.with_suffix(".py")), run_name="__main__")
        assert output.getvalue() == self.path.read_text(encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    outcomes = item.config.stash[OUTCOMES]
    if report.when == "setup" or not report.passed:
        trace = report.longreprtext.splitlines()[-LINES:]
        outcomes[item.nodeid] = [report.outcome, *trace]
    env = getattr(item, "funcargs", {}).get("env")
    if env is not None:
        item.config.stash[ENVIRONMENTS][item.nodeid] = type(env).__name__
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    found = {"outcomes": stash[OUTCOMES], "environments": stash[ENVIRONMENTS]}
    session.config.getoption("outcomes").write_text(json.dumps(found), encoding="utf-8")
