"""A replica set in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.duration_specs import Duration, distribution
from foundation_lab.scenario.section import NotNegative, WholeOrZero
from foundation_lab.scenario.services.backend import BackendSpec
from foundation_lab.scenario.services.event_loop import EventLoopSpec
from foundation_lab.scenario.services.load_balancer import BalancingSection
from foundation_lab.scenario.services.processor_sharing import ProcessorSharingSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.scenario.services.service import ServiceSection
    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ReplicaSetSpec(BalancingSection):
    """So many equal backends behind a load balancer."""

    kind: Literal["replica_set"]
    backend: Annotated[
        BackendSpec | ProcessorSharingSpec | EventLoopSpec, Field(discriminator="kind")
    ]
    """What each replica is."""
    replicas: WholeOrZero = 1
    """How many there are to be."""
    start_time: Duration = 0.0
    """Seconds from the start of a replica until it is ready: a number, or a distribution."""
    grace_period: NotNegative = 30.0
    """Seconds that a replica has to finish what it was doing before it is stopped."""
    restart: bool = True
    """Whether a replica that crashes is started again in its place."""

    def wants(self, specs: Mapping[str, ServiceSection]) -> tuple[str, ...]:
        """Return what picks a replica, and what the replicas want to know."""
        return ("key", *self.backend.wants(specs))

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.ReplicaSet:
        """Return the service."""
        return made.ReplicaSet(
            sim,
            name,
            lambda replica: self.backend.build(sim, replica, {}),
            replicas=self.replicas,
            balancer=self.balancer(sim, name, {}),
            start_time=distribution(self.start_time),
            grace_period=self.grace_period,
            restart=self.restart,
        )
