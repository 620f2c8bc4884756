"""A backend in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.duration_specs import Duration, distribution
from foundation_lab.scenario.section import Positive, Share, Whole, WholeOrZero
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class BackendSpec(ServiceSection):
    """Something that does work; requests line up for one of `concurrency` places."""

    stand: ClassVar[Stand] = Stand.END

    kind: Literal["backend"]
    service_time: Duration
    """Seconds of service: a number, or a distribution."""
    concurrency: Whole = 1
    """How many requests are served at the same time."""
    queue_limit: WholeOrZero | None = None
    """How many may wait in line; no limit without it."""
    error_rate: Share = 0.0
    """The chance that a request fails."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Backend:
        """Return the service."""
        return made.Backend(
            sim,
            name,
            service_time=distribution(self.service_time),
            concurrency=self.concurrency,
            queue_limit=self.queue_limit,
            error_rate=self.error_rate,
            health_interval=self.health_interval,
        )
