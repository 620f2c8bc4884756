"""A backend with shared cores in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive, Whole
from foundation_lab.scenario.services.backend import ServingSection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ProcessorSharingSpec(ServingSection):
    """Serves all requests at the same time on shared cores, each the slower the more there are."""

    kind: Literal["processor_sharing"]
    cores: Positive = 1
    """How many cores there are; a fraction is a share of one."""
    concurrency: Whole | None = None
    """How many requests may share them; others wait in line. No limit without it."""

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.ProcessorSharing:
        """Return the service."""
        return made.ProcessorSharing(
            sim, name, cores=self.cores, concurrency=self.concurrency, **self.serving()
        )
