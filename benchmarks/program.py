"""A benchmark program: what each does when it is started by itself or by the report."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from row import as_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from row import Row


def run(
    about: str | None, measure: Callable[[int, int], list[Row]], *, rounds: int, size: int
) -> None:
    """Measure, and print the results.

    Args:
        about: What the program measures: its docstring.
        measure: Given the number of rounds and the size, returns the rows.
        rounds: How many rounds without a word about it on the command line.
        size: What size.
    """
    title, _, _ = (about or "").strip().partition("\n")
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("rounds", nargs="?", type=int, default=rounds, metavar="ROUNDS")
    parser.add_argument("size", nargs="?", type=int, default=size, metavar="SIZE")
    parser.add_argument("--scale", type=float, default=1.0, help="what SIZE is multiplied by")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    rows = measure(max(1, given.rounds), max(1, round(given.size * given.scale)))
    if given.json:
        print(json.dumps({"about": about, "rows": [asdict(row) for row in rows]}))
        return
    print(title)
    for line in as_lines(rows):
        print(f"  {line}")
