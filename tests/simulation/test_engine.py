from functools import partial
from typing import Any

import pytest
import simpy

from foundation_lab.errors import DeadlockError, InvariantError, SchedulingError
from foundation_lab.services import Backend
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.run_loop import PROGRESS_EVERY

SEED = 32


def ticking(sim: Simulation, log: list[float], interval: float = 1.0) -> Any:
    while True:
        yield sim.timeout(interval)
        log.append(sim.now)


def test_run_until_a_time_stops_before_the_events_of_that_instant() -> None:
    sim, log = Simulation(seed=SEED), list[float]()
    sim.process(ticking(sim, log))
    sim.run(until=3)
    assert (sim.now, log, sim.peek()) == (3, [1, 2], 3)
    sim.run(until=3.5)
    assert (sim.now, log, sim.peek()) == (3.5, [1, 2, 3], 4)


def test_run_until_an_event_returns_its_value() -> None:
    sim = Simulation(seed=SEED)
    event = sim.timeout(2, "done")
    assert sim.run(until=event) == "done"
    assert sim.run(until=event) == "done"
    assert sim.now == 2


def test_others_who_wait_for_the_until_event_go_on_in_the_next_run() -> None:
    sim, log = Simulation(seed=SEED), list[float]()
    event = sim.timeout(2)
    event.callbacks.append(lambda _event: log.append(1))
    reached: list[simpy.Event] = [event]

    def late() -> Any:
        yield sim.timeout(1)
        yield reached[0]
        log.append(sim.now)

    sim.process(late())
    sim.run(until=event)
    assert log == [1]
    sim.run()
    assert (log, sim.now) == ([1, 2], 2)


def test_a_failed_until_event_raises_its_exception() -> None:
    sim = Simulation(seed=SEED)

    def broken() -> Any:
        yield sim.timeout(1)
        raise KeyError("tea")

    with pytest.raises(KeyError):
        sim.run(until=sim.process(broken()))
    assert sim.active_process is None


@pytest.mark.parametrize("until", [0, -1, 5, float("nan")])
def test_a_time_that_is_not_in_the_future_is_refused(until: float) -> None:
    sim = Simulation(seed=SEED, initial_time=5)
    with pytest.raises(SchedulingError, match="must be greater than the current simulation time 5"):
        sim.run(until=until)


def test_an_exception_of_a_model_ends_the_run_and_the_run_can_go_on() -> None:
    sim, log = Simulation(seed=SEED), list[float]()
    error = KeyError("tea")

    def broken() -> Any:
        yield sim.timeout(1.5)
        raise error

    sim.process(broken())
    sim.process(ticking(sim, log))
    with pytest.raises(KeyError) as caught:
        sim.run(until=10)
    assert caught.value is error
    assert (sim.now, sim.active_process) == (1.5, None)
    sim.run(until=20)
    assert (sim.now, log[-1]) == (20, 19)


def test_stop_from_within_ends_the_run_before_the_next_event() -> None:
    sim, log = Simulation(seed=SEED), list[float]()

    def stopper() -> Any:
        yield sim.timeout(2)
        sim.stop()
        sim.stop()
        log.append(-1)

    sim.process(stopper())
    sim.process(ticking(sim, log))
    assert sim.run(until=10) is None
    assert (sim.now, log, sim.stopped) == (2, [1, -1], True)


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped() -> None:
    def trajectory(stops: list[float]) -> tuple[list[float], float]:
        sim, log = Simulation(seed=SEED), list[float]()
        sim.process(ticking(sim, log, 0.7))
        for stop in stops:
            sim.call_in(stop, sim.stop)
        for _ in stops:
            sim.run(until=10)
            assert sim.stopped
        sim.run(until=12)
        assert not sim.stopped
        return log, sim.now

    assert trajectory([]) == trajectory([0.5, 2.1, 9.9])


def test_a_goal_that_was_not_reached_does_not_stop_a_later_run() -> None:
    sim, log = Simulation(seed=SEED), list[float]()
    event = sim.timeout(7)
    sim.process(ticking(sim, log))
    for until in (5.0, event):
        sim.call_in(0.5, sim.stop)
        sim.run(until=until)
    assert sim.now == 1.0
    sim.run(until=20)
    assert sim.now == 20


def test_stop_outside_of_a_run_ends_nothing() -> None:
    sim = Simulation(seed=SEED)
    sim.stop()
    sim.run(until=5)
    assert (sim.now, sim.stopped) == (5, False)


def test_stop_from_a_signal_handler_or_any_other_place_takes_no_step() -> None:
    sim = Simulation(seed=SEED)
    sim.timeout(1)
    sim.stop()
    with pytest.raises(simpy.core.StopSimulation):
        sim.step()
    assert (sim.now, sim.peek()) == (0, 1)


