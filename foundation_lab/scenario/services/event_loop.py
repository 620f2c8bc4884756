"""An event loop in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.duration_specs import Duration, distribution
from foundation_lab.scenario.section import Positive, Section, Share, Whole
from foundation_lab.scenario.services.service import ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.services.serving.loop_step import Step
    from foundation_lab.simulation.engine import Simulation


class StepSpec(Section):
    """A part of a request: a computation (`cpu`), or a wait for something else (`io`)."""

    cpu: Duration | None = None
    """Seconds that it holds the loop for: a number, or a distribution."""
    io: Duration | None = None
    """Seconds during which the loop is free for others."""

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if (self.cpu is None) == (self.io is None):
            message = "a step is either a cpu or an io; write {cpu: 0.01} or {io: 0.1}"
            raise ValueError(message)
        return self

    def build(self) -> Step:
        """Return the step."""
        if self.cpu is not None:
            return made.Cpu(distribution(self.cpu))
        return made.Io(distribution(0.0 if self.io is None else self.io))


class EventLoopSpec(ServiceSection):
    """A loop that each request holds while it computes, and leaves to others while it waits."""

    stand: ClassVar[Stand] = Stand.END

    kind: Literal["event_loop"]
    steps: Annotated[list[StepSpec], Field(min_length=1)]
    """What a request does, in order: {cpu: seconds} and {io: seconds}."""
    workers: Whole = 1
    """How many threads run the loop's bursts."""
    max_in_flight: Whole | None = None
    """How many requests may be under way; no limit without it."""
    lag_threshold: Positive = 0.1
    """A burst that begins so many seconds after it was ready is told of."""
    error_rate: Share = 0.0
    """The chance that a request fails."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.EventLoop:
        """Return the service."""
        return made.EventLoop(
            sim,
            name,
            steps=[step.build() for step in self.steps],
            workers=self.workers,
            max_in_flight=self.max_in_flight,
            lag_threshold=self.lag_threshold,
            error_rate=self.error_rate,
            health_interval=self.health_interval,
        )
