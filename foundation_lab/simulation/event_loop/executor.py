"""What the virtual loop does with functions that are given to threads.

In virtual time there is nothing to gain from a thread: `Inline` calls the function there and then,
and the result comes after a modelled cost. `Workers` uses real threads; the clock stands still
until all of them have reported, for no virtual second passes while a function computes.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures import Future as _Result
from concurrent.futures.thread import _worker
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.event_loop.task import Future, settle
from foundation_lab.simulation.events import GONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.asyncio_loop import VirtualLoop


POLL = 0.01
"""Seconds of real time after which it is looked whether a thread is still at work."""


class Inline:
    """Calls functions at once, in the order in which they are asked for.

    Args:
        cost: Virtual seconds until the caller has the result: a number, or a function that returns
            the cost of the next call.

    A `ThreadPoolExecutor` that is given for a call is not used either; any other executor, such as
    one of processes, is, and the clock waits for it.
    """

    def __init__(self, cost: float | Callable[[], float] = 0.0) -> None:
        if not callable(cost) and not cost >= 0:
            message = f"cost={cost!r}; give virtual seconds, 0 or more"
            raise ValueError(message)
        self.cost = cost

    def run(
        self, loop: VirtualLoop, executor: Executor | None, function: Any, args: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        """Call a function, and return the future of its result."""
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            return loop.hold.run(executor, function, args)
        future = Future(loop=loop)
        value: Any = None
        error: BaseException | None = None
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)  # as in a thread, where no loop runs
        try:
            value = function(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as raised:  # noqa: BLE001  (it is the future's)
            error = raised
        finally:
            asyncio._set_running_loop(running)
        cost = self.cost() if callable(self.cost) else self.cost
        loop.call_later(cost, _settle_unless_done, future, value, error)
        return future

    def shutdown(self) -> None:
        """Do nothing: there are no threads."""


class Workers:
    """Runs functions in real threads, while the clock stands still.

    Args:
        max_workers: How many threads there are at most; see `ThreadPoolExecutor`.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        self._max_workers = max_workers
        self._pool: ThreadPoolExecutor | None = None

    def run(
        self, loop: VirtualLoop, executor: Executor | None, function: Any, args: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        """Give a function to a thread, and return the future of its result."""
        if executor is None:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._max_workers, "virtual-loop")
            executor = self._pool
        return loop.hold.run(executor, function, args)

    def shutdown(self) -> None:
        """End the threads, once they are done."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None


class Hold:
    """Keeps an instant from ending as long as threads are at work.

    It is an entry of the simulation's queue that comes again and again, after all else of the
    instant, and then waits in real time until a thread reports. Threads that wait for the loop
    themselves (``run_coroutine_threadsafe(...).result()``) do not keep the clock.
    """

    _value = None
    ok = True
    value = None

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._waiter: Any = GONE
        self.at_work = 0
        self._threads: dict[int, None] = {}

    def run(self, executor: Executor, function: Any, args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Give a function to an executor; the clock stands still until it reports."""
        future = Future(loop=self._loop)
        if isinstance(executor, ThreadPoolExecutor):
            job = executor.submit(self._work, function, args)
        else:
            job = executor.submit(function, *args)
        self.at_work += 1
        if self._waiter is GONE:
            self._line_up()
        job.add_done_callback(lambda job: self._report(job, future))
        future.add_done_callback(lambda future: job.cancel() if future.cancelled() else None)
        return future

    def _line_up(self) -> None:
        self._waiter = self._happen
        self._loop.sim._ready.append(self)

    def _happen(self, _entry: object) -> None:
        sim, woken = self._loop.sim, self._loop.woken
        if not self.at_work:
            return
        if not sim._ready and not sim._urgent:
            looks = 0
            while not woken.wait(POLL):
                looks = looks + 1 if self._all_wait() else 0
                if looks > 1:  # seen twice: none of them is only on its way
                    self._let_time_go_on()
                    return
            woken.clear()
        self._line_up()

    def _let_time_go_on(self) -> None:
        """Come again at the next instant at which something is due, if there is one."""
        upcoming = self._loop.sim.peek()
        if upcoming < inf:
            self._waiter = self._happen
            self._loop.sim.schedule_at(self, upcoming)

    def _all_wait(self) -> bool:
        return bool(self._threads) and not any(map(is_at_work, list(self._threads)))

    def _work(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Call a function in its thread."""
        me = threading.get_ident()
        self._threads[me] = None
        try:
            return function(*args)
        finally:
            del self._threads[me]

    def _report(self, job: Any, future: Future) -> None:
        """Hand the result over; called in the thread that has it."""
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._deliver, job, future)

    def _deliver(self, job: Any, future: Future) -> None:
        self.at_work -= 1
        if job.cancelled():
            future.cancel()
        else:
            error = job.exception()
            _settle_unless_done(future, None if error else job.result(), error)


def is_at_work(ident: int | None) -> bool:
    """Whether a thread does something, and does not wait for work or for a result."""
    frame = sys._current_frames().get(ident or 0)
    while frame is not None and frame.f_code.co_filename == threading.__file__:
        frame = frame.f_back
    if frame is None:
        return False
    if frame.f_code is _Result.result.__code__:
        awaited = frame.f_locals.get("self")
        return awaited is None or awaited.done()  # then it is only slow to go on
    return frame.f_code is not _worker.__code__


def _settle_unless_done(future: Future, value: Any, error: BaseException | None) -> None:
    if not future.done():
        settle(future, value, error)
