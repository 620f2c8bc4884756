"""A standstill: processes that wait for a number of seconds are stopped, and go on later.

The seconds that were left are left still when it ends. Whoever is interrupted meanwhile goes on at
once, as always.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.process import Nap, Process
from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.simulation.virtual_time import VirtualTime


class Standstill:
    """Stops processes, until its end.

    Only what is due later is stopped: a wait that ends at this very instant ends, and what waits
    for an event goes on waiting for it.

    Args:
        env: The simulation.
        processes: Which ones.
    """

    def __init__(self, env: VirtualTime, processes: Iterable[Process]) -> None:
        self._env = env
        self._held: list[tuple[Process, Wait, float]] = []
        ends = _ends(env)
        for process in processes:
            end = ends.get(process)
            if end is not None:
                process._stop_waiting()
                stop = Wait(env, "a pause to end")
                process._wait_for(stop)
                self._held.append((process, stop, end - env.now))

    def end(self) -> None:
        """Let them go on where they stopped, those that still stand."""
        env = self._env
        for process, stop, left in self._held:
            if stop._waiter is process:
                stop._waiter = None
                process._target = rank = next(env._eid)
                heappush(env._later, (env.now + left, rank, process))
        self._held.clear()


def _ends(env: VirtualTime) -> dict[Process, float]:
    """Return until when each process waits that waits for a number of seconds."""
    ends: dict[Process, float] = {}
    for time, rank, due in env._later:
        process: Any = due
        if type(due) is Nap and due._waiter.__class__ is Process:
            process = due._waiter
        elif due.__class__ is not Process or due._target is not rank:
            continue
        ends[process] = time
    return ends
