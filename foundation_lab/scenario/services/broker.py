"""A message broker in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import Name
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class BrokerSpec(ServiceSection):
    """Has queues, and takes them along when it goes down; they are back when it is."""

    stand: ClassVar[Stand] = Stand.BESIDE

    kind: Literal["broker"]
    queues: Annotated[list[Name], Field(min_length=1)]
    """The names of its queues."""

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield its queues."""
        for number, queue in enumerate(self.queues):
            yield ("queues", number), queue

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Refuse what is no queue."""
        if spec.tag() == "queue":
            return None
        return f"a broker has queues, and {part!r} is a {spec.tag()}"

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Broker:
        """Return the service."""
        broker = made.Broker(sim, name)
        for queue in self.queues:
            own: Any = services[queue]
            broker.adopt(own)
        return broker
