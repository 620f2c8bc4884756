"""One expectation, in every form in which one can wait."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.patches.virtual_threads import virtual_threads
from foundation_lab.testing import (
    assert_any,
    assert_condition,
    assert_count,
    assert_event,
    assert_sequence,
    capture_events,
    refute_event,
    wait_for,
)
from tests.testing.world import Ping, says

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=11)


# -- the call alone ------------------------------------------------------------------------------


def test_a_call_with_a_block_runs_it_and_gives_event_time_and_what_the_block_returned(
    sim: Simulation,
) -> None:
    speaker = says(sim, (1.0, "a"), (2.0, "b"))
    heard = assert_event(sim, Ping, text="b", block=lambda: sim.process(speaker))
    assert (heard.event, heard.time, sim.now) == (Ping("b"), 3.0, 3.0)
    assert heard.result.name == "says"


def test_a_generator_of_a_block_is_started_as_a_process(sim: Simulation) -> None:
    heard = assert_event(sim, Ping, block=lambda: says(sim, (1.0, "a")))
    assert (heard.time, heard.result.name) == (1.0, "says")


@pytest.mark.parametrize("expect", [assert_sequence, assert_any])
def test_sequences_and_choices_can_be_called_too(sim: Simulation, expect: Any) -> None:
    heard = expect(sim, [Ping], block=lambda: says(sim, (1.0, "a")))
    assert heard.time == 1.0


def test_counts_and_refutations_and_conditions_can_be_called_too(sim: Simulation) -> None:
    assert len(assert_count(sim, Ping, exactly=1, block=lambda: says(sim, (1.0, "a")))) == 1
    assert refute_event(sim, Ping, block=lambda: "done").result == "done"
    later = assert_condition(sim, lambda: sim.now >= 3.0, block=lambda: says(sim, (2.0, "b")))
    assert later.time == 3.0


def test_a_call_that_fails_raises_at_once(sim: Simulation) -> None:
    with pytest.raises(AssertionError, match=r"no kit\.ping"):
        assert_event(sim, Ping, block=lambda: None)
    assert sim.telemetry.handlers() == []


# -- in a process --------------------------------------------------------------------------------


def ran(sim: Simulation, generator: Generator[Any, Any, Any]) -> Any:
    return sim.run(until=sim.process(generator))


def test_a_process_yields_from_it_and_is_given_the_expectation(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, Any]:
        heard = yield from assert_event(sim, Ping, text="b", block=lambda: speaking(sim))
        return heard.time, sim.now, heard.result.name

    def speaking(sim: Simulation) -> Generator[Any, Any, None]:
        return says(sim, (1.0, "a"), (1.0, "b"))

    assert ran(sim, tester()) == (2.0, 2.0, "says")
    assert sim.telemetry.handlers() == []


def test_a_process_yields_it_like_an_event(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, Any]:
        sim.process(says(sim, (1.0, "a"), (1.0, "b")))
        heard = yield assert_event(sim, Ping, text="b")
        return heard.time, sim.now

    assert ran(sim, tester()) == (2.0, 2.0)
    assert sim.telemetry.handlers() == []


def test_an_event_made_of_it_listens_from_the_start_and_can_be_combined(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, Any]:
        heard = assert_event(sim, Ping, text="now").as_event()
        sim.telemetry.emit(Ping("now"))
        yield heard | sim.timeout(9.0)
        given: Any = heard.value
        return sim.now, given.time

    assert ran(sim, tester()) == (0.0, 0.0)


def test_a_process_that_yields_what_does_not_come_is_given_the_failure(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, Any]:
        with pytest.raises(AssertionError, match="nothing is left to run at t=0"):
            yield assert_event(sim, Ping)
        with pytest.raises(AssertionError, match=r"no kit\.ping"):
            yield from assert_event(sim, Ping)
        return "went on"

    assert ran(sim, tester()) == "went on"


def test_a_process_waits_for_conditions_that_others_bring_about(sim: Simulation) -> None:
    state = {"count": 0}

    def counting() -> Generator[Any, Any, None]:
        for _ in range(5):
            yield 1.0
            state["count"] += 1

    def tester() -> Generator[Any, Any, Any]:
        count = yield from wait_for(sim, lambda: state["count"] >= 2 and state["count"])
        first = sim.now
        again = yield wait_for(sim, lambda: state["count"] >= 3)
        return count, first, again, sim.now

    sim.process(counting())
    assert ran(sim, tester()) == (2, 2.0, True, 3.0)


def test_what_one_waiter_does_wakes_the_next_at_the_same_instant(sim: Simulation) -> None:
    done: list[tuple[str, float]] = []

    def link(name: str, needed: int) -> Generator[Any, Any, None]:
        yield from wait_for(sim, lambda: len(done) >= needed)
        done.append((name, sim.now))

    for needed, name in ((2, "c"), (1, "b")):
        sim.process(link(name, needed))
    sim.call_in(4.0, lambda: done.append(("a", sim.now)))
    sim.run_to_completion()
    assert done == [("a", 4.0), ("b", 4.0), ("c", 4.0)]
    assert sim.now == 4.0


def test_a_condition_at_the_very_end_of_the_window_holds_in_time(sim: Simulation) -> None:
    late: list[float] = []

    def tester() -> Generator[Any, Any, float]:
        yield from wait_for(sim, lambda: late, 3.0)
        return float(sim.now)

    sim.call_in(3.0, lambda: late.append(sim.now))
    assert ran(sim, tester()) == 3.0


def test_a_condition_that_does_not_come_fails_the_process_and_moves_no_clock(
    sim: Simulation,
) -> None:
    def tester() -> Generator[Any, Any, None]:
        yield from wait_for(sim, lambda: False, what="the moon to be full")

    sim.process(tester())
    timer = sim.call_in(3.0, list)
    sim.call_in(1.0, timer.cancel)
    with pytest.raises(AssertionError, match=r"the moon to be full\nnothing is left to run at t=1"):
        sim.run()
    assert sim.now == 1.0


def test_an_error_in_a_condition_hits_who_waits_for_it(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, str]:
        with pytest.raises(ZeroDivisionError):
            yield from wait_for(sim, lambda: sim.now > 0 and 1 / 0)
        return "unharmed"

    sim.process(says(sim, (1.0, "a")))
    assert ran(sim, tester()) == "unharmed"


def test_expectations_of_two_processes_wait_beside_each_other(sim: Simulation) -> None:
    def tester(text: str) -> Generator[Any, Any, float]:
        heard = yield from assert_event(sim, Ping, text=text, within=10.0)
        return float(heard.time)

    first, second = sim.process(tester("a")), sim.process(tester("b"))
    sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    sim.run_to_completion()
    assert (first.value, second.value) == (1.0, 2.0)


def test_two_waiters_that_wait_in_vain_are_both_told_at_once(sim: Simulation) -> None:
    def tester(within: float) -> Generator[Any, Any, float]:
        with pytest.raises(AssertionError, match="nothing is left to run at t=1"):
            yield from assert_event(sim, Ping, text="b", within=within)
        return float(sim.now)

    waiters = [sim.process(tester(within)) for within in (5.0, 7.0)]
    sim.process(says(sim, (1.0, "a")))
    sim.run_to_completion()
    assert [waiter.value for waiter in waiters] == [1.0, 1.0]


# -- in a coroutine ------------------------------------------------------------------------------


def test_a_coroutine_waits_with_async_with(sim: Simulation) -> None:
    async def tester() -> tuple[float, float]:
        async with assert_event(sim, Ping, text="b") as heard:
            sim.process(says(sim, (1.0, "a"), (1.0, "b")))
        return heard.time, sim.now

    assert sim.run_async(tester()) == (2.0, 2.0)
    assert sim.telemetry.handlers() == []


def test_a_coroutine_awaits_the_expectation_or_the_condition_itself(
    sim: Simulation,
) -> None:
    async def tester() -> tuple[float, bool]:
        heard = await assert_event(sim, Ping, block=lambda: says(sim, (1.0, "a"), (3.0, "b")))
        value = await wait_for(sim, lambda: sim.now >= 4.0)
        return heard.time, value

    assert sim.run_async(tester()) == (1.0, True)


def test_a_coroutine_that_waits_in_vain_is_given_the_failure(sim: Simulation) -> None:
    async def tester() -> str:
        with pytest.raises(AssertionError, match="nothing is left to run at t=0"):
            async with assert_event(sim, Ping):
                pass
        async with refute_event(sim, Ping), capture_events(sim, Ping) as kept:
            pass
        return f"went on with {len(kept)}"

    assert sim.run_async(tester()) == "went on with 0"


def test_the_plain_block_is_refused_in_a_coroutine_with_the_remedy(
    sim: Simulation,
) -> None:
    async def tester() -> None:
        with pytest.raises(RuntimeError, match="'async with' in a coroutine"):  # noqa: SIM117
            with assert_event(sim, Ping):
                pass

    sim.run_async(tester())


def test_a_virtual_thread_waits_as_the_main_program_does(sim: Simulation) -> None:
    told: list[object] = []

    def thread() -> None:
        with assert_event(sim, Ping, text="b") as heard:
            told.append(sim.now)
        told.append(heard.time)
        told.append(wait_for(sim, lambda: sim.now >= 4.0 and "four"))
        told.append(assert_event(sim, Ping, block=lambda: says(sim, (1.0, "c"))).time)
        try:
            wait_for(sim, lambda: False, within=2.0)
        except AssertionError:
            told.append(sim.now)

    sim.process(says(sim, (1.0, "a"), (2.0, "b"), (1.0, "x")))
    with virtual_threads(sim):
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
    assert told == [0.0, 3.0, "four", 5.0, 5.0]
    assert sim.telemetry.handlers() == []


def test_a_coroutine_on_another_event_loop_is_told_how_to_be_run(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a")))

    async def waits() -> None:
        await assert_event(sim, Ping)

    with pytest.raises(RuntimeError, match=r"another event loop: run it by sim\.run_async"):
        asyncio.run(waits())
    with pytest.raises(RuntimeError, match="and this coroutine runs on that of 'another': give"):
        Simulation(name="another").run_async(waits())
    assert sim.telemetry.handlers() == []
