"""The application: what all commands have in common, and how errors become exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from foundation_lab import __version__
from foundation_lab.cli.exit_codes import FAILED, OK, UNUSABLE
from foundation_lab.cli.output import say

ORDER = ("run", "compare", "list", "validate", "schema", "events", "report")
"""The commands that a user meets first; the others follow in the order of their modules."""


class Commands(TyperGroup):
    """The commands. Whoever reads their output may close the pipe when it has read enough."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order in which the help tells of them."""
        names = super().list_commands(ctx)
        return [*ORDER, *(name for name in names if name not in ORDER)]

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


def main() -> NoReturn:
    """Run the command line, and turn errors into one message and an exit code."""
    from foundation_lab.errors import FoundationLabError, SimulationFailed

    try:
        app()
    except SimulationFailed as error:
        say(f"error: {error}")
        sys.exit(FAILED)
    except (FoundationLabError, OSError) as error:
        say(f"error: {error}")
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
