"""The command line: ``foundation-lab run | report | export | events | ...``.

Data goes to stdout, everything else to stderr. Exit codes: 0 all is well; 1 the run finished, but
an objective was missed or a comparison failed; 2 wrong usage or an unusable file; 3 the simulation
failed; 130 interrupted, with what happened up to there saved.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from foundation_lab import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.recording.recording import Recording
    from foundation_lab.scenario.model import Scenario

OK, MISSED, UNUSABLE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130


class Commands(TyperGroup):
    """The commands. Whoever reads their output may close the pipe when it has read enough."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command to the end, or until nobody reads any more."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(OK) from None


app = typer.Typer(
    cls=Commands,
    name="foundation-lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Run services and agents under virtual time, and look at every event as dataframes.",
    epilog="Begin with: [bold]foundation-lab run scenarios/first_run.yaml[/bold]",
)

Format = Literal["parquet", "csv", "xlsx", "json"]
ScenarioFile = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="A scenario file (YAML).", show_default=False)
]
Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The folder of a saved recording.", show_default=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value, such as services.db.size=8; may be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result.")]


def main() -> NoReturn:
    """Run the command line, and turn errors into one message and an exit code."""
    from foundation_lab.errors import FoundationLabError, SimulationFailed

    try:
        app()
    except SimulationFailed as error:
        _say(f"error: {error}")
        sys.exit(FAILED)
    except (FoundationLabError, OSError) as error:
        _say(f"error: {error}")
        sys.exit(UNUSABLE)
    sys.exit(OK)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True)
    ] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command(
    epilog="Examples: [bold]foundation-lab run scenarios/first_run.yaml[/bold]  ·  "
    "[bold]foundation-lab run scenarios/retry_storm.yaml --seed 4 "
    "--set services.client_retry.max_attempts=1[/bold]"
)
def run(
    scenario: ScenarioFile,
    seed: Annotated[int | None, typer.Option(help="Another seed than the scenario's.")] = None,
    until: Annotated[
        float | None, typer.Option(help="Another horizon, in virtual seconds.", min=0)
    ] = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where the recording goes; runs/NAME-SEED-HASH without it.",
            show_default=False,
        ),
    ] = None,
    row_limit: Annotated[
        int | None,
        typer.Option(min=1, help="Events kept in memory; more are spilled to disk meanwhile."),
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html beside the recording.")] = True,
    as_json: AsJson = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")
    ] = False,
    force: Force = False,
) -> None:
    """Run a scenario, save its recording and report, and print what happened."""
    from foundation_lab import lab
    from foundation_lab.errors import SimulationFailed
    from foundation_lab.scenario.load import load_scenario

    chosen = load_scenario(
        _scenario_path(scenario), overrides=overrides or (), seed=seed, until=until
    )
    target = out if out is not None else Path("runs") / run_name(chosen)
    _require_place(target, force=force)
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
    if failure is not None:
        raise failure
    if recording.facts.status == "interrupted":
        _say("interrupted: the recording holds what happened up to there")
        raise typer.Exit(INTERRUPTED)
    if not met:
        raise typer.Exit(MISSED)


@app.command(
    epilog="Examples: [bold]foundation-lab events[/bold]  ·  "
    "[bold]foundation-lab events circuit_breaker --json[/bold]"
)
def events(
    pattern: Annotated[
        str,
        typer.Argument(help="Which events: a name, a prefix, or a pattern with * and **."),
    ] = "**",
    as_json: AsJson = False,
) -> None:
    """List every event that can be emitted, with its fields and their units."""
    from foundation_lab.telemetry import catalogue, describe, fields_of

    matches = _matcher(pattern)
    classes = [cls for cls in catalogue.classes() if matches(cls.event_name)]
    if not classes:
        _refuse(f"no event matches {pattern!r}; foundation-lab events lists them all")
    if as_json:
        _print_json(
            [
                {
                    "name": cls.event_name,
                    "description": describe(cls),
                    "fields": [
                        {
                            "name": field.name,
                            "kind": field.kind,
                            "type": field.type_name,
                            "unit": field.unit,
                        }
                        for field in fields_of(cls)
                    ],
                }
                for cls in classes
            ]
        )
        return
    for cls in classes:
        numbers = ", ".join(f"{f.name} ({f.unit})" for f in fields_of(cls) if f.unit is not None)
        labels = ", ".join(f.name for f in fields_of(cls) if f.unit is None)
        print(f"{cls.event_name}\n    {describe(cls)}")
        print(f"    measurements: {numbers or 'none'}; metadata: {labels or 'none'}")


