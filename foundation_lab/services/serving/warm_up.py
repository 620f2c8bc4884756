"""Warm-up: a service that has just started is slow, until its caches are full and its code is hot.

The factor on every service time falls to 1 in a straight line:

>>> WarmUp(seconds=10, factor=3).factor_at(5)
2.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    import random

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.virtual_time import VirtualTime


class WarmUp(msgspec.Struct, frozen=True):
    """How slow a service is after its start.

    Attributes:
        seconds: How long it takes until the service is as fast as it gets.
        factor: By which everything takes longer at the very start.
    """

    seconds: float
    factor: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        positive("seconds", self.seconds)
        positive("factor", self.factor)

    def factor_at(self, age: float) -> float:
        """Return by which factor everything takes longer, `age` seconds after the start."""
        return 1.0 + (self.factor - 1.0) * max(0.0, 1.0 - age / self.seconds)


class Warming:
    """A distribution of service times that is stretched while the service warms up.

    Args:
        times: The service times of the warm service.
        warm_up: How slow it is before.
        clock: The simulation.
    """

    def __init__(self, times: Distribution, warm_up: WarmUp, clock: VirtualTime) -> None:
        self.times = times
        self.warm_up = warm_up
        self._clock = clock
        self.start()

    @property
    def mean(self) -> float:
        """The expected value in seconds, once warm."""
        return self.times.mean

    def start(self) -> None:
        """Be cold again."""
        self._started = self._clock.now

    def sample(self, stream: random.Random) -> float:
        """Return one duration in seconds."""
        age = self._clock.now - self._started
        return self.times.sample(stream) * self.warm_up.factor_at(age)
