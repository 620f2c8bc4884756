"""Faults that are on a whole service."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from foundation_lab.simulation.faults.fault import Impairment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.simulation.faults.fault import Wrong
    from foundation_lab.simulation.faults.injection import Injection


class Outage(Impairment, frozen=True, kw_only=True):
    """The service refuses everything, and drops what it was working on."""

    kind: ClassVar[str] = "outage"

    def take_effect(self, injection: Injection) -> None:
        """Let the service drop its work."""
        injection.strike_all()
        Impairment.take_effect(self, injection)


class Pause(Impairment, frozen=True, kw_only=True):
    """All work stands still and goes on after it, as when a collector stops the world, or SIGSTOP.

    What is in service takes longer by the rest of the pause; whoever comes waits in line. Work that
    was to end at the very instant of the pause ends.
    """

    kind: ClassVar[str] = "pause"

    def take_effect(self, injection: Injection) -> None:
        """Let the service stand still."""
        injection.strike_all()
        Impairment.take_effect(self, injection)


class Slowing(Impairment, frozen=True, kw_only=True):
    """A fault under which services that begin take longer; several multiply."""

    @property
    def slowdown(self) -> float:
        """How many times as long a service takes."""
        return 1.0


class SlowDown(Slowing, frozen=True, kw_only=True):
    """The service takes `factor` times as long."""

    kind: ClassVar[str] = "slow_down"

    factor: float

    @property
    def slowdown(self) -> float:
        """How many times as long a service takes."""
        return self.factor

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        if not (math.isfinite(self.factor) and self.factor > 0):
            yield "factor", self.factor, "give a number > 0"


class SlowNode(SlowDown, frozen=True, kw_only=True):
    """A machine is slow: every service on it takes `factor` times as long."""

    kind: ClassVar[str] = "slow_node"


class CpuStress(Slowing, frozen=True, kw_only=True):
    """Something else takes this share of the processor: services take ``1 / (1 - share)`` times."""

    kind: ClassVar[str] = "cpu_stress"

    share: float

    @property
    def slowdown(self) -> float:
        """How many times as long a service takes."""
        return 1 / (1 - self.share)

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        if not 0 <= self.share < 1:
            yield "share", self.share, "give a share from 0 up to, but not including, 1"


class CapacityLoss(Impairment, frozen=True, kw_only=True):
    """A backend, a pool or a bulkhead has fewer places; those in use stay in use till given back.

    The losses of several such faults add up; none takes more than there is.

    Attributes:
        places: How many places are gone; or
        share: which share of all is, rounded up to whole places.
    """

    kind: ClassVar[str] = "capacity_loss"

    places: int | None = None
    share: float | None = None

    def lost_of(self, places: int) -> int:
        """Return how many of so many places are gone."""
        if self.places is not None:
            return self.places
        return math.ceil(places * (self.share or 0.0) - 1e-9)

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        if self.places is None and self.share is None:
            yield "places", None, "give either places or share"
        elif self.places is not None and self.share is not None:
            yield "share", self.share, f"leave it out beside places={self.places!r}"
        elif self.share is not None and not 0 < self.share <= 1:
            yield "share", self.share, "give a share above 0, up to 1"
        elif self.places is not None and not (isinstance(self.places, int) and self.places >= 1):
            yield "places", self.places, "give a whole number from 1"
