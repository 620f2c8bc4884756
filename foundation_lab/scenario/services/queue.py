"""A message queue in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foundation_lab import services as made
from foundation_lab.scenario.section import Name, NotNegative, Positive, Whole
from foundation_lab.scenario.services.backoff import AnyBackoff
from foundation_lab.scenario.services.service import Place, ServiceSection, Stand

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from foundation_lab.services.service import Service
    from foundation_lab.simulation.engine import Simulation


class PublishedTo(made.Queue):
    """A queue that a call can end at: a request publishes a message, and is done."""

    def request(self, *, key: str | None = None, priority: int = 0) -> Generator[Any, Any, None]:
        """Publish a message (``yield from``); errors are those of `Queue.publish`.

        Args:
            key: Messages of one key are delivered in order, one at a time.
            priority: Smaller is more urgent, as everywhere in a scenario.
        """
        yield from self.publish(None, key=key, priority=-priority)


class QueueSpec(ServiceSection):
    """Keeps messages until a consumer acknowledges them; a call that ends here publishes one."""

    stand: ClassVar[Stand] = Stand.END
    takes: ClassVar[tuple[str, ...]] = ("key", "priority")

    kind: Literal["queue"]
    capacity: Whole | None = None
    """How many messages may wait or be delayed; no limit without it."""
    overflow: Literal["reject", "block", "drop_oldest"] = "reject"
    """What a full queue does with one more: reject it, block its publisher, or drop the oldest."""
    visibility_timeout: Positive | None = 30.0
    """Seconds that a consumer has to answer before it is delivered again; for ever when null."""
    max_deliveries: Whole | None = None
    """How often a message is delivered at most before it is a dead letter; no limit without it."""
    retry_delay: NotNegative | AnyBackoff = 0.0
    """Seconds until a message that was given back is delivered again: a number, or a backoff."""
    ttl: Positive | None = None
    """Seconds after its publication when a message expires; never without it."""
    dead_letters: Name | None = None
    """The queue for messages that cannot be delivered; they are dropped without it."""
    durable: bool = True
    """Whether messages outlive a crash of the queue."""

    def parts(self) -> Iterator[tuple[Place, str]]:
        """Yield the queue of dead letters."""
        if self.dead_letters is not None:
            yield ("dead_letters",), self.dead_letters

    def unfit(self, part: str, spec: ServiceSection) -> str | None:
        """Refuse what is no queue."""
        if spec.tag() == "queue":
            return None
        return f"dead letters go to a queue, and {part!r} is a {spec.tag()}"

    def build(self, sim: Simulation, name: str, services: Mapping[str, Service]) -> made.Queue:
        """Return the service."""
        dead: Any = None if self.dead_letters is None else services[self.dead_letters]
        delay = self.retry_delay
        return PublishedTo(
            sim,
            name,
            capacity=self.capacity,
            overflow=self.overflow,
            visibility_timeout=self.visibility_timeout,
            max_deliveries=self.max_deliveries,
            retry_delay=delay if isinstance(delay, float | int) else delay.build(),
            ttl=self.ttl,
            dead_letters=dead,
            durable=self.durable,
        )
