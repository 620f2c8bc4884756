"""Monitors that a test has attached and not asked are asked when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]

HEAD = """
import pytest
from foundation_lab.testing import always, eventually, leads_to, never, sometimes

def happens(sim, name="shop.lost"):
    sim.telemetry.emit(name)

def test_it(sim, monitor):
"""


def run(pytester: Pytester, body: str, *options: str) -> RunResult:
    """Run a test of the fixtures `sim` and `monitor`."""
    lines = "".join(f"    {line.strip()}\n" for line in body.split(";"))
    pytester.makepyfile(test_shop=HEAD + lines)
    return run_pytest(pytester, *options)


@pytest.mark.parametrize("end", ["", "; watching.detach()"])
def test_a_property_that_does_not_hold_is_an_error_of_the_teardown(
    pytester: Pytester, end: str
) -> None:
    result = run(pytester, f"watching = monitor(never('shop.lost')).attach(); happens(sim){end}")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            "E*AssertionError: 1 of 1 properties do not hold",
            "E*never shop.lost(): it happened",
            "E*#0 t=0 shop.lost()*",
            "E*found when the test was over: the monitor was not asked at its end; ask by *",
        ]
    )


@pytest.mark.parametrize(
    "body",
    [
        "monitor(never('shop.lost')).attach()",
        "monitor(leads_to('shop.a', 'shop.b', within=5)).attach(); happens(sim, 'shop.a')",
        "monitor(eventually('shop.a')).attach(); happens(sim, 'shop.a')",
        "m = monitor(never('shop.lost')).attach(); m.check(); m.detach(); happens(sim)",
    ],
)
def test_what_holds_is_nothing_to_be_told(pytester: Pytester, body: str) -> None:
    run(pytester, body).assert_outcomes(passed=1)


def test_the_end_of_the_test_is_the_end_of_the_run(pytester: Pytester) -> None:
    result = run(pytester, "monitor(eventually('shop.a')).attach(); sim.run(until=3)")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*it had not happened when the run ended at t=3"])


def test_a_violation_that_was_told_and_expected_is_not_told_again(pytester: Pytester) -> None:
    told = (
        "m = monitor(never('shop.lost'), never('shop.late')).attach(); happens(sim);"
        "pytest.raises(AssertionError, m.check)"
    )
    run(pytester, told).assert_outcomes(passed=1)
    run(pytester, told, "--lab-seeds=3").assert_outcomes(passed=1)
    result = run(pytester, f"{told}; happens(sim, 'shop.late')")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*1 of 1 properties do not hold", "E*never shop.late()*"])


def test_what_was_told_to_be_missing_is_not_told_again_later(pytester: Pytester) -> None:
    told = (
        "m = monitor(eventually('shop.a')).attach(); sim.run(until=1);"
        "pytest.raises(AssertionError, m.check); sim.run(until=2)"
    )
    run(pytester, told).assert_outcomes(passed=1)
    run(pytester, told, "--lab-seeds=3").assert_outcomes(passed=1)


@pytest.mark.parametrize("end", ["", "; m.detach()"])
def test_what_comes_after_the_check_is_checked_too(pytester: Pytester, end: str) -> None:
    attached = "m = monitor(never('shop.lost')).attach()"
    run(pytester, f"{attached}; m.check(); happens(sim){end}").assert_outcomes(passed=1, errors=1)


def test_a_test_that_failed_is_not_blamed_for_its_properties_too(pytester: Pytester) -> None:
    result = run(pytester, "monitor(never('shop.lost')).attach(); happens(sim); assert sim is None")
    result.assert_outcomes(failed=1)
    run(
        pytester, "monitor(never('shop.lost')).attach(); happens(sim); pytest.skip('no')"
    ).assert_outcomes(skipped=1)


def test_a_monitor_that_can_see_nothing_at_the_end_says_so(pytester: Pytester) -> None:
    result = run(pytester, "monitor(never('shop.lost')).attach(); sim.telemetry.disable()")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*the monitor can see nothing at t=0: *"])
    run(
        pytester,
        "m = monitor(never('shop.lost')).attach(); m.check(); sim.telemetry.disable()",
    ).assert_outcomes(passed=1)


def test_an_error_in_a_property_is_told_once(pytester: Pytester) -> None:
    attached = "m = monitor(always(lambda _record: 1 / 0)).attach(); happens(sim)"
    result = run(pytester, attached)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*ZeroDivisionError: division by zero"])
    run(pytester, f"{attached}; pytest.raises(ZeroDivisionError, m.check)").assert_outcomes(
        passed=1
    )


def test_a_block_that_was_left_by_an_exception_is_not_asked(pytester: Pytester) -> None:
    pytester.makepyfile(
        test_shop=HEAD
        + "    with pytest.raises(KeyError), monitor(eventually('shop.a')):\n"
        + "        raise KeyError\n"
    )
    run_pytest(pytester).assert_outcomes(passed=1)


def test_a_monitor_still_attached_is_no_leak(pytester: Pytester) -> None:
    run(pytester, "monitor(never('shop.lost')).attach()", "-o", "lab_leaks=forbid").assert_outcomes(
        passed=1
    )


def test_a_seed_that_violates_it_ends_the_sweep_and_a_sometimes_is_gathered(
    pytester: Pytester,
) -> None:
    body = "monitor(never('shop.lost')).attach(); sim.seed == 2 and happens(sim)"
    result = run(pytester, body, "--lab-seeds=5")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["seed 2 failed, of 5: 2 passed before it"])
    result = run(pytester, "monitor(sometimes('shop.late')).attach()", "--lab-seeds=5")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["sometimes shop.late(): not once in seeds *"])
