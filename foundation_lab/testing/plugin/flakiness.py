"""The verdict on a test that fails now and then: what does its outcome depend on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.testing.plugin.comparison import outcome, recordings, what_differs
from foundation_lab.testing.plugin.elsewhere import elsewhere_of
from foundation_lab.testing.plugin.rounds import Round, log_reports, report_of, run_round
from foundation_lab.testing.trial import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.testing.plugin.plan import Plan
    from foundation_lab.testing.trial import Trial


VERDICT, WHY = "lab_flaky", "lab_flaky_why"
"""What the reports of a test say of it, that of its teardown the reason, too."""


def verdicts(reports: Iterable[Any]) -> list[tuple[str, str, str]]:
    """Return test, verdict and reason from reports, in the order in which the tests were run.

    The reports may have come from other processes, as those of xdist do.
    """
    told = [(dict(getattr(report, "user_properties", ())), report) for report in reports]
    found = [(said, report) for said, report in told if WHY in said]
    found.sort(key=lambda each: each[1].start)
    return [(report.nodeid, said[VERDICT], said[WHY]) for said, report in found]


class Flaky(AssertionError):
    """The outcome of a test depends on what it should not depend on."""


def examine(item: Any, plan: Plan, nextitem: Any) -> None:
    """Run a test again and in other orders, and report what its outcome depends on."""
    plain = plan.trials[0]
    first, second = (run_round(item, plain, plan, item.parent) for _ in range(2))
    orders = item.config.getoption("--lab-flaky")
    schedule = plain.schedule if plain.schedule != "fifo" else "shuffle"
    trials = [plain._replace(schedule=schedule, variant=number) for number in range(1, orders + 1)]
    explored = [run_round(item, trial, plan, item.parent) for trial in trials]
    last = run_round(item, plain, plan, nextitem)
    verdict, why = judged(item, [first, second, last], explored)
    if verdict not in {"stable", "skipped"} and not last.failed:

        def fail() -> None:
            raise Flaky(f"{verdict}: {why}")

        report = report_of(item, fail)
        report.longrepr = f"{verdict}: {why}"
        last.reports[:] = [report if one.when == "call" else one for one in last.reports]
    for report in last.reports:
        report.user_properties.append((VERDICT, verdict))
        if report.when == "teardown":
            report.user_properties.append((WHY, why))
    log_reports(item, last.reports)


def judged(item: Any, same: list[Round], explored: list[Round]) -> tuple[str, str]:
    """Return the verdict and its reason.

    Args:
        item: The test.
        same: Rounds of one and the same trial.
        explored: Rounds that differ in their schedule.
    """
    first, *others = ((outcome(done), recordings(done)) for done in same)
    if first[0] == "skipped":
        return "skipped", "nothing is known of it"
    for other in others:
        difference = what_differs(first, other)
        if difference is not None:
            return "nondeterministic", f"one seed, and yet {difference}"
    there = elsewhere_of(item.session, item.nodeid).result(item.nodeid)
    if there is not None:
        difference = what_differs(first, there)
        if difference is not None:
            return "hash-dependent", f"with other hashes {difference}"
    different = [done for done in explored if outcome(done) != first[0]]
    if different:
        trial: Trial = different[0].bench.trial
        return "schedule-dependent", (
            f"{len(different)} of {len(explored)} orders end otherwise: {outcome(different[0])}\n"
            f"again: {command(item.nodeid, trial)}"
        )
    return "stable", f"{len(same)} runs, {len(explored)} orders, other hashes: {first[0]}"
