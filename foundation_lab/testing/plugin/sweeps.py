"""Sweeps: a test with many seeds, reported as one, up to the first seed that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.testing.plugin.rounds import Round, log_reports, report_of, run_round
from foundation_lab.testing.trial import command

if TYPE_CHECKING:
    from foundation_lab.testing.plugin.plan import Plan
    from foundation_lab.testing.sweep import Sweep


def sweep(item: Any, plan: Plan, nextitem: Any) -> None:
    """Run a test in all trials of its plan, and report on it."""
    from foundation_lab.testing.sweep import Sweep  # noqa: PLC0415  (as the others)

    gathered, told = Sweep(item.nodeid), None
    skipped: list[int] = []
    time = 0.0
    for number, trial in enumerate(plan.trials):
        # The last round is the only one that may take down what lives longer than a test.
        after = nextitem if number == len(plan.trials) - 1 else item.parent
        done = run_round(item, trial, plan, after)
        if done.broken or done.failed_as_expected:
            _tell(item, plan, done, number - len(skipped))
            finish(item, done, nextitem)
            return
        time += sum(report.duration for report in done.reports if report.when == "call")
        if done.skipped:
            skipped.append(trial.seed)
        else:
            told = done
            gathered.add(trial.seed, done.bench.verdicts)
    if told is None:
        told = done
    elif not told.failed:
        _judge(item, gathered, told)
    for report in told.reports:
        if report.when == "call":
            report.duration = time
            report.user_properties.append(("lab_seeds", len(plan.trials)))
            if skipped:
                report.sections.append(("sweep", f"skipped: seeds {', '.join(map(str, skipped))}"))
    log_reports(item, told.reports)


def run_and_keep(item: Any, plan: Plan, nextitem: Any, folder: str) -> None:
    """Run a test once, and keep what came of it for another run of pytest."""
    from foundation_lab.testing.plugin.comparison import outcome  # noqa: PLC0415
    from foundation_lab.testing.plugin.elsewhere import keep_round  # noqa: PLC0415

    done = run_round(item, plan.trials[0], plan, nextitem)
    keep_round(folder, item.nodeid, done, outcome(done))
    log_reports(item, done.reports)


def finish(item: Any, done: Round, nextitem: Any) -> None:
    """Report on a round after which others were to come, and take down what nobody needs now."""
    state = item.session._setupstate
    down = report_of(item, lambda: state.teardown_exact(nextitem), "teardown")
    if down.failed:
        done.reports[-1:] = [down]
    log_reports(item, done.reports)


def _judge(item: Any, gathered: Sweep, done: Round) -> None:
    """Fail a test whose sweep has not hit what it is for."""
    if not gathered.hits():
        return
    report = report_of(item, gathered.check)
    if report.failed:
        report.longrepr = str(report.longrepr.reprcrash.message)  # type: ignore[union-attr]
        done.reports[:] = [report if one.when == "call" else one for one in done.reports]
    else:
        for one in done.reports:
            if one.when == "call":
                one.sections.append(("properties", "\n".join(gathered.lines())))


def _tell(item: Any, plan: Plan, done: Round, passed: int) -> None:
    """Say which seed has failed, and how to run it again."""
    trial = done.bench.trial
    before = f"{passed} passed before it" if passed else "none passed before it"
    text = f"seed {trial.seed} failed, of {len(plan.trials)}: {before}"
    text += f"\nagain: {command(item.nodeid, trial)}"
    for report in done.reports:
        if report.failed:
            report.sections.append(("sweep", text))
