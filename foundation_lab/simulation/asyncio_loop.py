"""An asyncio event loop on the virtual clock.

It has no selector and no heap of its own: each callback is an entry of the simulation's queue, in
the same order of (time, priority, sequence) as everything else, so that tasks and processes of one
instant take turns, first in, first out. Nothing sleeps: when nothing is due at this instant, the
clock moves on to the next one.

`Coroutines` is what a simulation offers to coroutines, `Call` what a process does with one.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from simpy.core import EmptySchedule, StopSimulation

from foundation_lab.simulation.event_loop.clock import CALLBACKS_AT_ONCE, READS_AT_ONCE
from foundation_lab.simulation.event_loop.completion_order import as_completed_in_order
from foundation_lab.simulation.event_loop.executor import POLL, Hold, Inline, Workers, is_at_work
from foundation_lab.simulation.event_loop.failures import LoopFailures
from foundation_lab.simulation.event_loop.handle import Later, Sleepers, Soon
from foundation_lab.simulation.event_loop.running import put_aside, put_back
from foundation_lab.simulation.events import GONE, Event
from foundation_lab.simulation.memory_network.network import MemoryNetwork
from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from contextvars import Context as Variables

    from foundation_lab.simulation.engine import Simulation


class VirtualLoop(LoopFailures):
    """An event loop whose clock is that of a simulation; made by `Simulation.event_loop`.

    Args:
        sim: The simulation.
        executor: What `run_in_executor` and `asyncio.to_thread` do: `Inline`, the default, calls
            the function there and then; `Workers` uses real threads, for which the clock waits.
        network: The network that connections and servers are on; by default one without latency.
        reads_at_once: How often one callback may read the clock before it is taken for a busy wait.
        callbacks_at_once: How many callbacks may run at one instant, likewise.
        read_cost: Seconds that each reading of `time` adds to what it tells, for code that waits
            until a time and then expects to be past it (``<`` where ``<=`` was meant).
        apart: Whether callbacks wait until the loop itself is run, as those of a real one do;
            otherwise they run whenever the simulation does.

    Attributes:
        unhandled: What went wrong with nobody to see it; see `raise_unhandled`.
    """

    def __init__(
        self,
        sim: Simulation,
        *,
        executor: Inline | Workers | None = None,
        network: MemoryNetwork | None = None,
        reads_at_once: int = READS_AT_ONCE,
        callbacks_at_once: int = CALLBACKS_AT_ONCE,
        read_cost: float = 0.0,
        apart: bool = False,
    ) -> None:
        super().__init__(sim, reads_at_once, callbacks_at_once, read_cost)
        self.apart = apart
        self.executor = Inline() if executor is None else executor
        self.network = MemoryNetwork(sim) if network is None else network
        self.unhandled: list[dict[str, Any]] = []
        self._kept: set[int] = set()
        self.hold = Hold(self)
        self.woken = threading.Event()
        self._halt: Event | None = None
        self._idle: Idle | None = None

    # -- running -------------------------------------------------------------------------------

    @contextmanager
    def entered(self, *, here: bool = True) -> Iterator[None]:
        """Be the running loop while the block lasts, also inside of another one, as in Jupyter.

        Args:
            here: Whether callbacks run where they are due, and not in a virtual thread.
        """
        outer = put_aside()
        before, self._thread_id = self._thread_id, threading.get_ident()
        was_here, self._here = self._here, here
        beside, self.sim._loop = self.sim._loop, self
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook,  # type: ignore[attr-defined]
            finalizer=self._asyncgen_finalizer_hook,  # type: ignore[attr-defined]
        )
        asyncio._set_running_loop(self)
        try:
            with as_completed_in_order():
                yield
        finally:
            put_back(outer)
            self._thread_id, self._here = before, was_here
            self.sim._loop = beside

    def run_forever(self) -> None:
        """Run the simulation until `stop` is called.

        Raises:
            DeadlockError: Nothing is left to run; the message names each task and process that
                waits, and what it waits for.
        """
        self._check_closed()
        self._check_running()
        block = getattr(getattr(self.sim.active_process, "_generator", None), "block", None)
        try:
            if block is None:
                self._run_here()
            else:
                self._run_in_a_thread(block)
        finally:
            if self._halt is not None:
                self._halt._waiter = GONE
                with suppress(ValueError):
                    self._inbox.remove(self._halt)
                self._halt = None

    def stop(self) -> None:
        """End the run, after what is due already at this instant."""
        if self._halt is None:
            self._halt = Event(self.sim)
            self._halt._value = None
            self._halt._waiter = self._stop_here
            self._line_up(self._halt)

    def close(self) -> None:
        """Cancel what is left, wait for its end in virtual time, and withdraw every callback.

        Raises:
            DeadlockError: What was cancelled waits for ever.
        """
        if self._closed or self.is_running():
            super().close()  # does nothing, or refuses
            return
        try:
            self._end_tasks()
        finally:
            for handle in [place for _, _, place in self.sim._later] + list(self.sim._ready):
                if handle.__class__ in {Later, Sleepers, Soon} and handle._loop is self:
                    if handle.__class__ is Sleepers:
                        handle.clear()
                    handle.cancel()
            self.executor.shutdown()
            super().close()

    # -- threads -------------------------------------------------------------------------------

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Variables | None = None
    ) -> Soon:
        """Call a function at this instant; for other threads than the loop's."""
        handle = self.call_soon(callback, *args, context=context)
        self.woken.set()
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call a function as the loop's `executor` does; see `Inline` and `Workers`."""
        self._check_closed()
        if executor is None:
            executor = self._default_executor  # type: ignore[attr-defined]
        return self.executor.run(self, executor, func, args)

    async def shutdown_default_executor(
        self,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002  (asyncio's signature)
    ) -> None:
        """End the threads of the executor, if there are any."""
        self.executor.shutdown()

    # -- private -------------------------------------------------------------------------------

    def _check_running(self) -> None:
        """Refuse to run while running; another loop that runs may go on afterwards."""
        if self.is_running():
            message = (
                "This event loop is already running; a process calls a coroutine with "
                "'yield from sim.call(coroutine)', a coroutine with 'await'"
            )
            raise RuntimeError(message)

    def _run_here(self) -> None:
        """Run the simulation, and with it what is due."""
        sim = self.sim
        sim.go_on()
        others = set(threading.enumerate())
        self._empty_inbox()
        with suppress(StopSimulation), self.entered():
            while True:
                try:
                    sim._run(None)
                except EmptySchedule:
                    if not self._a_thread_reports(others):
                        raise sim.deadlock("the event loop is to go on") from None

    def _run_in_a_thread(self, block: Callable[[Event], object]) -> None:
        """Run what is due in a virtual thread, which may block in it while others go on."""
        thread, before, self.apart = self.sim._active_proc, self.apart, True
        try:
            with self.entered(here=False):
                while True:
                    while self._inbox:
                        place = self._inbox.popleft()
                        if place is self._halt:
                            return
                        if place.__class__ is Sleepers:
                            self._wake(place, here=True)
                        elif not place._cancelled:
                            self._happen(place, here=True)
                            self.sim._active_proc = thread
                    self._idle = Idle(self)
                    block(self._idle)
        finally:
            self.sim._active_proc = thread  # a callback may have raised an exit
            self._idle, self.apart = None, before
            if not before:
                self._empty_inbox()

    def _put_into_inbox(self, place: Any) -> None:
        self._inbox.append(place)
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.succeed()

    def _empty_inbox(self) -> None:
        """Put what came while the loop was not run into the queue, before all else."""
        while self._inbox:
            place = self._inbox.pop()
            if place is self._halt:
                waiter: Any = self._stop_here
            elif place.__class__ is Sleepers:
                waiter = self._woken
            else:
                waiter = GONE if place._cancelled else self._due
            place._waiter = waiter
            self.sim._ready.appendleft(place)

    def _stop_here(self, event: Event) -> None:
        if self.apart and not self._here:
            self._put_into_inbox(event)
            return
        self._halt = None
        raise StopSimulation(None)

    def _end_tasks(self) -> None:
        """Cancel the tasks that are left, and close the asynchronous generators."""
        tasks = self.pending_tasks()
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        if len(self._asyncgens):
            self.run_until_complete(self.shutdown_asyncgens())
        if self.network.close(self):
            self.run_until_complete(asyncio.sleep(0))  # protocols are told
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                self.call_exception_handler(
                    {
                        "message": "unhandled exception while a task was cancelled at the end",
                        "exception": task.exception(),
                        "task": task,
                    }
                )
        self.find_unseen()

    def _a_thread_reports(self, others: set[threading.Thread]) -> bool:
        """Wait in real time as long as a thread is at work that may have something to say."""
        while not self.sim._ready:
            if self.woken.wait(POLL):
                self.woken.clear()
            elif not self.sim._ready and not any(
                is_at_work(thread.ident) for thread in threading.enumerate() if thread not in others
            ):
                return False
        return True


class Idle(Wait):
    """What a virtual thread waits for while its event loop has nothing to do.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop.sim, "something to do for its event loop")
        self.loop = loop
