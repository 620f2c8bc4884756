"""``foundation-lab run``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation_lab.cli.app import app
from foundation_lab.cli.arguments import AsJson, Force, Keep, Overrides, ScenarioFile
from foundation_lab.cli.counted import holds_aggregates
from foundation_lab.cli.exit_codes import INTERRUPTED, MISSED
from foundation_lab.cli.output import print_json, print_table, refuse, say

if TYPE_CHECKING:
    from foundation_lab.errors import SimulationFailed
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting import AggregateSummary, Summary
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
    seed: Annotated[int | None, typer.Option(help="Another seed than the scenario's.")] = None,
    until: Annotated[
        float | None, typer.Option(help="Another horizon, in virtual seconds.", min=0)
    ] = None,
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
        _scenario_path(scenario),
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
        _require_file(target, force=force)
        _count(chosen, target, as_json=as_json, quiet=quiet, force=force)
        return
    target = out if out is not None else Path("runs") / run_name(chosen)
    _require_place(target, force=force)
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


@app.command(
    epilog="Examples: [bold]foundation-lab compare scenarios/retry_storm.yaml[/bold]  ·  "
    "[bold]foundation-lab compare scenarios/retry_storm.yaml --variant two_attempts "
    "--out compared.html[/bold]"
)
def compare(
    scenario: ScenarioFile,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant", help="Which variants; all of them without it.", show_default=False
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the scenario's.")] = None,
    until: Annotated[
        float | None, typer.Option(help="Another horizon, in virtual seconds.", min=0)
    ] = None,
    overrides: Overrides = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="Whose requests the figure shows; everybody's without it.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a figure as an HTML page.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Run a scenario as it is and in its variants, and compare what became of the requests."""
    from foundation_lab import lab
    from foundation_lab.errors import UnknownName
    from foundation_lab.reporting import summarise, summarise_aggregates
    from foundation_lab.scenario.load import load_scenario

    path = _scenario_path(scenario)
    if out is not None and out.exists() and not force:
        message = f"{out} exists already; give --out another file, or --force to replace it"
        raise FileExistsError(message)
    whole = load_scenario(path)
    if client is not None and client not in whole.workloads:
        raise UnknownName.among("workload", client, list(whole.workloads))
    named = variants or list(whole.variants)
    runs = {
        name or AS_IT_IS: load_scenario(
            path, variant=name, overrides=overrides or (), seed=seed, until=until
        )
        for name in (None, *named)
    }
    counted = [name for name, chosen in runs.items() if chosen.keep == "aggregates"]
    if counted and out is not None:
        refuse(
            f"the figure of --out needs events, and {counted[0]!r} keeps aggregates only; leave "
            "--out out, or give --set keep=events"
        )
    recordings: dict[str, Recording] = {}
    summaries: dict[str, Summary | AggregateSummary] = {}
    for name, chosen in runs.items():
        if name in counted:
            summaries[name] = summarise_aggregates(lab.aggregate(chosen))
        else:
            recordings[name] = lab.run(chosen)
            summaries[name] = summarise(recordings[name])
        if summaries[name].run.status == "interrupted":
            say(f"interrupted while it ran {name}: nothing is compared")
            raise typer.Exit(INTERRUPTED)
    if out is not None:
        from foundation_lab.reporting.charts import comparison

        title = next(iter(runs.values())).name
        page = comparison(recordings, client=client, title=title).to_html(div_id="comparison")
        aside = out.with_name(f".{out.name}.part")
        aside.write_text(page, encoding="utf-8")
        aside.replace(out)
    if as_json:
        import msgspec

        clients = {name: msgspec.to_builtins(each.clients) for name, each in summaries.items()}
        print_json({"runs": clients, "figure": None if out is None else str(out)})
        return
    from foundation_lab.terminal import render_comparison

    print_table(render_comparison(summaries))
    if out is not None:
        print(f"figure  {out}")


AS_IT_IS = "as it is"
"""What a scenario without any changes is called beside its variants."""


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


def _require_place(target: Path, *, force: bool) -> None:
    """Refuse a folder that cannot be written, before a long run rather than after it.

    Raises:
        FileExistsError: There is something that is not to be replaced.
        NotADirectoryError: A file is in the way.
        PermissionError: The folder around it is read-only.
    """
    if target.exists() and not force:
        message = f"{target} exists already; give --out another folder, or --force to replace it"
        raise FileExistsError(message)
    if target.exists() and not (target / "manifest.json").is_file():
        message = (
            f"{target} is no recording: --force will not replace it; give --out another folder"
        )
        raise FileExistsError(message)
    _require_around(target)


def _require_file(target: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written; see `_require_place`."""
    if target.is_dir():
        message = f"{target} is a folder; give --out a file for the aggregates: {target}.json"
        raise FileExistsError(message)
    if target.exists() and not force:
        message = f"{target} exists already; give --out another file, or --force to replace it"
        raise FileExistsError(message)
    if target.exists() and not holds_aggregates(target):
        message = (
            f"{target} holds no aggregates: --force will not replace it; give --out another file"
        )
        raise FileExistsError(message)
    _require_around(target)


def _require_around(target: Path) -> None:
    around = next(folder for folder in target.absolute().parents if folder.exists())
    if not around.is_dir():
        message = f"{around} is a file, so {target} cannot be made; give --out another folder"
        raise NotADirectoryError(message)
    if not os.access(around, os.W_OK):
        message = f"{around} cannot be written to; give --out another folder"
        raise PermissionError(message)


def _scenario_path(given: Path) -> Path:
    """Return a scenario's file; a bare name is looked up in the folder ``scenarios``."""
    named = Path("scenarios") / f"{given}.yaml"
    return named if not given.suffix and not given.exists() and named.is_file() else given
