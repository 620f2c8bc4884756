"""What all services in a scenario file share: a place in calls, and that they are built."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, get_args

from foundation_lab.scenario.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> Service:
        """Return the service.

        Args:
            sim: The simulation.
            name: What it is called.
            services: What it may be made of: all its parts are there.
        """
        raise NotImplementedError
