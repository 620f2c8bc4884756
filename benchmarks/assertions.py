"""Assertions: what it costs to wait for an event in a long run.

The queue of `recorded_queue`, six events a customer, is run to its end by the engine alone, and by
an assertion that waits all the time for an event that does not come. `theirs` is the run alone. A
name that does not occur costs nothing. Of a frequent one, wanted values are compared before an
event is made of its fields; that is next to nothing, unless it is done for every event there is.
What has to see the event, such as a predicate, makes each of that name an object. This model does
hardly anything but emit, so that these two show at their worst; they have no bar.

    python benchmarks/assertions.py [ROUNDS] [EVENTS]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import bank
import program
from queues import draws
from race import Contender, race, same
from recorded_queue import EVENTS, SEED, _native_source, _Voice
from row import Row
from waits import NATIVE, NO_NATIVE, slots

from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import refute_event

if TYPE_CHECKING:
    from collections.abc import Callable

BAR = 1 / 1.05
"""The bar: an assertion adds five percent at most."""

WITH_A_BAR = ("a name that does not occur", "a value in every sixth event")

Facts = tuple[float, int]


def model(events: int) -> Simulation:
    """Return the queue, ready to run."""
    sim = Simulation(SEED)
    drawn = draws(max(1, events // EVENTS), 1)
    sim.process(_native_source(sim, slots(sim, 1), _Voice(sim), drawn))
    return sim


def alone(events: int) -> Simulation:
    """Run the queue."""
    sim = model(events)
    sim.run()
    return sim


def asserted(name: Any, **fields: Any) -> Callable[[int], Simulation]:
    """Return what runs the queue by waiting for an event."""

    def run(events: int) -> Simulation:
        sim = model(events)
        with refute_event(sim, name, within=math.inf, **fields):
            pass
        return sim

    return run


def measure(rounds: int, size: int) -> list[Row]:
    """Return the rows."""
    what = {
        "a name that does not occur": asserted("retry.exhausted"),
        "a value in every sixth event": asserted(bank.Paid, customer=-1),
        "a value in any event of the bank": asserted("bank", customer=-1),
        "a predicate on every sixth event": asserted(bank.Paid, customer=lambda n: n < 0),
    }
    if not NATIVE:
        return [Row(what=name, unit="ratio", ours=None, note=NO_NATIVE) for name in what]

    def agree(found: dict[str, Facts]) -> None:
        for name, facts in found.items():
            same(f"end and rows with {name!r}:", facts, found["alone"])

    def facts(sim: Simulation) -> Facts:
        return sim.now, sim.recorder.rows

    contenders = {"alone": Contender(alone, facts)}
    contenders |= {name: Contender(run, facts) for name, run in what.items()}
    seconds = race(contenders, rounds=rounds, size=size, agree=agree)
    return [
        Row(
            what=f"wait for {name}",
            unit="s",
            ours=seconds[name],
            theirs=seconds["alone"],
            beside="the run alone",
            at_least=BAR if name in WITH_A_BAR else None,
            note=f"{size:,} events, {seconds[name] / seconds['alone'] - 1:+.1%}",
        )
        for name in what
    ]


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=5, size=1_000_000)
