"""Connecting: how long it takes to open a connection, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.services.arguments import share
from foundation_lab.simulation.distributions import Constant, as_distribution

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation


class Connecting:
    """What it takes to open a connection.

    Args:
        sim: The simulation.
        pool: The pool's name, for the streams.
        seconds: How long it takes.
        failure: The chance that it fails, or a function of the virtual time at which the attempt
            ends that says whether it does.
    """

    def __init__(
        self,
        sim: Simulation,
        pool: str,
        seconds: float | Distribution,
        failure: float | Callable[[float], bool],
    ) -> None:
        self.seconds = as_distribution(seconds)
        self.failure = failure if callable(failure) else share("connect_failure", failure)
        self.free = self.seconds == Constant(0.0) and self.failure == 0
        self._times = sim.stream(f"connection_manager.{pool}.connect_time")
        self._failures = sim.stream(f"connection_manager.{pool}.connect_failure")

    def takes(self) -> float:
        """Return how many seconds the next attempt takes."""
        return self.seconds.sample(self._times)

    def fails(self, now: float) -> bool:
        """Return whether the attempt that ends now fails."""
        if callable(self.failure):
            return bool(self.failure(now))
        return self.failure > 0 and self._failures.random() < self.failure
