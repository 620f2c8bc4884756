import math
from collections.abc import Generator
from typing import Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import SchedulingError, TimedOut
from foundation_lab.simulation.engine import Simulation

SEED = 35


def test_timers_call_at_their_instant_in_the_order_they_were_set() -> None:
    sim = Simulation(seed=SEED)
    log: list[tuple[float, str]] = []
    for delay, label in ((2, "b"), (1, "a"), (2, "c"), (0, "now")):
        sim.call_in(delay, lambda label=label: log.append((sim.now, label)))  # type: ignore[misc]
    sim.run()
    assert log == [(0, "now"), (1, "a"), (2, "b"), (2, "c")]


def test_a_cancelled_timer_does_not_move_the_clock_and_keeps_no_run_alive() -> None:
    sim = Simulation(seed=SEED)
    timer = sim.call_in(100, sim.stop)
    sim.timeout(1)
    timer.cancel()
    timer.cancel()
    sim.run()
    assert (sim.now, sim.stopped, sim.peek()) == (1, False, math.inf)


def test_cancelling_a_timer_that_has_fired_changes_nothing() -> None:
    sim = Simulation(seed=SEED)
    log: list[float] = []
    timer = sim.call_in(1, lambda: log.append(sim.now))
    sim.run()
    timer.cancel()
    sim.run()
    assert log == [1]


def test_a_timer_can_cancel_another_one_of_the_same_instant() -> None:
    sim = Simulation(seed=SEED)
    log: list[str] = []
    timers: dict[str, simpy.Event] = {}
    sim.call_in(1, lambda: sim.cancel(timers["second"]))
    timers["second"] = sim.call_in(1, lambda: log.append("second"))
    sim.call_in(1, lambda: log.append("third"))
    sim.run()
    assert log == ["third"]


def test_a_cancelled_event_can_be_yielded_and_goes_on_at_once() -> None:
    sim = Simulation(seed=SEED)
    timeout = sim.timeout(10, "value")
    sim.cancel(timeout)

    def worker() -> Any:
        return sim.now, (yield timeout)

    assert sim.run(until=sim.process(worker())) == (0, "value")


def test_only_what_is_scheduled_can_be_cancelled() -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError, match="is not scheduled, so it cannot be cancelled"):
        sim.cancel(sim.event())


@pytest.mark.parametrize("delay", [-1, -1e-9, math.nan])
def test_a_timer_cannot_fire_in_the_past(delay: float) -> None:
    sim = Simulation(seed=SEED, initial_time=5)
    with pytest.raises(SchedulingError, match="delays are 0 or more"):
        sim.call_in(delay, sim.stop)
    with pytest.raises(SchedulingError, match="it is 5 already"):
        sim.call_at(5 + delay, sim.stop)
    with pytest.raises(SchedulingError, match="it is 5 already"):
        sim.at(5 + delay)


def test_many_cancelled_timers_are_swept_out_of_the_queue() -> None:
    sim = Simulation(seed=SEED)
    kept = [sim.call_in(1000 + number, sim.stop) for number in range(10)]
    for number in range(10_000):
        sim.call_in(1 + number, sim.stop).cancel()
    assert len(sim._queue) < 200
    assert sim.peek() == 1000
    for timer in kept:
        timer.cancel()
    sim.run()
    assert (sim.now, len(sim._queue)) == (0, 0)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_at_happens_at_exactly_the_given_time(first: float, second: float) -> None:
    sim = Simulation(seed=SEED)
    seen: list[float] = []

    def worker() -> Generator[simpy.Event, Any, None]:
        for time in sorted([first, second]):
            yield sim.at(time)
            seen.append(sim.now)

    sim.process(worker())
    sim.run()
    assert seen == sorted([first, second])


def test_an_interrupted_sleep_takes_its_timer_away() -> None:
    sim = Simulation(seed=SEED)

    def sleeper() -> Any:
        yield from sim.sleep(100)

    process = sim.process(sleeper())
    process.defused = True
    sim.call_in(1, process.interrupt)
    sim.run()
    assert sim.now == 1


def limited(sim: Simulation, work: float, limit: float, log: list[tuple[float, str]]) -> Any:
    try:
        with sim.deadline(limit):
            yield sim.timeout(work)
            log.append((sim.now, "done"))
    except TimedOut as error:
        log.append((sim.now, str(error)))


