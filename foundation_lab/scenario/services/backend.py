"""A backend in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.duration_specs import Duration, distribution
from foundation_lab.scenario.section import Positive, Section, Share, Whole, WholeOrZero
from foundation_lab.scenario.services.line import AnyLine, line_of
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class WarmUpSpec(Section):
    """How slow a service is after its start; the factor falls to 1 in a straight line."""

    seconds: Positive
    """How long it takes until the service is as fast as it gets."""
    factor: Positive
    """By which everything takes longer at the very start."""

    def build(self) -> made.WarmUp:
        """Return the warm-up."""
        return made.WarmUp(self.seconds, self.factor)


class ServingSection(ServiceSection):
    """What all say that have a line of requests and do their work."""

    stand: ClassVar[Stand] = Stand.END
    takes: ClassVar[tuple[str, ...]] = ("priority", "deadline")

    service_time: Duration
    """Seconds of service: a number, or a distribution."""
    queue_limit: WholeOrZero | None = None
    """How many may wait in line; no limit without it."""
    line: AnyLine | None = None
    """Whose turn it is, and who is sent away; first in, first out without it."""
    warm_up: WarmUpSpec | None = None
    """How slow it is after its start and after each restart."""
    error_rate: Share = 0.0
    """The chance that a request fails."""
    abandoned: Literal["dropped", "served"] = "dropped"
    """What becomes of a request whose caller has left: it is dropped, or served to the end."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    def serving(self) -> dict[str, Any]:
        """Return these as arguments of the service; the line is a new one each time."""
        return {
            "service_time": distribution(self.service_time),
            "queue_limit": self.queue_limit,
            "line": None if self.line is None else line_of(self.line),
            "warm_up": None if self.warm_up is None else self.warm_up.build(),
            "error_rate": self.error_rate,
            "abandoned": self.abandoned,
            "health_interval": self.health_interval,
        }


class BackendSpec(ServingSection):
    """Something that does work; requests line up for one of `concurrency` places."""

    kind: Literal["backend"]
    concurrency: Whole = 1
    """How many requests are served at the same time."""

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Backend:
        """Return the service."""
        return made.Backend(sim, name, concurrency=self.concurrency, **self.serving())
