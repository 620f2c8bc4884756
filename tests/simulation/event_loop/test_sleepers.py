"""Sleeps that end at one instant share an entry of the queue, and nobody can tell."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.exploring.exploration import Exploration

SEED = 8

END_OF_SLEEP: Any = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]

STEPS = st.tuples(st.sampled_from(["sleep", "limit", "timer", "process"]), st.integers(0, 3))


def story(sim: Simulation, tasks: list[list[tuple[str, int]]]) -> list[tuple[float, str]]:
    """Return what several tasks do, step by step: each waits for, or starts, something."""
    told: list[tuple[float, str]] = []

    def tell(what: str) -> None:
        told.append((sim.now, what))

    def process(name: str, seconds: int) -> Any:
        yield float(seconds)
        tell(name)

    async def task(name: str, steps: list[tuple[str, int]]) -> None:
        for number, (what, seconds) in enumerate(steps):
            words = f"{what} {name}.{number}"
            if what == "sleep":
                assert await asyncio.sleep(seconds, words) == words
            elif what == "limit":  # a sleep of two seconds, perhaps cancelled before or at its end
                try:
                    async with asyncio.timeout(seconds):
                        await asyncio.sleep(2)
                except TimeoutError:
                    tell(f"too late: {words}")
            elif what == "timer":
                asyncio.get_running_loop().call_later(seconds, tell, f"called: {words}")
            else:
                sim.process(process(f"process of {words}", seconds))
            tell(words)

    async def main() -> None:
        await asyncio.gather(*(task(str(number), steps) for number, steps in enumerate(tasks)))

    sim.run_async(main())
    sim.run()
    return told


@given(st.lists(st.lists(STEPS, max_size=5), max_size=6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_order_is_the_same_as_when_each_sleep_is_an_entry_of_its_own(
    tasks: list[list[tuple[str, int]]],
) -> None:
    assert story(Simulation(SEED), tasks) == story(Exploration(SEED, schedule="fifo"), tasks)


def test_sleeps_to_one_instant_are_one_entry() -> None:
    sim = Simulation(SEED)
    entries: list[int] = []

    async def sleeper(number: int) -> int:
        async with asyncio.timeout(1000):  # timers of other instants do not part them
            return await asyncio.sleep(2.5, number)

    async def main() -> list[int]:
        asyncio.get_running_loop().call_later(1, lambda: entries.append(len(sim._queue)))
        alone = await asyncio.gather(*(asyncio.sleep(2, number) for number in range(1000)))
        asyncio.get_running_loop().call_later(1, lambda: entries.append(len(sim._queue)))
        limited = await asyncio.gather(*map(sleeper, range(1000)))
        assert limited == alone
        return alone

    assert sim.run_async(main()) == list(range(1000))
    assert entries == [1, 1001]
    assert sim.now == 4.5


def test_what_comes_between_two_sleeps_comes_between_their_ends() -> None:
    sim = Simulation(SEED)
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(4)]

        def look() -> None:
            order.append("".join("-+"[future.done()] for future in futures))

        loop.call_later(2, END_OF_SLEEP, futures[0], None)
        loop.call_later(2, END_OF_SLEEP, futures[1], None)
        loop.call_later(2, look)
        loop.call_later(2, END_OF_SLEEP, futures[2], None)
        loop.call_at(2, look)
        loop.call_later(2, END_OF_SLEEP, futures[3], None)
        await asyncio.sleep(3)

    sim.run_async(main())
    assert order == ["++--", "+++-"]


def test_sleepers_who_were_all_cancelled_leave_no_trace() -> None:
    sim = Simulation(SEED)

    async def main() -> None:
        for _ in range(3):  # those who come after the dead are no part of them
            tasks = [sim.task(asyncio.sleep(100)) for _ in range(4)]
            await asyncio.sleep(0)
            for number in (0, 3, 2, 1):
                tasks[number].cancel()
                await asyncio.sleep(0)
        assert sim.peek() == float("inf")
        await asyncio.sleep(1)

    sim.run_async(main())
    sim.run()
    assert sim.now == 1


def test_a_sleeper_is_woken_though_those_beside_him_were_cancelled() -> None:
    sim = Simulation(SEED)

    async def main() -> list[str]:
        tasks = [sim.task(asyncio.sleep(100, f"{number}")) for number in range(5)]
        await asyncio.sleep(0)
        for number in (4, 0, 3):
            tasks[number].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert sim.now == 100
        return [end if isinstance(end, str) else "cancelled" for end in ends]

    assert sim.run_async(main()) == ["cancelled", "1", "2", "cancelled", "cancelled"]


def test_the_end_of_the_loop_withdraws_sleeps_of_nobody() -> None:
    sim = Simulation(SEED)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        handle = loop.call_later(5, END_OF_SLEEP, loop.create_future(), None)
        assert repr(handle) == "<Sleepers 1 until=5>"

    sim.run_async(main())
    assert sim.peek() == float("inf")