@pytest.mark.parametrize(
    ("work", "limit", "outcome"),
    [
        (1, 2, (1, "done")),
        (3, 2, (2, "not done within 2 s")),
        (0, 0, (0, "not done within 0 s")),
        (0.1 + 0.2, 0.3, (0.3, "not done within 0.3 s")),
    ],
)
def test_a_deadline_ends_the_block_at_its_very_instant(
    work: float, limit: float, outcome: tuple[float, str]
) -> None:
    sim = Simulation(seed=SEED)
    log: list[tuple[float, str]] = []
    sim.process(limited(sim, work, limit, log))
    sim.run()
    assert log == [outcome]


@pytest.mark.parametrize(("event_first", "outcome"), [(True, "done"), (False, "not done")])
def test_at_the_instant_of_the_deadline_what_was_scheduled_first_wins(
    *, event_first: bool, outcome: str
) -> None:
    sim = Simulation(seed=SEED)
    log: list[str] = []

    def worker() -> Any:
        early = sim.timeout(2) if event_first else None
        try:
            with sim.deadline(2):
                yield early or sim.timeout(2)
                log.append("done")
        except TimedOut:
            log.append("not done")

    sim.process(worker())
    sim.run()
    assert log == [outcome]
    assert sim.now == 2


def test_a_deadline_that_was_met_leaves_no_timer() -> None:
    sim = Simulation(seed=SEED)
    sim.process(limited(sim, 1, 50, []))
    sim.run()
    assert sim.now == 1


def test_the_inner_deadline_ends_the_inner_block_only() -> None:
    sim = Simulation(seed=SEED)
    log: list[Any] = []

    def worker() -> Any:
        with sim.deadline(5) as outer:
            try:
                with sim.deadline(1) as inner:
                    yield sim.timeout(10)
            except TimedOut:
                log.append((sim.now, inner.expired, outer.expired))
            try:
                yield sim.timeout(10)
            except TimedOut:
                log.append((sim.now, outer.expired))

    sim.process(worker())
    sim.run()
    assert log == [(1, True, False), (5, True)]


def test_when_two_deadlines_expire_at_once_the_outer_one_ends_both_blocks() -> None:
    sim = Simulation(seed=SEED)
    log: list[Any] = []

    def worker() -> Any:
        try:
            with (
                sim.deadline(2, TimedOut("outer")) as outer,
                sim.deadline(2, TimedOut("inner")) as inner,
            ):
                yield sim.timeout(10)
        except TimedOut as error:
            log.append((str(error), outer.expired, inner.expired))
        yield sim.timeout(1)
        log.append(sim.now)

    sim.process(worker())
    sim.run()
    assert log == [("outer", True, False), 3]


@pytest.mark.parametrize("interrupt_first", [True, False])
def test_a_deadline_and_an_interrupt_of_one_instant_both_arrive_in_order(
    *, interrupt_first: bool
) -> None:
    sim = Simulation(seed=SEED)
    log: list[str] = []

    def worker() -> Any:
        try:
            with sim.deadline(2):
                for _ in range(2):
                    try:
                        yield sim.timeout(10)
                    except simpy.Interrupt:
                        log.append(f"interrupted at {sim.now:g}")
        except TimedOut:
            log.append(f"timed out at {sim.now:g}")
            try:
                yield sim.timeout(1)
            except simpy.Interrupt:
                log.append(f"interrupted at {sim.now:g}")

    process = sim.process(worker())
    if not interrupt_first:
        sim.run(until=1)
    sim.call_at(2, process.interrupt)
    sim.run()
    expected = ["interrupted at 2", "timed out at 2"]
    assert log == (expected if interrupt_first else expected[::-1])


def test_a_deadline_needs_a_process_and_a_limit_that_makes_sense() -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(RuntimeError, match="a deadline needs a running process"), sim.deadline(1):
        pass

    def worker() -> Any:
        with pytest.raises(SchedulingError, match="delays are 0 or more"), sim.deadline(-1):
            pass
        yield sim.timeout(1)

    sim.run(until=sim.process(worker()))


def test_the_given_exception_is_raised_itself() -> None:
    sim = Simulation(seed=SEED)
    error = TimedOut("too slow")

    def worker() -> Any:
        with sim.deadline(1, error):
            yield sim.event()

    with pytest.raises(TimedOut) as caught:
        sim.run(until=sim.process(worker()))
    assert caught.value is error
