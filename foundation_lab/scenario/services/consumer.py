"""A consumer of a message queue in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from foundation_lab import services as made
from foundation_lab.scenario.calls import route
from foundation_lab.scenario.section import Name, Whole
from foundation_lab.scenario.services.error_names import ErrorName, error_types
from foundation_lab.scenario.services.service import Parts, Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.services.messaging.message import Message
    from foundation_lab.simulation.engine import Simulation


class ConsumerSpec(ServiceSection):
    """Takes messages from a queue, and has each handled by a call."""

    stand: ClassVar[Stand] = Stand.BESIDE

    kind: Literal["consumer"]
    queue: Name
    """The queue."""
    call: Annotated[list[Name], Field(min_length=1)]
    """The services that a message goes through, from the outside in; the last one answers."""
    concurrency: Whole = 1
    """How many messages it handles at the same time."""
    prefetch: Whole | None = None
    """How many it holds at the same time, handled or not; as many as it handles without it."""
    reject_on: list[ErrorName] = Field(default_factory=list)
    """Which errors make a message a dead letter at once, instead of being tried again."""
    connection_bound: bool = True
    """Whether a crash gives its messages back at once; otherwise the visibility timeout does."""

    @model_validator(mode="after")
    def _holds_what_it_handles(self) -> Self:
        if self.prefetch is not None and self.prefetch < self.concurrency:
            message = f"prefetch ({self.prefetch}) is below concurrency ({self.concurrency})"
            raise ValueError(f"{message}; give at least as much, or leave it out")
        return self

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield its queue, and what handles messages."""
        yield ("queue",), self.queue
        for number, name in enumerate(self.call):
            yield ("call", number), name

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Refuse to consume what is no queue; calls are looked at as those of workloads are."""
        if part != self.queue or spec.tag() == "queue":
            return None
        return f"a consumer takes messages from a queue, and {part!r} is a {spec.tag()}"

    def build(self, sim: Simulation, name: str, services: Parts) -> made.Consumer:
        """Return the service."""
        queue: Any = services[self.queue]
        make = route(self.call, services.specs, services)

        def handle(message: Message) -> Any:
            known: dict[str, Any] = {"priority": -message.priority}
            if message.key is not None:
                known["key"] = message.key
            return make(known)()

        return made.Consumer(
            sim,
            name,
            queue,
            handle,
            concurrency=self.concurrency,
            prefetch=self.prefetch,
            reject_on=error_types(self.reject_on),
            connection_bound=self.connection_bound,
        )
