"""Threaded code in virtual time, unmodified, with greenlets in the place of threads.

```python
with virtual_threads(sim):
    with ThreadPoolExecutor(4) as pool:          # time.sleep, locks, queues, pools: all virtual
        results = list(pool.map(fetch, urls))
```

Each thread is a process of the simulation: it has a name and a context, its events are recorded,
and a deadlock names it. Only one runs at a time, and another one goes on only where a thread blocks
(`time.sleep`, a lock, a queue, a join), so that a run is the same every time. The main program
takes part: where it blocks, the simulation runs.
"""

from __future__ import annotations

import _thread
import _threading_local
import concurrent.futures.thread as pools
import queue
import threading
import weakref
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest import mock

from foundation_lab.simulation.patches.patched_clock import patched_clock
from foundation_lab.simulation.patches.real_threads import keep_trio_real, start_thread
from foundation_lab.simulation.patches.stage import Stage, mark_as_ended
from foundation_lab.simulation.patches.virtual_lock import (
    VirtualLock,
    VirtualRLock,
    ident_of_running,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from foundation_lab.simulation.engine import Simulation


@contextmanager
def virtual_threads(
    sim: Simulation,
    *,
    read_cost: float = 0.0,
    clock: Callable[..., AbstractContextManager[None]] = patched_clock,
    blocks_loops: bool = False,
) -> Iterator[None]:
    """Run threaded code on the clock of a simulation while the block lasts.

    At the end of the block threads that are no daemons are waited for, as at the end of a program;
    daemons are ended. After an exception all are ended.

    What is patched: `time.sleep` and the clocks of `time`; `threading` (`Thread`, `Lock`, `RLock`,
    and with them `Condition`, `Event`, `Semaphore`, `Barrier`, `Timer`; `local`; `get_ident`);
    `queue`; `concurrent.futures.ThreadPoolExecutor`. Locks that were made before the block stay
    real ones.

    Args:
        sim: The simulation; it must not be running.
        read_cost: Seconds that each reading of a clock adds to what it tells; see `VirtualLoop`.
        clock: What replaces the clock; called as `patched_clock`, the default, is.
        blocks_loops: Whether a coroutine may block, which holds up its event loop as it really
            does; otherwise it is told to wait in its own way.

    Raises:
        MissingExtra: greenlet is not installed.
        RuntimeError: The simulation runs, or virtual threads are in use already.
        DeadlockError: Threads wait for what can no longer happen.
    """
    stage = Stage(sim, blocks_loops=blocks_loops)
    with ExitStack() as patches:
        patches.enter_context(clock(sim, stage.sleep, read_cost=read_cost))
        for place, name, value in _replacements(stage):
            patches.enter_context(mock.patch.object(place, name, value))
        try:
            yield
            stage.join_all()
        finally:
            stage.end_all()


@contextmanager
def locks_for_all_threads() -> Iterator[None]:
    """Let locks and queues that are made in the block serve virtual threads, too, later on.

    Meanwhile threads are real. It is for what modules make when they are imported: a lock, a queue,
    a pool of threads.
    """
    keep_trio_real()
    with ExitStack() as patches:
        for place, name, value in _shared():
            patches.enter_context(mock.patch.object(place, name, value))
        yield


class _Threads:
    """What `threading.Thread` does while virtual threads are in use."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ends: weakref.WeakKeyDictionary[threading.Thread, Any]
        self._ends = weakref.WeakKeyDictionary()
        self._real_join = threading.Thread.join
        self._real_is_alive = threading.Thread.is_alive

    def methods(self) -> dict[str, Any]:
        """Return the methods that stand in for those of `threading.Thread`."""

        def start(thread: threading.Thread) -> None:
            self._start(thread)

        def join(thread: threading.Thread, timeout: float | None = None) -> None:
            self._join(thread, timeout)

        def is_alive(thread: threading.Thread) -> bool:
            return self._is_alive(thread)

        return {"start": start, "join": join, "is_alive": is_alive}

    def _start(self, thread: Any) -> None:
        if not thread._initialized:
            message = "thread.__init__() not called"
            raise RuntimeError(message)
        if thread._started.is_set():
            message = "threads can only be started once"
            raise RuntimeError(message)
        if _waits_in_real_time(thread):
            start_thread(thread.run, ())
            thread._started.set()
            return
        _refuse_those_of_processes(thread, self._stage.is_watched)
        self._ends[thread] = self._stage.sim.wait(f"the thread {thread.name} to end")

        def body() -> None:
            threading._active[thread._ident] = thread  # type: ignore[attr-defined]
            try:
                thread.run()
            except (self._stage._greenlet.GreenletExit, KeyboardInterrupt):
                raise  # an interrupt from the keyboard is always the main program's
            except BaseException:  # noqa: BLE001  (as a real thread does)
                thread._invoke_excepthook(thread)
            finally:
                del threading._active[threading.get_ident()]  # type: ignore[attr-defined]
                self._ends[thread].succeed()
                mark_as_ended(thread)

        thread._ident = self._stage.start(body, thread.name, thread)
        thread._started.set()

    def _join(self, thread: Any, timeout: float | None) -> None:
        end = self._ends.get(thread)
        if end is None:
            self._real_join(thread, timeout)
            return
        if thread is threading.current_thread():
            message = "cannot join current thread"
            raise RuntimeError(message)
        if not end.triggered:
            over = self._stage.sim.timeout(max(timeout, 0.0)) if timeout is not None else None
            self._stage.block(end if over is None else end | over)
            if over is not None and not over.processed:
                self._stage.sim.cancel(over)

    def _is_alive(self, thread: Any) -> bool:
        end = self._ends.get(thread)
        return self._real_is_alive(thread) if end is None else not end.triggered


def _waits_in_real_time(thread: Any) -> bool:
    """Return whether it is a thread of trio's, whose loop is in real time and waits for it."""
    return (getattr(thread._target, "__module__", None) or "").startswith("trio.")


def _refuse_those_of_processes(thread: Any, is_watched: bool) -> None:  # noqa: FBT001
    """Refuse a thread that would wait for processes or sockets, while nobody else could go on.

    One that waits for sockets is let in where it is made to give way.

    Raises:
        RuntimeError: It is one of a queue or a pool of processes, or it serves real sockets.
    """
    sockets = () if is_watched else ("socketserver",)
    refused = ("multiprocessing.", "concurrent.futures.process", *sockets)
    for module in (type(thread).__module__, getattr(thread._target, "__module__", None) or ""):
        if module.startswith(refused):
            for process in getattr(thread, "processes", {}).values():
                process.terminate()  # a pool's; at the end of the program they are waited for
            message = (
                f"{module} needs a real thread, and here all are virtual: run what uses queues or "
                "pools of processes, or serves real sockets, outside of virtual time"
            )
            raise RuntimeError(message)


def _replacements(stage: Stage) -> Iterator[tuple[Any, str, Any]]:
    """Yield what is patched: where, under which name, and with what."""
    yield VirtualLock, "stage", stage
    yield from _shared()
    yield _thread, "allocate_lock", VirtualLock
    yield _thread, "get_ident", ident_of_running
    yield _thread, "start_new_thread", _starter(stage)
    yield threading, "_counter", count(1).__next__  # names are counted for each block
    yield pools.ThreadPoolExecutor, "_counter", count().__next__
    yield pools.ThreadPoolExecutor, "_adjust_thread_count", _pool_starter(stage)
    yield pools, "_global_shutdown_lock", VirtualLock()
    yield pools, "_threads_queues", weakref.WeakKeyDictionary()
    for name, method in _Threads(stage).methods().items():
        yield threading.Thread, name, method


def _shared() -> Iterator[tuple[Any, str, Any]]:
    """Yield what serves real threads and virtual ones alike."""
    for name in ("Lock", "_allocate_lock"):
        yield threading, name, VirtualLock
    yield threading, "RLock", VirtualRLock
    yield threading, "get_ident", ident_of_running
    yield threading, "local", _threading_local.local
    yield queue, "SimpleQueue", queue._PySimpleQueue  # type: ignore[attr-defined]


def _pool_starter(stage: Stage) -> Callable[[Any], None]:
    start_if_needed: Any = pools.ThreadPoolExecutor._adjust_thread_count

    def adjust_thread_count(pool: Any) -> None:
        stage.pools.add(pool)
        start_if_needed(pool)

    return adjust_thread_count


def _starter(stage: Stage) -> Callable[..., int]:
    def start_new_thread(
        function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> int:
        return stage.start(
            lambda: function(*args, **(kwargs or {})), getattr(function, "__name__", "thread")
        )

    return start_new_thread
