"""A recorded queue: M/M/1 with six events a customer and the frames in hand.

Here every customer emits six typed events, and what is timed ends with `recording.events` and one
typed frame. Beside it stand bare SimPy, which records nothing, and two ways of recording by hand in
SimPy: a dictionary an event, made into a pandas DataFrame at the end, and a tuple an event, made
into a polars DataFrame. All of them draw the same numbers. The recordings must agree in the number
of rows and in every customer's time in the bank, and all runs must end at the same instant.

    python benchmarks/recorded_queue.py [ROUNDS] [CUSTOMERS]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bank
import pandas as pd
import polars as pl
import program
from bookkeeping import COLUMNS, FEE, bare, with_dictionaries, with_tuples
from queues import draws
from race import Contender, race, same
from row import Row
from waits import NATIVE, NO_NATIVE, Resource, slots

from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from foundation_lab.recording.recording import Recording

    Draws = Iterable[tuple[float, float]]

SEED = 7
EVENTS = 6
"""Events a customer."""

BARE_BAR, PANDAS_BAR = 1.5, 3.0


# -- here, with native waits -------------------------------------------------------------------


def natively(drawn: Draws) -> Simulation:
    """Run the queue with native waits, and return the simulation."""
    sim = Simulation(SEED)
    sim.process(_native_source(sim, slots(sim, 1), _Voice(sim), drawn))
    sim.run()
    return sim


class _Voice:
    """The six events, each with its own way to be emitted."""

    def __init__(self, sim: Simulation) -> None:
        emitting = sim.telemetry.emitting
        self.arrived = emitting(bank.Arrived)
        self.queued = emitting(bank.Queued)
        self.began = emitting(bank.Began)
        self.served = emitting(bank.Served)
        self.paid = emitting(bank.Paid)
        self.departed = emitting(bank.Departed)


def _native_source(
    sim: Simulation, teller: Any, voice: _Voice, drawn: Draws
) -> Generator[Any, Any, None]:
    for number, (gap, service) in enumerate(drawn):
        yield gap
        sim.process(_native_customer(sim, teller, voice, number, service))


def _native_customer(
    sim: Simulation, teller: Any, voice: _Voice, number: int, service: float
) -> Generator[Any, Any, None]:
    arrived = sim.now
    voice.arrived("bank", number)
    voice.queued("line", number)
    turn = teller.claim()
    if turn is not None:
        yield turn
    voice.began("teller", number, sim.now - arrived)
    yield service
    teller.release()
    voice.served("teller", number, service)
    voice.paid("till", "card", number, FEE)
    voice.departed("bank", "ok", number, sim.now - arrived)


# -- here, in SimPy's spelling -----------------------------------------------------------------


def as_in_simpy(drawn: Draws) -> Simulation:
    """Run the queue as a SimPy model that emits events, and return the simulation."""
    sim = Simulation(SEED)
    sim.process(_source(sim, Resource(sim, 1), drawn))
    sim.run()
    return sim


def _source(sim: Simulation, teller: Any, drawn: Draws) -> Generator[Any, Any, None]:
    for number, (gap, service) in enumerate(drawn):
        yield sim.timeout(gap)
        sim.process(_customer(sim, teller, number, service))


def _customer(
    sim: Simulation, teller: Any, number: int, service: float
) -> Generator[Any, Any, None]:
    emit, arrived = sim.telemetry.emit, sim.now
    emit(bank.Arrived("bank", number))
    emit(bank.Queued("line", number))
    with teller.request() as request:
        yield request
        emit(bank.Began("teller", number, sim.now - arrived))
        yield sim.timeout(service)
    emit(bank.Served("teller", number, service))
    emit(bank.Paid("till", "card", number, FEE))
    emit(bank.Departed("bank", "ok", number, sim.now - arrived))


# -- the jobs, frames included -----------------------------------------------------------------

Facts = dict[str, Any]


def _recorded(sim: Simulation) -> tuple[float, Recording]:
    recording = sim.recording
    _ = recording.events, recording.frame(bank.Departed)  # the frames are part of the job
    return sim.now, recording


def _native_job(customers: int) -> tuple[float, Recording]:
    return _recorded(natively(draws(customers, 1)))


def _spelled_job(customers: int) -> tuple[float, Recording]:
    return _recorded(as_in_simpy(draws(customers, 1)))


def _bare_job(customers: int) -> float:
    return bare(draws(customers, 1))


def _pandas_job(customers: int) -> tuple[float, pd.DataFrame]:
    ended, rows = with_dictionaries(draws(customers, 1))
    return ended, pd.DataFrame(rows)


def _polars_job(customers: int) -> tuple[float, pl.DataFrame]:
    ended, rows = with_tuples(draws(customers, 1))
    return ended, pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _recording_facts(result: tuple[float, Recording]) -> Facts:
    ended, recording = result
    durations = recording.frame(bank.Departed)["duration"].to_list()
    return {"ended": ended, "rows": recording.events.height, "durations": durations}


def _pandas_facts(result: tuple[float, pd.DataFrame]) -> Facts:
    ended, frame = result
    durations = frame.loc[frame["event"] == "departed", "duration"].tolist()
    return {"ended": ended, "rows": len(frame), "durations": durations}


def _polars_facts(result: tuple[float, pl.DataFrame]) -> Facts:
    ended, frame = result
    durations = frame.filter(pl.col("event") == "departed")["value"].to_list()
    return {"ended": ended, "rows": frame.height, "durations": durations}


# -- measuring ---------------------------------------------------------------------------------


def measure(rounds: int, size: int) -> list[Row]:
    """Return the rows of both spellings beside the three others."""
    contenders = {
        "bare SimPy": Contender(_bare_job, lambda ended: {"ended": ended}),
        "SimPy, dicts, pandas": Contender(_pandas_job, _pandas_facts),
        "SimPy, tuples, polars": Contender(_polars_job, _polars_facts),
        "SimPy's spelling": Contender(_spelled_job, _recording_facts),
    }
    if NATIVE:
        contenders["native waits"] = Contender(_native_job, _recording_facts)
    seconds = race(contenders, rounds=rounds, size=size, agree=_agree)
    bars = {"bare SimPy": BARE_BAR, "SimPy, dicts, pandas": PANDAS_BAR}
    rows = []
    for spelling in ("native waits", "SimPy's spelling"):
        for other in ("bare SimPy", "SimPy, dicts, pandas", "SimPy, tuples, polars"):
            measured = spelling in seconds
            rows.append(
                Row(
                    what=f"M/M/1 recorded, {spelling}",
                    unit="s",
                    ours=seconds.get(spelling),
                    theirs=seconds[other],
                    beside=other,
                    at_least=bars.get(other) if spelling == "native waits" else None,
                    note=f"{EVENTS * size:,} events" if measured else NO_NATIVE,
                )
            )
    return rows


def _agree(facts: dict[str, Facts]) -> None:
    bare_end = facts["bare SimPy"]["ended"]
    by_hand = facts["SimPy, dicts, pandas"]
    for name, found in facts.items():
        same(f"end of the run, {name},", [found["ended"]], [bare_end])
        if name != "bare SimPy":
            same(f"number of rows, {name},", [found["rows"]], [by_hand["rows"]])
            same(f"time in the bank, {name},", found["durations"], by_hand["durations"])


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=3, size=100_000)
