"""A supervisor in a scenario file."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from foundation_lab import services as made
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section, WholeOrZero
from foundation_lab.scenario.services.backoff import AnyBackoff
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ChildSpec(Section):
    """A child and how it is to be looked after."""

    service: Name
    """The name of the service."""
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    """Whether it is restarted whenever it ends, after a crash only, or never."""
    shutdown: NotNegative | Literal["brutal_kill", "infinity"] | None = None
    """Seconds that it has to stop in good order; 5 without it, infinity for a supervisor."""
    significant: bool = False
    """Whether its end may shut the supervisor down when it is not restarted."""

    def build(self, service: Service) -> made.Child:
        """Return what is asked of the supervisor."""
        shutdown: Any = inf if self.shutdown == "infinity" else self.shutdown
        return made.Child(service, self.restart, shutdown, self.significant)


class SupervisorSpec(ServiceSection):
    """Restarts services that crash."""

    stand: ClassVar[Stand] = Stand.BESIDE

    kind: Literal["supervisor"]
    children: Annotated[list[Name | ChildSpec], Field(min_length=1)]
    """Names of services, or mappings that say more, in the order of their start."""
    strategy: Literal["one_for_one", "one_for_all", "rest_for_one"] = "one_for_one"
    """Who is restarted when a child crashes: it alone, all, or it and who comes after it."""
    restart_delay: NotNegative | AnyBackoff = 0.0
    """Seconds from a crash to the restart: a number, or a backoff over restarts in a row."""
    stable_time: Positive | None = None
    """Seconds up after which a child's backoff begins anew; the period without it."""
    intensity: WholeOrZero = 3
    """How many restarts are allowed within the period."""
    period: Positive = 5.0
    """Seconds."""
    auto_shutdown: Literal["never", "any_significant", "all_significant"] = "never"
    """Whether the end of significant children, not restarted, shuts the supervisor down."""

    @model_validator(mode="after")
    def _significant_children_may_end(self) -> Self:
        problems = [
            (("children", number, "significant"), wrong)
            for number, child in enumerate(self.children)
            if isinstance(child, ChildSpec) and (wrong := self._insignificant(child))
        ]
        if problems:
            text = "; ".join(message for _, message in problems)
            raise PydanticCustomError("children", "{text}", {"text": text, "problems": problems})
        return self

    def _insignificant(self, child: ChildSpec) -> str | None:
        if child.significant and child.restart == "permanent":
            return "a permanent child never ends; write restart: transient, or temporary"
        if child.significant and self.auto_shutdown == "never":
            return "significant is for auto_shutdown; give the supervisor any_ or all_significant"
        return None

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield its children."""
        for number, child in enumerate(self.children):
            if isinstance(child, ChildSpec):
                yield ("children", number, "service"), child.service
            else:
                yield ("children", number), child

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Supervisor:
        """Return the service."""
        delay = self.restart_delay
        return made.Supervisor(
            sim,
            name,
            [
                child.build(services[child.service])
                if isinstance(child, ChildSpec)
                else services[child]
                for child in self.children
            ],
            strategy=self.strategy,
            restart_delay=delay if isinstance(delay, float | int) else delay.build(),
            stable_time=self.stable_time,
            intensity=self.intensity,
            period=self.period,
            auto_shutdown=self.auto_shutdown,
        )
