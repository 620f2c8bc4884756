"""Event loops in threads, as they are, in virtual time: a loop in the background, a loop each."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import DeadlockError, TaskFailed
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.patches.virtual_threads import virtual_threads
from foundation_lab.testing import virtual_time
from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from pytest import Pytester  # noqa: PT013  (types alone)

pytest.importorskip("greenlet")
pytest_plugins = ["pytester"]


@pytest.fixture
def sim() -> Iterator[Simulation]:
    sim = Simulation(seed=7)
    with virtual_time(sim):
        yield sim


@contextmanager
def background() -> Iterator[tuple[asyncio.AbstractEventLoop, threading.Thread]]:
    """Have a loop run in a thread, as many libraries do."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="background", daemon=True)
    thread.start()
    yield loop, thread
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=1)
    assert not thread.is_alive()
    assert not loop.is_running()
    loop.close()


def start(function: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def test_a_coroutine_runs_in_the_loop_of_another_thread(sim: Simulation) -> None:
    async def work() -> tuple[Any, ...]:
        await asyncio.sleep(2)
        task: Any = asyncio.current_task()
        return asyncio.get_running_loop(), threading.current_thread(), task.get_coro().__name__

    with background() as (loop, thread):
        job = asyncio.run_coroutine_threadsafe(work(), loop)
        assert job.result(timeout=10) == (loop, thread, "work")
        assert sim.now == 2.0
        with pytest.raises(TimeoutError):
            asyncio.run_coroutine_threadsafe(work(), loop).result(timeout=1)
        assert sim.now == 3.0
        assert asyncio._get_running_loop() is None


def test_it_goes_on_while_the_main_program_sleeps(sim: Simulation) -> None:
    told: list[float] = []

    async def ticker() -> None:
        while True:
            await asyncio.sleep(1)
            told.append(sim.now)

    with background() as (loop, _):
        job = asyncio.run_coroutine_threadsafe(ticker(), loop)
        time.sleep(3.5)
        job.cancel()
        time.sleep(10)
    assert told == [1.0, 2.0, 3.0]


def test_several_threads_have_a_loop_each_and_one_that_blocks_holds_up_its_own(
    sim: Simulation,
) -> None:
    told: list[tuple[str, float]] = []

    async def tick(name: str, seconds: float, *, blocks: float = 0.0) -> None:
        for _ in range(2):
            await asyncio.sleep(seconds)
            if blocks:
                time.sleep(blocks)  # noqa: ASYNC251  (what is tested)
            told.append((name, sim.now))

    async def both() -> None:
        await asyncio.gather(tick("blocks", 1, blocks=2), tick("late", 2))

    threads = [start(asyncio.run, both()), start(asyncio.run, tick("free", 1.25))]
    for thread in threads:
        thread.join(timeout=60)
    assert told == [
        *(("free", 1.25), ("free", 2.5), ("blocks", 3.0), ("late", 3.0)),
        *(("blocks", 6.0), ("late", 6.0)),
    ]


def test_a_loop_in_a_thread_runs_beside_that_of_the_main_program(sim: Simulation) -> None:
    async def work(seconds: float) -> tuple[float, asyncio.AbstractEventLoop]:
        await asyncio.sleep(seconds)
        return sim.now, asyncio.get_running_loop()

    async def main() -> None:
        results = await asyncio.gather(
            *(asyncio.to_thread(asyncio.run, work(seconds)) for seconds in (3, 1, 2)), work(2)
        )
        assert [now for now, _ in results] == [3.0, 1.0, 2.0, 2.0]
        assert len({id(loop) for _, loop in results}) == 4
        assert results[-1][1] is asyncio.get_running_loop()
        time.sleep(1)  # noqa: ASYNC251  (a loop that blocks holds up no other one)

    asyncio.run(main())
    assert sim.now == 4.0


def test_a_blocked_loop_holds_up_none_in_a_thread(sim: Simulation) -> None:
    async def nap() -> float:
        await asyncio.sleep(1)
        return sim.now

    async def main() -> float:
        with background() as (loop, _):
            return asyncio.run_coroutine_threadsafe(nap(), loop).result()

    assert asyncio.run(main()) == 1.0


def test_events_of_the_simulation_are_awaited_there_too(sim: Simulation) -> None:
    def process() -> Generator[Any, Any, str]:
        yield 2.0
        return "done"

    async def wait() -> Any:
        return await sim.as_future(sim.process(process()))

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(lambda: asyncio.run(wait())) for _ in range(2)]
        assert [job.result() for job in jobs] == ["done", "done"]
    assert sim.now == 2.0


