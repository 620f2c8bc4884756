"""A connection pool in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative, Positive, Whole, WholeOrZero
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ConnectionManagerSpec(ServiceSection):
    """A pool of connections."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["connection_manager"]
    size: Whole
    """How many connections are kept."""
    max_overflow: WholeOrZero = 0
    """How many more may be opened for a time."""
    checkout_timeout: NotNegative | None = 30.0
    """Seconds to wait for a connection; for ever when it is null."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.ConnectionManager:
        """Return the service."""
        return made.ConnectionManager(
            sim,
            name,
            size=self.size,
            max_overflow=self.max_overflow,
            checkout_timeout=self.checkout_timeout,
            health_interval=self.health_interval,
        )
