"""Why a wait ends: matched, too late, cannot happen any more, no end, no real time left."""

from __future__ import annotations

import math
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import (
    assert_condition,
    assert_count,
    assert_event,
    refute_event,
    settings,
    wait_for,
)
from foundation_lab.testing.lookouts import Window, nothing_left
from foundation_lab.testing.virtual_clocks import virtual_time
from foundation_lab.testing.wall_clock import Watch
from tests.testing.world import Ping, says

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=14)


def spin(sim: Simulation) -> Generator[Any, Any, None]:
    while True:
        yield sim.timeout(0)


def heartbeat(sim: Simulation) -> Generator[Any, Any, None]:
    while True:
        yield 1.0


# -- the clock does not move ---------------------------------------------------------------------


@pytest.mark.parametrize("expect", [assert_event, refute_event])
def test_a_clock_that_does_not_move_ends_the_wait_and_names_who_keeps_it(
    sim: Simulation, expect: Any
) -> None:
    sim.process(heartbeat(sim))
    sim.process(spin(sim), name="spinner")
    with (
        settings(same_instant=5000),
        pytest.raises(AssertionError) as caught,
        expect(sim, Ping),
    ):
        pass
    message = str(caught.value)
    assert "the clock does not move: at t=0 more than 5,000 steps were taken" in message
    assert "these run again and again:\n  spinner (" in message
    assert "test_endings.py:" in message
    assert sim.now == 0.0


def test_a_condition_notices_a_clock_that_does_not_move_too(sim: Simulation) -> None:
    sim.process(spin(sim))
    with (
        settings(same_instant=100),
        pytest.raises(AssertionError, match="the clock does not move: at t=0 more than 100 steps"),
    ):
        wait_for(sim, lambda: False)


def test_many_steps_at_many_instants_are_no_livelock(sim: Simulation) -> None:
    sim.process(heartbeat(sim))
    with settings(same_instant=4096), refute_event(sim, Ping, within=20_000.0):
        pass
    assert sim.now == 20_000.0


def test_a_crowd_at_one_instant_is_no_livelock_by_default(sim: Simulation) -> None:
    for _ in range(30_000):
        sim.timeout(0)
    with assert_event(sim, Ping):
        sim.process(says(sim, (0.0, "a")))


# -- real time -----------------------------------------------------------------------------------


def test_a_step_that_never_ends_is_interrupted_and_shown(sim: Simulation) -> None:
    def stuck(sim: Simulation) -> Generator[Any, Any, None]:
        yield 1.0
        while True:
            time.monotonic()

    sim.process(stuck(sim))
    with (
        settings(wall=0.05),
        pytest.raises(AssertionError) as caught,
        assert_event(sim, Ping),
    ):
        pass
    message = str(caught.value)
    assert "real time was over at t=1; virtual time was not" in message
    assert "the limit is 0.05 s of real time\nit stood here:\n" in message
    assert "in stuck: " in message


def test_a_run_that_never_ends_is_ended_too(sim: Simulation) -> None:
    sim.process(heartbeat(sim))
    with settings(wall=0.05), pytest.raises(AssertionError, match="real time was over at t="):
        wait_for(sim, lambda: False, within=math.inf)


def test_an_assertion_that_never_ends_is_ended_too(sim: Simulation) -> None:
    sim.process(heartbeat(sim))  # a new one: the interrupt may have been the end of another
    with (
        settings(wall=0.05),
        pytest.raises(AssertionError, match="real time was over at t="),
        assert_event(sim, Ping, within=math.inf),
    ):
        pass


def never_returns() -> bool:
    """Stand for a condition that does not come to an answer."""
    while True:
        time.monotonic()


