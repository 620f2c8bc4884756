"""Consumers: handling, answering, crashing, stopping."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, QueueFull, ServiceDown, TimedOut
from foundation_lab.services import (
    Backend,
    Broker,
    Child,
    Consumer,
    Health,
    Queue,
    Supervisor,
    Timeout,
    exponential_backoff,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workload import request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from foundation_lab.services import Message


def work(seconds: float) -> Callable[[Message], float]:
    """Return a handler that takes its time."""

    def handle(_message: Message) -> Generator[Any, Any, None]:
        yield seconds

    return handle  # type: ignore[return-value]


def offer(queue: Queue, *bodies: Any, **options: Any) -> None:
    for body in bodies:
        queue.offer(body, **options)


def times(sim: Simulation, event: Any, *columns: str) -> list[tuple[Any, ...]]:
    return sim.recording.frame(event).select("time", *columns).rows()


# -- handling ----------------------------------------------------------------------------------


def test_messages_are_handled_and_acknowledged() -> None:
    sim = Simulation(seed=1)
    queue = Queue(sim, "jobs")
    Consumer(sim, "worker", queue, work(2))
    offer(queue, "a", "b")
    sim.run_to_completion()
    assert times(sim, Queue.Acknowledged, "message_id", "consumer") == [
        (2.0, "jobs-1", "worker"),
        (4.0, "jobs-2", "worker"),
    ]
    sim.check_invariants()


def test_consumers_compete_and_each_handles_as_many_as_it_has_hands() -> None:
    sim = Simulation(seed=2)
    queue = Queue(sim, "jobs")
    Consumer(sim, "one", queue, work(2), concurrency=2)
    Consumer(sim, "two", queue, work(3))
    offer(queue, *range(5))
    sim.run()
    done = times(sim, Queue.Acknowledged, "consumer")
    assert done == [(2.0, "one"), (2.0, "one"), (3.0, "two"), (4.0, "one"), (4.0, "one")]


def test_a_handler_may_return_at_once_or_an_event() -> None:
    sim = Simulation(seed=3)
    queue = Queue(sim, "jobs")
    Consumer(sim, "worker", queue, lambda m: sim.timeout(3) if m.body else None)
    offer(queue, 0, 1)
    sim.run()
    assert [time for time, *_ in times(sim, Queue.Acknowledged)] == [0.0, 3.0]


def test_prefetched_messages_are_out_of_reach_for_others() -> None:
    sim = Simulation(seed=4)
    queue = Queue(sim, "jobs")
    slow = Consumer(sim, "slow", queue, work(10), prefetch=3)
    Consumer(sim, "fast", queue, work(1))
    offer(queue, *range(4))
    sim.run(until=5)
    assert (slow.holding, slow.handling) == (3, 1)
    assert slow.metrics() == {"holding": 3, "handling": 1}
    sim.run()
    done = [
        time for time, consumer in times(sim, Queue.Acknowledged, "consumer") if consumer == "slow"
    ]
    assert done == [10.0, 20.0, 30.0]
    sim.check_invariants()


def test_the_visibility_timeout_runs_while_a_message_is_only_prefetched() -> None:
    sim = Simulation(seed=5)
    queue = Queue(sim, "jobs", visibility_timeout=15)
    Consumer(sim, "slow", queue, work(10), prefetch=2)
    offer(queue, "a", "b")
    sim.run(until=100)
    assert len(times(sim, Queue.Late)) == 1
    assert queue.acknowledged == 2


def test_a_failure_gives_the_message_back_and_a_final_one_makes_it_a_dead_letter() -> None:
    sim = Simulation(seed=6)
    bin_ = Queue(sim, "bin")
    queue = Queue(sim, "jobs", dead_letters=bin_, max_deliveries=3)

    def handle(message: Message) -> None:
        if message.body == "broken":
            raise BackendError
        if message.body == "slow":
            raise TimedOut

    Consumer(sim, "worker", queue, handle, reject_on=BackendError)
    offer(queue, "broken", "slow", "fine")
    sim.run()
    rejected = times(sim, Queue.Rejected, "message_id", "reason", "requeue")
    assert [row[1:] for row in rejected] == [
        ("jobs-1", "BackendError", False),
        ("jobs-2", "TimedOut", True),
        ("jobs-2", "TimedOut", True),
        ("jobs-2", "TimedOut", True),
    ]
    letters = times(sim, Queue.DeadLettered, "message_id", "reason")
    assert [row[1:] for row in letters] == [("jobs-1", "rejected"), ("jobs-2", "delivery_limit")]
    assert queue.acknowledged == 1


def test_an_interrupt_of_the_handler_gives_the_message_back() -> None:
    sim = Simulation(seed=7)
    queue = Queue(sim, "jobs")
    handlers: list[Any] = []

    def handle(_message: Message) -> Generator[Any, Any, None]:
        handlers.append(sim.active_process)
        yield 5

    Consumer(sim, "worker", queue, handle, reject_on=Exception)
    offer(queue, "a")
    sim.call_at(2, lambda: [each.interrupt() for each in handlers])
    sim.run()
    assert times(sim, Queue.Rejected, "reason", "requeue") == [(2.0, "Interrupt", True)]
    assert times(sim, Queue.Acknowledged) == [(7.0,)]


def test_a_bug_in_a_handler_comes_through() -> None:
    sim = Simulation(seed=8)
    queue = Queue(sim, "jobs")
    Consumer(sim, "worker", queue, lambda _: 1 / 0)
    offer(queue, "a")
    with pytest.raises(ZeroDivisionError):
        sim.run()


def test_what_a_handler_does_carries_the_correlation_id_of_the_publisher() -> None:
    sim = Simulation(seed=9)
    queue = Queue(sim, "jobs")
    db = Backend(sim, "db", service_time=1)
    Consumer(sim, "worker", queue, lambda _: db.request(), concurrency=2)
    for name in ("one", "two", "three"):
        with sim.telemetry.context(correlation_id=name):
            sim.process(request(sim, name, lambda: queue.publish("a")))
    offer(queue, "without")
    sim.run()
    events = sim.recording.events
    served = events.filter(pl.col("event") == "foundation.backend.served")
    delivered = events.filter(pl.col("event") == "foundation.queue.delivered")
    assert set(served["correlation_id"]) == {"one", "two", "three", None}
    causes = dict(zip(served["correlation_id"], served["cause"], strict=True))
    sequences = dict(zip(delivered["correlation_id"], delivered["sequence"], strict=True))
    assert causes == sequences
    acknowledged = events.filter(pl.col("event") == "foundation.queue.acknowledged")
    assert acknowledged["cause"].to_list() == served["sequence"].to_list()


# -- crashes and stops -------------------------------------------------------------------------


@pytest.mark.parametrize(("bound", "again"), [(True, 2.0), (False, 10.0)])
def test_a_crash_gives_the_messages_back_at_once_or_after_the_visibility_timeout(
    *, bound: bool, again: float
) -> None:
    sim = Simulation(seed=10)
    queue = Queue(sim, "jobs", visibility_timeout=10)
    first = Consumer(sim, "first", queue, work(5), prefetch=2, connection_bound=bound)
    offer(queue, "a", "b")
    sim.call_at(1, lambda: Consumer(sim, "second", queue, work(1)))
    sim.call_at(2, first.kill)
    sim.run()
    assert times(sim, Queue.Redelivered, "message_id") == [(again, "jobs-1"), (again, "jobs-2")]
    assert [row[0] for row in times(sim, Queue.Acknowledged)] == [again + 1, again + 2]
    assert (first.holding, first.handling) == (0, 0)
    sim.check_invariants()


def test_messages_of_a_consumer_that_crashes_do_not_go_to_it_once_more() -> None:
    sim = Simulation(seed=11)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(5), concurrency=3)
    offer(queue, "a")

    def crash() -> Generator[Any, Any, None]:
        yield 1
        consumer.kill()  # from within a process: its workers end a little later

    sim.process(crash())
    sim.run()
    assert (queue.waiting, queue.in_flight) == (1, 0)
    assert len(times(sim, Queue.Delivered)) == 1


def test_a_supervised_consumer_comes_back_and_goes_on() -> None:
    sim = Simulation(seed=12)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(3))
    Supervisor(sim, "root", [consumer], restart_delay=1)
    offer(queue, "a", "b")
    sim.call_at(2, consumer.kill)
    sim.run()
    assert [row[0] for row in times(sim, Queue.Acknowledged)] == [6.0, 9.0]
    assert consumer.up


def test_a_handler_may_end_its_own_consumer_and_does_not_answer_then() -> None:
    sim = Simulation(seed=13)
    queue = Queue(sim, "jobs")

    def handle(message: Message) -> Generator[Any, Any, None]:
        if message.deliveries == 1:
            consumer.kill()
            consumer.restart()
            yield 1
            raise BackendError
        yield 2

    consumer = Consumer(sim, "worker", queue, handle)
    offer(queue, "a")
    sim.run()
    assert times(sim, Queue.Delivered, "delivery") == [(0.0, 1), (0.0, 2)]
    assert times(sim, Queue.Acknowledged) == [(2.0,)]
    assert times(sim, Queue.Rejected) == []
    sim.check_invariants()


def test_an_orderly_stop_finishes_what_was_begun_and_gives_the_rest_back() -> None:
    sim = Simulation(seed=14)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(4), prefetch=3)
    root = Supervisor(sim, "root", [Child(consumer, shutdown=10)])
    offer(queue, "a", "b", "c", "d")
    sim.call_at(1, root.stop)
    sim.run()
    assert times(sim, Queue.Acknowledged) == [(4.0,)]
    assert times(sim, Consumer.Stopped, "service") == [(4.0, "worker"), (4.0, "root")]
    assert queue.waiting == 3
    sim.check_invariants()


def test_hands_that_come_free_during_a_stop_take_nothing_more() -> None:
    sim = Simulation(seed=21)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, lambda m: sim.sleep(m.body), concurrency=2)
    offer(queue, 2, 5, 1)
    sim.call_at(1, consumer.stop)
    sim.run()
    assert [time for time, *_ in times(sim, Queue.Acknowledged)] == [2.0, 5.0]
    assert queue.waiting == 1


def test_a_stop_that_takes_too_long_is_cut_short_by_the_supervisor() -> None:
    sim = Simulation(seed=15)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(40))
    root = Supervisor(sim, "root", [Child(consumer, shutdown=10)])
    offer(queue, "a")
    sim.call_at(1, root.stop)
    sim.run()
    assert times(sim, Supervisor.ChildTerminated, "forced", "duration") == [(11.0, True, 10.0)]
    assert (queue.waiting, queue.in_flight, sim.now) == (1, 0, 11)


def test_a_consumer_with_nothing_to_do_stops_at_once() -> None:
    sim = Simulation(seed=16)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(1), concurrency=2)
    sim.run()
    consumer.stop()
    assert not consumer.up
    offer(queue, "a")
    sim.run()
    assert queue.waiting == 1
    consumer.restart()
    sim.run()
    assert queue.acknowledged == 1


def test_consumers_wait_for_a_queue_that_is_down() -> None:
    sim = Simulation(seed=17)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(3), concurrency=2)
    offer(queue, "a")
    sim.call_at(1, queue.kill)
    sim.call_at(2, lambda: seen.append(consumer.health()))
    sim.call_at(9, queue.restart)
    seen: list[Health] = []
    sim.run()
    assert seen == [Health.DEGRADED]
    assert len(times(sim, Queue.Late)) == 1
    assert times(sim, Queue.Acknowledged) == [(12.0,)]
    sim.check_invariants()


def test_prefetch_covers_the_hands() -> None:
    sim = Simulation(seed=18)
    queue = Queue(sim, "jobs")
    with pytest.raises(ValueError, match="prefetch=1 is less than concurrency=2"):
        Consumer(sim, "worker", queue, work(1), concurrency=2, prefetch=1)


def test_a_timeout_around_a_handler_gives_the_message_back() -> None:
    sim = Simulation(seed=19)
    queue = Queue(sim, "jobs", max_deliveries=2, retry_delay=1)
    limit = Timeout(sim, "limit", 2)
    Consumer(sim, "worker", queue, lambda m: limit.call(lambda: work(5)(m)))
    offer(queue, "a")
    sim.run()
    assert times(sim, Queue.Rejected, "reason") == [(2.0, "TimedOut"), (5.0, "TimedOut")]
    assert queue.dropped == 1


def test_a_stop_time_comes_after_what_was_to_be_finished() -> None:
    sim = Simulation(seed=22)
    broker = Broker(sim, "broker")
    queue = broker.queue("jobs")
    consumer = Consumer(sim, "worker", queue, work(3))
    broker.stop_time, queue.stop_time, consumer.stop_time = 1, 2, 4
    offer(queue, "a")
    sim.call_at(1, broker.stop)
    sim.call_at(1, consumer.stop)
    sim.run()
    ends = times(sim, Queue.Stopped, "service")
    assert ends == [(5.0, "jobs"), (6.0, "broker"), (7.0, "worker")]
    assert [s.health() for s in (queue, broker, consumer)] == [Health.UNHEALTHY] * 3


def test_a_crash_in_the_middle_of_a_stop_is_a_crash() -> None:
    sim = Simulation(seed=23)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(9))
    offer(queue, "a")
    sim.call_at(1, consumer.stop)
    sim.call_at(2, consumer.kill)
    sim.call_at(3, consumer.restart)
    sim.run()
    assert times(sim, Queue.Stopped, "reason") == [(2.0, "killed")]
    assert times(sim, Queue.Acknowledged) == [(12.0,)]
    assert not consumer.stopping


def test_broken_books_are_found() -> None:
    sim = Simulation(seed=24)
    queue = Queue(sim, "jobs")
    consumer = Consumer(sim, "worker", queue, work(9))
    sim.run()
    queue.deliveries.acknowledged += 1
    assert queue.violations() == ["0 published, 1 ended, 0 kept"]
    assert queue.metrics() == {"waiting": 0, "delayed": 0, "in_flight": 0}
    consumer.prefetch = -1
    assert consumer.violations() == ["0 handled of 0 held, -1 may be"]


# -- laws --------------------------------------------------------------------------------------

ACTIONS = st.tuples(
    st.integers(0, 40),
    st.sampled_from(
        ["publish"] * 6
        + ["kill queue", "restart queue", "stop queue"]
        + ["kill one", "restart one", "stop two", "restart two"]
        + ["pause", "resume", "interrupt", "redrive"]
    ),
    st.sampled_from([None, "a", "b"]),
    st.integers(0, 2),
)


def run(  # noqa: C901  (an operator who does all kinds of things)
    actions: Sequence[tuple[int, str, str | None, int]], options: dict[str, Any], *, bound: bool
) -> Simulation:
    """Run two consumers, publishers and their operator."""
    sim = Simulation(seed=20)
    bin_ = Queue(sim, "bin", capacity=3)
    queue = Queue(sim, "jobs", dead_letters=bin_, **options)
    luck = sim.stream("test.luck")
    handled: dict[str, int] = {}

    def handle(message: Message) -> Generator[Any, Any, None]:
        if message.key is not None:
            handled[message.key] = handled.get(message.key, 0) + 1
        yield luck.randrange(5)
        if luck.random() < 0.3:
            raise BackendError

    consumers = {
        "one": Consumer(sim, "one", queue, handle, prefetch=3, connection_bound=bound),
        "two": Consumer(
            sim, "two", queue, handle, concurrency=2, reject_on=lambda _: luck.random() < 0.3
        ),
    }
    services: dict[str, Any] = {"queue": queue, **consumers}
    publishers = []

    def publisher(key: str | None, number: int) -> Generator[Any, Any, None]:
        try:
            yield from queue.publish(number, key=key, priority=number, delay=number)
        except (QueueFull, ServiceDown, simpy.Interrupt):
            return

    def act(action: str, key: str | None, number: int) -> None:
        verb, _, name = action.partition(" ")
        if verb == "publish":
            publishers.append(sim.process(publisher(key, number)))
        elif verb == "interrupt":
            living = [p for p in publishers if p.is_alive]
            if living:
                living[0].interrupt()
        elif verb == "redrive":
            with suppress(ValueError):  # one at a time
                bin_.redrive(rate=number or None)
        elif verb in {"pause", "resume"}:
            getattr(queue, verb)()
        elif verb != "restart" or not services[name].up:
            getattr(services[name], verb)()

    for time, *what in actions:
        sim.call_at(time, lambda what=what: act(*what))  # type: ignore[misc]
    for time in range(60):
        sim.call_at(time, sim.check_invariants)
    sim.run(until=60)
    for service in services.values():
        if not service.up:
            service.restart()
    queue.resume()
    sim.run(until=2000)
    sim.check_invariants()
    return sim


@settings(max_examples=120)
@given(
    actions=st.lists(ACTIONS, max_size=40),
    options=st.fixed_dictionaries(
        {
            "capacity": st.sampled_from([None, 1, 3]),
            "overflow": st.sampled_from(["reject", "block", "drop_oldest"]),
            "visibility_timeout": st.sampled_from([2, 3, 30]),
            "max_deliveries": st.sampled_from([1, 3, 8]),
            "retry_delay": st.sampled_from([0, 2, exponential_backoff(1, cap=5)]),
            "ttl": st.sampled_from([None, 4]),
            "durable": st.booleans(),
        }
    ),
    bound=st.booleans(),
)
def test_every_message_ends_once_whatever_happens(
    actions: list[tuple[int, str, str | None, int]], options: dict[str, Any], *, bound: bool
) -> None:
    sim = run(actions, options, bound=bound)
    queue: Any = sim.components["queue", "jobs"]
    assert queue.depth == 0
    published = sim.recording.frame(Queue.Published).filter(pl.col("service_id") == "jobs")
    ends = [
        message_id
        for cls in (Queue.Acknowledged, Queue.DeadLettered, Queue.Dropped)
        for service_id, message_id in sim.recording.frame(cls)
        .select("service_id", "message_id")
        .rows()
        if service_id == "jobs"
    ]
    assert sorted(ends) == sorted(published["message_id"])
    delivered = sim.recording.frame(Queue.Delivered)
    assert delivered["delivery"].max() in range(1, options["max_deliveries"] + 1) or not len(
        delivered
    )


def test_the_same_seed_makes_the_same_recording() -> None:
    actions = [(t, "publish", "ab"[t % 2], t % 3) for t in range(30)] + [
        (7, "kill queue", None, 0),
        (9, "restart queue", None, 0),
        (12, "kill one", None, 0),
    ]
    options = {"visibility_timeout": 3, "max_deliveries": 4}
    first, second = (run(actions, options, bound=True).recording.digest for _ in range(2))
    assert first == second
