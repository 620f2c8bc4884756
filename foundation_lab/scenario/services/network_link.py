"""A network link in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.duration_specs import Duration, distribution
from foundation_lab.scenario.section import Positive, Share
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class NetworkLinkSpec(ServiceSection):
    """The network between who calls and what is called: it takes time, and loses messages."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["network_link"]
    latency: Duration = 0.0
    """Seconds that a message takes one way: a number, or a distribution."""
    loss: Share = 0.0
    """The chance that a message is lost, for each way."""
    detect_after: Positive | None = None
    """Seconds after which the caller learns of a loss; for ever silent without it."""

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.NetworkLink:
        """Return the service."""
        return made.NetworkLink(
            sim,
            name,
            latency=distribution(self.latency),
            loss=self.loss,
            detect_after=self.detect_after,
        )
