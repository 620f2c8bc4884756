"""How the lab's tests are run, and what the report of a failure says."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.testing.attempts import Attempt, begin_attempt
from foundation_lab.testing.plugin.bench import BENCH, bench_of
from foundation_lab.testing.plugin.plan import is_of_the_lab, plan_of, refuse_seeds

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.engine import Simulation

_ATTEMPT = pytest.StashKey[Attempt]()

LAST_EVENTS = 20
"""How many events the report section of a failed test shows."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test of the lab as its plan says; leave the others to pytest."""
    if not is_of_the_lab(item):
        return None
    try:
        plan = plan_of(item)
    except ValueError:
        return None  # pytest runs it once, and `pytest_runtest_setup` reports the error
    config = item.config
    kept = config.getoption("--lab-keep")
    if kept is not None:
        from foundation_lab.testing.plugin.sweeps import run_and_keep  # noqa: PLC0415

        run_and_keep(item, plan, nextitem, kept)
    elif config.getoption("--lab-check-determinism"):
        from foundation_lab.testing.plugin.determinism import check  # noqa: PLC0415

        check(item, plan, nextitem)
    elif config.getoption("--lab-flaky"):
        from foundation_lab.testing.plugin.flakiness import examine  # noqa: PLC0415

        examine(item, plan, nextitem)
    elif len(plan.trials) > 1:
        from foundation_lab.testing.plugin.sweeps import sweep  # noqa: PLC0415

        sweep(item, plan, nextitem)
    else:
        return None
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a test whose markers say what cannot be."""
    item.stash[_ATTEMPT] = begin_attempt()
    try:
        if is_of_the_lab(item):
            bench_of(item)
        else:
            refuse_seeds(item)
    except ValueError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test passed, and add to the report what is known when it did not."""
    report = yield
    if not report.passed and _ATTEMPT in item.stash:
        item.stash[_ATTEMPT].cut_short = True
    bench = item.stash.get(BENCH, None)
    if bench is None:
        return report
    if report.when == "call":
        bench.passed = report.passed
    if report.failed:
        for sim in bench.sims:
            told = "again: pytest " in report.longreprtext or len(plan_of(item).trials) > 1
            test = "" if told else item.nodeid
            report.sections.append(("virtual time", _virtual_time(sim, test)))
        report.sections.extend(bench.notes)
        folder = item.config.getoption("--lab-artifacts")
        if folder is not None:
            from foundation_lab.testing.plugin.artifacts import keep_failure  # noqa: PLC0415

            keep_failure(folder, item.nodeid, report, bench.sims)
    if report.when == "teardown":
        del item.stash[BENCH]  # a rerun begins anew, and nothing keeps the simulation alive
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what ``--lab-flaky`` has found."""
    if not terminalreporter.config.getoption("--lab-flaky"):
        return
    from foundation_lab.testing.plugin.flakiness import verdicts  # noqa: PLC0415  (as the others)

    found = verdicts(chain.from_iterable(terminalreporter.stats.values()))
    if found:
        terminalreporter.section("what tests depend on")
    for nodeid, verdict, why in found:
        terminalreporter.write_line(f"{verdict:18} {nodeid}")
        for line in why.splitlines() if verdict != "stable" else ():
            terminalreporter.write_line(f"{'':18} {line}")


def _virtual_time(sim: Simulation, test: str) -> str:
    """Return what is known of a failure, and how to run the test again if that is not told yet."""
    from foundation_lab.testing.failure import excerpt, who_waits  # noqa: PLC0415
    from foundation_lab.testing.spelling import seconds  # noqa: PLC0415
    from foundation_lab.testing.trial import command, trial_of  # noqa: PLC0415

    trial = trial_of(sim)
    lines = [f"seed {sim.seed}, t={seconds(sim.now)}"]
    lines += [f"again: {command(test, trial)}"] if test else []
    try:
        lines += _schedule(sim, trial) if trial.explores else []
        lines += [*who_waits(sim), *excerpt(sim, LAST_EVENTS)]
    except Exception as error:  # noqa: BLE001  (a broken recording must not break the report)
        lines.append(f"nothing more can be told: {type(error).__name__}: {error}")
    return "\n".join(lines)


def _schedule(sim: Any, trial: Any) -> list[str]:
    """Return what was chosen otherwise than first in, first out."""
    told = [f"  {deviation}" for deviation in sim.deviations[:LAST_EVENTS]]
    more = len(sim.deviations) - len(told)
    return [
        f"schedule {trial}, digest {sim.schedule_digest}",
        f"{len(sim.deviations)} of {sim.choices} choices were not the first in the queue",
        *told,
        *([f"  ... and {more} more"] if more else []),
    ]
