"""The instructions that the benchmarked models execute, against their budgets.

The counts are exact, so that a model that became slower is found on any machine, however busy.
"""

from __future__ import annotations

import json
import sys
from functools import cache

import pytest

from tests.benchmarks.programs import BENCHMARKS, run

TOLERANCE = 0.05
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
REWRITE = "python benchmarks/instructions.py --write"

stored: dict[str, dict[str, int]] = json.loads(
    (BENCHMARKS / "instruction_budget.json").read_text(encoding="utf-8")
)
needs_a_budget = pytest.mark.skipif(
    VERSION not in stored, reason=f"no instruction budget for Python {VERSION}: {REWRITE}"
)


@needs_a_budget
def test_no_model_executes_more_instructions_than_its_budget_allows() -> None:
    assert "\n".join(excesses(counts("0"), stored[VERSION])) == ""


@needs_a_budget
def test_the_counts_are_the_same_in_every_run() -> None:
    assert counts("0") == counts("1")


def test_a_count_within_five_percent_of_its_budget_is_none_too_many() -> None:
    assert excesses({"p1": 1050, "p2": 10}, {"p1": 1000, "p2": 1000}) == []


def test_a_count_above_that_is_told_with_its_budget_and_how_to_change_it() -> None:
    (message,) = excesses({"p1": 1051, "p2": 10}, {"p1": 1000, "p2": 10})
    assert message == f"p1: 1,051 instructions, 5.1 % over the budget of 1,000; {MEANT}"


def test_a_model_without_a_budget_and_a_budget_without_a_model_are_told() -> None:
    assert excesses({"p1": 10}, {"p2": 10}) == [
        f"p1: 10 instructions and no budget; {MEANT}",
        f"p2: a budget of 10 and no such model; {MEANT}",
    ]


MEANT = f"if that is meant, `{REWRITE}` rewrites the budgets"


def excesses(counted: dict[str, int], budget: dict[str, int]) -> list[str]:
    """Return what is wrong, a line each."""
    wrong = []
    for name, count in counted.items():
        allowed = budget.get(name)
        if allowed is None:
            wrong.append(f"{name}: {count:,} instructions and no budget; {MEANT}")
        elif count > allowed * (1 + TOLERANCE):
            over = f"{count / allowed - 1:.1%}".replace("%", " %")
            wrong.append(
                f"{name}: {count:,} instructions, {over} over the budget of {allowed:,}; {MEANT}"
            )
    wrong += [
        f"{name}: a budget of {allowed:,} and no such model; {MEANT}"
        for name, allowed in budget.items()
        if name not in counted
    ]
    return wrong


@cache
def counts(hash_seed: str) -> dict[str, int]:
    """Return the instructions of each model, counted in a process that nobody else traces."""
    done = run("instructions.py", "--counts", PYTHONHASHSEED=hash_seed)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found
