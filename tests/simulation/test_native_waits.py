from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import simpy

from foundation_lab.errors import SchedulingError
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.process import Process

SEED = 8


@pytest.mark.parametrize(
    "seconds",
    [1.5, 1, np.float64(1.5), np.int32(3), Fraction(3, 2)],
    ids=lambda s: type(s).__name__,
)
def test_a_process_that_yields_a_number_waits_that_many_seconds(seconds: Any) -> None:
    sim = Simulation(SEED)

    def sleeper() -> Any:
        nothing = yield seconds
        assert nothing is None

    sim.process(sleeper())
    sim.run()
    assert sim.now == seconds
    assert type(sim.now) in {float, int}


@pytest.mark.parametrize("seconds", [-1, -0.5, float("nan")])
def test_an_impossible_number_is_an_error_in_the_process_at_its_yield(seconds: float) -> None:
    sim = Simulation(SEED)

    def sleeper() -> Any:
        with pytest.raises(SchedulingError, match="delays are numbers of seconds from 0"):
            yield seconds
        yield 1.0

    sim.process(sleeper())
    sim.run()
    assert sim.now == 1


@pytest.mark.parametrize("nothing", [None, "1", True, [1.0]])
def test_what_is_neither_a_number_nor_an_event_ends_the_run(nothing: Any) -> None:
    sim = Simulation(SEED)

    def confused() -> Any:
        yield nothing

    sim.process(confused())
    with pytest.raises(RuntimeError, match="Invalid yield value"):
        sim.run()


def test_numbers_and_timeouts_of_one_instant_come_in_the_order_in_which_they_were_asked_for() -> (
    None
):
    sim = Simulation(SEED)
    order = []

    def native(name: str, seconds: float) -> Any:
        yield seconds
        order.append(name)

    def classic(name: str, seconds: float) -> Any:
        yield sim.timeout(seconds)
        order.append(name)

    for number in range(3):
        sim.process(native(f"native {number}", 2.0))
        sim.process(classic(f"classic {number}", 2.0))
        sim.process(native(f"at once {number}", 0.0))
    sim.run()
    assert order == [
        *(f"at once {number}" for number in range(3)),
        *(f"{kind} {number}" for number in range(3) for kind in ("native", "classic")),
    ]


def test_an_interrupt_takes_the_wait_away_with_it() -> None:
    for seconds in (100.0, 0, 100):
        sim = Simulation(SEED)

        def sleeper(seconds: float = seconds, sim: Simulation = sim) -> Any:
            with pytest.raises(simpy.Interrupt):
                yield seconds
            yield 1.0

        process = sim.process(sleeper())
        sim.process(interrupter(process))
        sim.run()
        assert sim.now == 1
        assert not process.is_alive


def interrupter(process: Process) -> Any:
    process.interrupt()
    yield 0


def test_the_event_behind_a_number_can_be_asked_for_and_waited_for() -> None:
    sim = Simulation(SEED)
    ends = []

    def sleeper() -> Any:
        yield 5.0
        ends.append(("sleeper", sim.now))

    def watcher() -> Any:
        yield 2.0
        target = process.target
        assert isinstance(target, simpy.Timeout)
        assert repr(target).startswith("<Timeout(3.0)")
        yield target
        ends.append(("watcher", sim.now))

    process = sim.process(sleeper())
    sim.process(watcher())
    sim.run()
    assert ends == [("sleeper", 5), ("watcher", 5)]


def test_many_interrupted_waits_are_swept_out_of_the_queue() -> None:
    sim = Simulation(SEED)

    def sleeper() -> Any:
        for _ in range(1000):
            with pytest.raises(simpy.Interrupt):
                yield 1e6

    process = sim.process(sleeper())

    def disturber() -> Any:
        for _ in range(1000):
            yield 1.0
            process.interrupt()

    sim.process(disturber())
    sim.run()
    assert sim.now == 1000
    assert sim.peek() == float("inf")


def test_what_is_due_can_be_looked_at_as_in_simpy() -> None:
    sim = Simulation(SEED)

    def sleeper() -> Any:
        yield 5.0

    sim.process(sleeper(), name="a")
    sim.run(until=1)
    sim.process(sleeper(), name="b")
    sim.timeout(0)
    sim.schedule(sim.event(), 3)
    due = [(time, priority, type(event).__name__) for time, priority, _, event in sim._queue]
    assert due == [
        (1, 0, "Initialize"),
        (1, 1, "Timeout"),
        (1, 3, "Event"),
        (5, 1, "Timeout"),
    ]
    sim.run()
    assert sim.now == 6


def test_whoever_replaces_step_sees_every_event_as_simpys_guide_to_monitoring_shows() -> None:
    def trace(env: Any) -> list[tuple[float, str]]:
        seen = []
        step = env.step

        def tracing_step() -> None:
            if env._queue:
                time, _, _, event = env._queue[0]
                seen.append((time, type(event).__name__))
            step()

        env.step = tracing_step
        return seen

    def model(env: Any) -> Any:
        yield env.timeout(1)
        yield env.process(child(env))

    def child(env: Any) -> Any:
        yield env.timeout(2)

    seen = {}
    for env in (simpy.Environment(), Simulation(SEED)):
        seen[type(env).__name__] = trace(env)
        env.process(model(env))
        env.run()
    assert seen["Simulation"] == seen["Environment"]
    assert len(seen["Simulation"]) == 6


@pytest.mark.parametrize(
    "look", [lambda p, sim: p.target, lambda p, sim: sim.blocked()], ids=["target", "blocked"]
)
def test_looking_at_a_wait_changes_nothing(look: Any) -> None:
    sim = Simulation(SEED)

    def sleeper() -> Any:
        with pytest.raises(simpy.Interrupt):
            yield 100.0

    process = sim.process(sleeper())
    sim.run(until=1)
    look(process, sim)
    process.interrupt()
    sim.run()
    assert sim.now == 1


def test_an_interrupt_leaves_the_wait_to_others_who_wait_for_it_too() -> None:
    sim = Simulation(SEED)
    ends: list[float] = []

    def sleeper() -> Any:
        with pytest.raises(simpy.Interrupt):
            yield 5.0

    def other() -> Any:
        yield process.target
        ends.append(sim.now)

    process = sim.process(sleeper())
    sim.run(until=1)
    sim.process(other())
    sim.run(until=2)
    process.interrupt()
    sim.run()
    assert ends == [5]


def test_a_process_can_ask_what_others_and_itself_wait_for() -> None:
    sim = Simulation(SEED)
    told: list[list[str]] = []

    def sleeper() -> Any:
        yield 5.0

    def asker() -> Any:
        yield 1.0
        told.append([entry.waiting_for for entry in sim.blocked()])

    sim.process(sleeper())
    sim.process(asker())
    sim.run()
    assert told == [["a timeout of 4 s", "nothing: it runs"]]
