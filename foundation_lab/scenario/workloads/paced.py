"""Paced users in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from foundation_lab.scenario.workloads.arrivals import AnyArrivals
from foundation_lab.scenario.workloads.workload import CallingSection, Many
from foundation_lab.simulation.workloads.paced_users import PacedUsers

if TYPE_CHECKING:
    from foundation_lab.scenario.workloads.workload import Through
    from foundation_lab.simulation.engine import Simulation


class PacedSpec(CallingSection):
    """Requests at intended times, over a fixed number of connections: a load generator."""

    kind: Literal["paced"]
    connections: Many
    """How many requests can be under way at the same time."""
    arrivals: AnyArrivals
    """The intended times."""
    pinned: bool = False
    """Whether each request belongs to one connection, in turn; otherwise it takes a free one."""

    def build(self, sim: Simulation, client: str, through: Through) -> PacedUsers:
        """Return the workload."""
        return PacedUsers(
            sim,
            client,
            self.connections,
            self.arrivals.build(),
            through(self.call, self.facts(sim, client)),
            pinned=self.pinned,
            node=self.node,
        )
