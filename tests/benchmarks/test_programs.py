from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.programs import BENCHMARKS, PROGRAMS, run

if TYPE_CHECKING:
    from pathlib import Path

SIZE = {"hour": "4"}
"""Virtual seconds; the others have so many customers, events or arrivals by default."""


def test_there_is_something_to_run() -> None:
    assert len(PROGRAMS) >= 8


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_measures_and_writes_its_rows(name: str) -> None:
    done = run(f"{name}.py", "1", SIZE.get(name, "240"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["about"].strip()
    assert document["rows"]
    for row in document["rows"]:
        assert row["what"]
        assert row["ours"] is None or isinstance(row["ours"], int | float), row
        assert row["ours"] is not None or row["note"], row


def test_the_report_runs_every_program() -> None:
    text = (BENCHMARKS / "report.py").read_text(encoding="utf-8")
    assert [name for name in PROGRAMS if f'"{name}"' not in text] == []


def test_the_report_is_a_table_with_its_bars_and_the_machine(tmp_path: Path) -> None:
    output = tmp_path / "results.md"
    done = run("report.py", "day", "--rounds=1", "--scale=0.001", f"--output={output}")
    assert done.returncode == 0, done.stdout + done.stderr
    text = output.read_text(encoding="utf-8")
    assert "| what | ours | theirs | ratio | bar | met | note |" in text
    assert "≤ 2 µs" in text
    assert "Python 3." in text


def test_models_that_part_end_the_program_with_the_first_difference() -> None:
    done = run("-c", "from race import same; same('wait', [1.0, 2.0, 3.0], [1.0, 2.5, 4.0])")
    assert done.returncode == 1
    assert done.stderr.strip() == "the models part: wait 1 is 2.0 here and 2.5 there"


def test_models_that_stop_early_end_the_program_too() -> None:
    done = run("-c", "from race import same; same('wait', [1.0], [1.0, 2.5])")
    assert done.returncode == 1
    assert done.stderr.strip() == "the models part: 1 times wait here and 2 there"
