"""An awaited sleep: what it costs on the virtual clock, beside a real timer of asyncio.

So many sleeps are awaited one after the other by one task, a hundred and four thousand; and each
by a task of its own, which then costs more than the sleep: it has its emitter in its context
variables, three objects more for the garbage collector. Beside it, the same coroutine runs on
asyncio's own loop with sleeps of a nanosecond: each is a real timer, but nobody waits.

    python benchmarks/sleeps.py [ROUNDS] [SLEEPS]
"""

from __future__ import annotations

import asyncio
from functools import partial

import program
from race import Contender, race, same
from row import Row

from foundation_lab.simulation.engine import Simulation

BAR = 1 / 1.2
SECOND, NANOSECOND = 1.0, 1e-9


async def sleeper(sleeps: int, seconds: float) -> int:
    """Sleep again and again."""
    for _ in range(sleeps):
        await asyncio.sleep(seconds)
    return sleeps


async def sleepers(tasks: int, sleeps: int, seconds: float) -> int:
    """Let several tasks sleep beside each other; return how many sleeps there were."""
    each = max(1, sleeps // tasks)
    return sum(await asyncio.gather(*(sleeper(each, seconds) for _ in range(tasks))))


def virtual(tasks: int, sleeps: int) -> int:
    """Sleep on the virtual clock."""
    return int(Simulation().run_async(sleepers(tasks, sleeps, SECOND)))


def real(tasks: int, sleeps: int) -> int:
    """Sleep on asyncio's own loop."""
    return asyncio.run(sleepers(tasks, sleeps, NANOSECOND))


def measure(rounds: int, size: int) -> list[Row]:
    """Return a row for each number of tasks."""
    rows = []
    for tasks in sorted({1, min(100, size), min(4000, size), size}):
        seconds = race(
            {
                "ours": Contender(partial(virtual, min(tasks, size))),
                "theirs": Contender(partial(real, min(tasks, size))),
            },
            rounds=rounds,
            size=size,
            agree=lambda counts: same("sleeps", [counts["ours"]], [counts["theirs"]]),
        )
        rows.append(
            Row(
                what=f"awaited sleep, {tasks:,} task{'s' if tasks > 1 else ''}",
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
