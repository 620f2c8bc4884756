"""An awaited sleep: what it costs on the virtual clock, beside a real timer of asyncio.

So many sleeps are awaited one after the other by one task, a hundred and four thousand; and each
by a task of its own, all until one instant or each until another one. Then a task costs more than
its sleep, and the garbage collector, which goes through all of them, most of both. Beside it, the
same coroutine runs on asyncio's own loop with sleeps of a nanosecond: each is a real timer, but
nobody waits. Sleeps until different instants last up to a second there, too, so that the timers
are as many at a time as here; only CPU time counts.

    python benchmarks/sleeps.py [ROUNDS] [SLEEPS]
"""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import program
from race import Contender, race, same
from row import Row

from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Sleeping = Callable[[int, float], Coroutine[Any, Any, int]]

BAR = 1 / 1.2
SEED = 5
SECOND, NANOSECOND = 1.0, 1e-9


async def sleeper(sleeps: int, seconds: float) -> int:
    """Sleep again and again."""
    for _ in range(sleeps):
        await asyncio.sleep(seconds)
    return sleeps


def sleepers(tasks: int) -> Sleeping:
    """Return what lets so many tasks sleep beside each other, and counts their sleeps."""

    async def sleep(sleeps: int, seconds: float) -> int:
        each = max(1, sleeps // tasks)
        return sum(await asyncio.gather(*(sleeper(each, seconds) for _ in range(tasks))))

    return sleep


async def differently_long(sleeps: int, _seconds: float) -> int:
    """Let as many tasks as there are sleeps sleep up to a second each."""
    chance = Random(SEED)  # noqa: S311  (repeatable)
    return len(await asyncio.gather(*(asyncio.sleep(chance.random()) for _ in range(sleeps))))


def virtual(sleeping: Sleeping, sleeps: int) -> int:
    """Sleep on the virtual clock."""
    return int(Simulation().run_async(sleeping(sleeps, SECOND)))


def real(sleeping: Sleeping, sleeps: int) -> int:
    """Sleep on asyncio's own loop."""
    return asyncio.run(sleeping(sleeps, NANOSECOND))


def measure(rounds: int, size: int) -> list[Row]:
    """Return a row for each number of tasks."""
    ways: dict[str, Sleeping] = {
        f"{tasks:,} task{'s' if tasks > 1 else ''}": sleepers(tasks)
        for tasks in sorted({1, min(100, size), min(4000, size), size})
    }
    ways[f"{size:,} tasks, each until another instant"] = differently_long
    rows = []
    for what, sleeping in ways.items():
        seconds = race(
            {
                "ours": Contender(partial(virtual, sleeping)),
                "theirs": Contender(partial(real, sleeping)),
            },
            rounds=rounds,
            size=size,
            agree=lambda counts: same("sleeps", [counts["ours"]], [counts["theirs"]]),
        )
        rows.append(
            Row(
                what=f"awaited sleep, {what}",
                unit="µs",
                ours=seconds["ours"] / size * 1e6,
                theirs=seconds["theirs"] / size * 1e6,
                beside="timer of asyncio",
                at_least=BAR,
                note=f"{size:,} sleeps",
            )
        )
    return rows


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=5, size=40_000)
