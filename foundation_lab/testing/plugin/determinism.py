"""The check that a test is the same each time: twice here, and once with other hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.testing.plugin.comparison import (
    OTHER_HASHES,
    outcome,
    recordings,
    suspicion,
    what_differs,
)
from foundation_lab.testing.plugin.elsewhere import elsewhere_of
from foundation_lab.testing.plugin.rounds import log_reports, report_of, run_round

if TYPE_CHECKING:
    from foundation_lab.testing.plugin.plan import Plan


UNSEEN = (
    "sets of objects, which are gone through by their addresses",
    "what outlives a run: a variable of a module, a cache, a mutable default",
)
"""Suspects when nobody has asked for anything that differs in each run."""


class NotDeterministic(AssertionError):
    """Two runs of one test with one seed have told different stories."""


def check(item: Any, plan: Plan, nextitem: Any) -> None:
    """Run a test twice in its first trial, compare it with a run elsewhere, and report."""
    trial, *_ = plan.trials
    first = run_round(item, trial, plan, item.parent)
    one = outcome(first), recordings(first)
    suspects: dict[str, None] = {}
    with suspicion(suspects):
        second = run_round(item, trial, plan, nextitem)
    other = outcome(second), recordings(second)
    complaint = None
    if one[0] != "skipped":
        complaint = compared(item, one, other, suspects)
    if complaint is not None:

        def fail() -> None:
            raise NotDeterministic(complaint)

        report = report_of(item, fail)
        report.longrepr = complaint
        second.reports[:] = [r for r in second.reports if r.when != "call"]
        second.reports.insert(1, report)
    log_reports(item, second.reports)


def compared(item: Any, one: Any, other: Any, suspects: dict[str, None]) -> str | None:
    """Return what is to be said when a test was not the same each time."""
    difference = what_differs(one, other)
    if difference is not None:
        lines = list(suspects) or list(UNSEEN)
        return told("two runs with one seed differ", difference, lines)
    elsewhere = elsewhere_of(item.session, item.nodeid)
    there = elsewhere.result(item.nodeid)
    if there is None:
        return f"the run with other hashes came to nothing\n{elsewhere.complaint}"
    difference = what_differs(one, there)
    if difference is None:
        return None
    hashes = [line for line in suspects if line.startswith("hashes")]
    others = [line for line in suspects if line.startswith(("the wall", "chance", "addresses"))]
    return told(
        "two runs with one seed and other hashes differ",
        difference,
        [*hashes, OTHER_HASHES, *others],
    )


def told(headline: str, difference: str, suspects: list[str]) -> str:
    """Return the message."""
    indented = [f"  {line}" for line in suspects]
    return "\n".join([headline, difference, "suspects:", *indented])
