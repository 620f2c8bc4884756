"""A load shedder in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from foundation_lab import services as made
from foundation_lab.scenario.section import Whole, WholeOrZero
from foundation_lab.scenario.services.line import AnyLine, line_of
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class LoadShedderSpec(ServiceSection):
    """Runs so many calls at the same time, and sheds what it cannot serve in time."""

    stand: ClassVar[Stand] = Stand.AROUND
    takes: ClassVar[tuple[str, ...]] = ("priority", "deadline")

    kind: Literal["load_shedder"]
    max_concurrent: Whole
    """How many calls may run at the same time."""
    max_waiting: WholeOrZero | None = None
    """How many may wait in line; one more is turned away. No limit without it."""
    line: AnyLine | None = None
    """Whose turn it is, and who is sent away; first in, first out without it."""
    thresholds: dict[int, WholeOrZero] = Field(default_factory=dict)
    """By priority: how many may wait at which calls of it, or less urgent ones, are turned away."""

    def build(
        self, sim: Simulation, name: str, services: Mapping[str, Service]
    ) -> made.LoadShedder:
        """Return the service."""
        return made.LoadShedder(
            sim,
            name,
            max_concurrent=self.max_concurrent,
            max_waiting=self.max_waiting,
            line=None if self.line is None else line_of(self.line),
            thresholds=self.thresholds,
        )