@pytest.mark.parametrize(
    "wait",
    [
        lambda sim: wait_for(sim, never_returns, within=3.0, what="an answer"),
        lambda sim: wait_for(sim, never_returns, block=list, within=3.0, what="an answer"),
        lambda sim: assert_condition(sim, never_returns, block=list, within=3.0, what="an answer"),
    ],
    ids=["wait", "wait with an action", "assertion"],
)
def test_a_condition_that_never_returns_is_given_up_when_it_is_first_asked(
    sim: Simulation, wait: Callable[[Simulation], object]
) -> None:
    with settings(wall=0.05), pytest.raises(AssertionError) as caught:
        wait(sim)
    message = str(caught.value)
    assert message.startswith("waited 3 s for an answer\n")
    assert "real time was over at t=0; virtual time was not" in message
    assert "the limit is 0.05 s of real time\nit stood here:\n" in message
    assert "in never_returns: " in message
    assert "conditions.py" not in message
    assert sim.telemetry.handlers() == []


def test_a_wait_for_what_holds_already_leaves_a_run_that_was_stopped_as_it_is(
    sim: Simulation,
) -> None:
    asked: list[float] = []
    sim.call_in(1.0, sim.stop)
    sim.run()
    assert wait_for(sim, lambda: asked.append(sim.now) or True)  # type: ignore[func-returns-value]
    assert sim.stopped
    assert asked == [1.0]


def test_in_another_thread_the_run_is_ended_between_its_steps(sim: Simulation) -> None:
    failures: list[str] = []

    def test() -> None:
        sim.process(heartbeat(sim))
        with settings(wall=0.05):
            try:
                assert_event(sim, Ping, within=math.inf, block=list)
            except AssertionError as error:
                failures.append(str(error))

    thread = threading.Thread(target=test)
    thread.start()
    thread.join()
    assert "real time was over at t=" in failures[0]


def test_real_time_is_no_part_of_a_wait_that_ends_by_itself(sim: Simulation) -> None:
    with settings(wall=60.0), assert_event(sim, Ping, within=1e6) as heard:
        sim.process(says(sim, (1e6, "a")))
    assert heard.time == 1e6
    assert threading.active_count() < 10


def test_an_interrupt_that_a_step_swallows_comes_again(sim: Simulation) -> None:
    swallowed: list[BaseException] = []

    def stuck(sim: Simulation) -> Generator[Any, Any, None]:
        yield 1.0
        try:
            while True:
                time.monotonic()
        except KeyboardInterrupt as error:
            swallowed.append(error)
        while True:
            time.monotonic()

    sim.process(stuck(sim))
    with settings(wall=0.01), pytest.raises(AssertionError, match="real time was over at t=1;"):
        assert_event(sim, Ping, block=list)
    assert len(swallowed) == 1


@pytest.mark.parametrize(
    "stuck",
    [
        lambda: queue.Queue().get(),
        lambda: threading.Event().wait(),
        lambda: endless_thread().join(),
        lambda: poll(threading.Event()),
    ],
    ids=["queue", "event", "thread", "poll"],
)
def test_a_wait_for_other_threads_that_never_ends_is_interrupted(
    sim: Simulation, stuck: Callable[[], object]
) -> None:
    sim.call_in(1.0, stuck)
    with settings(wall=0.01), pytest.raises(AssertionError, match="real time was over at t=1;"):
        assert_event(sim, Ping, block=list)


def endless_thread() -> threading.Thread:
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    return thread


def poll(event: threading.Event) -> None:
    while not event.wait(0.001):
        pass


def test_the_watch_is_real_where_time_and_threads_are_virtual(sim: Simulation) -> None:
    with settings(wall=30.0), virtual_time(sim):
        sim.process(says(sim, (1000.0, "a")))
        assert assert_event(sim, Ping, within=2000.0, block=list).time == 1000.0

    def work() -> None:
        while True:
            pass

    with settings(wall=0.01), virtual_time(sim):
        threading.Thread(target=work, daemon=True).start()
        with pytest.raises(AssertionError, match="real time was over"):
            assert_event(sim, Ping, block=list)