def test_progress_is_told_the_virtual_time_now_and_then() -> None:
    sim = Simulation(seed=SEED)
    told: list[float] = []
    sim.process(ticking(sim, []))
    sim.run(until=3 * PROGRESS_EVERY, progress=told.append)
    assert told == [PROGRESS_EVERY - 1, 2 * PROGRESS_EVERY - 1, 3 * PROGRESS_EVERY - 1]
    assert sim.now == 3 * PROGRESS_EVERY


def test_run_to_completion_ends_when_every_process_has() -> None:
    sim = Simulation(seed=SEED)

    def worker() -> Any:
        yield sim.timeout(3)

    def listener() -> Any:
        yield sim.wait("a call that never comes")

    sim.process(worker())
    sim.process(listener(), daemon=True)
    sim.run_to_completion()
    assert sim.now == 3
    assert [process.name for process in sim.living()] == ["listener"]
    sim.process(listener(), name="caller")
    with pytest.raises(DeadlockError, match="caller waits for a call that never comes"):
        sim.run_to_completion()


def test_a_stopped_run_to_completion_is_no_deadlock() -> None:
    sim = Simulation(seed=SEED)

    def worker() -> Any:
        sim.stop()
        yield sim.timeout(3)

    sim.process(worker())
    sim.run_to_completion()
    assert (sim.now, sim.stopped) == (0, True)


def test_living_processes_are_listed_in_order_of_their_start_however_many_there_were() -> None:
    sim = Simulation(seed=SEED)

    def worker(delay: float) -> Any:
        yield sim.timeout(delay)

    for number in range(1000):
        sim.process(worker(100 if number % 100 == 0 else 0.1), name=f"w{number}")
        sim.run(until=sim.now + 0.05)
    sim.run(until=sim.now + 1)
    assert [process.name for process in sim.living()] == [
        f"w{number}" for number in range(0, 1000, 100) if number * 0.05 + 100 > sim.now
    ]


def test_invariants_that_do_not_hold_are_listed_with_the_time() -> None:
    sim = Simulation(seed=SEED)
    backend = Backend(sim, "db", service_time=1)
    sim.check_invariants()
    backend._slots.used = -1
    with pytest.raises(InvariantError, match=r"at t=0: backend 'db': .*-1 places in use"):
        sim.check_invariants()
    with pytest.raises(ValueError, match="there is a backend called 'db' already"):
        Backend(sim, "db", service_time=1)


@pytest.mark.parametrize("seed", [1.5, "7", True, None])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(TypeError, match="a seed is a whole number"):
        Simulation(seed=seed)


def test_a_process_made_by_simpy_itself_emits_as_the_main_program_would() -> None:
    sim = Simulation(seed=SEED)

    def worker() -> Any:
        sim.telemetry.emit("shop.order.placed")
        yield sim.timeout(1)
        sim.telemetry.emit("shop.order.sent")

    with sim.telemetry.context(node="elsewhere"):
        simpy.Process(sim, worker())
    sim.run()
    frame = sim.recording.events.select("process", "node", "cause")
    assert frame.rows() == [("worker", "lab", None), ("worker", "lab", 0)]


def test_looking_for_the_next_event_does_not_take_a_stop_back() -> None:
    sim = Simulation(seed=SEED)

    def hasty() -> Any:
        yield sim.timeout(1)
        last = sim.timeout(1)
        sim.stop()
        assert sim.peek() == 2
        yield last

    sim.process(hasty())
    sim.run()
    assert (sim.now, sim.stopped) == (1, True)
    sim.run()
    assert (sim.now, sim.stopped) == (2, False)


def test_a_stop_outside_of_a_run_ends_nothing_whatever_else_is_due() -> None:
    sim = Simulation(seed=SEED)
    sim.stop()
    event = sim.event()
    event._value = None
    sim.schedule(event, priority=5)
    sim.timeout(3)
    sim.run()
    assert (sim.now, event.processed) == (3, True)


def test_progress_is_told_when_somebody_looks_at_every_step_too() -> None:
    sim = Simulation(seed=SEED)
    told: list[float] = []
    sim.step = partial(sim.step)  # type: ignore[method-assign]

    def busy() -> Any:
        for _ in range(10_000):
            yield 1.0

    sim.process(busy())
    sim.run(progress=told.append)
    assert len(told) == 2


def test_conditions_are_simpys_too() -> None:
    sim = Simulation(seed=SEED)
    assert isinstance(sim.all_of([]), simpy.AllOf)
    assert isinstance(sim.any_of([]), simpy.AnyOf)
    assert isinstance(sim.event() & sim.event(), simpy.events.Condition)
