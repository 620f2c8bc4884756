"""A resource manager in a scenario file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.errors import nearest
from foundation_lab.scenario.section import Name, NotNegative, Whole
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class ResourceManagerSpec(ServiceSection):
    """Lends limited tokens; a call holds one of its `resource`."""

    stand: ClassVar[Stand] = Stand.AROUND

    kind: Literal["resource_manager"]
    limits: Annotated[dict[Name, Whole], Field(min_length=1)]
    """How many tokens there are of each resource."""
    resource: Name | None = None
    """Which one calls take a token of; the only one without it."""
    wait: bool = True
    """Whether a call waits when none is left."""
    timeout: NotNegative | None = None
    """Seconds that it waits at most; for as long as it takes without it."""

    @model_validator(mode="after")
    def _calls_take_something_that_there_is(self) -> Self:
        if self.resource is None and len(self.limits) > 1:
            message = f"calls take a token of one resource; add `resource`: {self._known()}"
            raise ValueError(message)
        if self.resource is not None and self.resource not in self.limits:
            near = nearest(self.resource, self.limits, most=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {self._known()}"
            message = f"there is no resource {self.resource!r} in limits; {hint}"
            raise ValueError(message)
        if not self.wait and self.timeout is not None:
            message = "a timeout without a wait says nothing; leave out timeout, or wait: false"
            raise ValueError(message)
        return self

    def _known(self) -> str:
        return ", ".join(self.limits)

    def enter(self, service: Any) -> Callable[..., Any]:
        """Return a call that holds a token."""
        resource = next(iter(self.limits)) if self.resource is None else self.resource
        return partial(service.call, resource, wait=self.wait, timeout=self.timeout)

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.ResourceManager:
        """Return the service."""
        return made.ResourceManager(sim, name, self.limits)
