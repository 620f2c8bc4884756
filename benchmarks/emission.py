"""One event: what it costs to emit it, to keep it, and to have all of them in a frame.

A process emits a mix of three typed events in a loop, and the clock moves on after every twelve.
The same loop without the events is subtracted. The components of the package emit what happens
often by the functions that `telemetry.emitting` returns, which make no object as long as nobody
listens: that is the first row. In the next ones the object is made and given to `telemetry.emit`;
the last of them leaves out the making. The bytes an event are the growth of the memory of a fresh
process, as the operating system counts it; beside it, what the recorder says its buffers take. With
an id for each six events it is what the strings of correlation ids add. The frames are built from
the same recording once it is complete.

    python benchmarks/emission.py [ROUNDS] [EVENTS]
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import bank
import program
from footprint import in_a_fresh_process, resident
from race import Contender, race, same, timed
from row import Row

from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Loop = Callable[[Simulation, int], Generator[Any, Any, None]]

SEED = 7
MIX = 12
"""Events between two moves of the clock: four times three classes."""

TIME_BAR, BYTES_BAR, FRAME_BAR = 0.5, 48.0, 50.0


def giving(sim: Simulation, events: int) -> Generator[Any, Any, None]:
    """Make events and emit them."""
    emit = sim.telemetry.emit
    for number in range(events // MIX):
        seconds = number * 0.001
        for _ in range(MIX // 3):
            emit(bank.Arrived("bank", number))
            emit(bank.Served("teller", number, seconds))
            emit(bank.Departed("bank", "ok", number, seconds))
        yield sim.timeout(1.0)


def stating(sim: Simulation, events: int) -> Generator[Any, Any, None]:
    """Emit events by their fields."""
    emitting = sim.telemetry.emitting
    arrived, served = emitting(bank.Arrived), emitting(bank.Served)
    departed = emitting(bank.Departed)
    for number in range(events // MIX):
        seconds = number * 0.001
        for _ in range(MIX // 3):
            arrived("bank", number)
            served("teller", number, seconds)
            departed("bank", "ok", number, seconds)
        yield sim.timeout(1.0)


def making(sim: Simulation, events: int) -> Generator[Any, Any, None]:
    """Make events and do not emit them."""
    for number in range(events // MIX):
        seconds = number * 0.001
        for _ in range(MIX // 3):
            bank.Arrived("bank", number)
            bank.Served("teller", number, seconds)
            bank.Departed("bank", "ok", number, seconds)
        yield sim.timeout(1.0)


def idling(sim: Simulation, events: int) -> Generator[Any, Any, None]:
    """Make no event."""
    for number in range(events // MIX):
        seconds = number * 0.001
        for _ in range(MIX // 3):
            _ = seconds
        yield sim.timeout(1.0)


def identified(sim: Simulation, events: int) -> Generator[Any, Any, None]:
    """Emit the six events of each customer under a correlation id of its own."""
    telemetry = sim.telemetry
    emit = telemetry.emit
    for number in range(events // 6):
        seconds = number * 0.001
        with telemetry.context(correlation_id=telemetry.new_id()):
            emit(bank.Arrived("bank", number))
            emit(bank.Queued("line", number))
            emit(bank.Began("teller", number, seconds))
            emit(bank.Served("teller", number, seconds))
            emit(bank.Paid("till", "card", number, seconds))
            emit(bank.Departed("bank", "ok", number, seconds))
        yield sim.timeout(1.0)


def run(loop: Loop, events: int) -> Simulation:
    """Run one of the loops to its end."""
    sim = Simulation(SEED)
    sim.process(loop(sim, events))
    sim.run()
    return sim


def measure(rounds: int, size: int) -> list[Row]:
    """Return the rows of time, memory and frames."""
    events = max(MIX, size - size % MIX)
    return [*_times(rounds, events), *_memory(events)]


def _times(rounds: int, events: int) -> list[Row]:
    frames: dict[str, list[float]] = {"recording.events": [], "recording.frame": []}

    def facts(sim: Simulation) -> tuple[float, int]:
        if sim.recorder.rows:
            took, spine = timed(lambda: sim.recording.events)
            same("number of rows", [spine.height], [sim.recorder.rows])
            frames["recording.events"].append(took)
            took, table = timed(lambda: sim.recording.frame(bank.Departed))
            same("number of rows", [3 * table.height], [sim.recorder.rows])
            frames["recording.frame"].append(took)
        return sim.now, sim.recorder.rows

    def agree(found: dict[str, tuple[float, int]]) -> None:
        ended = found["idle"][0]
        full, none = (ended, events), (ended, 0)
        expected = {"state": full, "emit": full, "make": none, "idle": none}
        for name, each in found.items():
            same(f"end and rows of the loop {name!r}:", each, expected[name])

    contenders = {
        "state": Contender(lambda n: run(stating, n), facts),
        "emit": Contender(lambda n: run(giving, n), facts),
        "make": Contender(lambda n: run(making, n), facts),
        "idle": Contender(lambda n: run(idling, n), facts),
    }
    seconds = race(contenders, rounds=rounds, size=events, agree=agree)
    each = {name: value / events * 1e6 for name, value in seconds.items()}
    of_all = f"{events:,} events"
    rows = [
        Row(
            what="emit an event by its fields",
            unit="µs",
            ours=each["state"] - each["idle"],
            at_most=TIME_BAR,
            note=of_all,
        ),
        Row(
            what="make and emit an event",
            unit="µs",
            ours=each["emit"] - each["idle"],
            note=of_all,
        ),
        Row(
            what="emit an event, its making left out",
            unit="µs",
            ours=each["emit"] - each["make"],
            note=of_all,
        ),
    ]
    bars = {"recording.events": FRAME_BAR}
    rows += [
        Row(
            what=f"build {name}",
            unit="ms",
            ours=statistics.median(times[1:]) * 1e3,  # the first is the warm-up
            at_most=bars.get(name),
            note=f"{events:,} rows" if name in bars else f"{events // 3:,} rows",
        )
        for name, times in frames.items()
    ]
    return rows


def _memory(events: int) -> list[Row]:
    grown, buffers = in_a_fresh_process(growth, "giving", events)
    with_ids, _ = in_a_fresh_process(growth, "identified", events)
    return [
        Row(
            what="memory of an event",
            unit="bytes",
            ours=grown / events,
            at_most=BYTES_BAR,
            note=f"growth of a process by {events:,} events",
        ),
        Row(what="recorder.bytes of an event", unit="bytes", ours=buffers / events),
        Row(
            what="memory of an event, an id for every six",
            unit="bytes",
            ours=with_ids / events,
            note="correlation ids of 32 characters",
        ),
    ]


def growth(loop: str, events: int) -> tuple[int, int]:
    """Return by how many bytes this process grows when it records, and what the buffers take."""
    of_name = {"giving": giving, "identified": identified}
    run(of_name[loop], 20_000)
    before = resident()
    sim = run(of_name[loop], events)
    return resident() - before, sim.recorder.bytes


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=5, size=1_200_000)