@app.command(epilog="Example: [bold]foundation-lab report runs/first_run-7-1a2b3c4d[/bold]")
def report(
    folder: Folder,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The HTML file; report.html in DIR without it."),
    ] = None,
) -> None:
    """Write the report of a recording: one HTML file that works offline."""
    from foundation_lab.reporting import write_report

    target = folder / "report.html" if out is None else out
    print(write_report(_load(folder), target))


@app.command(
    epilog="Example: [bold]foundation-lab export runs/first_run-7-1a2b3c4d --format csv[/bold]"
)
def export(
    folder: Folder,
    form: Annotated[Format, typer.Option("--format", help="What to write.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="Where to; export-FORMAT in DIR without it."),
    ] = None,
    force: Force = False,
) -> None:
    """Export a recording's frames to other formats."""
    from foundation_lab.reporting import export as write_export

    print(write_export(_load(folder), out or folder / f"export-{form}", form, force=force))


@app.command(epilog="Example: [bold]foundation-lab validate scenarios/*.yaml[/bold]")
def validate(
    scenarios: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO...", help="Scenario files.", show_default=False),
    ],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check scenario files, and list everything that is wrong with them."""
    from foundation_lab.errors import InvalidFile
    from foundation_lab.scenario.load import load_scenario

    results: list[dict[str, Any]] = []
    for path in scenarios:
        try:
            scenario = load_scenario(path, overrides=overrides or ())
        except InvalidFile as error:
            _say(str(error))
            problems = [str(problem) for problem in error.problems]
            results.append({"file": str(path), "valid": False, "problems": problems})
        else:
            results.append({"file": str(path), "valid": True, "problems": []})
            if not as_json:
                print(f"{path}: valid ({scenario.name}, seed {scenario.seed})")
    if as_json:
        _print_json(results)
    if not all(result["valid"] for result in results):
        raise typer.Exit(UNUSABLE)


@app.command(epilog="Example: [bold]foundation-lab schema > scenarios/scenario.schema.json[/bold]")
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from foundation_lab.scenario.files import schema as json_schema
    from foundation_lab.scenario.model import Scenario

    _print_json(json_schema(Scenario))


@app.command("list", epilog="Example: [bold]foundation-lab list scenarios[/bold]")
def list_scenarios(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("scenarios"),
    as_json: AsJson = False,
) -> None:
    """List the scenarios in a folder, each with the question that it asks."""
    from foundation_lab.errors import InvalidFile
    from foundation_lab.scenario.load import load_scenario

    if not folder.is_dir():
        _refuse(f"{folder}: no such folder")
    rows = []
    for path in sorted(folder.glob("*.y*ml")):
        try:
            description = " ".join(load_scenario(path).description.split())
        except InvalidFile as error:
            description = f"cannot be used: {str(error).splitlines()[0]}"
        rows.append({"file": str(path), "description": description})
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        print(f"{row['file']}\n    {row['description']}")


@app.command(epilog="Example: [bold]foundation-lab reproduce runs/first_run-7-1a2b3c4d[/bold]")
def reproduce(folder: Folder, as_json: AsJson = False) -> None:
    """Run the scenario of a recording again, and show the first event that differs."""
    from foundation_lab import lab

    recording = _load(folder)
    again = lab.reproduce(recording)
    if as_json:
        difference = None if again.difference is None else str(again.difference)
        _print_json(
            {
                "identical": again.identical,
                "recorded": recording.digest,
                "reproduced": again.recording.digest,
                "difference": difference,
            }
        )
    elif again.identical:
        print(f"identical: {len(recording):,} events, digest {recording.digest}")
    else:
        print(f"different: {again.difference}")
    if not again.identical:
        raise typer.Exit(MISSED)


@app.command(epilog="Example: [bold]foundation-lab replay runs/first_run-7-1a2b3c4d retry[/bold]")
def replay(
    folder: Folder,
    pattern: Annotated[str, typer.Argument(help="Which events.")] = "**",
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Play a recording's events again, in order, and print them."""
    import msgspec

    from foundation_lab.recording.replay import records
    from foundation_lab.telemetry import catalogue

    recording, matches = _load(folder), _matcher(pattern)
    names = [name for name in recording.counts if matches(name)]
    if not names and not any(map(matches, catalogue)):
        _refuse(f"no event matches {pattern!r}; foundation-lab events lists them all")
    for number, record in enumerate(records(recording, names)):
        if number == limit:
            break
        if as_json:
            stamped = {"sequence": record.sequence, "time": record.time, "event": record.name}
            print(msgspec.json.encode({**stamped, **record.fields}).decode())
        else:
            fields = " ".join(f"{name}={value}" for name, value in record.fields.items())
            print(f"{record.time:14.6f}  {record.name}  {fields}")


@app.command(
    epilog="Example: [bold]foundation-lab alerts runs/failing_database-11-1a2b3c4d "
    "rules.yaml[/bold]"
)
def alerts(
    folder: Folder,
    rules: Annotated[
        Path | None,
        typer.Argument(
            metavar="RULES",
            help="A file of rules; those of the recorded scenario without it.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold alert rules against a recording: when would they have fired, and for how long?"""
    from foundation_lab import lab

    recording = _load(folder)
    history = lab.replay(recording, rules=_rules(recording, folder, rules)).alerts
    if as_json:
        _print_json({"episodes": history.episodes.to_dicts(), "counts": history.counts.to_dicts()})
        return
    from foundation_lab.terminal import render_episodes

    _print(render_episodes(history.episodes))


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
        _print_json({**whole, "recording": str(target), "report": str(page) if page else None})
    elif not quiet:
        from foundation_lab.terminal import render

        _print(render(summary))
        print(f"recording  {target}")
        if page is not None:
            print(f"report     {page}")
    return all(verdict.met for verdict in summary.objectives)


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
    around = next(folder for folder in target.absolute().parents if folder.exists())
    if not around.is_dir():
        message = f"{around} is a file, so {target} cannot be made; give --out another folder"
        raise NotADirectoryError(message)
    if not os.access(around, os.W_OK):
        message = f"{around} cannot be written to; give --out another folder"
        raise PermissionError(message)


def _matcher(pattern: str) -> Callable[[str], bool]:
    from foundation_lab.telemetry import matcher

    try:
        return matcher(pattern)
    except ValueError as error:
        _refuse(str(error))


def _load(folder: Path) -> Recording:
    from foundation_lab.recording.recording import Recording

    return Recording.load(folder)


def _rules(recording: Recording, folder: Path, file: Path | None) -> list[Any]:
    """Return the rules in a file, or those of the scenario that was recorded."""
    from foundation_lab.errors import InvalidFile
    from foundation_lab.scenario.alert_specs import RuleFile
    from foundation_lab.scenario.files import load

    if file is not None:
        return [spec.rule() for spec in load(file, RuleFile).rules]
    recorded = (recording.facts.scenario or {}).get("alerts")
    if not recorded:
        message = f"{folder}: the recorded scenario has no alert rules; give a file of rules"
        raise InvalidFile(message)
    return [spec.rule() for spec in RuleFile.model_validate({"rules": recorded}).rules]


def _scenario_path(given: Path) -> Path:
    """Return a scenario's file; a bare name is looked up in the folder ``scenarios``."""
    named = Path("scenarios") / f"{given}.yaml"
    return named if not given.suffix and not given.exists() and named.is_file() else given


def _print(table: Any) -> None:
    from rich.console import Console

    # a pipe or a file has no width of its own; tables are not to be cut there
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    console = Console(width=width)
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="")


def _print_json(data: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _refuse(message: str) -> NoReturn:
    _say(f"error: {message}")
    raise typer.Exit(UNUSABLE)


if __name__ == "__main__":
    main()
