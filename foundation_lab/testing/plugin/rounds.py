"""Rounds: a test that is set up, run and torn down as often as its plan says, as one test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from _pytest.runner import runtestprotocol

from foundation_lab.testing.plugin.bench import BENCH, Bench

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from foundation_lab.testing.plugin.plan import Plan
    from foundation_lab.testing.trial import Trial


@dataclass
class Round:
    """What came of one trial.

    Attributes:
        bench: What the test left on its bench.
        reports: Those of setup, call and teardown.
    """

    bench: Bench
    reports: list[pytest.TestReport]

    @property
    def failed(self) -> bool:
        """Whether anything of it failed."""
        return any(report.failed for report in self.reports)

    @property
    def broken(self) -> bool:
        """Whether anything failed but for the expectation that it fails."""
        return any(
            report.failed and not report.longreprtext.startswith("[XPASS(strict)]")
            for report in self.reports
        )

    @property
    def failed_as_expected(self) -> bool:
        """Whether it was marked as one that fails, and did."""
        return any(report.skipped and hasattr(report, "wasxfail") for report in self.reports)

    @property
    def skipped(self) -> bool:
        """Whether it was skipped, or failed as expected."""
        return any(report.skipped for report in self.reports)


def run_round(item: Any, trial: Trial, plan: Plan, nextitem: Any) -> Round:
    """Run a test once, with fresh fixtures of its own; nothing is reported.

    Args:
        item: The test.
        trial: How it is run.
        plan: What else is said of all trials.
        nextitem: What is run next; the test's parent when it is the test again, so that fixtures of
            modules and classes stay.
    """
    bench = item.stash[BENCH] = Bench(trial, plan)
    with _gathering(bench):
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    return Round(bench, reports)


def _gathering(bench: Bench) -> Any:
    from foundation_lab.testing.gathering import gathering  # noqa: PLC0415  (as the others)

    return gathering(bench.verdicts)


def report_of(
    item: Any, check: Callable[[], object], when: Literal["call", "teardown"] = "call"
) -> pytest.TestReport:
    """Return the report of something that is checked when all rounds of a test are over."""
    from _pytest.runner import CallInfo  # noqa: PLC0415  (as the others)

    call = CallInfo.from_call(check, when=when)
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return report


def log_reports(item: Any, reports: list[pytest.TestReport]) -> None:
    """Report on a test: once, whatever the number of its rounds."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
