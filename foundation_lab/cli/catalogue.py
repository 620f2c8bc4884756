"""Commands on what there is: events, validate, schema, list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from foundation_lab.cli.app import app
from foundation_lab.cli.arguments import AsJson, Overrides, matching
from foundation_lab.cli.exit_codes import UNUSABLE
from foundation_lab.cli.output import print_json, refuse, say


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

    matches = matching(pattern)
    classes = [cls for cls in catalogue.classes() if matches(cls.event_name)]
    if not classes:
        refuse(f"no event matches {pattern!r}; foundation-lab events lists them all")
    if as_json:
        print_json(
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


@app.command(epilog="Example: [bold]foundation-lab validate scenarios/*.yaml[/bold]")
def validate(
    scenarios: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO...", help="Scenario files.", show_default=False),
    ],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check scenario files with all their variants, and list everything that is wrong with them."""
    from foundation_lab.errors import InvalidFile
    from foundation_lab.scenario.load import load_scenario
    from foundation_lab.scenario.remarks import remarks

    results: list[dict[str, Any]] = []
    for path in scenarios:
        try:
            scenario = load_scenario(path, overrides=overrides or ())
            for variant in scenario.variants:
                load_scenario(path, variant=variant, overrides=overrides or ())
        except InvalidFile as error:
            say(str(error))
            problems = [str(problem) for problem in error.problems]
            results.append({"file": str(path), "valid": False, "problems": problems})
        else:
            results.append({"file": str(path), "valid": True, "problems": []})
            for remark in remarks(scenario):
                say(f"{path}: note: {remark}")
            if not as_json:
                print(f"{path}: valid ({scenario.name}, seed {scenario.seed})")
    if as_json:
        print_json(results)
    if not all(result["valid"] for result in results):
        raise typer.Exit(UNUSABLE)


@app.command(epilog="Example: [bold]foundation-lab schema > scenarios/scenario.schema.json[/bold]")
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from foundation_lab.scenario.files import schema as json_schema
    from foundation_lab.scenario.model import Scenario

    print_json(json_schema(Scenario))


@app.command("list", epilog="Example: [bold]foundation-lab list scenarios[/bold]")
def list_scenarios(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("scenarios"),
    as_json: AsJson = False,
) -> None:
    """List the scenarios in a folder, each with the first sentence of its description."""
    from foundation_lab.errors import InvalidFile
    from foundation_lab.scenario.load import load_scenario

    if not folder.is_dir():
        refuse(f"{folder}: no such folder")
    rows = []
    for path in sorted(folder.glob("*.y*ml")):
        try:
            description = " ".join(load_scenario(path).description.split())
        except InvalidFile as error:
            description = f"cannot be used: {str(error).splitlines()[0]}"
        rows.append({"file": str(path), "description": description})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        question = re.split(r"(?<=[.?!]) ", row["description"], maxsplit=1)[0]
        print(f"{row['file']}\n    {question}")
