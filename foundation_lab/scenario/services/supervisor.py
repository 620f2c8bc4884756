"""A supervisor in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import Name, NotNegative, Positive, WholeOrZero
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class SupervisorSpec(ServiceSection):
    """Restarts services that crash."""

    stand: ClassVar[Stand] = Stand.BESIDE

    kind: Literal["supervisor"]
    children: Annotated[list[Name], Field(min_length=1)]
    """The names of the services."""
    restart_delay: NotNegative = 0.0
    """Seconds from a crash to the restart."""
    intensity: WholeOrZero = 3
    """How many restarts are allowed within the period."""
    period: Positive = 5.0
    """Seconds."""

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield its children."""
        for number, child in enumerate(self.children):
            yield ("children", number), child

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Supervisor:
        """Return the service."""
        return made.Supervisor(
            sim,
            name,
            [services[child] for child in self.children],
            restart_delay=self.restart_delay,
            intensity=self.intensity,
            period=self.period,
        )