def test_an_interrupt_ends_the_program_where_it_would_without_a_watch() -> None:
    program = """
import signal
from foundation_lab.testing.wall_clock import Watch
signal.signal(signal.SIGINT, signal.SIG_DFL)
with Watch(60.0):
    signal.raise_signal(signal.SIGINT)
    print("still here")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_block_that_notices_the_end_by_itself_is_not_interrupted() -> None:
    for _ in range(50):
        with Watch(0.0005) as watch:
            work = 0
            while not watch.expired:
                work += 1


def test_an_interrupt_of_somebody_else_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt), Watch(60.0):
        raise KeyboardInterrupt


def test_an_interrupt_from_the_keyboard_reaches_whoever_listened_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Watch(60.0):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_of_two_watches_each_ends_its_own_block() -> None:
    with Watch(0.005) as outer:
        with Watch(60.0) as inner:
            while True:
                time.monotonic()
        pytest.fail("the inner block must not end it")
    assert outer.expired
    assert not inner.expired


def test_an_interrupt_may_be_ignored_by_the_process() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background job of a shell
    try:
        with Watch(0.005) as watch:
            while True:
                time.monotonic()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert watch.expired


@pytest.mark.parametrize(
    ("name", "value"), [("wall", 0.0), ("wall", -1.0), ("same_instant", 0), ("same_instant", -3)]
)
def test_limits_that_are_none_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}="), settings(**{name: value}):
        pass


# -- stopped, quiet, and the traces that a wait leaves -------------------------------------------


def test_a_refutation_that_is_stopped_before_its_time_has_shown_nothing(sim: Simulation) -> None:
    sim.process(says(sim, (3.0, "a")))
    sim.call_in(1.0, sim.stop)
    with (
        pytest.raises(AssertionError, match="its time is not over: it still may\nthe simulation w"),
        refute_event(sim, Ping),
    ):
        pass


def test_a_wait_leaves_no_trace_in_the_queue(sim: Simulation) -> None:
    with assert_event(sim, Ping, within=100.0):
        sim.process(says(sim, (1.0, "a")))
    sim.run()
    assert sim.now == 1.0


def test_a_wait_that_an_exception_ends_leaves_no_trace_either(sim: Simulation) -> None:
    def crash() -> Generator[Any, Any, None]:
        yield 1.0
        raise ZeroDivisionError

    sim.process(crash())
    with pytest.raises(ZeroDivisionError), assert_event(sim, Ping, within=100.0):
        pass
    sim.run()
    assert sim.now == 1.0


def test_windows_alone_do_not_keep_a_simulation_alive(sim: Simulation) -> None:
    assert nothing_left(sim)
    first, second = Window(sim, 5.0), Window(sim, 7.0)
    assert nothing_left(sim)
    timer = sim.call_in(3.0, list)
    assert not nothing_left(sim)
    timer.cancel()
    assert nothing_left(sim)
    first.cancel()
    sim.run()
    assert (first.over, second.over, sim.now) == (None, "quiet", 0.0)


def test_a_window_over_no_time_sees_the_whole_instant(sim: Simulation) -> None:
    with assert_count(sim, Ping, exactly=2, within=0.0):
        sim.process(says(sim, (0.0, "a"), (0.0, "b"), (0.1, "c")))
    assert sim.now == 0.0


def test_the_time_is_over_at_its_end_and_not_at_the_last_step(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a"), (9.0, "b")))
    with refute_event(sim, Ping, text="b", within=4.5):
        pass
    assert sim.now == 4.5


def test_with_traced_steps_waits_end_the_same_way(sim: Simulation) -> None:
    steps = []
    original = sim.step

    def step() -> None:
        steps.append(sim.peek())
        original()

    sim.step = step  # type: ignore[method-assign]
    with assert_event(sim, Ping, text="b") as heard:
        sim.process(says(sim, (1.0, "a"), (1.0, "b"), (1.0, "c")))
    assert (heard.time, sim.now) == (2.0, 2.0)
    assert {1.0, 2.0} <= set(steps)
