"""Queues and what becomes of their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import simpy

from foundation_lab.errors import QueueFull, ServiceDown, UnknownName
from foundation_lab.services import (
    Broker,
    Delivery,
    Health,
    Queue,
    exponential_backoff,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process
    from foundation_lab.telemetry.event import Event


def take(
    sim: Simulation,
    queue: Queue,
    work: float = 0.0,
    answer: Callable[[Delivery], object] = Delivery.ack,
    times: int = 10**6,
) -> Process:
    """Start a process that takes messages, and notes when it got which."""
    log: list[tuple[float, Any]] = []

    def taker() -> Generator[Any, Any, list[tuple[float, Any]]]:
        for _ in range(times):
            delivery = yield from queue.receive()
            log.append((sim.now, delivery.message.body))
            yield work
            answer(delivery)
        return log

    process = sim.process(taker(), name="taker", daemon=True)
    process.log = log  # type: ignore[attr-defined]
    return process


def got(process: Process) -> list[tuple[float, Any]]:
    return process.log  # type: ignore[attr-defined, no-any-return]


def rows(sim: Simulation, event: type[Event], *columns: str) -> list[tuple[Any, ...]]:
    return sim.recording.frame(event).select("time", *columns).rows()


def totals(queue: Queue) -> tuple[int, ...]:
    return queue.published, queue.acknowledged, queue.dead_lettered, queue.dropped, queue.depth


# -- delivering --------------------------------------------------------------------------------


def test_messages_are_delivered_in_order_and_forgotten_when_acknowledged() -> None:
    sim = Simulation(seed=1)
    queue = Queue(sim, "jobs")
    for body in "abc":
        queue.offer(body)
    taker = take(sim, queue, work=2)
    sim.run()
    assert got(taker) == [(0, "a"), (2, "b"), (4, "c")]
    assert totals(queue) == (3, 3, 0, 0, 0)
    waits = rows(sim, Queue.Delivered, "message_id", "consumer", "delivery", "wait", "age")
    assert waits[2] == (4.0, "jobs-3", "taker", 1, 4.0, 4.0)
    ends = rows(sim, Queue.Acknowledged, "message_id", "consumer", "duration", "age")
    assert ends[2] == (6.0, "jobs-3", "taker", 2.0, 6.0)
    sim.check_invariants()


def test_a_publisher_that_need_not_wait_goes_on_at_once() -> None:
    sim = Simulation(seed=2)
    queue = Queue(sim, "jobs")

    def publisher() -> Generator[Any, Any, Any]:
        yield 1
        message = yield from queue.publish("a", priority=3)
        return sim.now, message.message_id, message.priority

    process = sim.process(publisher())
    sim.run()
    assert process.value == (1, "jobs-1", 3)
    published = rows(sim, Queue.Published, "message_id", "key", "delay", "wait", "depth")
    assert published == [(1.0, "jobs-1", None, 0.0, 0.0, 1)]


def test_who_has_waited_longest_gets_the_next_message() -> None:
    sim = Simulation(seed=3)
    queue = Queue(sim, "jobs")
    first, second = take(sim, queue, work=1), take(sim, queue, work=1)
    for time in range(1, 5):
        sim.call_at(time, lambda time=time: queue.offer(time))  # type: ignore[misc]
    sim.run()
    assert got(first) == [(1, 1), (3, 3)]
    assert got(second) == [(2, 2), (4, 4)]


def test_a_delayed_message_comes_when_its_delay_is_over() -> None:
    sim = Simulation(seed=4)
    queue = Queue(sim, "jobs")
    queue.offer("later", delay=5)
    queue.offer("now")
    assert (queue.delayed, queue.waiting) == (1, 1)
    taker = take(sim, queue)
    sim.run()
    assert got(taker) == [(0, "now"), (5, "later")]
    assert rows(sim, Queue.Delivered, "wait", "age")[1] == (5.0, 0.0, 5.0)


def test_of_one_key_one_message_is_out_at_a_time() -> None:
    sim = Simulation(seed=5)
    queue = Queue(sim, "jobs")
    takers = [take(sim, queue, work=2) for _ in range(3)]
    for body, key in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("x", None)):
        queue.offer(body, key=key)
    sim.run(until=1)
    sim.check_invariants()
    sim.run()
    log = sorted(entry for taker in takers for entry in got(taker))
    assert log == [(0, "a1"), (0, "b1"), (0, "x"), (2, "a2")]


def test_a_message_that_is_tried_again_later_holds_up_those_of_its_key_and_no_others() -> None:
    sim = Simulation(seed=6)
    queue = Queue(sim, "jobs", retry_delay=3)
    failures = iter([True])
    takers = [
        take(sim, queue, 1, lambda d: d.nack() if next(failures, False) else d.ack())
        for _ in range(2)
    ]
    for body, key in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")):
        queue.offer(body, key=key)
    sim.run()
    log = sorted(entry for taker in takers for entry in got(taker))
    assert log == [(0, "a1"), (0, "b1"), (1, "b2"), (4, "a1"), (5, "a2")]


def test_a_paused_queue_takes_messages_and_delivers_none() -> None:
    sim = Simulation(seed=7)
    queue = Queue(sim, "jobs")
    taker = take(sim, queue)
    queue.pause()
    queue.offer("a")
    assert (queue.status, queue.health()) == ("paused", Health.DEGRADED)
    sim.call_at(3, queue.resume)
    sim.run()
    assert got(taker) == [(3, "a")]
    assert rows(sim, Queue.Paused, "depth") == [(0.0, 0)]
    assert rows(sim, Queue.Resumed, "depth") == [(3.0, 1)]


def test_whoever_drains_a_queue_waits_until_it_keeps_nothing() -> None:
    sim = Simulation(seed=8)
    queue = Queue(sim, "jobs")
    queue.offer("a")
    queue.offer("b", delay=4)
    take(sim, queue, work=2)

    def operator() -> Generator[Any, Any, float]:
        yield from queue.drain()
        return float(sim.now)

    process = sim.process(operator())
    sim.run()
    assert process.value == 6


# -- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "deliveries"), [(9.9, 1), (10.0, 1), (10.1, 2)], ids=["before", "at", "after"]
)
def test_an_answer_at_the_very_end_of_the_visibility_timeout_is_in_time(
    work: float, deliveries: int
) -> None:
    sim = Simulation(seed=9)
    queue = Queue(sim, "jobs", visibility_timeout=10)
    queue.offer("a")
    take(sim, queue, work, times=1)
    second = take(sim, queue)
    sim.run()
    assert got(second) == [(10, "a")] * (deliveries - 1)
    assert totals(queue) == (1, 1, 0, 0, 0)
    late = rows(sim, Queue.Late, "consumer", "duration")
    assert late == ([] if deliveries == 1 else [(10.1, "taker", 10.1)])
    again = rows(sim, Queue.Redelivered, "reason", "deliveries", "delay")
    assert again == ([] if deliveries == 1 else [(10.0, "visibility_timeout", 1, 0.0)])


def test_an_answer_from_an_earlier_delivery_does_not_end_a_later_one() -> None:
    sim = Simulation(seed=10)
    queue = Queue(sim, "jobs", visibility_timeout=5)
    queue.offer("a")
    answers: list[bool] = []
    take(sim, queue, 7, lambda d: answers.append(d.ack()), times=1)
    take(sim, queue, 4, lambda d: answers.append(d.nack(requeue=False)), times=1)
    sim.run()
    assert answers == [False, True]
    assert totals(queue) == (1, 0, 0, 1, 0)


def test_the_visibility_timeout_can_be_extended() -> None:
    sim = Simulation(seed=11)
    queue = Queue(sim, "jobs", visibility_timeout=5)
    queue.offer("a")

    def worker() -> Generator[Any, Any, list[bool]]:
        delivery = yield from queue.receive()
        yield 4
        kept = [delivery.extend(5)]
        yield 4
        kept.append(delivery.is_current)
        yield 2
        return [*kept, delivery.extend(5)]

    process = sim.process(worker())
    sim.run()
    assert process.value == [True, True, False]
    assert rows(sim, Queue.Redelivered) == [(9.0,)]


def test_without_a_visibility_timeout_a_message_stays_out() -> None:
    sim = Simulation(seed=12)
    queue = Queue(sim, "jobs", visibility_timeout=None)
    queue.offer("a")
    take(sim, queue, work=10**6)
    sim.run(until=10**5)
    assert queue.in_flight == 1


def test_a_message_that_is_given_back_stands_where_it_stood() -> None:
    sim = Simulation(seed=13)
    queue = Queue(sim, "jobs")
    for body in "abc":
        queue.offer(body)
    failures = iter([True])
    taker = take(sim, queue, 1, lambda d: d.nack() if next(failures, False) else d.ack())
    sim.run()
    assert [body for _, body in got(taker)] == ["a", "a", "b", "c"]
    rejected = rows(sim, Queue.Rejected, "message_id", "reason", "requeue", "duration")
    assert rejected == [(1.0, "jobs-1", "nack", True, 1.0)]


def test_a_retry_delay_grows_with_the_deliveries_of_a_message() -> None:
    sim = Simulation(seed=14)
    queue = Queue(sim, "jobs", retry_delay=exponential_backoff(1), max_deliveries=4)
    queue.offer("a")
    taker = take(sim, queue, answer=lambda d: d.nack())
    sim.run()
    assert got(taker) == [(0, "a"), (1, "a"), (3, "a"), (7, "a")]
    assert rows(sim, Queue.Dropped, "reason", "deliveries") == [(7.0, "delivery_limit", 4)]


def test_an_answer_may_say_itself_when_to_try_again() -> None:
    sim = Simulation(seed=15)
    queue = Queue(sim, "jobs", retry_delay=1)
    queue.offer("a")
    taker = take(sim, queue, answer=lambda d: d.nack(delay=6) if d.number == 1 else d.ack())
    sim.run()
    assert got(taker) == [(0, "a"), (6, "a")]


# -- dead letters ------------------------------------------------------------------------------


def test_dead_letters_tell_where_they_come_from_and_why() -> None:
    sim = Simulation(seed=16)
    bin_ = Queue(sim, "bin")
    middle = Queue(sim, "middle", dead_letters=bin_, ttl=5)
    first = Queue(sim, "first", dead_letters=middle, max_deliveries=2)
    first.offer("a", key="k", priority=2)
    take(sim, first, answer=lambda d: d.nack())
    taker = take(sim, bin_)
    sim.run()
    assert got(taker) == [(5, "a")]
    assert rows(sim, Queue.DeadLettered, "service_id", "message_id", "reason", "to") == [
        (0.0, "first", "first-1", "delivery_limit", "middle"),
        (5.0, "middle", "middle-1", "expired", "bin"),
    ]
    assert [totals(q) for q in (first, middle, bin_)] == [
        (1, 0, 1, 0, 0),
        (1, 0, 1, 0, 0),
        (1, 1, 0, 0, 0),
    ]


def test_the_history_of_a_dead_letter_goes_with_it() -> None:
    sim = Simulation(seed=17)
    bin_ = Queue(sim, "bin")
    jobs = Queue(sim, "jobs", dead_letters=bin_)
    jobs.offer("a", key="k", priority=2)
    take(sim, jobs, answer=lambda d: d.nack(requeue=False))
    letters: list[Any] = []
    take(sim, bin_, answer=lambda d: letters.append(d.message))
    sim.run(until=1)
    assert [(m.history, m.key, m.priority, m.deliveries) for m in letters] == [
        ((("jobs", "rejected"),), "k", 2, 1)
    ]


def test_a_letter_for_which_there_is_no_room_is_dropped() -> None:
    sim = Simulation(seed=18)
    bin_ = Queue(sim, "bin", capacity=1)
    jobs = Queue(sim, "jobs", dead_letters=bin_)
    for body in "ab":
        jobs.offer(body)
    take(sim, jobs, answer=lambda d: d.nack(requeue=False))
    sim.run()
    assert totals(jobs) == (2, 0, 1, 1, 0)
    bin_.kill()
    jobs.offer("c")
    sim.run()
    assert totals(jobs) == (3, 0, 1, 2, 0)
    sim.check_invariants()


@pytest.mark.parametrize(("time", "delivered"), [(4.9, True), (5.0, False), (5.1, False)])
def test_a_message_expires_at_exactly_the_end_of_its_time_to_live(
    time: float, *, delivered: bool
) -> None:
    sim = Simulation(seed=19)
    queue = Queue(sim, "jobs", ttl=9)
    takers: list[Process] = []
    sim.call_at(time, lambda: takers.append(take(sim, queue)))  # before the message's own timer
    queue.offer("a", ttl=5)
    sim.run()
    assert got(takers[0]) == [(4.9, "a")] * delivered
    assert rows(sim, Queue.Expired, "age") == [(5.0, 5.0)] * (not delivered)
    assert totals(queue) == (1, int(delivered), 0, int(not delivered), 0)


def test_a_message_in_flight_does_not_expire_but_does_when_it_comes_back() -> None:
    sim = Simulation(seed=20)
    queue = Queue(sim, "jobs", ttl=5)
    queue.offer("a")
    queue.offer("b")
    take(sim, queue, 6, Delivery.ack, times=1)
    take(sim, queue, 6, Delivery.nack, times=1)
    sim.run()
    assert totals(queue) == (2, 1, 0, 1, 0)
    assert rows(sim, Queue.Expired, "message_id", "deliveries") == [(6.0, "jobs-2", 1)]


def test_a_delayed_message_expires_too_and_frees_its_key() -> None:
    sim = Simulation(seed=21)
    queue = Queue(sim, "jobs", retry_delay=10)
    queue.offer("a", key="k", ttl=4)
    queue.offer("b", key="k")
    taker = take(sim, queue, 1, lambda d: d.nack() if d.message.body == "a" else d.ack())
    sim.run()
    assert got(taker) == [(0, "a"), (4, "b")]
    queue.offer("c", delay=3, ttl=2)
    sim.run()
    assert totals(queue) == (3, 1, 0, 2, 0)


# -- capacity ----------------------------------------------------------------------------------


def test_a_full_queue_turns_messages_away() -> None:
    sim = Simulation(seed=22)
    queue = Queue(sim, "jobs", capacity=2)
    queue.offer("a")
    queue.offer("b", delay=1)
    assert queue.health() is Health.DEGRADED
    with pytest.raises(QueueFull, match=r"queue 'jobs' is full \(2 messages\)"):
        queue.offer("c")
    take(sim, queue, work=5, times=1)
    sim.run(until=0.5)
    queue.offer("d")  # one in flight takes no room
    assert rows(sim, Queue.Full, "overflow", "capacity") == [(0.0, "reject", 2)]
    assert queue.published == 3


def test_a_full_queue_drops_its_oldest_message() -> None:
    sim = Simulation(seed=23)
    bin_ = Queue(sim, "bin")
    queue = Queue(sim, "jobs", capacity=2, overflow="drop_oldest", dead_letters=bin_)
    for body in "abc":
        queue.offer(body)
    taker = take(sim, queue)
    sim.run()
    assert got(taker) == [(0, "b"), (0, "c")]
    assert totals(queue) == (3, 2, 1, 0, 0)
    assert rows(sim, Queue.DeadLettered, "message_id", "reason") == [(0.0, "jobs-1", "maxlen")]


def test_a_full_queue_holds_publishers_up_first_in_first_out() -> None:
    sim = Simulation(seed=24)
    queue = Queue(sim, "jobs", capacity=1, overflow="block")
    log = []

    def publisher(body: str) -> Generator[Any, Any, None]:
        yield from queue.publish(body)
        log.append((sim.now, body))

    for body in "abcd":
        sim.process(publisher(body))
    sim.call_at(1, lambda: take(sim, queue, work=2))
    sim.run()
    assert log == [(0, "a"), (1, "b"), (3, "c"), (5, "d")]
    assert [wait for _, wait in rows(sim, Queue.Published, "wait")] == [0, 1, 3, 5]
    assert len(rows(sim, Queue.Full)) == 3
    sim.check_invariants()


def test_a_publisher_that_gives_up_leaves_no_trace() -> None:
    sim = Simulation(seed=25)
    queue = Queue(sim, "jobs", capacity=1, overflow="block")
    queue.offer("a")
    with pytest.raises(QueueFull):
        queue.offer("b")

    def publisher() -> Generator[Any, Any, str]:
        try:
            yield from queue.publish("b")
        except simpy.Interrupt:
            return "gave up"
        return "published"

    early, late, last = (sim.process(publisher()) for _ in range(3))
    sim.call_at(1, early.interrupt)
    sim.call_at(2, lambda: take(sim, queue, times=1))
    # room was made for it at this very instant
    sim.telemetry.attach("interrupt", Queue.Delivered, lambda _: late.interrupt())
    sim.run()
    assert [early.value, late.value, last.value] == ["gave up", "gave up", "published"]
    assert totals(queue) == (2, 1, 0, 0, 1)
    sim.check_invariants()


def test_a_message_that_comes_back_to_a_full_queue_finds_room() -> None:
    sim = Simulation(seed=26)
    queue = Queue(sim, "jobs", capacity=1, overflow="block")
    queue.offer("a")
    take(sim, queue, 1, lambda d: d.nack(), times=1)
    sim.run(until=0.5)
    queue.offer("b")
    sim.run()
    assert queue.waiting == 2
    sim.check_invariants()
    taker = take(sim, queue)

    def publisher() -> Generator[Any, Any, None]:
        yield from queue.publish("c")

    sim.process(publisher())
    sim.run()
    assert got(taker) == [(1, "a"), (1, "b"), (1, "c")]
    sim.check_invariants()


# -- receivers that go away --------------------------------------------------------------------


def test_a_receiver_that_is_interrupted_leaves_the_line() -> None:
    sim = Simulation(seed=27)
    queue = Queue(sim, "jobs")
    first, second = take(sim, queue), take(sim, queue)
    first.defused = True
    sim.call_at(1, first.interrupt)
    sim.call_at(2, lambda: queue.offer("a"))
    sim.run()
    assert got(second) == [(2, "a")]


def test_a_message_that_comes_at_the_instant_of_an_interrupt_goes_to_somebody_else() -> None:
    sim = Simulation(seed=28)
    queue = Queue(sim, "jobs")
    first, second = take(sim, queue), take(sim, queue)
    first.defused = True
    sim.run(until=1)

    def both() -> None:
        queue.offer("a")
        first.interrupt()

    sim.call_at(2, both)
    sim.run()
    assert (got(first), got(second)) == ([], [(2, "a")])
    assert rows(sim, Queue.Redelivered, "reason") == [(2.0, "consumer_lost")]
    sim.check_invariants()


# -- crashes and stops -------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_messages_outlive_a_crash_of_the_queue_if_they_are_durable(*, durable: bool) -> None:
    sim = Simulation(seed=29)
    queue = Queue(sim, "jobs", durable=durable)
    for body, delay in (("a", 0), ("b", 0), ("c", 4), ("d", 9)):
        queue.offer(body, delay=delay)
    answers: list[bool] = []
    take(sim, queue, 3, lambda d: answers.append(d.ack()), times=1)
    sim.call_at(2, queue.kill)
    sim.call_at(5, queue.restart)
    sim.call_at(5, lambda: takers.append(take(sim, queue)))
    takers: list[Process] = []
    sim.run()
    assert answers == [False]
    if durable:
        assert got(takers[0]) == [(5, "a"), (5, "b"), (5, "c"), (9, "d")]
        assert rows(sim, Queue.Redelivered, "reason") == [(2.0, "queue_down")]
    else:
        assert got(takers[0]) == []
        assert rows(sim, Queue.Dropped, "reason") == [(2.0, "lost")] * 4
    sim.check_invariants()


def test_what_expires_while_the_queue_is_down_is_gone_when_it_is_back() -> None:
    sim = Simulation(seed=30)
    queue = Queue(sim, "jobs", ttl=3)
    queue.offer("a")
    queue.offer("b", delay=1)
    sim.call_at(2, queue.kill)
    sim.call_at(5, queue.restart)
    sim.run()
    assert [time for time, *_ in rows(sim, Queue.Expired)] == [5.0, 5.0]
    assert totals(queue) == (2, 0, 0, 2, 0)


def test_a_crash_sends_receivers_and_publishers_away() -> None:
    sim = Simulation(seed=31)
    empty = Queue(sim, "empty")
    full = Queue(sim, "full", capacity=1, overflow="block")
    full.offer("a")
    outcomes = []

    def client(call: Callable[[], Generator[Any, Any, Any]]) -> Generator[Any, Any, None]:
        try:
            yield from call()
        except ServiceDown as error:
            outcomes.append((sim.now, str(error)))

    sim.process(client(empty.receive))
    sim.process(client(lambda: full.publish("b")))
    sim.call_at(1, empty.kill)
    sim.call_at(1, lambda: full.kill("crashed"))
    sim.call_at(2, lambda: sim.process(client(empty.receive)))
    sim.run()
    assert outcomes == [
        (1, "queue 'empty' went down (killed)"),
        (1, "queue 'full' went down (crashed)"),
        (2, "queue 'empty' is down"),
    ]
    with pytest.raises(ServiceDown):
        full.offer("c")


def test_a_crash_at_the_instant_of_a_delivery_keeps_the_message() -> None:
    sim = Simulation(seed=32)
    queue = Queue(sim, "jobs")
    taker = take(sim, queue, times=1)

    def both() -> None:
        queue.offer("a")
        queue.kill()

    sim.call_at(1, both)
    sim.call_at(3, queue.restart)
    sim.run(until=2)
    assert got(taker) == [(1, "a")]  # whose answer is late
    assert len(rows(sim, Queue.Late)) == 1
    assert totals(queue) == (1, 0, 0, 0, 1)
    sim.check_invariants()


def test_an_orderly_stop_waits_for_the_answers_and_takes_nothing_more() -> None:
    sim = Simulation(seed=33)
    queue = Queue(sim, "jobs", capacity=2, overflow="block")
    for body in "abc"[:2]:
        queue.offer(body)
    taker = take(sim, queue, work=3)
    taker.defused = True
    sim.call_at(1, queue.stop)

    def refused() -> None:
        with pytest.raises(ServiceDown, match="queue 'jobs' is stopping"):
            queue.offer("c")

    sim.call_at(2, refused)
    sim.run()
    assert rows(sim, Queue.Stopped, "reason") == [(3.0, "shutdown")]
    assert got(taker) == [(0, "a")]
    assert totals(queue) == (2, 1, 0, 0, 1)


def test_a_stop_with_nothing_in_flight_is_immediate() -> None:
    queue = Queue(Simulation(seed=34), "jobs")
    queue.offer("a")
    queue.stop()
    assert not queue.up
    assert queue.waiting == 1


def test_a_broker_takes_its_queues_along_and_brings_them_back() -> None:
    sim = Simulation(seed=35)
    broker = Broker(sim, "broker")
    kept = broker.queue("kept")
    lost = broker.queue("lost", durable=False)
    for queue in (kept, lost):
        queue.offer("a")
    assert broker.metrics() == {"kept.depth": 1, "lost.depth": 1}
    sim.call_at(1, broker.kill)
    sim.call_at(2, broker.restart)
    sim.run()
    assert (kept.up, kept.depth, lost.up, lost.depth) == (True, 1, True, 0)
    kept.pause()
    assert broker.health() is Health.DEGRADED
    with pytest.raises(UnknownName, match="unknown queue 'kep'; did you mean 'kept'"):
        broker.publish("kep", "b")

    def publisher() -> Generator[Any, Any, None]:
        yield from broker.publish("kept", "b")

    sim.process(publisher())
    sim.run()
    assert kept.depth == 2


def test_a_broker_stops_when_its_queues_have() -> None:
    sim = Simulation(seed=36)
    broker = Broker(sim, "broker")
    one, two = broker.queue("one"), broker.queue("two")
    for queue, seconds in ((one, 3), (two, 5)):
        queue.offer("a")
        take(sim, queue, seconds).defused = True
    sim.call_at(1, broker.stop)
    sim.run()
    stopped = rows(sim, Queue.Stopped, "service")
    assert stopped == [(3.0, "one"), (5.0, "two"), (5.0, "broker")]


# -- telemetry ---------------------------------------------------------------------------------


def test_events_about_a_message_carry_the_correlation_id_of_its_publisher() -> None:
    sim = Simulation(seed=37)
    bin_ = Queue(sim, "bin")
    queue = Queue(sim, "jobs", visibility_timeout=2, max_deliveries=2, dead_letters=bin_)

    def publisher(correlation_id: str) -> Generator[Any, Any, None]:
        with sim.telemetry.context(correlation_id=correlation_id):
            yield from queue.publish(correlation_id)

    for name in ("one", "two"):
        sim.process(publisher(name))
    for _ in range(4):
        take(sim, queue, work=9)
    sim.run(until=8)
    events = sim.recording.events.filter(pl.col("event").str.starts_with("foundation.queue."))
    frames = [
        sim.recording.frame(cls).select("sequence", "message_id")
        for cls in (Queue.Published, Queue.Delivered, Queue.Redelivered, Queue.DeadLettered)
    ]
    joined = pl.concat(frames).join(events, on="sequence")
    assert joined.height == len(events.filter(~pl.col("event").str.ends_with("late")))
    numbers = {"1": "one", "2": "two"}
    for message_id, correlation_id in joined.select("message_id", "correlation_id").rows():
        assert correlation_id == numbers[message_id[-1]]
    causes = dict(joined.select("sequence", "cause").rows())
    letter = joined.filter(pl.col("message_id") == "bin-1")["sequence"][0]
    chain = [letter]
    while chain[-1] in causes:
        chain.append(causes[chain[-1]])
    names = dict(joined.select("sequence", "event").rows())
    assert [names[s].rpartition(".")[2] for s in chain if s in names] == [
        "published",
        "dead_lettered",
        "delivered",
        "redelivered",
        "delivered",
        "published",
    ]


def test_a_message_without_a_correlation_id_does_not_take_that_of_whoever_comes_along() -> None:
    sim = Simulation(seed=38)
    queue = Queue(sim, "jobs")
    queue.offer("a")

    def receiver() -> Generator[Any, Any, None]:
        with sim.telemetry.context(correlation_id="mine"):
            yield from queue.receive()

    sim.process(receiver())
    sim.run(until=1)
    events = sim.recording.events.filter(pl.col("event") == "foundation.queue.delivered")
    assert events["correlation_id"].to_list() == [None]


def test_a_queue_does_the_same_with_telemetry_off() -> None:
    sim = Simulation(seed=39)
    sim.telemetry.disable()
    bin_ = Queue(sim, "bin")
    queue = Queue(sim, "jobs", max_deliveries=2, dead_letters=bin_)
    for body in "ab":
        queue.offer(body, key="k")
    take(sim, queue, 1, lambda d: d.nack() if d.message.body == "a" else d.ack())
    taker = take(sim, bin_)
    sim.run()
    assert got(taker) == [(2, "a")]
    assert totals(queue) == (2, 1, 1, 0, 0)
    assert len(sim.recording) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overflow": "spill"}, "overflow='spill'"),
        ({"capacity": 0}, "capacity=0"),
        ({"visibility_timeout": 0}, "visibility_timeout=0"),
        ({"max_deliveries": 0}, "max_deliveries=0"),
        ({"retry_delay": -1}, "retry_delay=-1"),
        ({"ttl": 0}, "ttl=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Queue(Simulation(seed=40), "jobs", **arguments)


def test_a_message_with_a_wrong_time_is_an_error_at_once() -> None:
    queue = Queue(Simulation(seed=41), "jobs")
    with pytest.raises(ValueError, match="delay=-1"):
        queue.offer("a", delay=-1)
    with pytest.raises(ValueError, match="ttl=0"):
        queue.offer("a", ttl=0)
    assert queue.published == 0


def test_a_queue_that_a_broker_adopts_goes_down_with_it() -> None:
    sim = Simulation(seed=1)
    queue, broker = Queue(sim, "jobs"), Broker(sim, "broker")
    broker.adopt(queue)
    assert broker["jobs"] is queue
    broker.kill()
    assert not queue.up
    broker.restart()
    assert queue.up
    sim.check_invariants()
