"""asyncio code on the virtual clock: time, order, deadlocks, busy waits, the end of a run."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import contextvars
import math
import re
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import DeadlockError, LivelockError, SchedulingError, TaskFailed
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.loop_factory import LoopFactory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SEED = 4


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=SEED)


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__()
        self.code = code


# -- time ------------------------------------------------------------------------------------------


def test_sleeping_takes_virtual_seconds_to_the_digit(sim: Simulation) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        for seconds in (0.1, 0.2, 3600):
            await asyncio.sleep(seconds)
            times.append(loop.time())
        return times

    assert sim.run_async(main()) == [0, 0.1, 0.1 + 0.2, 0.1 + 0.2 + 3600]


def test_a_sleeper_that_was_woken_before_its_time_is_an_error_as_with_asyncio(
    sim: Simulation,
) -> None:
    async def main() -> float:
        sleeper = asyncio.create_task(asyncio.sleep(5))
        await asyncio.sleep(1)
        sleeper._fut_waiter.set_result(None)  # type: ignore[attr-defined]
        await sleeper
        at = sim.now
        wake: Any = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_later(2, wake, done, "first")
        loop.call_later(3, wake, done, "second")
        await asyncio.sleep(4)
        assert done.result() == "first"
        return at

    with pytest.raises(TaskFailed, match=r"Exception in callback .*invalid state"):
        sim.run_async(main())
    assert sim.now == 5


def test_a_timeout_of_asyncio_is_over_at_its_virtual_instant(sim: Simulation) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(100)
        assert sim.now == 5
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(100), 2)

    sim.run_async(main())
    assert sim.now == 7


def test_a_cancelled_timer_does_not_move_the_clock(sim: Simulation) -> None:
    async def main() -> None:
        async with asyncio.timeout(1000):
            await asyncio.sleep(1)
        timers = [asyncio.get_running_loop().call_later(500 + n, print) for n in range(1000)]
        for timer in timers:
            timer.cancel()
            timer.cancel()

    sim.run_async(main())
    sim.run()
    assert sim.now == 1


def test_cancelled_timers_are_swept_out_of_the_queue(sim: Simulation) -> None:
    async def main() -> None:
        for _ in range(5000):
            async with asyncio.timeout(1e6):
                await asyncio.sleep(0.001)

    sim.run_async(main())
    assert len(sim._later) < 200


def test_a_wait_for_infinity_never_ends_and_keeps_no_run_alive(sim: Simulation) -> None:
    async def main() -> None:
        await asyncio.sleep(math.inf)

    with pytest.raises(DeadlockError, match=r"main waits for asyncio's sleep \(.*\.py:\d+\)"):
        sim.run_async(main())
    assert sim.now == 0


def test_a_time_that_is_no_number_is_refused(sim: Simulation) -> None:
    loop = sim.event_loop()
    with pytest.raises(SchedulingError, match="nan"):
        loop.call_at(math.nan, print)
    with pytest.raises(TypeError, match="None"):
        loop.call_at(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="None"):
        loop.call_later(None, print)  # type: ignore[arg-type]


def test_callbacks_come_in_the_order_in_which_they_were_asked_for(sim: Simulation) -> None:
    calls: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1, calls.append, "a")
        loop.call_at(1, calls.append, "b")
        loop.call_later(0, calls.append, "now")
        loop.call_soon(calls.append, "soon")
        loop.call_soon(calls.append, "never").cancel()
        loop.call_at(-5, calls.append, "long ago")
        await asyncio.sleep(1)
        calls.append("main")

    sim.run_async(main())
    assert calls == ["now", "soon", "long ago", "a", "b", "main"]


def test_processes_and_tasks_of_one_instant_take_turns(sim: Simulation) -> None:
    order: list[str] = []

    def process(name: str) -> Any:
        for _ in range(3):
            yield 1.0
            order.append(name)

    async def task(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            order.append(name)

    sim.process(process("p1"))
    sim.task(task("t1"))
    sim.process(process("p2"))
    sim.task(task("t2"))
    sim.run()
    # A task takes one more turn than a process: its timer completes a future, which calls it soon.
    assert order == ["p1", "p2", "t1", "t2"] * 3
    assert sim.now == 3


# -- running -------------------------------------------------------------------------------------


def test_the_result_of_the_coroutine_comes_back(sim: Simulation) -> None:
    async def main() -> str:
        await asyncio.sleep(1)
        return "done"

    assert sim.run_async(main()) == "done"
    assert sim.run_async(main()) == "done"
    assert sim.now == 2


def test_the_original_exception_comes_back(sim: Simulation) -> None:
    error = KeywordOnly(code=7)

    async def main() -> None:
        await asyncio.sleep(1)
        raise error

    with pytest.raises(KeywordOnly) as caught:
        sim.run_async(main())
    assert caught.value is error


def test_the_run_stops_at_the_end_of_the_coroutine_and_the_simulation_can_go_on(
    sim: Simulation,
) -> None:
    seen: list[float] = []

    def clock() -> Any:
        for _ in range(5):
            yield 1.0
            seen.append(sim.now)

    sim.process(clock())
    sim.run_async(asyncio.sleep(2.5))
    assert seen == [1, 2]
    sim.run()
    assert seen == [1, 2, 3, 4, 5]


def test_what_is_left_at_the_end_is_cancelled_and_has_the_time_it_needs(sim: Simulation) -> None:
    ended: list[tuple[str, float]] = []

    async def left_over(name: str) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(2)
            ended.append((name, sim.now))

    async def main() -> None:
        for name in "abc":
            asyncio.get_running_loop().create_task(left_over(name))
        await asyncio.sleep(1)

    sim.run_async(main())
    assert ended == [("a", 3), ("b", 3), ("c", 3)]
    assert sim.blocked() == []


def test_asynchronous_generators_are_closed_in_the_order_in_which_they_began(
    sim: Simulation,
) -> None:
    closed: list[int] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers(which: int) -> AsyncIterator[int]:
        try:
            yield which
        finally:
            closed.append(which)

    async def main() -> None:
        for which in range(20):
            kept.append(numbers(which))
            await anext(kept[-1])

    sim.run_async(main())
    assert closed == list(range(20))


def test_a_generator_that_is_dropped_is_closed_at_once(sim: Simulation) -> None:
    closed: list[float] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(sim.now)

    async def main() -> None:
        async for _ in numbers():
            break
        await asyncio.sleep(1)

    sim.run_async(main())
    assert closed == [0]


def test_a_simulation_that_runs_refuses_to_run_a_coroutine(sim: Simulation) -> None:
    async def inner() -> None: ...

    async def main() -> None:
        with pytest.raises(RuntimeError, match="'await'"):
            sim.run_async(inner())

    def process() -> Any:
        yield 1.0
        with pytest.raises(RuntimeError, match=r"yield from sim\.call"):
            sim.run_async(inner())

    sim.run_async(main())
    sim.process(process())
    sim.run()


def test_a_runner_and_a_loop_factory_make_virtual_loops() -> None:
    factory = LoopFactory(seed=SEED)

    async def main() -> float:
        await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == 60
        assert runner.run(main()) == 120
    assert factory.sim is not None
    assert factory.sim.now == 120


def test_a_runner_can_be_on_the_clock_of_a_simulation(sim: Simulation) -> None:
    for _ in range(2):
        with asyncio.Runner(loop_factory=sim.event_loop) as runner:
            runner.run(asyncio.sleep(5))
    assert sim.now == 10


def test_a_loop_that_exists_takes_no_options(sim: Simulation) -> None:
    assert sim.event_loop(reads_at_once=5).reads_at_once == 5
    assert sim.event_loop() is sim.event_loop()
    with pytest.raises(ValueError, match="reads_at_once"):
        sim.event_loop(reads_at_once=6)


def test_it_runs_inside_of_another_running_loop_as_in_jupyter(sim: Simulation) -> None:
    async def cell() -> list[object]:
        outer, task = asyncio.get_running_loop(), asyncio.current_task()
        sim.run_async(asyncio.sleep(3600))
        sim.task(asyncio.sleep(5))
        sim.run()
        await asyncio.sleep(0)
        return [
            asyncio.get_running_loop() is outer,
            asyncio.current_task() is task,
            sim.now,
        ]

    assert asyncio.run(cell()) == [True, True, 3605]


def test_a_run_can_be_stopped_and_the_task_goes_on_later(sim: Simulation) -> None:
    task = sim.task(asyncio.sleep(10, "slept"))
    sim.call_at(3, sim.stop)
    with pytest.raises(RuntimeError, match="stopped before"):
        sim.event_loop().run_until_complete(task)
    assert sim.now == 3
    assert sim.event_loop().run_until_complete(task) == "slept"
    assert sim.now == 10


def test_tasks_go_on_step_by_step(sim: Simulation) -> None:
    task = sim.task(asyncio.sleep(10, "slept"))
    while not task.done():
        sim.step()
    assert task.result() == "slept"
    assert sim.now == 10
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_run_to_completion_sees_tasks_that_wait_for_ever(sim: Simulation) -> None:
    async def waiter() -> None:
        await asyncio.Event().wait()

    sim.task(waiter())
    with pytest.raises(DeadlockError, match=r"waiter waits for asyncio's Event\.wait"):
        sim.run_to_completion()
    sim.event_loop().close()


def test_stop_lets_what_is_due_already_happen_first(sim: Simulation) -> None:
    calls: list[str] = []
    loop = sim.event_loop()

    def first() -> None:
        loop.call_soon(calls.append, "due before the stop")
        loop.stop()
        loop.stop()
        loop.call_soon(calls.append, "after it")

    loop.call_soon(first)
    loop.run_forever()
    assert calls == ["due before the stop"]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert calls == ["due before the stop", "after it"]


def test_a_closed_loop_takes_nothing_and_leaves_no_timer(sim: Simulation) -> None:
    loop = sim.event_loop()
    loop.call_later(50, print)
    loop.close()
    loop.close()
    for call in (partial(loop.call_soon, print), partial(loop.call_later, 1, print)):
        with pytest.raises(RuntimeError, match="closed"):
            call()
    sim.run()
    assert sim.now == 0
    assert sim.event_loop() is not loop


def test_a_loop_that_runs_cannot_be_run_or_closed(sim: Simulation) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match="running"):
            loop.close()

    sim.run_async(main())


def test_the_debug_mode_measures_no_real_time(
    sim: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    loop = sim.event_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0

    async def main() -> None:
        loop.call_later(1, len, "x").cancel()
        await asyncio.sleep(1)

    sim.run_async(main())
    assert caplog.records == []


def test_keyboard_interrupts_come_through(sim: Simulation) -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sim.run_async(main())


# -- deadlocks and busy waits ----------------------------------------------------------------------


def test_a_deadlock_names_each_task_and_process_and_what_it_waits_for(sim: Simulation) -> None:
    lock = asyncio.Lock()

    async def holder() -> None:
        await lock.acquire()
        await sim.wait("the end of the world")

    async def locked() -> None:
        await lock.acquire()

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(holder(), name="holder")
            group.create_task(locked(), name="locked")

    async def gathering() -> None:
        await asyncio.gather(asyncio.Queue().get(), asyncio.get_running_loop().create_future())

    async def main() -> None:
        first = asyncio.create_task(grouped(), name="grouped")
        second = asyncio.create_task(gathering(), name="gathering")
        await asyncio.sleep(1)
        await first
        await second

    def process() -> Any:
        yield 0.5
        yield from sim.call(locked(), name="called")

    sim.process(process(), name="process")
    with pytest.raises(DeadlockError) as caught:
        sim.run_async(main())
    message = re.sub(r" \(\S+\.py:\d+\)$", "", str(caught.value), flags=re.MULTILINE)
    # until Python 3.12 asyncio names a task after it was made, which takes a number, too
    message = re.sub(r"Task-\d", "Task-5", message)
    assert message.splitlines()[1:] == [
        "  - process waits for the task called to end",
        "  - main waits for the task grouped to end",
        "  - grouped waits for the tasks of a group: holder, locked",
        "  - gathering waits for all of [Task-5, a future]",
        "  - holder waits for the end of the world",
        "  - locked waits for asyncio's Lock.acquire",
        "  - Task-5 waits for asyncio's Queue.get",
        "  - called waits for asyncio's Lock.acquire",
    ]
    line = next(line for line in str(caught.value).splitlines() if "- locked waits" in line)
    assert re.search(r"test_asyncio_loop\.py:\d+\)$", line)


def test_a_busy_wait_on_the_clock_is_an_error_that_names_the_line(sim: Simulation) -> None:
    sim.event_loop(reads_at_once=1000)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        while loop.time() < 5:
            pass

    with pytest.raises(LivelockError, match=r"test_asyncio_loop\.py:\d+ has read the clock 1,000"):
        sim.run_async(main())


def test_a_reading_of_the_clock_may_cost_something_for_code_that_expects_to_be_late() -> None:
    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        late = []
        for _ in range(100):
            deadline = loop.time() + 0.1
            await asyncio.sleep(0.1)
            late.append(loop.time() > deadline)
        async with asyncio.timeout_at(loop.time() + 5):
            await asyncio.sleep(4)
        return late

    exact, costly = Simulation(SEED), Simulation(SEED)
    assert not any(exact.run_async(main()))
    costly.event_loop(read_cost=1e-6)
    assert all(costly.run_async(main()))
    assert costly.now == exact.now
    with pytest.raises(ValueError, match="read_cost=-1"):
        exact.event_loop(read_cost=-1)


def test_many_tasks_may_read_the_clock_at_one_instant(sim: Simulation) -> None:
    sim.event_loop(reads_at_once=100)

    async def reader() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(50):
            loop.time()

    async def main() -> None:
        await asyncio.gather(*(reader() for _ in range(100)))

    sim.run_async(main())


def test_a_loop_around_sleep_0_is_an_error_that_names_task_and_line(sim: Simulation) -> None:
    sim.event_loop(callbacks_at_once=1000)
    flag = asyncio.Event()

    async def poll() -> None:
        while not flag.is_set():  # noqa: ASYNC110  (the mistake that is found)
            await asyncio.sleep(0)

    with pytest.raises(LivelockError, match=r"1,000 callbacks .*'poll' \(.*\.py:\d+\)"):
        sim.run_async(poll())


# -- what goes wrong with nobody to see it ---------------------------------------------------------


async def fail() -> None:
    await asyncio.sleep(1)
    message = "nobody sees me"
    raise KeyError(message)


def test_a_failure_that_nobody_awaits_is_a_failure_of_the_run(sim: Simulation) -> None:
    async def main() -> None:
        task = asyncio.create_task(fail(), name="lonely")
        await asyncio.sleep(5)
        assert task.done()

    with pytest.raises(TaskFailed, match=r"lonely.*KeyError: 'nobody sees me'") as caught:
        sim.run_async(main())
    assert [type(error) for error in caught.value.errors] == [KeyError]
    assert isinstance(caught.value.__cause__, KeyError)


def test_it_is_a_note_on_the_exception_of_the_coroutine_itself(sim: Simulation) -> None:
    async def main() -> None:
        asyncio.create_task(fail(), name="lonely")  # noqa: RUF006
        await asyncio.sleep(5)
        raise KeywordOnly(code=1)

    with pytest.raises(KeywordOnly) as caught:
        sim.run_async(main())
    assert any("lonely" in note for note in caught.value.__notes__)


def test_a_failure_while_leftovers_are_cancelled_is_seen(sim: Simulation) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise ZeroDivisionError

    async def main() -> None:
        task = asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(1)
        assert not task.done()

    with pytest.raises(TaskFailed, match=r"stubborn.*ZeroDivisionError"):
        sim.run_async(main())


def test_a_callback_that_fails_is_seen_by_run_and_by_the_check_of_invariants(
    sim: Simulation,
) -> None:
    sim.event_loop().call_later(1, int, "x")
    with pytest.raises(TaskFailed, match="invalid literal"):
        sim.run()
    sim.event_loop().call_later(1, int, "x")
    sim.step()
    with pytest.raises(AssertionError, match="invalid literal"):
        sim.check_invariants()


def test_many_tasks_are_remembered_only_as_long_as_somebody_knows_them(sim: Simulation) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(5000):
            await asyncio.create_task(asyncio.sleep(0))
        assert len(loop._tasks) <= 1001  # type: ignore[attr-defined]

    sim.run_async(main())


def test_a_callback_that_asks_a_cancelled_task_for_its_result_is_no_failure(
    sim: Simulation,
) -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        task.add_done_callback(lambda task: task.exception())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)

    sim.run_async(main())


def test_an_exception_handler_of_ones_own_takes_it(sim: Simulation) -> None:
    seen: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: seen.append(context["message"])
        )
        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(5)

    sim.run_async(main())
    assert seen == ["Task exception was never retrieved"]


# -- names and order -------------------------------------------------------------------------------


def test_names_are_counted_for_each_loop() -> None:
    async def main() -> list[str]:
        return [asyncio.create_task(asyncio.sleep(0)).get_name() for _ in range(2)]

    assert [Simulation(SEED).run_async(main()) for _ in range(2)] == [["Task-1", "Task-2"]] * 2


def cancellations() -> list[int]:
    """In which order six children are cancelled, of which one fails."""
    order: list[int] = []

    async def child(number: int) -> None:
        try:
            await asyncio.sleep(10 if number != 3 else 1)
            raise ValueError
        except asyncio.CancelledError:
            order.append(number)
            raise

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(child(number))

    with pytest.raises(ExceptionGroup):
        Simulation(SEED).run_async(main())
    return order


def completions() -> list[int]:
    """In which order coroutines of the same length are completed, and sets of tasks iterated."""

    async def child(number: int) -> int:
        await asyncio.sleep(1)
        return number

    async def main() -> list[int]:
        numbers = [await one for one in asyncio.as_completed([child(n) for n in range(6)])]
        tasks = {asyncio.create_task(child(n)) for n in range(6)}
        done, _ = await asyncio.wait(tasks)
        return [*numbers, *(task.result() for task in done), len(asyncio.all_tasks())]

    result: list[int] = Simulation(SEED).run_async(main())
    return result


def test_fifty_replays_of_a_failing_group_give_one_order_of_cancellation() -> None:
    kept: list[list[Any]] = []
    for _ in range(50):
        kept.append([object() for _ in range(97)])  # so that addresses differ
        kept.append(cancellations())
        kept.append(completions())
    assert kept[1::3] == [[0, 1, 2, 4, 5]] * 50
    assert {tuple(order) for order in kept[2::3]} == {tuple(completions())}
    assert completions()[:6] == list(range(6))


def test_the_order_does_not_hang_on_the_hash_seed() -> None:
    program = (
        "from tests.simulation.test_asyncio_loop import cancellations, completions\n"
        "print(cancellations(), completions())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert outputs == {f"{cancellations()} {completions()}\n"}


def test_sets_of_futures_of_the_simulation_have_an_order_of_their_own() -> None:
    async def main(sim: Simulation) -> list[float]:
        waits = {sim.as_future(sim.timeout(1, number)) for number in range(20)}
        done, _ = await asyncio.wait(waits)
        return [future.result() for future in done]

    orders = []
    for _ in range(5):
        orders.append([object() for _ in range(97)])
        sim = Simulation(SEED)
        orders.append(sim.run_async(main(sim)))
    assert orders[1::2] == [list(range(20))] * 5


def test_as_completed_is_left_as_it_was(sim: Simulation) -> None:
    before = asyncio.as_completed
    sim.run_async(asyncio.sleep(1))
    assert asyncio.as_completed is before


def test_a_task_factory_of_ones_own_makes_the_tasks(sim: Simulation) -> None:
    class MyTask(asyncio.Task[Any]):
        pass

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(
            lambda loop, coro, **options: MyTask(coro, loop=loop, **options)
        )
        task = asyncio.create_task(asyncio.sleep(1, "x"), name="mine")
        other = asyncio.create_task(asyncio.sleep(1, "y"), context=contextvars.copy_context())
        assert isinstance(task, MyTask)
        assert (await task, await other, task.get_name()) == ("x", "y", "mine")

    sim.run_async(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_run_at_once_and_under_their_own_name(sim: Simulation) -> None:
    seen: list[str] = []

    async def child() -> None:
        seen.append(sim.telemetry.running.name)

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        # Python 3.12's asyncio.create_task names a task only after its first step
        task = loop.create_task(child(), name="child")
        seen.append("after")
        await task

    sim.run_async(main())
    assert seen == ["child", "after"]


# -- context ---------------------------------------------------------------------------------------


def rows(sim: Simulation, *columns: str) -> list[tuple[object, ...]]:
    return sim.recording.events.select(*columns).rows()


def test_a_task_inherits_node_correlation_id_and_cause_and_bears_its_own_name(
    sim: Simulation,
) -> None:
    async def child() -> None:
        await asyncio.sleep(1)
        sim.telemetry.emit("shop.child")
        await asyncio.to_thread(sim.telemetry.emit, "shop.thread")
        asyncio.get_running_loop().call_later(1, sim.telemetry.emit, "shop.callback")

    async def main() -> None:
        with sim.telemetry.context(correlation_id="abc", node="web"):
            sim.telemetry.emit("shop.main")
            task = asyncio.create_task(child(), name="child")
        await asyncio.sleep(5)
        await task
        sim.telemetry.emit("shop.later")

    sim.run_async(main())
    assert rows(sim, "event", "process", "node", "correlation_id", "cause") == [
        ("shop.main", "main", "web", "abc", None),
        ("shop.child", "child", "web", "abc", 0),
        ("shop.thread", "child", "web", "abc", 1),
        ("shop.callback", "child", "web", "abc", 2),
        ("shop.later", "main", "lab", None, 0),
    ]


def test_a_task_that_is_renamed_emits_under_its_new_name(sim: Simulation) -> None:
    async def main() -> None:
        sim.telemetry.emit("shop.one")
        task = asyncio.current_task()
        assert task is not None
        task.set_name("other")
        sim.telemetry.emit("shop.two")

    sim.run_async(main())
    assert rows(sim, "process") == [("main",), ("other",)]


def test_processes_and_tasks_that_start_each_other_hand_their_context_on(sim: Simulation) -> None:
    def process() -> Any:
        yield 1.0
        sim.telemetry.emit("shop.process")
        yield from sim.call(deeper())
        sim.telemetry.emit("shop.back")

    async def deeper() -> None:
        sim.telemetry.emit("shop.deeper")

    async def main() -> None:
        with sim.telemetry.context(correlation_id="abc"):
            await sim.do(process())
            sim.telemetry.emit("shop.end")

    sim.run_async(main())
    assert rows(sim, "event", "process", "correlation_id", "cause") == [
        ("shop.process", "main", "abc", None),
        ("shop.deeper", "deeper", "abc", 0),
        ("shop.back", "main", "abc", 1),
        ("shop.end", "main", "abc", 2),
    ]


def test_a_generator_that_a_task_does_sees_the_variables_of_the_task(sim: Simulation) -> None:
    user = contextvars.ContextVar("user", default="nobody")
    seen: list[str] = []

    def process() -> Any:
        seen.append(user.get())
        yield 1.0
        seen.append(user.get())

    async def request(name: str) -> None:
        user.set(name)
        await sim.do(process())

    async def main() -> None:
        await asyncio.gather(request("ann"), request("bob"))

    sim.run_async(main())
    assert seen == ["ann", "bob", "ann", "bob"]


def test_two_runs_with_one_seed_have_one_digest() -> None:
    async def child(sim: Simulation) -> None:
        await asyncio.sleep(sim.stream("x").random())
        sim.telemetry.emit("shop.child")

    async def main(sim: Simulation) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(child(sim))

    def digest() -> str:
        sim = Simulation(SEED)
        sim.run_async(main(sim))
        return sim.recording.digest

    assert digest() == digest()


# -- what there is not -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda loop: asyncio.create_subprocess_exec("ls"), "asyncio.to_thread"),
        (lambda loop: loop.create_datagram_endpoint(object), "open_connection"),
        (lambda loop: loop.sock_connect(None, None), "loop.network"),
        (lambda loop: loop.create_connection(object, sock=object()), "loop.network"),
        (lambda loop: loop.create_server(object, sock=object()), "loop.network"),
        (lambda loop: loop.create_connection(object, "a", 1, ssl=True), "http://"),
        (lambda loop: loop.create_server(object, "a", 1, ssl=object()), "http://"),
    ],
    ids=["program", "datagram", "socket", "connection", "server", "tls", "tls server"],
)
def test_what_belongs_to_the_operating_system_is_refused_with_a_remedy(
    sim: Simulation, call: Callable[[Any], Any], words: str
) -> None:
    async def main() -> None:
        await call(asyncio.get_running_loop())

    with pytest.raises(NotImplementedError, match=words):
        sim.run_async(main())


def test_a_loop_in_debug_mode_refuses_coroutines_as_callbacks(sim: Simulation) -> None:
    loop = sim.event_loop()
    loop.set_debug(True)
    for call in (partial(loop.call_soon, fail), partial(loop.call_later, 1, fail)):
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            call()


def test_signal_handlers_are_refused_with_a_remedy(sim: Simulation) -> None:
    with pytest.raises(NotImplementedError, match=r"sim\.stop"):
        sim.event_loop().add_signal_handler(2, print)


def test_asyncio_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys\n"
        "from foundation_lab.simulation.engine import Simulation\n"
        "sim = Simulation(); sim.timeout(1); sim.run()\n"
        "assert 'foundation_lab.simulation.asyncio_loop' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_thread_that_reports_late_keeps_a_run_from_being_a_deadlock(sim: Simulation) -> None:
    loop = sim.event_loop()
    future = loop.create_future()
    gate = threading.Event()

    def report() -> None:
        gate.wait()
        loop.call_soon_threadsafe(future.set_result, "late")

    async def main() -> str:
        thread = threading.Thread(target=report)
        thread.start()
        loop.call_soon(gate.set)
        result: str = await future
        thread.join()
        return result

    assert sim.run_async(main()) == "late"
