"""A bulkhead in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import NotNegative, Whole
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class BulkheadSpec(ServiceSection):
    """Limits how many calls run at the same time."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["bulkhead"]
    max_concurrent: Whole
    """How many calls may run at the same time."""
    max_wait: NotNegative | None = 0.0
    """Seconds that a call waits for a place at most; null lets it wait for as long as it takes."""

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Bulkhead:
        """Return the service."""
        return made.Bulkhead(sim, name, max_concurrent=self.max_concurrent, max_wait=self.max_wait)
