"""Random deeds at random events of queues: nothing is lost, told twice, or told of somebody else.

Each world is drawn from its seed alone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError, InvariantError, ServiceError
from foundation_lab.services import Consumer, Queue
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from foundation_lab.services import Message
    from foundation_lab.telemetry import Record
    from foundation_lab.telemetry.event import Event


class World:
    """Queues and their dead letters, consumers that fail, and somebody who acts in the middle."""

    def __init__(self, seed: int) -> None:
        self.sim = Simulation(seed=seed)
        self.broken: list[str] = []
        self.dice = self.sim.stream("dice")
        self.depth = self.users = 0
        self.letters = self.queue("letters", None)
        self.queues = [
            self.letters,
            self.queue("jobs", self.letters),
            self.queue("mails", self.letters),
            self.queue("other", None),
        ]
        for queue in self.queues:
            Consumer(self.sim, queue.name, queue, self.handle, connection_bound=self.either())
        self.sim.telemetry.attach("hear", "queue", self.hear, on_error="raise")
        self.sim.process(self.act_now_and_then())

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.dice.randrange(len(options))]

    def either(self) -> bool:
        return self.dice.random() < 0.5

    def queue(self, name: str, home: Queue | None) -> Queue:
        return Queue(
            self.sim,
            name,
            capacity=self.pick((None, 1, 3)),
            overflow=self.pick(("reject", "block", "drop_oldest")),
            visibility_timeout=self.pick((None, 1.0)),
            max_deliveries=self.pick((None, 1, 2)),
            ttl=self.pick((None, 2.0)),
            dead_letters=home,
            durable=self.either(),
        )

    def handle(self, _message: Message) -> Generator[Any, Any, None]:
        yield self.pick((0.0, 0.5, 3.0))
        if self.either():
            raise BackendError

    def act_now_and_then(self) -> Generator[Any, Any, None]:
        for _ in range(40):
            yield self.pick((0.0, 0.25, 1.0))
            self.act()

    def act(self) -> None:
        queue: Queue = self.pick(self.queues)
        deeds: tuple[Callable[[], object], ...] = (
            self.offer, self.offer, self.offer, self.redrive, self.redrive, queue.kill,
            queue.stop, queue.pause, queue.resume, self.restart, self.restart,
        )  # fmt: skip
        with suppress(ServiceError, ValueError):  # it is full, down, or busy
            self.pick(deeds)()

    def offer(self) -> None:
        self.users += 1
        with self.sim.telemetry.context(correlation_id=f"user {self.users}"):
            self.pick(self.queues).offer("body", key=self.pick((None, "a")))

    def redrive(self) -> None:
        rate, to = self.pick((None, 1.0)), self.pick((None, self.queues[3]))
        redrive = self.letters.redrive(rate=rate, to=to)
        if self.dice.random() < 0.2:
            redrive.cancel()

    def restart(self) -> None:
        for queue in self.queues:
            if not queue.up:
                queue.restart()

    def hear(self, record: Record) -> None:
        try:
            self.sim.check_invariants()
        except InvariantError as error:
            self.broken.append(f"{record.name}: {error}")
        if self.depth < 3 and self.dice.random() < 0.25:
            self.depth += 1
            self.act()
            self.depth -= 1

    # -- what was told -------------------------------------------------------------------------

    def rows(self, event: type[Event]) -> list[dict[str, Any]]:
        return list(self.sim.recording.frame(event).iter_rows(named=True))

    def told(self, event: type[Event], queue: Queue) -> int:
        return sum(row["service_id"] == queue.name for row in self.rows(event))


ABOUT_MESSAGES: tuple[type[Event], ...] = (
    Queue.Published, Queue.Delivered, Queue.Redelivered, Queue.Expired, Queue.DeadLettered,
    Queue.Dropped, Queue.Redriven,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_in_the_middle_the_events_tell_what_was_done(seed: int) -> None:
    world = World(seed)
    world.sim.run(until=40)
    assert world.broken == []
    for queue in world.queues:
        told = [
            world.told(event, queue)
            for event in (
                Queue.Published, Queue.Acknowledged, Queue.DeadLettered, Queue.Dropped,
                Queue.Redriven,
            )
        ]  # fmt: skip
        assert told == [
            queue.published, queue.acknowledged, queue.dead_lettered, queue.dropped,
            queue.redriven,
        ]  # fmt: skip
    owners: dict[tuple[str, str], set[str | None]] = {}
    for event in ABOUT_MESSAGES:
        for row in world.rows(event):
            name = (row["service_id"], row["message_id"])
            owners.setdefault(name, set()).add(row["correlation_id"])
    assert [name for name, ids in owners.items() if len(ids) != 1] == []
    leads_to = {row["sequence"]: row["cause"] for row in world.rows(Queue.Full)}
    arrived = [leads_to.get(row["cause"], row["cause"]) for row in world.rows(Queue.Published)]
    for event in (Queue.DeadLettered, Queue.Redriven):
        assert [row for row in world.rows(event) if row["sequence"] not in arrived] == []