def test_each_thread_sets_a_loop_of_its_own(sim: Simulation) -> None:
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)

    def work() -> None:
        with pytest.raises(RuntimeError, match="no current event loop in thread"):
            asyncio.get_event_loop()
        asyncio.run(asyncio.sleep(1))
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert asyncio.get_event_loop() is loop
        loop.close()

    with ThreadPoolExecutor() as pool:
        pool.submit(work).result()
    assert asyncio.get_event_loop() is mine
    asyncio.set_event_loop(None)
    mine.close()


def test_the_loop_that_is_set_is_that_of_the_program_afterwards() -> None:
    loop = asyncio.new_event_loop()
    with virtual_time(Simulation(seed=7)):
        asyncio.set_event_loop(loop)
    try:
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_what_a_thread_has_of_asyncio_does_not_leak_into_others(sim: Simulation) -> None:
    word: ContextVar[str] = ContextVar("word", default="none")
    hooks = sys.get_asyncgen_hooks()
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append(word.get())

    async def main(name: str) -> None:
        word.set(name)
        async for _ in numbers():
            break
        for coroutine in asyncio.as_completed([asyncio.sleep(2), asyncio.sleep(1)]):
            await coroutine
        assert word.get() == name

    original = asyncio.as_completed
    threads = [start(asyncio.run, main(name)) for name in "ab"]
    time.sleep(0.5)
    assert sys.get_asyncgen_hooks() == hooks
    assert word.get() == "none"
    for thread in threads:
        thread.join()
    assert sorted(closed) == ["a", "b"]
    assert asyncio.as_completed is original


def test_a_loop_does_nothing_while_nobody_runs_it(sim: Simulation) -> None:
    told: list[float] = []
    loop = asyncio.new_event_loop()
    loop.call_later(1, lambda: told.append(sim.now))
    loop.call_later(9, lambda: told.append(sim.now))
    loop.stop()
    time.sleep(5)
    assert told == []
    loop.run_forever()  # it was told to stop
    loop.run_until_complete(asyncio.sleep(2))
    assert told == [5.0]
    thread = start(loop.run_forever)
    time.sleep(3)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    assert told == [5.0, 9.0]
    loop.close()


def test_what_was_cancelled_while_its_loop_was_blocked_does_not_happen(sim: Simulation) -> None:
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        late = [loop.call_later(1, told.append, "cancelled"), loop.call_later(2, told.append, "b")]
        time.sleep(3)  # noqa: ASYNC251  (what is tested)
        late[0].cancel()
        await asyncio.sleep(0)

    start(asyncio.run, main()).join()
    assert told == ["b"]


def test_what_was_cancelled_while_nobody_ran_its_loop_does_not_happen(sim: Simulation) -> None:
    loop, calls = asyncio.new_event_loop(), list[str]()
    late = loop.call_later(1, calls.append, "late")
    loop.call_later(1, calls.append, "early")
    time.sleep(2)
    late.cancel()
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    assert calls == ["early"]
    assert getattr(loop, "unhandled", None) == []
    assert sim.now == 3


def test_a_loop_in_a_thread_runs_again_after_an_exit_at_the_instant_of_its_stop(
    sim: Simulation,
) -> None:
    ends: list[object] = []

    def leave() -> None:
        raise SystemExit(3)

    def work() -> None:
        loop = asyncio.new_event_loop()
        loop.call_soon(leave)
        loop.stop()
        with pytest.raises(SystemExit):
            loop.run_forever()
        ends.append(loop.run_until_complete(asyncio.sleep(1, "slept")))
        loop.close()

    start(work).join()
    assert ends == ["slept"]
    assert sim.now == 1


