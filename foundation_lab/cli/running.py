"""``foundation-lab run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation_lab.cli.app import app
from foundation_lab.cli.arguments import (
    AsJson,
    Force,
    Keep,
    Overrides,
    ScenarioFile,
    Seed,
    Until,
    scenario_path,
)
from foundation_lab.cli.exit_codes import INTERRUPTED, MISSED
from foundation_lab.cli.output import print_json, print_table, refuse, say
from foundation_lab.cli.targets import require_file, require_folder

if TYPE_CHECKING:
    from foundation_lab.errors import SimulationFailed
    from foundation_lab.recording.recording import Recording
    from foundation_lab.scenario.model import Scenario


@app.command(
    epilog="Examples: [bold]foundation-lab run scenarios/first_run.yaml[/bold]  ·  "
    "[bold]foundation-lab run scenarios/retry_storm.yaml --seed 4 "
    "--set services.client_retry.max_attempts=1[/bold]"
)
def run(
    scenario: ScenarioFile,
    variant: Annotated[
        str | None, typer.Option(help="One of the scenario's variants.", show_default=False)
    ] = None,
    seed: Seed = None,
    until: Until = None,
    overrides: Overrides = None,
    keep: Annotated[
        Keep | None,
        typer.Option(
            help="All events, or only what is counted of them, in bounded memory however long the "
            "run; what the scenario says without it.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Where the recording goes, a folder, or the aggregates, a file; "
            "runs/NAME-SEED-HASH or runs/NAME-SEED-HASH.json without it.",
            show_default=False,
        ),
    ] = None,
    row_limit: Annotated[
        int | None,
        typer.Option(min=1, help="Events kept in memory; more are spilled to disk meanwhile."),
    ] = None,
    report: Annotated[
        bool | None,
        typer.Option(
            "--report/--no-report",
            help="Write report.html beside the recording; it is written if there are events.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")
    ] = False,
    force: Force = False,
) -> None:
    """Run a scenario, save its recording and report, and print what happened."""
    from foundation_lab.scenario.load import load_scenario
    from foundation_lab.scenario.remarks import remarks

    chosen = load_scenario(
        scenario_path(scenario),
        variant=variant,
        overrides=overrides or (),
        seed=seed,
        until=until,
        keep=keep,
    )
    if until is None and not quiet:
        for remark in remarks(chosen):
            say(f"note: {remark}")
    if chosen.keep == "aggregates":
        _refuse_what_needs_events(row_limit=row_limit, report=report)
        target = out if out is not None else Path("runs") / f"{run_name(chosen)}.json"
        require_file(target, force=force)
        _count(chosen, target, as_json=as_json, quiet=quiet, force=force)
        return
    target = out if out is not None else Path("runs") / run_name(chosen)
    require_folder(target, force=force)
    _record(
        chosen,
        target,
        row_limit=row_limit,
        report=report is not False,
        as_json=as_json,
        quiet=quiet,
        force=force,
    )


def _record(
    chosen: Scenario,
    target: Path,
    *,
    row_limit: int | None,
    report: bool,
    as_json: bool,
    quiet: bool,
    force: bool,
) -> None:
    """Run a scenario; save and tell what happened."""
    from foundation_lab import lab
    from foundation_lab.errors import SimulationFailed

    failure = None
    try:
        recording = lab.run(chosen, row_limit=row_limit, progress=not quiet)
    except SimulationFailed as error:
        failure, recording = error, error.recording
    recording.save(target, force=force)
    if report:
        from foundation_lab.reporting import write_report

        write_report(recording, target / "report.html")
    met = _tell(recording, target, as_json=as_json, quiet=quiet, report=report)
    _end(failure, recording.facts.status, "the recording holds", met=met)


def _count(chosen: Scenario, target: Path, *, as_json: bool, quiet: bool, force: bool) -> None:
    """Run a scenario whose events are not kept; save and tell what was counted."""
    from foundation_lab import lab
    from foundation_lab.errors import SimulationFailed
    from foundation_lab.reporting import summarise_aggregates

    failure = None
    try:
        aggregates = lab.aggregate(chosen, progress=not quiet)
    except SimulationFailed as error:
        failure, aggregates = error, error.aggregates
    aggregates.save(target, force=force)
    summary = summarise_aggregates(aggregates)
    if as_json:
        import msgspec

        print_json({**msgspec.to_builtins(summary), "aggregates": str(target)})
    elif not quiet:
        from foundation_lab.terminal import render_aggregates

        print_table(render_aggregates(summary))
        print(f"aggregates  {target}")
    met = all(verdict.met for verdict in summary.objectives)
    _end(failure, aggregates.facts.status, "the aggregates hold", met=met)


def _end(failure: SimulationFailed | None, status: str, what_holds: str, *, met: bool) -> None:
    """End the command if the run failed, was interrupted, or missed an objective."""
    if failure is not None:
        raise failure
    if status == "interrupted":
        say(f"interrupted: {what_holds} what happened up to there")
        raise typer.Exit(INTERRUPTED)
    if not met:
        raise typer.Exit(MISSED)


def run_name(scenario: Scenario) -> str:
    """Return the folder name of a run: the scenario's name, seed, and a hash of all it says."""
    import hashlib

    digest = hashlib.sha256(scenario.model_dump_json().encode()).hexdigest()
    return f"{scenario.name}-{scenario.seed}-{digest[:8]}"


def _tell(recording: Recording, target: Path, *, as_json: bool, quiet: bool, report: bool) -> bool:
    """Print the summary; return whether every objective was met."""
    import msgspec

    from foundation_lab.reporting import summarise

    summary = summarise(recording)
    page = target / "report.html" if report else None
    if as_json:
        whole = msgspec.to_builtins(summary)
        print_json({**whole, "recording": str(target), "report": str(page) if page else None})
    elif not quiet:
        from foundation_lab.terminal import render

        print_table(render(summary))
        print(f"recording  {target}")
        if page is not None:
            print(f"report     {page}")
    return all(verdict.met for verdict in summary.objectives)


def _refuse_what_needs_events(*, row_limit: int | None, report: bool | None) -> None:
    remedy = "leave it out, or let the run keep events: --keep events"
    if row_limit is not None:
        refuse(f"--row-limit is about events, and this run keeps aggregates only; {remedy}")
    if report:
        refuse(f"--report needs events, and this run keeps aggregates only; {remedy}")
