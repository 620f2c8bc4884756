"""Virtual time for code that knows nothing of it: a test suite as it is, without the waiting.

```python
with virtual_time(sim):
    time.sleep(3600)                                 # takes no time
    assert sim.now == 3600
```

While the block lasts, the clocks of `time` and `datetime` tell the virtual time, `time.sleep` lets
it go on, every new asyncio event loop is one of the simulation, and threads are virtual ones when
greenlet is installed (the extra `threads`). Other names for these functions and classes, as after
``from time import sleep``, are replaced in all modules that are loaded, and in their classes.
"""

from __future__ import annotations

import _threading_local
import asyncio
import datetime as dt
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from foundation_lab.simulation.asyncio_loop import VirtualLoop
from foundation_lab.simulation.event_loop.blocking import block_the_loop
from foundation_lab.simulation.event_loop.executor import Inline
from foundation_lab.simulation.patches.clock_names import REAL, clock_names
from foundation_lab.simulation.patches.patched_clock import Clock
from foundation_lab.simulation.patches.real_threads import keep_trio_real
from foundation_lab.simulation.process import Process
from foundation_lab.testing.virtual_dates import VirtualType, real_pickles, virtual_dates
from foundation_lab.testing.virtual_executor import VirtualExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.engine import Simulation

UPTIME = 1000.0
"""What `time.monotonic` and `time.perf_counter` tell at virtual 0; code may take 0 for "never"."""

READS_AT_ONCE = 100_000
"""How often the clock may be read at one instant; more is taken for a busy wait."""

SPARED = frozenset(
    {
        *("_pytest", "pytest", "pluggy", "xdist", "execnet", "pytest_timeout", "pytest_cov"),
        *("coverage", "hypothesis", "foundation_lab", "greenlet", "asyncio", "polars"),
        *("subprocess", "multiprocessing", "trio"),
    }
)
"""Packages whose own names for clocks stay as they are: those that measure or wait in real time."""

OF_THE_SYSTEM = ("subprocess", "multiprocessing.connection")
"""Modules that wait for the operating system, by the clock of `time`: it is to be the real one."""

_Policy: Any = asyncio.events.BaseDefaultEventLoopPolicy
_BEGAN = float(int(REAL["time.time"]()))
_REAL_TIME = SimpleNamespace(
    **{name.removeprefix("time."): real for name, real in REAL.items() if name.startswith("time.")}
)


@contextmanager
def virtual_time(
    sim: Simulation,
    *,
    start: float | None = None,
    read_cost: float = 0.0,
    threads: bool | None = None,
) -> Iterator[Simulation]:
    """Run code as it is on the clock of a simulation while the block lasts.

    Args:
        sim: The simulation; it must not be running.
        start: What `time.time` tells at virtual 0; by default the simulation's `start`, else when
            this program began, in whole seconds.
        read_cost: Seconds that each reading of a clock adds to what it tells, for code that expects
            the clock to have moved since it last looked.
        threads: Whether threads are virtual; by default when greenlet is installed.

    Raises:
        LivelockError: In the block: the clock is read over and over; the message names the line.
        DeadlockError: In the block: everybody waits for what can no longer happen.
        RuntimeError: The simulation runs, or a block of this kind is open already.
    """
    if isinstance(dt.datetime, VirtualType):
        message = "virtual_time: time is virtual already; blocks do not nest"
        raise RuntimeError(message)  # noqa: TRY004  (it is in use already)
    if start is None:
        start = _BEGAN if sim.start is None else sim.start.timestamp()
    if threads is None:
        threads = find_spec("greenlet") is not None
    clocks = partial(_clocks, start=start, threads=threads)
    with ExitStack() as patches:
        if threads:
            from foundation_lab.simulation.patches.virtual_threads import virtual_threads  # noqa: PLC0415

            patches.enter_context(
                virtual_threads(sim, read_cost=read_cost, clock=clocks, blocks_loops=True)
            )
        else:
            patches.enter_context(clocks(sim, _Sleep(sim), read_cost=read_cost))
        patches.enter_context(_event_loops(sim, read_cost, threads=threads))
        yield sim


