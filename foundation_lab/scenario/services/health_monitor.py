"""A health monitor in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from foundation_lab import services as made
from foundation_lab.errors import nearest
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section, Whole
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class WatchSpec(Section):
    """A service that is watched, and how."""

    service: Name
    """The name of the service."""
    depends_on: list[Name] = Field(default_factory=list)
    """Which other watched services it cannot do without."""
    critical: bool = True
    """Whether the whole is as bad as this one is; otherwise it is degraded at worst."""
    interval: Positive = 10.0
    """Seconds from one check to the next."""
    timeout: Positive = 1.0
    """Seconds that a check may take."""
    initial_delay: NotNegative = 0.0
    """Seconds before the first check."""
    failure_threshold: Whole = 3
    """How many failures in a row make it unhealthy."""
    success_threshold: Whole = 1
    """How many successes in a row make it healthy again."""

    def check(self, service: Service) -> made.HealthCheck:
        """Return how the service is checked."""
        return made.HealthCheck(
            service.check_health,
            interval=self.interval,
            timeout=self.timeout,
            initial_delay=self.initial_delay,
            failure_threshold=self.failure_threshold,
            success_threshold=self.success_threshold,
        )


class HealthMonitorSpec(ServiceSection):
    """Checks services at their intervals, and knows who depends on whom."""

    stand: ClassVar[Stand] = Stand.BESIDE

    kind: Literal["health_monitor"]
    watch: Annotated[list[Name | WatchSpec], Field(min_length=1)]
    """Names of services, or mappings that say more."""

    @model_validator(mode="after")
    def _targets_are_watched_once(self) -> Self:
        problems = [*self._twice(), *self._unknown()]
        if problems:
            text = "; ".join(message for _, message in problems)
            raise PydanticCustomError("watch", "{text}", {"text": text, "problems": problems})
        return self

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield what is watched."""
        for number, target in enumerate(self.watch):
            if isinstance(target, WatchSpec):
                yield ("watch", number, "service"), target.service
            else:
                yield ("watch", number), target

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.HealthMonitor:
        """Return the service."""
        monitor = made.HealthMonitor(sim, name)
        for target in self.watch:
            spec = WatchSpec(service=target) if isinstance(target, str) else target
            service = services[spec.service]
            monitor.watch(
                service,
                spec.check(service),
                depends_on=spec.depends_on,
                critical=spec.critical,
            )
        return monitor

    def _twice(self) -> Iterator[tuple[Place, str]]:
        seen: dict[str, None] = {}
        for place, name in self.parts():
            if name in seen:
                yield place, f"{name!r} is watched twice; leave one of them out"
            seen[name] = None

    def _unknown(self) -> Iterator[tuple[Place, str]]:
        names = [name for _, name in self.parts()]
        for number, target in enumerate(self.watch):
            needs = target.depends_on if isinstance(target, WatchSpec) else []
            for place, name in enumerate(needs):
                if name not in names:
                    near = nearest(name, names, most=1)
                    hint = f"did you mean {near[0]!r}?" if near else "watch it, too"
                    message = f"{name!r} is not among those that are watched; {hint}"
                    yield ("watch", number, "depends_on", place), message
