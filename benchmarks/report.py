"""The report: runs every benchmark, each in a process of its own, and writes `results.md`.

When only some are asked for, nothing is written unless `--output` says where.

    python benchmarks/report.py [PROGRAM ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from machine import machine
from row import Row, as_lines, as_markdown

HERE = Path(__file__).parent
PROGRAMS = (
    "queues",
    "recorded_queue",
    "emission",
    "hour",
    "day",
    "sleeps",
    "imports",
    "memory",
    "assertions",
    "instructions",
)

HEAD = """\
Written by `make bench`. `Ours` is this package and `theirs` what stands in brackets beside it;
`ratio` is theirs / ours: above 1, less is needed here. Times are CPU times unless a row says
otherwise: the median of several rounds in one process, both sides in turn, after a warm-up. Before
a time counts, both sides must have come to the same results, number by number.
"""


def main() -> None:
    """Run the programs, print their rows, and write the file."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and write their results.")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--rounds", type=int, help="rounds of each; by default its own number")
    parser.add_argument("--scale", type=float, default=1.0, help="what sizes are multiplied by")
    parser.add_argument("--output", type=Path, help="the file to write")
    given = parser.parse_args()
    unknown = [name for name in given.programs if name not in PROGRAMS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(PROGRAMS)}")
    sections, everything = [], []
    for name in given.programs or PROGRAMS:
        about, rows = _run(name, given.rounds, given.scale)
        title, text = _parts(about)
        print("\n".join([title, *(f"  {line}" for line in as_lines(rows))]), flush=True)
        sections.append("\n".join([f"## {title}", "", text, "", *as_markdown(rows), ""]))
        everything += rows
    met = _summary(everything)
    print(met)
    output = given.output or (None if given.programs else HERE / "results.md")
    if output is not None:
        lines = ["# Benchmarks", "", HEAD, machine(), "", met, "", *sections]
        output.write_text("\n".join(lines), encoding="utf-8")
        print(output)


def _run(name: str, rounds: int | None, scale: float) -> tuple[str, list[Row]]:
    """Run one program; return its docstring and its rows."""
    arguments = [] if rounds is None else [str(rounds)]
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments, f"--scale={scale}", "--json"]
    done = subprocess.run(  # noqa: S603  (a program of this folder)
        command, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        message = f"{name}: {done.stdout}\nended with exit code {done.returncode}"
        raise SystemExit(message)
    document: dict[str, Any] = json.loads(done.stdout)
    return document["about"], [Row(**row) for row in document["rows"]]


def _parts(about: str) -> tuple[str, str]:
    """Return the title of a docstring and its text, without the command at its end."""
    title, _, text = about.strip().partition("\n\n")
    paragraphs = [each for each in text.split("\n\n") if not each.startswith("    ")]
    return title.rstrip("."), "\n\n".join(paragraphs).strip()


def _summary(rows: list[Row]) -> str:
    with_bar = [row for row in rows if row.at_least is not None or row.at_most is not None]
    met = sum(row.met is True for row in with_bar)
    open_ = sum(row.met is None for row in with_bar)
    return f"{met} of {len(with_bar)} bars are met; {open_} could not be measured."


if __name__ == "__main__":
    main()