def test_an_exit_in_a_coroutine_of_a_thread_leaves_time_to_clean_up(sim: Simulation) -> None:
    told: list[tuple[str, float]] = []

    async def clean_up() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)
            told.append(("cleaned up", sim.now))

    async def main() -> None:
        task = asyncio.create_task(clean_up())
        await asyncio.sleep(1)
        raise SystemExit(task.get_name())

    def work() -> None:
        with pytest.raises(SystemExit):
            asyncio.run(main())
        time.sleep(1)
        told.append(("slept", sim.now))

    def beside() -> None:
        for _ in range(3):
            time.sleep(0.75)
            told.append(("beside", sim.now))

    threads = [start(work), start(beside)]
    for thread in threads:
        thread.join()
    assert told[:3] == [("beside", 0.75), ("beside", 1.5), ("beside", 2.25)]
    assert told[3:] == [("cleaned up", 3.0), ("slept", 4.0)]


def test_tasks_that_a_thread_leaves_in_the_loop_of_the_simulation_go_on() -> None:
    sim, times = Simulation(7), []

    async def other() -> None:
        await asyncio.sleep(2)
        for _ in range(9):
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        times.append(sim.now)

    async def main() -> None:
        sim.task(other())
        await asyncio.sleep(2)
        await asyncio.sleep(0)

    with virtual_threads(sim):
        start(lambda: sim.event_loop().run_until_complete(main())).join()
        assert sim.now == 2
        sim.run()
    assert times == [3]


def test_a_task_of_the_simulation_that_fails_is_told_though_another_loop_ran(
    sim: Simulation,
) -> None:
    async def fail() -> None:
        await asyncio.sleep(5)
        raise ValueError

    sim.task(fail())
    asyncio.run(asyncio.sleep(1))
    with pytest.raises(TaskFailed, match="fail"):
        sim.run()
    assert sim.now == 5


def test_a_thread_whose_loop_runs_already_is_told(sim: Simulation) -> None:
    with background() as (loop, _):
        time.sleep(1)
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_failure_of_a_coroutine_is_the_jobs_and_an_exit_ends_the_thread(
    sim: Simulation,
) -> None:
    async def fail(error: BaseException) -> None:
        await asyncio.sleep(1)
        raise error

    loop = asyncio.new_event_loop()
    thread = start(loop.run_forever)
    with pytest.raises(KeyError):
        asyncio.run_coroutine_threadsafe(fail(KeyError(5)), loop).result()
    asyncio.run_coroutine_threadsafe(fail(SystemExit()), loop)
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert sim.now == 2.0
    loop.close()


def test_who_waits_for_ever_in_the_loop_of_a_thread_is_named(sim: Simulation) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with background() as (loop, _):
        job = asyncio.run_coroutine_threadsafe(wait(), loop)
        with pytest.raises(DeadlockError, match=r"Task-1 waits for asyncio's Event\.wait"):
            job.result()
        job.cancel()


def test_a_loop_whose_thread_is_ended_with_its_test_disturbs_no_other(pytester: Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import threading
        import time

        async def main():
            try:
                while True:
                    await asyncio.sleep(1)
            finally:
                await asyncio.sleep(1)

        def test_one():
            threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
            time.sleep(3)

        def test_other():
            asyncio.run(asyncio.sleep(1))
            time.sleep(1e9)
        """
    )
    run_pytest(pytester, "--lab-virtual").assert_outcomes(passed=2)


def test_anyio_calls_into_the_loop_of_a_thread(sim: Simulation) -> None:
    anyio = pytest.importorskip("anyio")
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        job = portal.start_task_soon(partial(anyio.sleep, 5))
        portal.call(anyio.sleep, 2)
        assert sim.now == 2.0
        job.result()
    assert sim.now == 5.0
