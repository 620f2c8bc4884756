"""Imports: how long the package and its command take to start, over bare Python.

Each is a process of its own, run after a first one that leaves compiled files behind, in turn with
`python -c pass`. What is given is the median of CPU time (user and system) and of wall time, less
that of bare Python. The packages that cost the most are named where an import brings them in.

    python benchmarks/imports.py [ROUNDS]
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import program
from row import Row

HEAVY = ("polars", "pandas", "plotly", "scipy", "pyarrow", "numpy")
BAR = 0.2

_LIST_HEAVY = f"; import sys; print(*[name for name in {HEAVY} if name in sys.modules])"


def measure(rounds: int, size: int) -> list[Row]:  # noqa: ARG001  (a start has no size)
    """Return the rows of each way to start, at least five rounds each but in a trial of one."""
    python = sys.executable
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "import foundation_lab": [python, "-c", "import foundation_lab"],
        "import Simulation": [python, "-c", "from foundation_lab import Simulation"],
        "foundation-lab --help": [*_command(), "--help"],
    }
    rounds = max(5, rounds) if rounds > 1 else 1
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for command in commands.values():
        _start(command)
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(_start(command))
    cpu = {name: statistics.median(cpu for cpu, _ in each) for name, each in taken.items()}
    wall = {name: statistics.median(wall for _, wall in each) for name, each in taken.items()}
    rows = []
    for name in list(commands)[1:]:
        for kind, seconds in (("CPU", cpu), ("wall", wall)):
            bare = seconds["python -c pass"]
            rows.append(
                Row(
                    what=f"{name}, {kind}",
                    unit="s",
                    ours=seconds[name] - bare,
                    at_most=BAR if name.startswith("import") else None,
                    note=f"over {bare:.3f} s of bare Python",
                )
            )
    rows += [_heavy("import foundation_lab"), _heavy("from foundation_lab import Simulation")]
    return rows


def _heavy(statement: str) -> Row:
    found = _output([sys.executable, "-c", statement + _LIST_HEAVY]).split()
    return Row(
        what=f"heavy packages after `{statement}`",
        unit="",
        ours=len(found),
        note=", ".join(found) or "none of " + ", ".join(HEAVY),
    )


def _command() -> list[str]:
    """Return how the command is started: by its script where that is installed."""
    beside = Path(sys.executable).with_name("foundation-lab")
    script = str(beside) if beside.exists() else shutil.which("foundation-lab")
    return [script] if script else [sys.executable, "-m", "foundation_lab.cli"]


def _start(command: list[str]) -> tuple[float, float]:
    """Run a command to its end and return its CPU and wall seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _output(command)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, wall


def _output(command: list[str]) -> str:
    return subprocess.run(  # noqa: S603  (Python and the command of this package)
        command, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=9, size=1)
