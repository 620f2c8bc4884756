"""The module `time` on the virtual clock, for code that reads it itself."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.engine import Simulation

_SLEEP: Any = time.sleep  # noqa: TID251  (what is replaced)
_MONOTONIC: Any = time.monotonic  # noqa: TID251  (likewise)

SPARED = ("_pytest", "pytest", "pluggy", "coverage", "foundation_lab", "greenlet", "asyncio")
"""Packages whose names for the clock stay as they are."""


@contextmanager
def patched_clock(sim: Simulation, sleep: Callable[[float], None]) -> Iterator[None]:
    """Let `time` tell the virtual time while the block lasts.

    The names of `sleep` and `monotonic` in modules that are loaded already, as after
    ``from time import sleep``, are replaced, too. `time.time` counts from the simulation's `start`,
    else from 0.

    Args:
        sim: The simulation.
        sleep: What stands in for `time.sleep`.
    """
    start = 0.0 if sim.start is None else sim.start.timestamp()

    def monotonic() -> float:
        return float(sim.now)

    def wall() -> float:
        return start + sim.now

    def nanoseconds(clock: Callable[[], float]) -> Callable[[], int]:
        return lambda: round(clock() * 1e9)

    everywhere = {_SLEEP: sleep, _MONOTONIC: monotonic}
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
        for place, name, value in list(_aliases(everywhere)):
            patches.enter_context(mock.patch.object(place, name, value))
        for name, value in clocks.items():
            patches.enter_context(mock.patch.object(time, name, value))
        yield


def _aliases(originals: dict[Any, Any]) -> Iterator[tuple[Any, str, Any]]:
    """Yield the other names that loaded modules have for functions of `time`."""
    for module in list(sys.modules.values()):
        name = getattr(module, "__name__", "")
        if module is time or name.split(".")[0] in SPARED:
            continue
        for key, value in list(getattr(module, "__dict__", {}).items()):
            if type(value) is type(_SLEEP) and value in originals:
                yield module, key, originals[value]
