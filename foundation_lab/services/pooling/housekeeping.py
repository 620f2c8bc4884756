"""Housekeeping: now and then a pool closes what was idle for too long, and fills itself up.

Source: HikariCP 7, ``HikariPool.HouseKeeper``.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation_lab.services.pooling.link import Link
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer


def next_round(now: float, since: float, period: float) -> float:
    """Return the first round after `now` of those that come every `period` from `since` on.

    >>> next_round(now=60.0, since=0.0, period=30.0), next_round(now=61.5, since=1.0, period=30.0)
    (90.0, 91.0)
    """
    number = math.floor((now - since) / period) + 1
    while since + number * period <= now:  # rounding
        number += 1
    return since + number * period


def idle_for_too_long(
    idle: Iterable[Link], number: int, now: float, idle_timeout: float
) -> list[Link]:
    """Return the idle links that are to be closed: not used for more than `idle_timeout` seconds.

    Args:
        idle: The idle links, the one first that was used least recently.
        number: How many may be closed.
        now: The virtual time.
        idle_timeout: Seconds; at exactly this age a link is kept.
    """
    return list(islice((link for link in idle if now - link.used > idle_timeout), max(number, 0)))


class HouseKeeper:
    """Makes rounds at fixed instants, but only while there may be something to do.

    So it keeps no run alive that would be over without it.

    Args:
        sim: The simulation.
        period: Seconds between two rounds, counted from now.
        due: Whether there may be something to do at the next round.
        work: What is done in a round.
    """

    def __init__(
        self,
        sim: Simulation,
        period: float,
        due: Callable[[], bool],
        work: Callable[[], object],
    ) -> None:
        self._sim = sim
        self._since = sim.now
        self._period = period
        self._due = due
        self._work = work
        self._timer: Timer | None = None

    def look(self) -> None:
        """Plan the next round if it has a purpose; call it off if it has none."""
        if not self._due():
            self.stop()
        elif self._timer is None:
            time = next_round(self._sim.now, self._since, self._period)
            self._timer = self._sim.call_at(time, self._round)

    def stop(self) -> None:
        """Plan no round."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- private -------------------------------------------------------------------------------

    def _round(self) -> None:
        self._timer = None
        self._work()
        self.look()
