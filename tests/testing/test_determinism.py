from __future__ import annotations

from typing import TYPE_CHECKING

from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]

TESTS = """
    import random

    OLD = []

    def tells(sim, text):
        sim.telemetry.emit("shop.told", metadata={"text": str(text)})

    def test_steady(sim):
        tells(sim, sim.stream("shop").random())

    def test_shared_generator(sim):
        tells(sim, random.random())

    def test_set_of_strings(sim):
        for name in {"ada", "bob", "cleo", "dan", "eve", "fred"}:
            tells(sim, name)

    def test_set_of_objects(sim):
        kept = [object() for _ in range(50)]
        OLD.append(kept)  # or else the next run may get the same addresses
        for thing in set(kept):
            tells(sim, kept.index(thing))

    def test_order(sim):
        order = []

        def process(name):
            yield 1.0
            order.append(name)

        for name in "ab":
            sim.process(process(name))
        sim.run()
        assert order == ["a", "b"]

    def test_always_fails(sim):
        assert False

    def test_skipped(sim):
        import pytest
        pytest.skip("not today")
"""


def run(pytester: Pytester, *options: str) -> RunResult:
    pytester.makepyfile(test_shop=TESTS)
    return run_pytest(pytester, *options)


def test_the_check_names_the_first_event_that_differs_and_the_suspects(
    pytester: Pytester,
) -> None:
    result = run(pytester, "--lab-check-determinism")
    result.assert_outcomes(passed=2, failed=4, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*_ test_shared_generator _*",
            "two runs with one seed differ",
            "event 0 (shop.told) at t=0 differs:",
            "  text: '0.*' != '0.*'",
            "suspects:",
            "  the random generator that all share: random.random() at *test_shop.py:12",
            "*_ test_set_of_strings _*",
            "two runs with one seed and other hashes differ",
            "event * (shop.told) at t=0 differs:",
            "suspects:",
            "  sets of strings are gone through in another order, or hash() of a string is used",
            "*_ test_set_of_objects _*",
            "two runs with one seed differ",
            "suspects:",
            "  sets of objects, which are gone through by their addresses",
            "  what outlives a run: a variable of a module, a cache, a mutable default",
        ]
    )
    result.stdout.no_fnmatch_line("*_ test_steady _*")


def test_the_verdict_says_what_the_outcome_of_a_test_depends_on(pytester: Pytester) -> None:
    result = run(pytester, "--lab-flaky=10")
    result.stdout.fnmatch_lines(
        [
            "*= what tests depend on =*",
            "stable * test_shop.py::test_steady",
            "nondeterministic * test_shop.py::test_shared_generator",
            "hash-dependent * test_shop.py::test_set_of_strings",
            "nondeterministic * test_shop.py::test_set_of_objects",
            "schedule-dependent test_shop.py::test_order",
            "* of 10 orders end otherwise: call failed: *",
            "* again: pytest test_shop.py::test_order --lab-replay=0:shuffle:*",
            "stable * test_shop.py::test_always_fails",
            "skipped * test_shop.py::test_skipped",
        ]
    )
    result.assert_outcomes(passed=1, failed=5, skipped=1)
    again = result.stdout.str().partition("--lab-replay=")[2].split()[0]
    replayed = run(pytester, f"--lab-replay={again}", "-k", "test_order")
    replayed.assert_outcomes(failed=1, deselected=6)


def test_the_wall_clock_and_addresses_are_suspects_too(pytester: Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import time
        import uuid

        def test_it(sim):
            text = f"{time.time()} {uuid.uuid4()} {id(object())}"
            sim.telemetry.emit("shop.told", metadata={"text": text})
        """
    )
    result = run_pytest(pytester, "--lab-check-determinism")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "  the wall clock: time.time() at *:6",
            "  chance that nobody can repeat: uuid.uuid4() at *:6",
            "  addresses: id() at *:6",
        ]
    )


def test_the_check_works_in_workers_of_xdist(pytester: Pytester) -> None:
    pytester.makepyfile(test_shop=TESTS)
    result = run_pytest(pytester, "-p", "xdist", "-n", "2", "--lab-check-determinism", inside=False)
    result.assert_outcomes(passed=2, failed=4, skipped=1)
    result.stdout.fnmatch_lines(["*two runs with one seed and other hashes differ"])
