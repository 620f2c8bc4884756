"""The arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from foundation_lab.cli.output import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

Format = Literal["parquet", "csv", "xlsx", "json"]
Keep = Literal["events", "aggregates"]
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
Seed = Annotated[int | None, typer.Option(help="Another seed than the scenario's.")]
Until = Annotated[float | None, typer.Option(help="Another horizon, in virtual seconds.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result.")]


def matching(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether an event name matches; end the command if none can."""
    from foundation_lab.telemetry import matcher

    try:
        return matcher(pattern)
    except ValueError as error:
        refuse(str(error))


def scenario_path(given: Path) -> Path:
    """Return a scenario's file; a bare name is looked up in the folder ``scenarios``."""
    named = Path("scenarios") / f"{given}.yaml"
    return named if not given.suffix and not given.exists() and named.is_file() else given
