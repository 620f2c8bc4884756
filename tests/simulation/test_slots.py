from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import ServiceDown
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process


def take(sim: Simulation, slots: Slots, hold: float) -> Process:
    def taker() -> Generator[Any, Any, float]:
        yield from slots.acquire()
        granted = sim.now
        yield from sim.sleep(hold)
        slots.release()
        return granted

    return sim.process(taker())


def test_a_place_is_taken_at_once_only_when_one_is_free_and_nobody_waits() -> None:
    slots = Slots(Simulation(seed=1), 1, "a place")
    assert slots.try_acquire()
    assert not slots.try_acquire()
    slots.release()
    assert slots.try_acquire()


def test_more_places_serve_the_line_and_fewer_wait_for_returns() -> None:
    sim = Simulation(seed=2)
    slots = Slots(sim, 1, "a place")
    takers = [take(sim, slots, hold=10) for _ in range(4)]
    sim.call_at(2, lambda: slots.resize(3))
    sim.call_at(3, lambda: slots.resize(1))
    sim.run(until=3.5)
    assert (slots.used, slots.free, slots.waiting) == (3, -2, 1)
    assert slots.violations() == []
    sim.run()
    assert [taker.value for taker in takers] == [0.0, 2.0, 2.0, 12.0]


def test_whoever_waits_is_explained_in_a_deadlock() -> None:
    sim = Simulation(seed=3)
    slots = Slots(sim, 1, "a place at the table")
    slots.try_acquire()
    take(sim, slots, hold=1)
    sim.run()
    assert [entry.waiting_for for entry in sim.blocked()] == [
        "a place at the table (capacity 1, 1 waiting)"
    ]


def test_a_place_given_back_twice_is_the_programmers_mistake() -> None:
    slots = Slots(Simulation(seed=4), 1, "a place")
    with pytest.raises(RuntimeError, match="a place: a place was given back twice"):
        slots.release()


def test_those_who_come_after_an_expulsion_are_not_part_of_it() -> None:
    sim = Simulation(seed=5)
    slots = Slots(sim, 1, "a place")
    slots.try_acquire()
    slots.fail_all(ServiceDown)
    taker = take(sim, slots, hold=1)
    sim.call_at(2, slots.release)
    sim.run()
    assert taker.value == 2.0
    assert slots.used == 0


def test_many_who_leave_the_line_leave_no_trace_in_it() -> None:
    sim = Simulation(seed=6)
    slots = Slots(sim, 1, "a place")
    slots.try_acquire()
    takers = [take(sim, slots, hold=1) for _ in range(100)]
    sim.run(until=1)
    for taker in takers[:-1]:
        taker.defused = True
        taker.interrupt()
    sim.run(until=2)
    assert slots.waiting == 1
    assert slots.violations() == []
    slots.release()
    sim.run()
    assert takers[-1].value == 2.0
    assert slots.used == 0


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True])
def test_a_wrong_capacity_is_an_error_at_once(capacity: Any) -> None:
    with pytest.raises(ValueError, match="for a place; give a whole number from 1"):
        Slots(Simulation(seed=7), capacity, "a place")
