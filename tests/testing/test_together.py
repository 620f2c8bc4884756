"""The plugin beside others: xdist, asyncio, anyio, randomly, Hypothesis, in any combination."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from foundation_lab.errors import MissingExtra
from foundation_lab.testing import lab_schedules
from tests.testing.inner import PLUGIN

if TYPE_CHECKING:
    from pytest import Pytester  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

SUITE = """
    import asyncio
    import time

    import pytest
    from hypothesis import given, settings, strategies as st

    from foundation_lab.simulation.exploring.exploration import Exploration
    from foundation_lab.testing import lab_schedules

    @pytest.mark.seeds(5)
    def test_seeds(sim, assert_event):
        with assert_event("kit.told", number=float(sim.seed)):
            sim.telemetry.emit("kit.told", {"number": sim.seed})

    @pytest.mark.lab(seed=3, schedule="pct", seeds=4)
    @pytest.mark.parametrize("name", ["a", "b"])
    def test_parameters(lab, name):
        assert lab.seed in (3, 4, 5, 6)

    def test_virtual(virtual_time):
        time.sleep(60)
        assert virtual_time.now == 60

    @given(st.integers(), lab_schedules())
    @settings(max_examples=10, database=None, deadline=None)
    def test_schedules(number, schedule):
        sim = Exploration(schedule=schedule)
        sim.run(until=5)

    @pytest.mark.seeds(3)
    def test_fails_at_2(sim):
        assert sim.seed < 2
"""

ASYNCIO = """
    import asyncio
    import time

    import pytest

    @pytest.mark.asyncio
    async def test_sleeps():
        before = time.monotonic()
        await asyncio.sleep(600)
        assert time.monotonic() - before == 600

    @pytest.mark.seeds(3)
    @pytest.mark.asyncio
    async def test_seeds_in_a_coroutine(virtual_time):
        await asyncio.sleep(1)
        assert virtual_time.now == 1
"""

ANYIO = """
    import time

    import anyio
    import pytest

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.anyio
    async def test_sleeps():
        before = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 600)
            tasks.start_soon(anyio.sleep, 500)
        assert time.monotonic() - before == 600
"""


def run(pytester: Pytester, *plugins: str, options: tuple[str, ...] = ()) -> str:
    """Run pytest in a program of its own, with some plugins and no other; return what it says."""
    named = [word for plugin in (PLUGIN, *plugins) for word in ("-p", plugin)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *named, *options],
        cwd=pytester.path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


OTHERS = {
    "xdist": ("-n", "2"),
    "randomly": (),
    "hypothesispytest": (),
    "timeout": ("--timeout=60",),
}
"""Plugins, and the options that make them do something."""


@pytest.mark.parametrize(
    "plugins",
    [
        pytest.param(plugins, id="+".join(plugins) or "alone")
        for size in (0, 1, 2, 4)
        for plugins in itertools.combinations(OTHERS, size)
        if size != 2 or "xdist" in plugins
    ],
)
def test_the_lab_works_beside_other_plugins(pytester: Pytester, plugins: tuple[str, ...]) -> None:
    pytester.makepyfile(test_suite=SUITE)
    chosen = tuple(word for plugin in plugins for word in OTHERS[plugin])
    said = run(pytester, *plugins, options=chosen)
    assert "5 passed" in said, said
    assert "1 failed" in said, said
    assert "seed 2 failed, of 3: 2 passed before it" in said
    assert "again: pytest test_suite.py::test_fails_at_2 --lab-replay=2" in said


@pytest.mark.parametrize("options", [("--lab-virtual",), ("--lab-virtual", "-n", "2")])
def test_coroutines_of_pytest_asyncio_run_in_virtual_time_as_they_are(
    pytester: Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_suite=ASYNCIO)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    said = run(pytester, "asyncio", "xdist", options=options)
    assert "2 passed" in said, said


def test_coroutines_of_anyio_run_in_virtual_time_as_they_are(pytester: Pytester) -> None:
    pytester.makepyfile(test_suite=ANYIO)
    said = run(pytester, "anyio", options=("--lab-virtual",))
    assert "1 passed" in said, said


def test_hypothesis_finds_the_order_that_breaks_a_test_and_shrinks_it_to_one_deviation(
    pytester: Pytester,
) -> None:
    pytester.makepyfile(
        test_suite="""
        from hypothesis import given, settings

        from foundation_lab.simulation.exploring.exploration import Exploration
        from foundation_lab.testing import lab_schedules

        @given(lab_schedules())
        @settings(database=None, derandomize=True, deadline=None)
        def test_it(schedule):
            sim = Exploration(schedule=schedule)
            order = []

            def process(name):
                yield 1.0
                order.append(name)

            for name in "abcd":
                sim.process(process(name), name=name)
            sim.run()
            assert order.index("a") < order.index("d")
        """
    )
    said = run(pytester, "hypothesispytest")
    assert "1 failed" in said, said
    (example,) = {line.strip() for line in said.splitlines() if "schedule=Chosen(" in line}
    assert example == "E           schedule=Chosen([3]),", said


def test_a_suite_without_our_fixtures_shows_no_difference(pytester: Pytester) -> None:
    pytester.makepyfile(
        test_suite="""
        import sys

        def test_it(record_property):
            heavy = ("simpy", "polars", "pandas", "msgspec", "foundation_lab.simulation.engine")
            assert [name for name in heavy if name in sys.modules] == []
        """
    )
    said = run(pytester)
    assert "1 passed" in said, said


def test_without_hypothesis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingExtra, match=r"foundation-lab\[hypothesis\]"):
        lab_schedules()


def test_the_verdicts_of_all_processes_of_xdist_are_told_in_one_table(pytester: Pytester) -> None:
    pytester.makepyfile(
        test_one="def test_steady(sim):\n    pass\n",
        test_two="import random\n"
        "def test_chance(sim):\n"
        "    sim.telemetry.emit('kit.told', {'number': random.random()})\n",
    )
    said = run(pytester, "xdist", options=("-n", "2", "--lab-flaky=2"))
    assert "= what tests depend on =" in said
    assert "stable             test_one.py::test_steady\n" in said
    assert "nondeterministic   test_two.py::test_chance\n" in said
