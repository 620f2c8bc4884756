"""A time limit in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class TimeoutSpec(ServiceSection):
    """Limits how long a call is waited for."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["timeout"]
    seconds: Positive
    """The limit."""
    abandon: Literal["interrupt", "ghost"] = "interrupt"
    """What becomes of the work that nobody waits for any more: it is ended, or goes on."""

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Timeout:
        """Return the service."""
        return made.Timeout(sim, name, self.seconds, self.abandon)
