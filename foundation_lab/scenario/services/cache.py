"""A cache in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import Positive, Whole
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class CacheSpec(ServiceSection):
    """Keeps what was loaded, for each key of the workload."""

    stand: ClassVar[Stand] = Stand.AROUND
    takes: ClassVar[tuple[str, ...]] = ("key",)

    kind: Literal["cache"]
    ttl: Positive
    """Seconds that a value is kept."""
    max_size: Whole | None = None
    """How many keys are kept; no limit without it."""
    negative_ttl: Positive | None = None
    """Seconds that an error is kept; none is without it."""
    single_flight: bool = True
    """Whether callers of one key wait for one load."""
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share by which a time to live is shortened at most."""

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Cache:
        """Return the service."""
        return made.Cache(
            sim,
            name,
            ttl=self.ttl,
            max_size=self.max_size,
            negative_ttl=self.negative_ttl,
            single_flight=self.single_flight,
            jitter=self.jitter,
        )
