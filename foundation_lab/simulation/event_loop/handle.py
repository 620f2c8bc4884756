"""Handles: callbacks of an event loop that lie in the simulation's queue."""

from __future__ import annotations

import asyncio
import sys
from asyncio import format_helpers
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.events import GONE

if TYPE_CHECKING:
    from contextvars import Context as Variables

    from foundation_lab.simulation.event_loop.clock import LoopClock


class Soon(asyncio.Handle):
    """A callback of the present instant."""

    __slots__ = ("_waiter",)

    _cancelled: bool
    _value = None
    ok = True
    value = None

    def __init__(
        self, callback: Any, args: tuple[Any, ...], loop: LoopClock, context: Variables | None
    ) -> None:  # what asyncio's own do, in one call instead of two
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._waiter: Any = loop._due
        self._source_traceback = _traceback() if loop._debug else None

    def cancel(self) -> None:
        """Forget the call."""
        asyncio.Handle.cancel(self)
        self._waiter = GONE


class Later(asyncio.TimerHandle):
    """A callback of a later instant. A cancelled one leaves no trace; see `Timer`."""

    __slots__ = ("_waiter",)

    _cancelled: bool
    _value = None
    ok = True
    value = None

    def __init__(
        self,
        when: float,
        callback: Any,
        args: tuple[Any, ...],
        loop: LoopClock,
        context: Variables | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._when = when
        self._scheduled = False
        self._waiter: Any = loop._due
        self._source_traceback = _traceback() if loop._debug else None

    def cancel(self) -> None:
        """Forget the call."""
        if self._cancelled:
            return
        asyncio.Handle.cancel(self)
        if self._waiter is GONE:  # it is over
            return
        self._waiter = GONE
        self._loop.sim.buried()


class Sleepers(list[Any]):
    """The sleeps that end at one instant, and nothing else of it between them: one entry for all.

    A sleep runs nobody's code when it ends, and so needs neither a handle nor context variables of
    its own. Listed are the future and the result of each, in turn.

    Attributes:
        until: The instant.
        rank: The last sequence number that was given to one of them, or to what is due at another
            instant: whoever gets the next one may join them.
    """

    __slots__ = ("_loop", "_waiter", "rank", "until")

    _loop: LoopClock
    _waiter: Any
    rank: int
    until: float
    _value = None
    ok = True
    value = None

    def cancel(self) -> None:
        """Forget those who sleep no more; every `asyncio.sleep` comes here at its end.

        When nobody is left, there is no trace of them; see `Timer`.
        """
        if self._waiter is GONE:
            return
        while self and self[-2].done():
            del self[-2:]
        if not self:
            self._waiter = GONE
            self._loop.sim.buried()

    def __repr__(self) -> str:
        """Return one line: how many there are, and until when they sleep."""
        return f"<Sleepers {len(self) // 2} until={self.until:g}>"


def _traceback() -> Any:
    return format_helpers.extract_stack(sys._getframe(2))
