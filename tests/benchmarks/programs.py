"""Starting the programs in `benchmarks/`, without the tracer that measures coverage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

PROGRAMS = sorted(
    path.stem
    for path in BENCHMARKS.glob("*.py")
    if "program.run(__doc__" in path.read_text(encoding="utf-8")
)
"""What can be measured, by the name of its program."""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of the benchmarks, and return what it wrote."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BENCHMARKS,
        env={**bare, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
