"""What all services in a scenario file share: a place in calls, and that they are built."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from foundation_lab.scenario.section import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from foundation_lab.services.retrying.retry_budget import RetryBudget
    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation

Place = tuple[str | int, ...]
"""The keys and numbers that lead to a value within a service."""


class Stand(Enum):
    """Where a service stands in a call."""

    AROUND = "around"
    """Around what comes after it."""
    END = "end"
    """At the end: it is asked and answers."""
    BESIDE = "beside"
    """Nowhere: no call goes through it."""


class Parts(dict[str, "Service"]):
    """The services that are built already, by name, what each is, and the budgets they share."""

    def __init__(
        self,
        specs: Mapping[str, ServiceSection],
        budgets: Mapping[str, RetryBudget] | None = None,
    ) -> None:
        super().__init__()
        self.specs = specs
        self.budgets = {} if budgets is None else budgets


class ServiceSection(Section):
    """The base of everything under `services`."""

    stand: ClassVar[Stand]
    takes: ClassVar[tuple[str, ...]] = ()
    """What it wants to know of a request: ``key``, ``priority``, ``deadline``."""

    @classmethod
    def tag(cls) -> str:
        """Return the `kind` by which a file names it."""
        (tag,) = get_args(cls.model_fields["kind"].annotation)
        return str(tag)

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield the names of other services that it is made of, each with its place."""
        yield from ()

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Return why a service cannot be a part of it, in words; ``None`` when it can."""

    def wants(self, specs: Mapping[str, ServiceSection]) -> tuple[str, ...]:
        """Return what it wants to know of a request, given what every service is."""
        return self.takes

    def enter(self, service: Any) -> Callable[..., Any]:
        """Return what a call goes through, or is answered by: a method of the built service."""
        return service.request if self.stand is Stand.END else service.call  # type: ignore[no-any-return]

    def build(self, sim: Simulation, name: str, services: Parts) -> Service:
        """Return the service.

        Args:
            sim: The simulation.
            name: What it is called.
            services: What it may be made of: all its parts are there.
        """
        raise NotImplementedError
