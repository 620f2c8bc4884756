"""The stage of virtual threads: who runs, and what happens where a thread blocks."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread as pools
import queue
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from weakref import WeakSet

from foundation_lab.errors import DeadlockError, MissingExtra
from foundation_lab.simulation.event_loop.blocking import block_the_loop
from foundation_lab.simulation.event_loop.running import put_aside, put_back
from foundation_lab.simulation.patches.clock_names import REAL
from foundation_lab.simulation.patches.real_threads import running_thread
from foundation_lab.simulation.patches.virtual_lock import VirtualLock
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.thrown import ForTheMainProgram
from foundation_lab.simulation.waiting import describe_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from foundation_lab.simulation.engine import Simulation

_NOT_THE_USERS = (
    str(Path(__file__).parents[1]),
    str(Path(pools.__file__).parent),
    threading.__file__,
    queue.__file__,
)

FIRST_IDENT = 2**48
"""The identifiers of virtual threads are counted from here, far from those of real ones."""


REFUSALS = 100
"""How often a thread that was ended may try to wait for something."""

_LEFT: list[Any] = []
"""What nobody goes on with: garbage collection would call it up, from wherever it happens to be."""


class Stage:
    """Where virtual threads run: they take turns with everything else of the simulation.

    Args:
        sim: The simulation.
        blocks_loops: Whether a coroutine may block, which holds up its event loop.

    Attributes:
        names: The names of threads, also of those that have ended, by their identifiers.
        pools: The pools that have started threads.
        has_the_turn: The thread that runs; ``None`` when the main program or the simulation does.
        is_watched: Whether somebody lets a thread give way that waits for the operating system.
        is_closing: Whether it waits for the threads that are left, or ends them.
    """

    def __init__(self, sim: Simulation, *, blocks_loops: bool = False) -> None:
        try:
            import greenlet  # noqa: PLC0415  (an extra)
        except ImportError:
            raise MissingExtra.of("greenlet", "threads") from None
        if VirtualLock.stage is not None:
            message = "virtual_threads: virtual threads are in use already; blocks do not nest"
            raise RuntimeError(message)
        if sim.active_process is not None:
            message = "virtual_threads: the simulation runs; enter the block outside of it"
            raise RuntimeError(message)
        self.sim = sim
        self._blocks_loops = blocks_loops
        self._greenlet = greenlet
        self._main = greenlet.getcurrent()
        self._idents = count(FIRST_IDENT)
        self._main_ident = running_thread()
        self._known: dict[Any, int] = {}
        self.names: dict[int | None, str] = {}
        self._processes: dict[Process, threading.Thread | None] = {}
        self.pools: WeakSet[Any] = WeakSet()
        self.has_the_turn: Body | None = None
        self.is_watched = False
        self.is_closing = False
        self._ending = False
        self._refusals = 0

    # -- blocking ------------------------------------------------------------------------------

    def block(self, target: Any) -> Any:
        """Wait for an event or a number of seconds, whoever is running; return its value.

        Raises:
            RuntimeError: A process of the simulation would block.
        """
        current = self._greenlet.getcurrent()
        if current in self._known:
            return self._leave(target)
        running = self.sim.active_process
        event = self.sim.timeout(target) if isinstance(target, float) else target
        if self._blocks_loops and not isinstance(running, Process):
            loop: Any = asyncio._get_running_loop()
            if loop is not None and getattr(loop, "sim", None) is self.sim:
                return block_the_loop(self.sim, event)
        if running is not None:
            message = (
                f"{running.name!r} is no thread and cannot block: a process yields seconds or "
                "events, a task awaits asyncio.sleep"
            )
            raise RuntimeError(message)
        try:
            value = self.sim.run(until=event)
        except DeadlockError:
            what = f"the main program waits for {describe_event(event)}"
            raise self.sim.deadlock(what) from None
        except ForTheMainProgram as carried:
            raise carried.error from None
        if self.sim.stopped:
            message = f"the simulation was stopped at t={self.sim.now:g}; the main program waits"
            raise RuntimeError(message)
        return value

    def _leave(self, target: Any) -> Any:
        """Let the others go on until it is the running thread's turn again."""
        sim = self.sim
        if self._ending:
            target = self._refuse_to_wait()
        emitter, loop, running = sim._active_proc, sim._loop, put_aside()
        try:
            return self._main.switch(target)
        finally:
            put_back(running)
            sim._active_proc, sim._loop = emitter, loop

    def _refuse_to_wait(self) -> Any:
        """Tell a thread that has been ended once more that it is over; return what never comes.

        One that will not hear of it is left where it is.
        """
        self._refusals += 1
        if self._refusals <= REFUSALS:
            raise self._greenlet.GreenletExit
        _LEFT.append(self._greenlet.getcurrent())
        return self.sim.wait("nothing: it was ended")

    def sleep(self, seconds: float) -> None:
        """Stand in for `time.sleep`; a real thread, as one of trio's, sleeps in real time."""
        if not self.is_here():
            REAL["time.sleep"](seconds)
            return
        if not seconds >= 0:
            message = "sleep length must be non-negative"
            raise ValueError(message)
        self.block(float(seconds))

    def get_ident(self) -> int:
        """Return the identifier of the running thread."""
        ident = self._known.get(self._greenlet.getcurrent())
        return running_thread() if ident is None else ident

    def is_here(self) -> bool:
        """Return whether who asks is a thread of the stage or its main program."""
        return running_thread() == self._main_ident

    # -- threads -------------------------------------------------------------------------------

    def start(self, function: Callable[[], object], name: str, thread: Any = None) -> int:
        """Start a thread, and return its identifier."""
        ident = next(self._idents)
        green = self._greenlet.greenlet(function, parent=self._main)
        self._known[green] = ident
        self.names[ident] = name
        body: Any = Body(green, self)
        daemon = thread is not None and thread.daemon
        process = self.sim.process(body, name=name, daemon=daemon)
        self._processes[process] = thread
        return ident

    def join_all(self) -> None:
        """Wait for the threads that are no daemons; idle ones of pools are told to end."""
        self.is_closing = True
        in_use = [pool for pool in self.pools if not pool._shutdown]
        with mock.patch.object(pools, "_shutdown", new=True):
            for work in list(pools._threads_queues.values()):
                work.put(None)
            for process in list(self._processes):
                if process.is_alive and not process.daemon:
                    self.block(process)
        for pool in in_use:
            pool._shutdown = False  # as their threads have left it

    def end_all(self) -> None:
        """End the threads that are left."""
        self.is_closing = self._ending = True
        for process, thread in list(self._processes.items()):
            if process.is_alive:
                self._refusals = 0
                loop = getattr(process._target, "loop", None)  # the one that the thread runs
                if loop is not None:
                    _LEFT.extend(loop.pending_tasks())
                process.deliver(self._greenlet.GreenletExit())
                if thread is not None:  # it may never have begun
                    mark_as_ended(thread)
        for pool in self.pools:  # it may outlive the block, and wants new threads then
            pool._threads.clear()
            pool._idle_semaphore = threading.Semaphore(0)
        self.is_closing = False


