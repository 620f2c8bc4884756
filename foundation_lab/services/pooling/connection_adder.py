"""The adder: opens a pool's connections in the background, one after the other.

What it does is what HikariCP's connection adder does, a single thread with a queue of requests.
Each request opens one connection, if it is needed still when its turn comes. After a success the
adder pauses for 30 ms; after a failure it tries again in 10 ms, 20 ms, 40 ms and so on up to 5 s,
for as long as the connection is needed. Source: HikariCP 7, ``HikariPool.PoolEntryCreator``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from foundation_lab.simulation.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.pooling.connecting import Connecting
    from foundation_lab.simulation.engine import Simulation

PAUSE: Final = 0.030
"""Seconds between a success and the next attempt."""

FIRST_BACKOFF: Final = 0.010
LONGEST_BACKOFF: Final = 5.0
"""Seconds between a failure and the next attempt, doubled from the first to the longest."""


class ConnectionAdder:
    """Opens connections on request.

    Args:
        sim: The simulation.
        connecting: What it takes to open one.
        longest: How many requests may be queued; more are dropped.
        needed: Whether one more connection is needed.
        opened: Called with the instant at which a connection was begun to open that is open now.
        failed: Called with the seconds that an attempt took that failed.
    """

    def __init__(
        self,
        sim: Simulation,
        connecting: Connecting,
        *,
        longest: int,
        needed: Callable[[], bool],
        opened: Callable[[float], object],
        failed: Callable[[float], object],
    ) -> None:
        self.longest = longest
        self.queued = 0
        self.connecting = False
        self.failing = False
        self._sim = sim
        self._new = connecting
        self._needed = needed
        self._opened = opened
        self._failed = failed
        self._busy: Timer | None = None
        self._rests_until = sim.now

    def request(self, number: int = 1) -> None:
        """Queue so many requests."""
        self.queued = min(self.queued + number, self.longest)
        if self._busy is None and self.queued > 0:
            self._busy = Timer(self._sim, max(self._sim.now, self._rests_until), self._next)

    def stop(self) -> None:
        """Drop everything; what is being opened is never open."""
        self.queued = 0
        self.connecting = False
        if self._busy is not None:
            self._busy.cancel()
            self._busy = None

    # -- private -------------------------------------------------------------------------------

    def _next(self) -> None:
        self._busy = None
        if self.queued:
            self.queued -= 1
            self._attempt(FIRST_BACKOFF)

    def _attempt(self, backoff: float) -> None:
        self._busy = None
        if self._needed():
            self.connecting = True
            end = partial(self._end, self._sim.now, backoff)
            self._busy = self._sim.call_in(self._new.takes(), end)
        else:
            self.request(0)

    def _end(self, began: float, backoff: float) -> None:
        now = self._sim.now
        self.connecting = False
        self.failing = self._new.fails(now)
        if self.failing:
            again = partial(self._attempt, min(LONGEST_BACKOFF, 2 * backoff))
            self._busy = self._sim.call_in(backoff, again)
            self._failed(now - began)
        else:
            self._busy = None
            self._rests_until = now + PAUSE
            self._opened(began)
            self.request(0)
