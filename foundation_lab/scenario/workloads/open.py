"""An open-loop workload in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from foundation_lab.scenario.workloads.arrivals import AnyArrivals
from foundation_lab.scenario.workloads.workload import CallingSection, Many
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from foundation_lab.scenario.workloads.workload import Through
    from foundation_lab.simulation.engine import Simulation


class OpenSpec(CallingSection):
    """Requests that arrive whether or not earlier ones are done."""

    kind: Literal["open"] = "open"
    arrivals: AnyArrivals
    """When they arrive."""
    max_in_flight: Many | None = None
    """How many requests the client has under way at most; others wait there. No limit without
    it."""

    def build(self, sim: Simulation, client: str, through: Through) -> Workload:
        """Return the workload."""
        return Workload(
            sim,
            client,
            self.arrivals.build(),
            through(self.call, self.facts(sim, client)),
            node=self.node,
            max_in_flight=self.max_in_flight,
        )