class Body:
    """What the process of a thread runs: a generator made of a greenlet.

    Args:
        green: The greenlet.
        stage: Where it runs.
    """

    gi_yieldfrom = None

    def __init__(self, green: Any, stage: Stage) -> None:
        self._green = green
        self._stage = stage
        self._begun = False

    @property
    def gi_frame(self) -> FrameType | None:
        """Where the thread is in the user's code, for the message of a deadlock."""
        frame: FrameType | None = self._green.gr_frame
        while frame is not None and frame.f_code.co_filename.startswith(_NOT_THE_USERS):
            frame = frame.f_back
        return self._green.gr_frame if frame is None else frame

    def send(self, value: object) -> Any:
        """Go on to where the thread blocks next."""
        arguments = (value,) if self._begun else ()
        self._begun = True
        return self._go_on(self._green.switch, *arguments)

    def throw(self, error: BaseException) -> Any:
        """Raise an exception where the thread blocks."""
        return self._go_on(self._green.throw, error)

    def block(self, target: Any) -> Any:
        """Wait for an event, called by the thread itself; return its value."""
        return self._stage.block(target)

    def close(self) -> None:
        """Leave the thread where it is."""

    def _go_on(self, switch: Callable[..., object], *arguments: object) -> object:
        sim = self._stage.sim
        loop, running = sim._loop, put_aside()
        self._stage.has_the_turn = self
        try:
            target = switch(*arguments)
        finally:
            self._stage.has_the_turn = None
            put_back(running)
            sim._loop = loop
        if self._green.dead:
            self._stage._known.pop(self._green, None)
            raise StopIteration
        return target


def mark_as_ended(thread: Any) -> None:
    """Let a thread be known to have ended, after the block and in another one, too."""
    thread._is_stopped = True
    if hasattr(thread, "_handle"):  # from Python 3.13 on: that of a thread which never started
        thread._handle = _Done(thread.ident)


class _Done:
    """The handle of a thread that has ended."""

    def __init__(self, ident: int | None) -> None:
        self.ident = ident

    def is_done(self) -> bool:
        return True

    def join(self, timeout: float | None = None) -> None:
        """There is nothing to wait for."""
