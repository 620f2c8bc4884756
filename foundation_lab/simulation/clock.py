"""A node's clock: what a machine believes the time to be.

The recording, timers and deadlines keep true virtual time. What is given a clock, such as a cache,
judges by that: ages and times to live are as the node believes them to be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation


class Clock(Protocol):
    """What tells the time: the simulation, or a clock that may be wrong."""

    @property
    def now(self) -> float:
        """The time in seconds."""


class NodeClock:
    """A clock that may be wrong: ``true + offset + drift * (true - since)`` for each skew.

    Several skews add up. `now` is the time of day, which jumps when a skew begins or is corrected;
    `monotonic` runs at the same rate and never jumps, as CLOCK_MONOTONIC of POSIX.

    Args:
        sim: The simulation.
        name: The clock's name, usually that of its node.
        offset: By how many seconds it is fast from the beginning.
        drift: How many seconds it gains in each second; more than -1.
    """

    kind: ClassVar[str] = "clock"

    def __init__(
        self, sim: Simulation, name: str, *, offset: float = 0.0, drift: float = 0.0
    ) -> None:
        if not math.isfinite(offset):
            message = f"offset={offset!r} of clock {name!r}; give a finite number of seconds"
            raise ValueError(message)
        if not (math.isfinite(drift) and drift > -1):
            message = f"drift={drift!r} of clock {name!r}; give seconds a second, above -1"
            raise ValueError(message)
        self.sim = sim
        self.name = name
        self._skews: dict[str, tuple[float, float, float]] = {"": (offset, drift, sim.now)}
        self._monotonic = sim.now
        self._since = sim.now
        sim.add(self)

    @classmethod
    def of(cls, sim: Simulation, node: str) -> Self:
        """Return the clock of a node: always the same one, made when it is first asked for."""
        clock = sim.components.get((cls.kind, node))
        return clock if isinstance(clock, cls) else cls(sim, node)

    @property
    def now(self) -> float:
        """The time of day as the node believes it to be, in seconds."""
        true = self.sim.now
        return true + math.fsum(
            offset + drift * (true - since) for offset, drift, since in self._skews.values()
        )

    @property
    def error(self) -> float:
        """By how many seconds the clock is fast now."""
        return self.now - self.sim.now

    @property
    def rate(self) -> float:
        """How many seconds go by on it in a true second; it never quite stands still."""
        return max(1e-9, 1.0 + math.fsum(drift for _, drift, _ in self._skews.values()))

    @property
    def monotonic(self) -> float:
        """Seconds that went by on it, from the true time at which it was made; never goes back."""
        return self._monotonic + self.rate * (self.sim.now - self._since)

    def lasting(self, seconds: float) -> float:
        """Return how many true seconds it takes until so many have gone by on the clock.

        At least as many as move the simulation, and a hundred times as many at most: whoever waits
        for a clock that stands still looks again then, for it may have been set right.
        """
        if seconds <= 0:
            return 0.0
        return max(
            seconds / max(0.01, self.rate), math.nextafter(self.sim.now, math.inf) - self.sim.now
        )

    def skew(self, name: str, offset: float, drift: float) -> None:
        """Put the clock out from now on: by an offset at once, by a drift as time goes by."""
        self._advance()
        self._skews[name] = (offset, drift, self.sim.now)

    def correct(self, name: str) -> None:
        """Take back what a skew did to the clock; it jumps to what it would show without."""
        self._advance()
        del self._skews[name]

    @property
    def status(self) -> str:
        """By how much it is wrong."""
        return f"{self.error:+g} s"

    def violations(self) -> list[str]:
        """Return every law of clocks that does not hold, in words."""
        return [] if self.monotonic >= self._monotonic else ["monotonic time went back"]

    # -- private -------------------------------------------------------------------------------

    def _advance(self) -> None:
        self._monotonic = self.monotonic
        self._since = self.sim.now