class _Sleep:
    """Stands in for `time.sleep` where threads are real ones: only the main program sleeps."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._thread = threading.get_ident()

    def __call__(self, seconds: float) -> None:
        """Let virtual time go on."""
        sim = self._sim
        if not seconds >= 0:
            message = "sleep length must be non-negative"
            raise ValueError(message)
        if threading.get_ident() != self._thread:
            message = "a real thread cannot sleep in virtual time: install foundation-lab[threads]"
            raise RuntimeError(message)
        process = sim.active_process
        if isinstance(process, Process):
            message = f"{process.name!r} cannot block: a process yields seconds or events"
            raise RuntimeError(message)  # noqa: TRY004  (as SimPy does)
        loop: Any = asyncio._get_running_loop()
        if loop is not None and getattr(loop, "sim", None) is sim:
            block_the_loop(sim, sim.timeout(seconds))
        elif seconds:
            sim.run(until=sim.timeout(seconds))


# -- what is replaced ----------------------------------------------------------------------------


@contextmanager
def _clocks(
    sim: Simulation,
    sleep: Callable[[float], None],
    *,
    read_cost: float,
    start: float,
    threads: bool,
) -> Iterator[None]:
    """Replace the clocks under all their names; see `patched_clock`."""
    if "anyio" in sys.modules:  # which imports it when it is first needed
        keep_trio_real()
    virtual = _virtual(Clock(sim, read_cost, READS_AT_ONCE), start, sleep)
    before = set(sys.modules)
    with ExitStack() as patches:
        for package, place, name, what in list(clock_names()):
            if package not in SPARED and (
                package not in sys.stdlib_module_names or (threads and what.startswith("time."))
            ):
                value = virtual[what]
                value = staticmethod(value) if isinstance(place, type) else value
                patches.enter_context(mock.patch.object(place, name, value))
        for name, value in virtual.items():
            home, _, short = name.partition(".")
            patches.enter_context(mock.patch.object(sys.modules[home], short, value))
        patches.enter_context(real_pickles())
        for module in map(import_module, OF_THE_SYSTEM):
            patches.enter_context(mock.patch.object(module, "time", _REAL_TIME))
        try:
            yield
        finally:
            _restore_latecomers(before, virtual)


def _virtual(clock: Clock, start: float, sleep: Any) -> dict[str, Any]:
    """Return what stands in for each of `REAL`."""
    functions = _functions(clock, start, sleep)
    date, moment = virtual_dates(functions["time"])
    return {
        **{f"time.{name}": value for name, value in functions.items()},
        "datetime.date": date,
        "datetime.datetime": moment,
    }


def _restore_latecomers(before: set[str], virtual: dict[str, Any]) -> None:
    """Give modules that were imported meanwhile the real things, which they have never seen."""
    known = {id(stand_in): REAL[name] for name, stand_in in virtual.items()}
    late = [module for name, module in list(sys.modules.items()) if name not in before]
    for module in late:
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in known:
                setattr(module, name, known[id(value)])


# -- what stands in ------------------------------------------------------------------------------


def _functions(clock: Clock, start: float, sleep: Any) -> dict[str, Callable[..., Any]]:
    def now() -> float:
        return start + clock.read()

    def uptime() -> float:
        return UPTIME + clock.read()

    def telling(name: str) -> Callable[..., Any]:
        real = REAL[f"time.{name}"]
        return lambda seconds=None: real(now() if seconds is None else seconds)

    def strftime(layout: str, when: Any = None) -> str:
        present = REAL["time.localtime"](now()) if when is None else when
        return str(REAL["time.strftime"](layout, present))

    def nanoseconds(seconds: Callable[[], float]) -> Callable[[], int]:
        return lambda: round(seconds() * 1e9)

    return {
        "sleep": sleep,
        "time": now,
        "time_ns": nanoseconds(now),
        "monotonic": uptime,
        "monotonic_ns": nanoseconds(uptime),
        "perf_counter": uptime,
        "perf_counter_ns": nanoseconds(uptime),
        **{name: telling(name) for name in ("localtime", "gmtime", "ctime")},
        "strftime": strftime,
    }


# -- event loops ---------------------------------------------------------------------------------


@contextmanager
def _event_loops(sim: Simulation, read_cost: float, *, threads: bool) -> Iterator[None]:
    """Let every new event loop be one on the simulation's clock."""

    def new_event_loop(_policy: object) -> VirtualLoop:
        executor: Any = VirtualExecutor() if threads else Inline()
        return VirtualLoop(sim, read_cost=read_cost, executor=executor, apart=True)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(_Policy, "new_event_loop", new_event_loop))
        if threads:
            patches.enter_context(_loops_of_threads())
        yield


@contextmanager
def _loops_of_threads() -> Iterator[None]:
    """Let each virtual thread set an event loop of its own; the main program keeps its one."""
    names = {"_loop": None, "_set_called": False}
    of_a_thread: Any = type("_Local", (_threading_local.local,), names)
    policy: Any = asyncio.get_event_loop_policy()
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(_Policy, "_Local", of_a_thread))
        if isinstance(policy, _Policy):
            real, virtual = policy._local, of_a_thread()
            virtual.__dict__.update(real.__dict__)
            patches.callback(lambda: real.__dict__.update(virtual.__dict__))
            patches.enter_context(mock.patch.object(policy, "_local", virtual))
        yield
