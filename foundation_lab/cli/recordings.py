"""Commands on saved recordings: report, export, reproduce, replay, alerts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foundation_lab.cli.app import app
from foundation_lab.cli.arguments import AsJson, Folder, Force, Format, matching
from foundation_lab.cli.counted import refuse_aggregates
from foundation_lab.cli.exit_codes import MISSED
from foundation_lab.cli.output import print_json, print_table, refuse

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording


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


@app.command(epilog="Example: [bold]foundation-lab reproduce runs/first_run-7-1a2b3c4d[/bold]")
def reproduce(folder: Folder, as_json: AsJson = False) -> None:
    """Run the scenario of a recording again, and show the first event that differs."""
    from foundation_lab import lab

    recording = _load(folder)
    again = lab.reproduce(recording)
    if as_json:
        difference = None if again.difference is None else str(again.difference)
        print_json(
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

    recording, matches = _load(folder), matching(pattern)
    names = [name for name in recording.counts if matches(name)]
    if not names and not any(map(matches, catalogue)):
        refuse(f"no event matches {pattern!r}; foundation-lab events lists them all")
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
        print_json({"episodes": history.episodes.to_dicts(), "counts": history.counts.to_dicts()})
        return
    from foundation_lab.terminal import render_episodes

    print_table(render_episodes(history.episodes))


def _load(folder: Path) -> Recording:
    from foundation_lab.recording.recording import Recording

    refuse_aggregates(folder)
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
