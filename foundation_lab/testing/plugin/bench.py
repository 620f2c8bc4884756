"""Benches: what the plugin knows of a test while it runs, in one trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.plugin.plan import Plan
    from foundation_lab.testing.trial import Trial


@dataclass
class Bench:
    """One trial of one test.

    Attributes:
        trial: How it is run.
        plan: What else is said of all trials.
        sims: The simulations that it has used so far.
        passed: Whether the test itself passed; the teardown asks.
        verdicts: What monitors and judges found.
        notes: What the report of a failure adds: titles and texts.
    """

    trial: Trial
    plan: Plan
    sims: list[Simulation] = field(default_factory=list)
    passed: bool = False
    verdicts: list[Any] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


BENCH = pytest.StashKey[Bench]()
"""Where a test keeps its bench."""


def bench_of(item: Any) -> Bench:
    """Return the bench of a test; a test that nobody has made one for gets that of its plan.

    Raises:
        ValueError: A marker or an option says what cannot be.
    """
    bench = item.stash.get(BENCH, None)
    if bench is None:
        from foundation_lab.testing.plugin.plan import plan_of  # noqa: PLC0415

        plan = plan_of(item)
        bench = item.stash[BENCH] = Bench(plan.trials[0], plan)
    return bench  # type: ignore[no-any-return]
