"""Exploration: other orders of one instant, and what never changes."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import DeadlockError
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.exploring.exploration import Exploration
from foundation_lab.simulation.exploring.schedule import Chosen, Pct

if TYPE_CHECKING:
    from collections.abc import Generator


def waits(
    sim: Simulation, order: list[str], name: str, *delays: float
) -> Generator[Any, Any, None]:
    for delay in delays:
        yield delay
        order.append(name)


def order_of(sim: Simulation, names: str = "abcd", *delays: float) -> str:
    order: list[str] = []
    for name in names:
        sim.process(waits(sim, order, name, *(delays or (1.0,))), name=name)
    sim.run()
    return "".join(order)


def test_first_in_first_out_is_the_order_of_a_plain_simulation() -> None:
    sim = Exploration(schedule="fifo")
    assert order_of(sim, "abcd", 1.0, 2.0) == order_of(Simulation(), "abcd", 1.0, 2.0) == "abcdabcd"
    assert sim.deviations == []
    assert sim.choices > 0


@pytest.mark.parametrize("schedule", ["shuffle", "pct"])
def test_every_order_of_one_instant_comes_up(schedule: str) -> None:
    orders = {order_of(Exploration(seed, schedule=schedule), "abc") for seed in range(60)}
    assert orders == {"abc", "acb", "bac", "bca", "cab", "cba"}


@pytest.mark.parametrize("schedule", ["shuffle", "pct"])
def test_the_same_seed_takes_the_same_way_and_another_variant_another(schedule: str) -> None:
    def way(variant: int) -> tuple[str, str]:
        sim = Exploration(17, schedule=schedule, variant=variant)
        return order_of(sim, "abcdefgh", 1.0, 1.0), sim.schedule_digest

    assert way(0) == way(0)
    assert len({way(variant) for variant in range(5)}) == 5


def test_a_deviation_says_who_went_before_whom_and_when() -> None:
    sim = Exploration(schedule=Chosen([0, 0, 2]))
    assert order_of(sim, "abc") == "cab"
    (deviation,) = sim.deviations
    assert str(deviation) == "choice 2 at t=1: c went before a, b"


def test_choices_go_round_and_end_with_first_in_first_out() -> None:
    assert order_of(Exploration(schedule=Chosen([0, 0, 4])), "abc") == "bac"
    assert order_of(Exploration(schedule=Chosen([])), "abc") == "abc"
    assert repr(Chosen([0, 4])) == "Chosen([0, 4])"


def test_with_priorities_one_may_run_far_ahead_and_fall_behind_at_a_change_point() -> None:
    class Stream:
        def __init__(self, *draws: float) -> None:
            self._draws = list(draws)

        def random(self) -> float:
            return self._draws.pop(0)

    a, b = simpy.Event(simpy.Environment()), simpy.Event(simpy.Environment())
    stream: Any = Stream(0.25, 0.3, 0.2, 0.7)  # points at the 10th and the 16th choice
    pct = Pct(stream)
    chosen = [pct.choose([a, b]) for _ in range(20)]
    assert chosen == [1] * 9 + [0] * 6 + [1] * 5 or chosen == [1] * 9 + [0] * 11


def test_time_and_priority_come_before_every_schedule() -> None:
    def run(seed: int) -> list[str]:
        sim = Exploration(seed)
        order: list[str] = []

        def interrupted() -> Generator[Any, Any, None]:
            try:
                yield 1.0
            except simpy.Interrupt:
                order.append("interrupt")

        def interrupts(victim: Any) -> Generator[Any, Any, None]:
            yield 0.5
            victim.interrupt()
            yield sim.timeout(0)
            order.append("after")

        sim.process(interrupts(sim.process(interrupted())))
        sim.process(waits(sim, order, "late", 2.0))
        sim.process(waits(sim, order, "early", 0.25))
        sim.run()
        return order

    assert {tuple(run(seed)) for seed in range(20)} == {("early", "interrupt", "after", "late")}


def test_a_function_that_is_called_is_never_overtaken() -> None:
    def run(seed: int) -> str:
        sim = Exploration(seed)
        order: list[str] = []
        sim.process(waits(sim, order, "a", 1.0))
        sim.process(waits(sim, order, "b", 1.0))
        sim.run(until=0.5)
        sim.call_at(1.0, lambda: order.append("|"))
        sim.process(waits(sim, order, "c", 0.5))
        sim.process(waits(sim, order, "d", 0.5))
        sim.run()
        return "".join(order)

    assert {run(seed) for seed in range(40)} == {"ab|cd", "ba|cd", "ab|dc", "ba|dc"}


def test_tasks_change_places_and_call_soon_stays_first_in_first_out() -> None:
    def run(seed: int) -> str:
        sim = Exploration(seed)
        order: list[str] = []

        async def sleeper(name: str) -> None:
            await asyncio.sleep(1)
            order.append(name)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            tasks = [asyncio.create_task(sleeper(name)) for name in "ab"]
            for number in "123":
                loop.call_soon(order.append, number)
            await asyncio.gather(*tasks)

        sim.run_async(main())
        return "".join(order)

    assert {run(seed) for seed in range(20)} == {"123ab", "123ba"}


@pytest.mark.parametrize("schedule", ["shuffle", "pct"])
def test_a_loop_that_debugs_takes_the_same_way(schedule: str) -> None:
    def way(*, debug: bool) -> tuple[str, str]:
        sim = Exploration(5, schedule=schedule)
        order: list[str] = []

        async def sleeper(name: str) -> None:
            for _ in range(3):
                await asyncio.sleep(1)
                order.append(name)

        async def main() -> None:
            await asyncio.gather(*map(sleeper, "abcd"))

        sim.event_loop().set_debug(debug)
        sim.run_async(main())
        return "".join(order), sim.schedule_digest

    assert way(debug=True) == way(debug=False)


def test_tasks_and_processes_change_places_with_each_other() -> None:
    def run(seed: int) -> str:
        sim = Exploration(seed)
        order: list[str] = []

        async def sleeper() -> None:
            await asyncio.sleep(1)
            order.append("t")

        sim.task(sleeper())
        sim.process(waits(sim, order, "p", 1.0), name="p")
        sim.run()
        return "".join(order)

    assert {run(seed) for seed in range(20)} == {"tp", "pt"}


def test_who_waits_for_several_things_changes_places_too() -> None:
    def run(seed: int) -> str:
        sim = Exploration(seed)
        order: list[str] = []

        def patient(name: str) -> Generator[Any, Any, None]:
            yield sim.timeout(1.0) | sim.event()
            order.append(name)

        for name in "ab":
            sim.process(patient(name))
        sim.run()
        return "".join(order)

    assert {run(seed) for seed in range(20)} == {"ab", "ba"}


def test_events_of_simpys_own_classes_change_places_too() -> None:
    def run(seed: int) -> str:
        sim = Exploration(seed)
        order: list[str] = []

        def patient(name: str) -> Generator[Any, Any, None]:
            yield simpy.Timeout(sim, 1.0)
            order.append(name)

        for name in "ab":
            sim.process(patient(name))
        sim.run()
        return "".join(order)

    assert {run(seed) for seed in range(20)} == {"ab", "ba"}


def test_runs_end_at_times_events_stops_and_when_nothing_is_left() -> None:
    sim = Exploration(3)
    order: list[str] = []
    for name in "abc":
        sim.process(waits(sim, order, name, 1.0, 1.0), name=name)
    sim.run(until=1.0)
    assert (sim.now, order) == (1.0, [])
    sim.call_in(0.5, sim.stop)
    sim.run()
    assert (sim.now, sorted(order)) == (1.5, ["a", "b", "c"])
    assert sim.run(until=sim.timeout(0.25, "done")) == "done"
    sim.step()
    assert sim.now == 2.0
    sim.run()
    assert len(order) == 6
    with pytest.raises(DeadlockError):
        sim.run(until=sim.event())
    with pytest.raises(simpy.core.EmptySchedule):
        sim.step()


def test_events_with_priorities_of_their_own_keep_them() -> None:
    def run(seed: int) -> str:
        sim = Exploration(seed)
        order: list[str] = []
        for name in "ab":
            sim.process(waits(sim, order, name, 1.0))
        late = sim.event()
        late._value = None
        late.callbacks.append(lambda _event: order.append("|"))
        sim.schedule(late, priority=5, delay=1.0)
        sim.run()
        return "".join(order)

    assert {run(seed) for seed in range(20)} == {"ab|", "ba|"}


def test_jitter_makes_delays_longer_and_shorter_but_leaves_timers_alone() -> None:
    ends: dict[str, list[float]] = {"yield": [], "timeout": [], "simpy": [], "sleep": []}
    for seed in range(30):
        sim = Exploration(seed, schedule="fifo", jitter=0.1)

        def process(kind: str, event: Any, sim: Simulation = sim) -> Generator[Any, Any, None]:
            yield event
            ends[kind].append(sim.now)

        async def sleeper(sim: Simulation = sim) -> None:
            await asyncio.sleep(10)
            ends["sleep"].append(sim.now)

        fired: list[float] = []

        def fire(sim: Simulation = sim, fired: list[float] = fired) -> None:
            fired.append(sim.now)

        sim.call_in(10, fire)
        sim.process(process("yield", 10.0))
        sim.process(process("timeout", sim.timeout(10)))
        sim.process(process("simpy", simpy.Timeout(sim, 10)))
        sim.task(sleeper())
        sim.run()
        assert fired == [10]
    for found in ends.values():
        assert 9 <= min(found) < 9.5
        assert 10.5 < max(found) <= 11


@pytest.mark.parametrize("jitter", [-0.1, 1, float("nan")])
def test_a_jitter_that_cannot_be_is_refused(jitter: float) -> None:
    with pytest.raises(ValueError, match="give a fraction from 0 to 1"):
        Exploration(jitter=jitter)


def test_a_schedule_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there are fifo, shuffle, pct"):
        Exploration(schedule="random")


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=4), max_size=5))
def test_first_in_first_out_tells_the_same_story_as_a_plain_simulation(
    delays: list[list[float]],
) -> None:
    def story(sim: Simulation) -> list[tuple[str, float]]:
        told: list[tuple[str, float]] = []
        desk = sim.Resource(1)

        def customer(name: str, waits: list[float]) -> Generator[Any, Any, None]:
            for wait in waits:
                with desk.request() as turn:
                    yield turn
                    yield wait
                    told.append((name, sim.now))
                yield sim.timeout(wait) | sim.timeout(0.5)
                told.append((name, sim.now))

        for number, each in enumerate(delays):
            sim.process(customer(str(number), each))
        sim.run()
        return told

    assert story(Exploration(schedule="fifo")) == story(Simulation())
