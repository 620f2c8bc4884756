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
        if self._waiter is GONE:  # it is over: the end of every `asyncio.sleep` comes here
            self._cancelled = True
            self._callback = None
            self._args = ()
            return
        asyncio.Handle.cancel(self)
        self._waiter = GONE
        self._loop.sim.buried()


def _traceback() -> Any:
    return format_helpers.extract_stack(sys._getframe(2))
