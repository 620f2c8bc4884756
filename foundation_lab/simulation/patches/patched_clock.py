"""The module `time` on the virtual clock, for code that reads it itself."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from foundation_lab.errors import LivelockError
from foundation_lab.simulation.event_loop.task_waits import calling_line
from foundation_lab.simulation.patches.clock_names import clock_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.engine import Simulation

READS_AT_ONCE = 1_000_000
"""How often the clock may be read at one instant, by default."""

SPARED = ("_pytest", "pytest", "pluggy", "coverage", "foundation_lab", "greenlet", "asyncio")
"""Packages whose names for the clock stay as they are."""


@contextmanager
def patched_clock(
    sim: Simulation,
    sleep: Callable[[float], None],
    *,
    read_cost: float = 0.0,
    reads_at_once: int = READS_AT_ONCE,
) -> Iterator[None]:
    """Let `time` tell the virtual time while the block lasts.

    The names of `sleep` and `monotonic` in modules that are loaded already, as after
    ``from time import sleep``, are replaced, too. `time.time` counts from the simulation's `start`,
    else from 0.

    Args:
        sim: The simulation.
        sleep: What stands in for `time.sleep`.
        read_cost: Seconds that each reading adds to what it tells; see `VirtualLoop`.
        reads_at_once: How often the clock may be read at one instant: more is a busy wait, which
            would never end, and raises `LivelockError`.
    """
    clock = Clock(sim, read_cost, reads_at_once)
    start = 0.0 if sim.start is None else sim.start.timestamp()

    monotonic = clock.read

    def wall() -> float:
        return start + clock.read()

    def nanoseconds(seconds: Callable[[], float]) -> Callable[[], int]:
        return lambda: round(seconds() * 1e9)

    everywhere = {"time.sleep": sleep, "time.monotonic": monotonic}
    clocks = {
        "sleep": sleep,
        "monotonic": monotonic,
        "monotonic_ns": nanoseconds(monotonic),
        "perf_counter": monotonic,
        "perf_counter_ns": nanoseconds(monotonic),
        "time": wall,
        "time_ns": nanoseconds(wall),
    }
    with ExitStack() as patches:
        for package, place, name, what in list(clock_names()):
            if what in everywhere and package not in SPARED and not isinstance(place, type):
                patches.enter_context(mock.patch.object(place, name, everywhere[what]))
        for name, value in clocks.items():
            patches.enter_context(mock.patch.object(time, name, value))
        yield


class Clock:
    """A reading of the virtual time that finds busy waits.

    Args:
        sim: The simulation.
        cost: Seconds that each reading adds to what it tells.
        at_once: How many readings there may be at one instant.
    """

    def __init__(self, sim: Simulation, cost: float, at_once: int) -> None:
        self._sim = sim
        self._cost = cost
        self._at_once = at_once
        self._late = 0.0
        self._instant = sim.now
        self._reads = 0

    def read(self) -> float:
        """Return the virtual time in seconds.

        Raises:
            LivelockError: It is read over and over; the message names the line.
        """
        now = self._sim.now
        if now != self._instant:
            self._instant, self._reads = now, 0
        self._reads += 1
        if self._reads > self._at_once:
            self._reads = 0
            message = (
                f"{calling_line()} has read the clock {self._at_once:,} times at t={now:g}. The "
                "clock moves only while everybody waits: a busy wait would never end; sleep"
            )
            raise LivelockError(message)
        self._late += self._cost
        return now + self._late
