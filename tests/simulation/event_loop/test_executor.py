"""Functions given to threads: at once, at a cost, or in real threads for which the clock waits."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from foundation_lab.errors import DeadlockError
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.event_loop.executor import Inline, Workers, is_at_work

SEED = 6


def test_a_function_is_called_there_and_then_and_takes_no_time() -> None:
    async def main(sim: Simulation) -> None:
        assert await asyncio.to_thread(threading.get_ident) == threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor() as pool:
            assert await loop.run_in_executor(pool, threading.get_ident) == threading.get_ident()
        assert sim.now == 0

    sim = Simulation(SEED)
    sim.run_async(main(sim))


def test_the_result_comes_after_the_modelled_cost() -> None:
    async def main(sim: Simulation) -> list[float]:
        assert await asyncio.to_thread(str, 1) == "1"
        times = [sim.now]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.to_thread(str, 1)
        return [*times, sim.now]

    for cost in (2.0, lambda: 2.0):
        sim = Simulation(SEED)
        sim.event_loop(executor=Inline(cost))
        assert sim.run_async(main(sim)) == [2, 2.5]


def test_a_negative_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="cost=-1"):
        Inline(-1)


def test_no_loop_runs_where_a_thread_would_be() -> None:
    def function() -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return "called"

    async def main() -> str:
        return await asyncio.to_thread(function)

    assert Simulation(SEED).run_async(main()) == "called"


def test_the_clock_stands_still_until_a_real_thread_has_reported() -> None:
    sim = Simulation(SEED)
    sim.event_loop(executor=Workers())
    gate = threading.Event()

    def slow() -> int:
        assert gate.wait(60)
        return threading.get_ident()

    async def main() -> None:
        timer = asyncio.create_task(asyncio.sleep(300))
        job = asyncio.create_task(asyncio.to_thread(slow))
        for _ in range(10):  # others go on at this instant
            await asyncio.sleep(0)
        gate.set()
        async with asyncio.timeout(300):
            assert await job != threading.get_ident()
        assert (sim.now, timer.done()) == (0, False)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        assert await asyncio.gather(*(asyncio.to_thread(str, n) for n in range(20))) == [
            str(n) for n in range(20)
        ]
        assert sim.now == 0
        await timer

    sim.run_async(main())
    assert sim.now == 300


def test_processes_wait_for_real_threads_too() -> None:
    sim = Simulation(SEED)
    sim.event_loop(executor=Workers())
    gate = threading.Event()
    seen: list[float] = []

    def process() -> Any:
        yield from sim.call(asyncio.to_thread(gate.wait, 60))
        seen.append(sim.now)

    def other() -> Any:
        yield 0.0
        gate.set()
        yield 5.0
        seen.append(sim.now)

    sim.process(process())
    sim.process(other())
    sim.run()
    assert seen == [0, 5]
    sim.event_loop().close()


def test_a_job_that_is_cancelled_is_waited_for_all_the_same() -> None:
    sim = Simulation(SEED)
    sim.event_loop(executor=Workers(max_workers=1))
    gate = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(None, gate.wait, 60)
        waiting = loop.run_in_executor(None, str, 1)
        assert waiting.cancel()
        assert running.cancel()
        loop.call_soon(gate.set)
        await asyncio.sleep(1)

    sim.run_async(main())
    assert sim.now == 1


def test_an_executor_that_is_none_of_threads_is_used() -> None:
    class Own(Executor):
        def submit(self, fn: Any, /, *args: Any, **options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(("own", fn(*args)))
            return future

    async def main() -> Any:
        return await asyncio.get_running_loop().run_in_executor(Own(), str, 1)

    assert Simulation(SEED).run_async(main()) == ("own", "1")


def test_a_real_thread_that_waits_for_the_loop_does_not_keep_the_clock() -> None:
    sim = Simulation(SEED)
    sim.event_loop(executor=Workers())

    async def inner() -> float:
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        return sim.now

    async def main() -> float:
        loop = asyncio.get_running_loop()

        def work() -> float:
            return asyncio.run_coroutine_threadsafe(inner(), loop).result()

        return await asyncio.to_thread(work)

    assert sim.run_async(main()) == 2


def test_a_real_thread_whose_result_is_there_is_at_work_however_slowly_it_wakes_up() -> None:
    awaited: Future[None] = Future()
    thread = threading.Thread(target=awaited.result)
    thread.start()
    while is_at_work(thread.ident):
        threading.Event().wait(0.001)
    with awaited._condition:  # which the thread needs, to go on
        awaited.set_result(None)
        assert is_at_work(thread.ident)
    thread.join()


def test_a_thread_and_a_loop_that_wait_for_each_other_are_a_deadlock() -> None:
    sim = Simulation(SEED)
    sim.event_loop(executor=Workers())
    result: Future[None] = Future()

    async def main() -> None:
        await asyncio.to_thread(result.result)

    def release() -> None:
        result.set_result(None)

    with pytest.raises(DeadlockError, match="main waits for"):
        sim.event_loop().run_until_complete(sim.task(main()))
    release()
    sim.event_loop().close()
