"""Handles: callbacks of an event loop that lie in the simulation's queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.events import GONE

if TYPE_CHECKING:
    from foundation_lab.simulation.loop_clock import LoopClock


class Soon(asyncio.Handle):
    """A callback of the present instant."""

    __slots__ = ("_waiter",)

    _cancelled: bool
    _loop: LoopClock
    _value = None
    ok = True
    value = None

    def cancel(self) -> None:
        """Forget the call."""
        asyncio.Handle.cancel(self)
        self._waiter: Any = GONE


class Later(asyncio.TimerHandle):
    """A callback of a later instant. A cancelled one leaves no trace; see `Timer`."""

    __slots__ = ("_waiter",)

    _cancelled: bool
    _loop: LoopClock
    _value = None
    ok = True
    value = None

    def cancel(self) -> None:
        """Forget the call."""
        if self._cancelled:
            return
        asyncio.Handle.cancel(self)
        if self._waiter is not GONE:
            self._waiter: Any = GONE
            self._loop.sim.buried()
