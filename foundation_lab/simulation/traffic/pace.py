"""The pace of a clock of one's own: how fast operational time runs, as a function of virtual time.

A workload's arrivals happen in operational time. At a factor of 2 it runs twice as fast as virtual
time, so twice as many requests arrive; at 0 it stands still. A change rescales what is left of the
gap to the next arrival. A Poisson process stays one, with the new rate, and draws the same numbers
from its stream as without the change: what arrives is the same, only when is not.
"""

from __future__ import annotations

import math


class Pace:
    """Operational time against virtual time: a line of pieces, of which the last one is kept.

    Args:
        now: The virtual time at which both are equal; until a change they stay so.
    """

    def __init__(self, now: float) -> None:
        self.factor = 1.0
        self.running = True
        self._since = now
        self._reached = now

    @property
    def speed(self) -> float:
        """Operational seconds in a second of virtual time."""
        return self.factor if self.running else 0.0

    def operational(self, now: float) -> float:
        """Return the operational time at a virtual time, which is not before the last change."""
        return self._reached + (now - self._since) * self.speed

    def due(self, time: float) -> float:
        """Return the virtual time at which an operational time comes; infinity if it never does.

        A time that has come already was due at the last change, or before it.
        """
        left = time - self._reached
        if left <= 0:
            return self._since
        return self._since + left / self.speed if self.speed else math.inf

    def change(
        self, now: float, *, factor: float | None = None, running: bool | None = None
    ) -> None:
        """Go on from a virtual time with another factor, or stop, or run again."""
        self._reached, self._since = self.operational(now), now
        if factor is not None:
            self.factor = factor
        if running is not None:
            self.running = running
