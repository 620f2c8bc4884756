"""A closed loop in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from foundation_lab.scenario.duration_specs import PositiveDuration, distribution, takes_time
from foundation_lab.scenario.section import NotNegative
from foundation_lab.scenario.workloads.workload import CallingSection
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop

if TYPE_CHECKING:
    from foundation_lab.scenario.workloads.workload import Through
    from foundation_lab.simulation.engine import Simulation

Users = Annotated[int, Field(ge=0, le=1_000_000)]


class ClosedLoopSpec(CallingSection):
    """Users who ask, wait for the answer, think, and ask again."""

    kind: Literal["closed_loop"]
    users: Users
    """How many there are at first."""
    think_time: PositiveDuration
    """Seconds from an answer to the next request: a number, or a distribution."""
    stages: list[tuple[NotNegative, Users]] = Field(default_factory=list)
    """Rows of [seconds, users]: within so many seconds their number changes to that one."""

    @field_validator("think_time")
    @classmethod
    def _moves_on(cls, think_time: PositiveDuration) -> PositiveDuration:
        refuse_thoughtless(think_time)
        return think_time

    def build(self, sim: Simulation, client: str, through: Through) -> ClosedLoop:
        """Return the workload."""
        return ClosedLoop(
            sim,
            client,
            users=self.users,
            call=through(self.call, self.facts(sim, client)),
            think_time=distribution(self.think_time),
            stages=self.stages,
            node=self.node,
        )


def refuse_thoughtless(think_time: PositiveDuration) -> None:
    """Refuse a think time that is always 0: whoever is turned away at once asks for ever then.

    Raises:
        ValueError: It is.
    """
    if not takes_time(think_time):
        message = "it is always 0, so that a request that fails at once is sent for ever"
        raise ValueError(f"{message}; give it some time")
