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

import datetime as dt
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from unittest import mock

from foundation_lab.simulation.patched_clock import Clock

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
        *("coverage", "hypothesis", "foundation_lab", "greenlet", "polars", "numpy", "pandas"),
    }
)
"""Packages whose own names for clocks stay as they are: those that measure real time."""

_NAMES = ("sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")
_REAL: dict[str, Any] = {name: getattr(time, name) for name in (*_NAMES, "perf_counter_ns")}
_CLOCKS = (*_REAL, "localtime", "gmtime", "ctime", "strftime")
_REAL_DATETIME, _REAL_DATE = dt.datetime, dt.date
_STDLIB = sys.stdlib_module_names
_BEGAN = float(int(_REAL["time"]()))


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
    if isinstance(dt.datetime, _VirtualType):
        message = "virtual_time: time is virtual already; blocks do not nest"
        raise RuntimeError(message)  # noqa: TRY004  (it is in use already)
    if start is None:
        start = _BEGAN if sim.start is None else sim.start.timestamp()
    if threads is None:
        threads = find_spec("greenlet") is not None
    clock = Clock(sim, read_cost, READS_AT_ONCE)
    with ExitStack() as patches:
        sleep: Any = _Sleep(sim)
        if threads:
            from foundation_lab.simulation.virtual_threads import virtual_threads  # noqa: PLC0415

            patches.enter_context(virtual_threads(sim))
            sleep = time.sleep  # noqa: TID251  (what it was replaced by)
        for place, name, value in list(_replacements(clock, start, sleep)):
            patches.enter_context(mock.patch.object(place, name, value))
        patches.enter_context(_event_loops(sim, read_cost))
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
        if sim.running or sim.active_process is not None:
            who = "the simulation" if sim.active_process is None else sim.active_process.name
            message = (
                f"{who!r} cannot block: a process yields seconds or events, a task awaits "
                "asyncio.sleep"
            )
            raise RuntimeError(message)
        if seconds:
            sim.run(until=sim.timeout(seconds))


# -- clocks --------------------------------------------------------------------------------------


def _replacements(clock: Clock, start: float, sleep: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield what is replaced: where, under which name, and by what."""
    functions = _functions(clock, start, sleep)
    for name, value in functions.items():
        yield time, name, value
    date, moment = _dates(functions["time"])
    yield dt, "datetime", moment
    yield dt, "date", date
    known = {id(_REAL[name]): functions[name] for name in _REAL}
    known |= {id(_REAL_DATETIME): moment, id(_REAL_DATE): date}
    known |= {id(value): functions[name] for name, value in _TELLING.items()}
    for place, name, value in _names():
        other = known.get(id(value))
        if other is not None:
            yield place, name, staticmethod(other) if isinstance(place, type) else other


_TELLING: dict[str, Any] = {
    name: getattr(time, name) for name in ("localtime", "gmtime", "ctime", "strftime")
}
"""Functions that tell the present time when they are not given another."""


def _functions(clock: Clock, start: float, sleep: Any) -> dict[str, Callable[..., Any]]:
    def now() -> float:
        return start + clock.read()

    def uptime() -> float:
        return UPTIME + clock.read()

    def telling(name: str) -> Callable[..., Any]:
        real = _TELLING[name]
        return lambda seconds=None: real(now() if seconds is None else seconds)

    def strftime(layout: str, when: Any = None) -> str:
        return str(
            _TELLING["strftime"](layout, _TELLING["localtime"](now()) if when is None else when)
        )

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


class _VirtualType(type):
    """The type of dates that tell the virtual time; real dates are their instances, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__mro__[1])


def _dates(now: Callable[[], float]) -> tuple[Any, Any]:
    """Return what stands in for `datetime.date` and `datetime.datetime`.

    Whatever they make is a real date, so that nothing of them outlives the block.
    """

    class date(_REAL_DATE, metaclass=_VirtualType):  # noqa: N801  (as the real one)
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return _REAL_DATE(*args, **kwargs)

        @classmethod
        def today(cls) -> Any:
            return _REAL_DATE.fromtimestamp(now())

    class datetime(_REAL_DATETIME, metaclass=_VirtualType):  # noqa: N801  (as the real one)
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return _REAL_DATETIME(*args, **kwargs)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return _REAL_DATETIME.fromtimestamp(now(), tz)

        @classmethod
        def today(cls) -> Any:
            return _REAL_DATETIME.fromtimestamp(now())

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL_DATETIME.fromtimestamp(now(), dt.UTC).replace(tzinfo=None)

    for fake, real in ((date, _REAL_DATE), (datetime, _REAL_DATETIME)):
        fake.__module__, fake.__qualname__ = real.__module__, real.__qualname__
    return date, datetime


def _names() -> Iterator[tuple[Any, str, Any]]:
    """Yield every name in the user's modules, and in the classes that are defined there."""
    for module in list(sys.modules.values()):
        package = getattr(module, "__name__", "").partition(".")[0]
        if package in SPARED or (package in _STDLIB and package != "asyncio"):
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            yield module, name, value
            if isinstance(value, type) and value.__module__ == module.__name__:
                for inner, held in list(vars(value).items()):
                    yield value, inner, held.__func__ if isinstance(held, staticmethod) else held


# -- event loops ---------------------------------------------------------------------------------


@contextmanager
def _event_loops(sim: Simulation, read_cost: float) -> Iterator[None]:
    """Let every new event loop be one on the simulation's clock."""
    import asyncio  # noqa: PLC0415  (only here)

    from foundation_lab.simulation.asyncio_loop import VirtualLoop  # noqa: PLC0415  (asyncio)

    def new_event_loop(_policy: object) -> VirtualLoop:
        loop = VirtualLoop(sim, read_cost=read_cost)
        sim._loop = loop
        return loop

    policy = asyncio.events.BaseDefaultEventLoopPolicy
    with mock.patch.object(policy, "new_event_loop", new_event_loop):
        yield
