"""A consumer: takes messages from a queue, has them handled, and answers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import ServiceDown
from foundation_lab.services.arguments import whole
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.messaging.changes import Changes
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.ability import a_function
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.simulation.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.message_queue import Queue
    from foundation_lab.services.messaging.message import Delivery, Message
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class Consumer(Service):
    """Handles the messages of a queue; several consumers of a queue compete for them.

    The handler runs in a process of the consumer, and its events carry the correlation id of the
    message's publisher. When it comes back, the message is acknowledged; a failure or an
    interrupt gives it back.

    Args:
        sim: The simulation.
        name: The consumer's name, as the queue's events have it.
        queue: Where messages come from.
        handler: Called with each `Message`; returns a generator, an event, or a plain value.
        concurrency: How many messages it handles at the same time.
        prefetch: How many it holds at the same time, handled or not; by default as many as it
            handles.
        reject_on: Which errors make a message a dead letter at once instead of giving it back to
            be tried again: exception types, or a predicate.
        connection_bound: Whether a crash of the consumer gives its messages back at once, as the
            end of a RabbitMQ connection does. Otherwise only the visibility timeout does, as with
            SQS.
    """

    kind: ClassVar[str] = "consumer"

    def __init__(
        self,
        sim: Simulation,
        name: str,
        queue: Queue,
        handler: Callable[[Message], Any],
        *,
        concurrency: int = 1,
        prefetch: int | None = None,
        reject_on: Classifier = (),
        connection_bound: bool = True,
    ) -> None:
        whole("concurrency", concurrency)
        self.prefetch = concurrency if prefetch is None else whole("prefetch", prefetch)
        if self.prefetch < concurrency:
            message = f"prefetch={prefetch!r} is less than concurrency={concurrency!r}"
            raise ValueError(message)
        self.queue = queue
        self.handler = a_function("handler", handler, "give a function of a message")
        self.connection_bound = connection_bound
        self._is_final = classifier("reject_on", reject_on)
        self._hands = Slots(sim, concurrency, f"a hand of consumer {name!r}")
        self._workers: dict[Process, None] = {}
        self._held: dict[Process, Delivery] = {}
        self._handled: dict[Process, None] = {}
        self._changes = Changes(sim)
        super().__init__(sim, name)
        self._go_to_work()

    @property
    def concurrency(self) -> int:
        """How many messages it handles at the same time."""
        return self._hands.capacity

    @property
    def holding(self) -> int:
        """How many messages it holds, handled or not."""
        return len(self._held)

    @property
    def handling(self) -> int:
        """How many messages it handles now."""
        return len(self._handled)

    def health(self) -> Health:
        """Return unhealthy when down, degraded when its queue is."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.HEALTHY if self.queue.up else Health.DEGRADED

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"holding": self.holding, "handling": self.handling}

    def violations(self) -> list[str]:
        """Return every law of consumers that does not hold, in words."""
        broken = self._hands.violations()
        if not self.handling <= self.holding <= self.prefetch:
            broken.append(f"{self.handling} handled of {self.holding} held, {self.prefetch} may be")
        return broken

    def wind_down(self) -> Generator[Any, Any, object] | None:
        """Take no more messages, give back those not begun, and finish the others."""
        idle = [worker for worker in self._workers if worker not in self._handled]
        self._dismiss(idle, give_back=True)
        return self._finish() if self._handled else super().wind_down()

    def on_exit(self, reason: str) -> None:  # noqa: ARG002  (whatever it was)
        """Drop all work; the messages go back at once, or when their time is over."""
        self._dismiss(list(self._workers), give_back=self.connection_bound)

    def on_restart(self) -> None:
        """Begin to take messages again."""
        self._hands = Slots(self.sim, self.concurrency, self._hands.description)
        self._go_to_work()

    # -- private -------------------------------------------------------------------------------

    def _go_to_work(self) -> None:
        for number in range(1, self.prefetch + 1):
            name = self.name if self.prefetch == 1 else f"{self.name}-{number}"
            worker = self.sim.process(self._work(), name=name, daemon=True)
            self._workers[worker] = None

    def _dismiss(self, workers: list[Process], *, give_back: bool) -> None:
        """End workers, each at the latest where it waits next."""
        for worker in workers:
            self.queue.leave(worker)  # before messages come back, which they would get otherwise
            del self._workers[worker]
            self._handled.pop(worker, None)
            if worker.is_alive and worker is not self.sim.active_process:
                worker.defused = True
                worker.throw(_Dismissed())
        for worker in workers:
            delivery = self._held.pop(worker, None)
            if delivery is not None and give_back:
                delivery.give_back()

    def _work(self) -> Generator[Any, Any, None]:
        me, hands = self.sim.running_process("a consumer"), self._hands
        try:
            while me in self._workers and not self.stopping:
                try:
                    delivery = yield from self.queue.receive(self.name)
                except ServiceDown:
                    yield from self.queue.back()
                    continue
                self._held[me] = delivery
                yield from hands.acquire()
                try:
                    self._handled[me] = None
                    with delivery.context():
                        yield from self._handle(me, delivery)
                finally:
                    hands.release()
                    self._let_go(me)
        except _Dismissed:
            return

    def _handle(self, me: Process, delivery: Delivery) -> Generator[Any, Any, None]:
        try:
            yield from invoke(lambda: self.handler(delivery.message))
        except self.sim.endings as error:
            if me in self._workers:
                delivery.nack(requeue=not self._is_final(error), reason=error_name(error))
        else:
            if me in self._workers:
                delivery.ack()

    def _let_go(self, me: Process) -> None:
        if me in self._workers:
            del self._held[me], self._handled[me]
        self._changes.tell()

    def _finish(self) -> Generator[Any, Any, None]:
        what = f"consumer {self.name} to finish its messages"
        yield from self._changes.until(lambda: not self._handled, what)
        if self.stop_time:
            yield self.stop_time


class _Dismissed(BaseException):
    """Ends a worker; no handler may take it for a failure of its own."""
