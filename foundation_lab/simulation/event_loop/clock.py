"""The clock of the virtual event loop, and what is due on it."""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heappush
from itertools import count
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.errors import LivelockError, SchedulingError
from foundation_lab.simulation.event_loop.handle import Later, Sleepers, Soon
from foundation_lab.simulation.event_loop.task import EMITTER, Numbered, Task
from foundation_lab.simulation.event_loop.task_waits import calling_line, line_of_task
from foundation_lab.simulation.events import GONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context as Variables

    from foundation_lab.simulation.engine import Simulation

READS_AT_ONCE: Final = 100_000
"""How often one callback may read the clock, by default."""

CALLBACKS_AT_ONCE: Final = 1_000_000
"""How many callbacks may run at one instant, by default."""

END_OF_SLEEP: Final[Any] = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]
"""What ends an `asyncio.sleep`; see `Sleepers`."""


class LoopClock(asyncio.BaseEventLoop):
    """An event loop without a selector: every callback lies in the queue of a simulation.

    Args:
        sim: The simulation.
        reads_at_once: How often one callback may read the clock.
        callbacks_at_once: How many callbacks may run at one instant.
        read_cost: By how many seconds each reading of `time` is later than the simulation's clock
            than the one before.
    """

    apart: bool
    _closed: bool
    _thread_id: int | None
    _debug: bool
    _check_closed: Callable[[], None]
    _check_callback: Callable[[object, str], None]

    def __init__(
        self, sim: Simulation, reads_at_once: int, callbacks_at_once: int, read_cost: float
    ) -> None:
        super().__init__()
        if not read_cost >= 0:
            message = f"read_cost={read_cost!r}; give seconds, 0 or more"
            raise ValueError(message)
        self.read_cost = read_cost
        self._late = 0.0
        self.sim = sim
        self.numbers = count(1)
        self.reads_at_once = reads_at_once
        self.callbacks_at_once = callbacks_at_once
        self._asyncgens: Any = Numbered()
        self._due: Any = self._happen  # one bound method for all handles
        self._line_up: Any = sim._ready.append
        self._woken: Any = self._wake
        self._asleep = Sleepers()
        self._asleep.until, self._asleep.rank = -inf, -1
        self._here = False
        self._inbox: deque[Any] = deque()
        self._instant = -inf
        self._callbacks = 0
        self._reads = 0

    def __del__(self) -> None:
        """Say nothing: a loop that was not closed keeps nothing of the operating system."""

    # -- the clock -----------------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time in seconds.

        Raises:
            LivelockError: One callback reads the clock over and over; the message names its line.
        """
        now = self.sim._now
        if now != self._instant:
            self._another_instant(now)
        self._reads += 1
        if self._reads > self.reads_at_once:
            self._reads = 0
            message = (
                f"{calling_line()} has read the clock {self.reads_at_once:,} times at t={now:g}. "
                "The clock moves only while everybody waits: a busy wait would never end; "
                "await asyncio.sleep(seconds)"
            )
            raise LivelockError(message)
        self._late += self.read_cost
        return now + self._late

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Variables | None = None
    ) -> Soon:
        """Call a function at this instant, after what is due already."""
        if self._closed:
            self._check_closed()
        if self._debug:
            self._check_callback(callback, "call_soon")
        handle = Soon(callback, args, self, context)
        self._line_up(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Variables | None = None,
    ) -> Later | Sleepers:
        """Call a function after `delay` virtual seconds; see `call_at`."""
        if delay is None:
            message = "delay must not be None"
            raise TypeError(message)
        sim = self.sim
        when = sim._now + delay
        if self._closed or self._debug or not sim._now < when < inf:
            return self.call_at(when + self._late, callback, *args, context=context)
        if callback is not END_OF_SLEEP or context is not None:
            handle = Later(when, callback, args, self, context)
            self._schedule(handle, when)
            return handle
        rank = next(sim._eid)
        asleep = self._asleep
        if asleep.until == when and asleep.rank == rank - 1 and asleep._waiter is not GONE:
            asleep.rank = rank
            asleep += args
            return asleep
        self._asleep = asleep = Sleepers(args)
        asleep.until = when
        asleep.rank = rank
        asleep._loop = self
        asleep._waiter = self._woken
        heappush(sim._later, (when, rank, asleep))  # as `schedule_at` does
        return asleep

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Variables | None = None,
    ) -> Later:
        """Call a function at a virtual time, at this instant if that is over.

        Calls for one time come in the order in which they were asked for. A call for infinity never
        comes, and keeps no run alive.

        Raises:
            SchedulingError: The time is no number.
        """
        if when is None:
            message = "when cannot be None"
            raise TypeError(message)
        if self._closed:
            self._check_closed()
        if self._debug:
            self._check_callback(callback, "call_at")
        sim = self.sim
        handle = Later(when, callback, args, self, context)
        time = when - self._late
        if time <= sim._now:
            self._line_up(handle)
        elif time < inf:
            self._schedule(handle, time)
        elif isnan(when):
            message = f"a call cannot come at {when!r}; times are numbers of seconds"
            raise SchedulingError(message)
        return handle

    # -- private -------------------------------------------------------------------------------

    def _schedule(self, handle: Later, time: float) -> None:
        """Put a handle in the queue, for a later instant; others may still join the sleepers."""
        sim, asleep = self.sim, self._asleep
        rank = next(sim._eid)
        if asleep.rank == rank - 1 and asleep.until != time:
            asleep.rank = rank
        heappush(sim._later, (time, rank, handle))  # as `schedule_at` does

    def _happen(self, handle: Any, *, here: bool = False) -> None:
        """Run a callback, in the name of the task that it belongs to."""
        if not (self._here or here):
            if self.apart:
                self._put_into_inbox(handle)
            else:
                with self.entered():
                    self._happen(handle)
            return
        sim = self.sim
        context = handle._context
        callback = handle._callback
        owner = getattr(callback, "__self__", None)
        if sim._now != self._instant:
            self._instant = sim._now
            self._callbacks = 0
        self._reads = 0
        self._callbacks += 1
        if self._callbacks > self.callbacks_at_once:
            handle._waiter = self._due
            self._line_up(handle)
            raise self._livelock(owner)
        emitter = owner.emitter if owner.__class__ is Task else context.get(EMITTER)
        if emitter is not None and emitter.loop is self:
            sim._active_proc = emitter
        try:
            context.run(callback, *handle._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except asyncio.CancelledError:
            pass  # of a task that the callback has asked for its result: no failure
        except BaseException as error:  # noqa: BLE001  (asyncio goes on, and tells the handler)
            self._callback_failed(handle, error)
        sim._active_proc = None

    def _wake(self, sleepers: Sleepers, *, here: bool = False) -> None:
        """Let sleepers go on."""
        if self.apart and not (self._here or here):
            self._put_into_inbox(sleepers)
            return
        pairs = iter(sleepers)
        for future in pairs:
            result = next(pairs)
            if not future.cancelled():
                try:
                    future.set_result(result)
                except asyncio.InvalidStateError as error:  # somebody else has woken the sleeper
                    self._callback_failed(sleepers, error)
        sleepers.clear()

    def _callback_failed(self, handle: object, error: BaseException) -> None:
        what = {
            "message": f"Exception in callback {handle!r}",
            "exception": error,
            "handle": handle,
        }
        self.call_exception_handler(what)

    def _another_instant(self, now: float) -> None:
        self._instant = now
        self._callbacks = self._reads = 0

    def _livelock(self, owner: object) -> LivelockError:
        self._callbacks = 0
        who = f"the task {owner.name!r} ({line_of_task(owner)})" if isinstance(owner, Task) else ""
        return LivelockError(
            f"{self.callbacks_at_once:,} callbacks have run at t={self.sim._now:g}; the next is "
            f"that of {who or owner!r}. The clock moves only while everybody waits: a loop around "
            "asyncio.sleep(0) would never end; await asyncio.sleep(seconds), or what it waits for"
        )

    def entered(self) -> Any:
        """Return a context manager in which this is the running loop."""
        raise NotImplementedError

    def _put_into_inbox(self, handle: Any) -> None:
        """Keep a callback for when the loop, or its thread, comes to it."""
        raise NotImplementedError
