"""The broker: named queues that live and die together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import UnknownName
from foundation_lab.services.message_queue import Queue
from foundation_lab.services.messaging.changes import Changes
from foundation_lab.services.service import Health, Service

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.messaging.message import Message
    from foundation_lab.simulation.engine import Simulation


class Broker(Service):
    """Has queues, and takes them along when it goes down; they are back when it is.

    Args:
        sim: The simulation.
        name: The broker's name.
    """

    kind: ClassVar[str] = "broker"

    def __init__(self, sim: Simulation, name: str) -> None:
        self.queues: dict[str, Queue] = {}
        self._changes = Changes(sim)
        super().__init__(sim, name)

    def queue(self, name: str, **options: Any) -> Queue:
        """Return a new queue of the broker; the options are those of `Queue`.

        Raises:
            ServiceDown: The broker is down.
            ValueError: There is a queue of this name.
        """
        self.require_up()
        queue = Queue(self.sim, name, **options)
        self.adopt(queue)
        return queue

    def adopt(self, queue: Queue) -> None:
        """Take a queue that was made elsewhere for one of the broker's, from now on."""
        self.queues[queue.name] = queue
        queue.when_it_exits(lambda _reason: self._changes.tell())

    def publish(self, queue: str, body: Any, **options: Any) -> Generator[Any, Any, Message]:
        """Publish a message in a queue (``yield from``); as `Queue.publish`.

        Raises:
            UnknownName: There is no such queue.
            QueueFull: The queue is full and rejects.
            ServiceDown: The queue is down or stopping.
        """
        return self[queue].publish(body, **options)

    def __getitem__(self, name: str) -> Queue:
        """Return a queue by its name.

        Raises:
            UnknownName: There is no such queue.
        """
        if name not in self.queues:
            raise UnknownName.among("queue", name, self.queues)
        return self.queues[name]

    def health(self) -> Health:
        """Return unhealthy when down, degraded when a queue is not healthy."""
        if not self.up:
            return Health.UNHEALTHY
        good = all(queue.health() is Health.HEALTHY for queue in self.queues.values())
        return Health.HEALTHY if good else Health.DEGRADED

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {f"{name}.depth": queue.depth for name, queue in self.queues.items()}

    def wind_down(self) -> Generator[Any, Any, object] | None:
        """Stop all queues, and wait until they are down."""
        for queue in self.queues.values():
            queue.stop()
        return self._all_down() if self._living() else super().wind_down()

    def on_exit(self, reason: str) -> None:
        """Take the queues along."""
        for queue in self.queues.values():
            queue.kill(reason)

    def on_restart(self) -> None:
        """Bring the queues up again, with the messages that they kept."""
        for queue in self.queues.values():
            if not queue.up:
                queue.restart()

    # -- private -------------------------------------------------------------------------------

    def _living(self) -> bool:
        return any(queue.up for queue in self.queues.values())

    def _all_down(self) -> Generator[Any, Any, None]:
        what = f"the queues of broker {self.name} to stop"
        yield from self._changes.until(lambda: not self._living(), what)
        if self.stop_time:
            yield self.stop_time
