import re
from collections.abc import Callable
from typing import Any

import pytest
import simpy

from foundation_lab.errors import DeadlockError
from foundation_lab.services import ConnectionManager
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.resources import Resource

SEED = 33


def waiting_for(sim: Simulation, make: Callable[[], simpy.Event]) -> str:
    def waiter() -> Any:
        yield make()

    sim.process(waiter(), name="waiter")
    with pytest.raises(DeadlockError) as caught:
        sim.run_to_completion()
    line = next(line for line in str(caught.value).splitlines() if "- waiter waits for" in line)
    return re.sub(r" \(\S+test_deadlock.py:\d+\)$", "", line).removeprefix("  - waiter waits for ")


def test_the_holders_of_a_resource_are_named() -> None:
    sim = Simulation(seed=SEED)
    desk = simpy.PreemptiveResource(sim, capacity=2)

    def holder() -> Any:
        yield desk.request()
        yield sim.wait("the end of the world")

    sim.process(holder(), name="ann")
    sim.process(holder(), name="bob")
    assert waiting_for(sim, desk.request) == (
        "a slot of a PreemptiveResource (capacity 2, held by ann, bob, 1 waiting)"
    )


def test_a_slot_that_the_main_program_holds_is_named_too() -> None:
    sim = Simulation(seed=SEED)
    desk = simpy.Resource(sim)
    desk.request()
    assert "held by main, 1 waiting" in waiting_for(sim, desk.request)


def test_what_else_one_can_wait_for_has_words() -> None:
    def words(make: Callable[[Simulation], simpy.Event]) -> str:
        sim = Simulation(seed=SEED)
        return waiting_for(sim, lambda: make(sim))

    assert words(lambda sim: simpy.Store(sim, 3).get()) == "an item of a Store (capacity 3)"
    assert words(lambda sim: simpy.Store(sim).get()) == "an item of a Store (capacity inf)"
    assert (
        words(lambda sim: simpy.Container(sim, 5, 5).put(1)) == "room in a Container (capacity 5)"
    )
    assert words(lambda sim: sim.event()) == "an event that nobody has triggered"
    assert words(lambda sim: sim.wait("an answer")) == "an answer"
    assert words(lambda sim: sim.wait("a") & sim.event()) == (
        "all of [a, an event that nobody has triggered]"
    )
    assert words(lambda sim: sim.any_of([sim.wait("a"), sim.wait("b")])) == "any of [a, b]"


def test_a_process_that_waits_for_another_names_it() -> None:
    sim = Simulation(seed=SEED)

    def stuck() -> Any:
        yield sim.event()

    process = sim.process(stuck(), name="stuck one")
    assert waiting_for(sim, lambda: process) == "the process stuck one to end"


def test_the_innermost_line_of_a_waiting_process_is_told() -> None:
    sim = Simulation(seed=SEED)

    def inner() -> Any:
        yield sim.event()

    def outer() -> Any:
        yield from inner()

    sim.process(outer())
    sim.run()
    (entry,) = sim.blocked()
    line = inner.__code__.co_firstlineno + 1
    assert entry.where == f"{__file__}:{line}"
    assert str(entry) == f"outer waits for an event that nobody has triggered ({entry.where})"


def test_an_until_event_that_cannot_come_any_more_is_a_deadlock() -> None:
    sim = Simulation(seed=SEED)

    def stuck() -> Any:
        yield sim.timeout(2)
        yield sim.wait("godot")

    sim.process(stuck())
    sim.process(stuck(), daemon=True, name="helper")
    with pytest.raises(
        DeadlockError, match=r"(?s)not triggered.* at t=2\. .*stuck waits for godot"
    ) as e:
        sim.run(until=sim.event())
    assert "helper" not in str(e.value)
    with pytest.raises(DeadlockError, match="no process at all"):
        Simulation(seed=SEED).run(until=sim.event())


def test_a_process_that_can_still_go_on_is_described_as_well() -> None:
    sim = Simulation(seed=SEED)

    def sleeper() -> Any:
        yield sim.timeout(5)

    def alarm() -> Any:
        yield sim.at(7)

    sim.process(sleeper())
    sim.run(until=1)
    sim.process(alarm())
    assert [entry.waiting_for for entry in sim.blocked()] == ["a timeout of 5 s", "its start"]
    sim.run(until=2)
    assert sim.blocked()[1].waiting_for == "a timeout of 6 s"


def test_a_deadlock_of_nested_checkouts_tells_who_holds_and_who_waits() -> None:
    sim = Simulation(seed=SEED)
    pool = ConnectionManager(sim, "pool", size=2, checkout_timeout=None)

    def greedy() -> Any:
        first = yield from pool.checkout()
        yield 1.0
        with first, (yield from pool.checkout()):
            yield 1.0

    sim.process(greedy(), name="ann")
    sim.process(greedy(), name="bob")
    with pytest.raises(DeadlockError) as caught:
        sim.run_to_completion()
    held = "a connection of pool 'pool' (capacity 2, held by ann, bob, 2 waiting)"
    assert f"ann waits for {held}" in str(caught.value)
    assert f"bob waits for {held}" in str(caught.value)


def test_a_deadlock_at_a_resource_tells_who_holds_and_who_waits() -> None:
    for make in (Resource, simpy.Resource):
        sim = Simulation(seed=SEED)
        fork: Any = make(sim, 1)

        def philosopher(sim: Simulation = sim, fork: Any = fork) -> Any:
            with fork.request() as request:
                yield request
                yield sim.event()

        sim.process(philosopher(), name="kant")
        sim.process(philosopher(), name="hume")
        with pytest.raises(
            DeadlockError, match=r"hume waits for a slot of a Resource .*held by kant"
        ):
            sim.run_to_completion()
