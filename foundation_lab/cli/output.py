"""What commands print: data to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import typer

from foundation_lab.cli.exit_codes import UNUSABLE


def print_table(table: Any) -> None:
    """Print anything that rich can render."""
    from rich.console import Console

    # a pipe or a file has no width of its own; tables are not to be cut there
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    console = Console(width=width)
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="")


def print_json(data: Any) -> None:
    """Print one JSON document."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())


def say(message: str) -> None:
    """Print a message to stderr."""
    print(message, file=sys.stderr)


def refuse(message: str) -> NoReturn:
    """End the command with a message, because it was given something unusable."""
    say(f"error: {message}")
    raise typer.Exit(UNUSABLE)
