"""A fallback in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import Name
from foundation_lab.scenario.services.error_names import Errors, error_types
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class FallbackSpec(ServiceSection):
    """Gives a second-best answer when a call fails."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["fallback"]
    ask: Name | None = None
    """What is asked instead, as at the end of a call; without it the answer is there at once."""
    on: Errors | None = None
    """Which errors it stands in for; every failure without it."""

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield what is asked."""
        if self.ask is not None:
            yield ("ask",), self.ask

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Refuse what cannot be asked."""
        if spec.stand is Stand.END:
            return None
        return f"a fallback asks a backend, and {part!r} is a {spec.tag()}"

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Fallback:
        """Return the service."""
        options: dict[str, Any] = {}
        if self.on is not None:
            options["on"] = error_types(self.on)
        if self.ask is None:
            return made.Fallback(sim, name, value=None, **options)
        backend: Any = services[self.ask]
        return made.Fallback(sim, name, call=backend.request, **options)
