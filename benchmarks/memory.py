"""Memory: by how much a process grows while it records, and whether it goes on growing.

A fresh process for each way to keep events records customers of a bank, six events each under a
correlation id of its own. Its memory, as the operating system counts it, is read after an eighth, a
quarter, a half and all of the events. A recording that is spilled must stop growing: from the
eighth to the end it may grow by what as many rows as the row limit take in memory, and no more.
Aggregates must take the same at any length. `Most at any time` includes what lies between.

    python benchmarks/memory.py [ROUNDS] [EVENTS]
"""

from __future__ import annotations

import statistics
from importlib import import_module
from typing import Any

import program
from emission import identified
from footprint import MEGABYTE, in_a_fresh_process, peak, resident
from row import Row

from foundation_lab.simulation.engine import Simulation

SEED = 7
SHARES = (8, 4, 2, 1)
"""The memory is read after ``events / share`` events."""

LIMIT_SHARE = 20
"""The row limit is ``events / LIMIT_SHARE``."""

AGGREGATES_BAR = 5.0
"""How many megabytes a process may grow by, however long it runs, when aggregates are kept."""


def measure(rounds: int, size: int) -> list[Row]:
    """Return the rows of each way to keep events."""
    limit = max(1, size // LIMIT_SHARE)
    kept = _grown({}, rounds, size)
    spilled = _grown({"row_limit": limit}, rounds, size)
    rows = _rows("kept in memory", kept, size)
    rows += _rows("spilled", spilled, size, note=f"row limit {limit:,}")
    rows.append(
        Row(
            what="spilled, from an eighth to the end",
            unit="MB",
            ours=spilled[-2] - spilled[0],
            at_most=max(1.0, kept[-2] / LIMIT_SHARE),
            note="the bar is what the rows of the limit take in memory",
        )
    )
    counted = _grown({"keep": "aggregates"}, rounds, size)
    rows += _rows("aggregates", counted, size, bar=AGGREGATES_BAR)
    rows.append(
        Row(
            what="aggregates, from an eighth to the end",
            unit="MB",
            ours=counted[-2] - counted[0],
            at_most=1.0,
            note="they must take the same at any length",
        )
    )
    return rows


def growth(options: dict[str, Any], events: int) -> list[float]:
    """Return by how many megabytes this process grows: at each share, and at most."""
    import_module("polars")  # its own size is no growth
    _record(Simulation(SEED, **options), min(6_000, events // LIMIT_SHARE))
    before = resident()
    sim, done, grown = Simulation(SEED, **options), 0, []
    for share in SHARES:
        _record(sim, events // share - done)
        done = events // share
        grown.append((resident() - before) / MEGABYTE)
    return [*grown, max(*grown, (peak() - before) / MEGABYTE)]


def _record(sim: Simulation, events: int) -> None:
    sim.process(identified(sim, events))
    sim.run()


def _grown(options: dict[str, Any], rounds: int, events: int) -> list[float]:
    found = [in_a_fresh_process(growth, options, events) for _ in range(rounds)]
    return [statistics.median(each) for each in zip(*found, strict=True)]


def _rows(
    what: str, grown: list[float], events: int, *, bar: float | None = None, note: str = ""
) -> list[Row]:
    lengths = [f"{events // share:,} events" for share in SHARES]
    return [
        Row(what=f"{what}, {length}", unit="MB", ours=value, at_most=bar, note=note)
        for length, value in zip([*lengths, "most at any time"], grown, strict=True)
    ]


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=1, size=2_000_000)
