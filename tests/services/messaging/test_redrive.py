"""Dead letters that go back to the queues they came from. Nothing is drawn: the seed is 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError, ServiceDown
from foundation_lab.reporting import summarise
from foundation_lab.services import Consumer, Queue
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.telemetry.event import Event


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=1)


def buried(sim: Simulation, name: str, letters: Queue, *bodies: str, **options: Any) -> Queue:
    """Return a queue whose messages of these bodies are dead letters: each was rejected once."""
    queue = Queue(sim, name, dead_letters=letters, max_deliveries=1, **options)

    def reject() -> Generator[Any, Any, None]:
        for _ in bodies:
            delivery = yield from queue.receive()
            delivery.nack()

    def publish() -> Generator[Any, Any, None]:
        for body in bodies:
            yield from queue.publish(body, key=f"key-{body}", priority=3)

    sim.process(reject())
    sim.process(publish())
    sim.run(until=sim.now + 1)
    assert queue.depth == 0
    return queue


def rows(sim: Simulation, event: type[Event], *columns: str) -> list[tuple[Any, ...]]:
    return sim.recording.frame(event).select("time", *columns).rows()


def waiting(queue: Queue) -> list[str]:
    return [message.body for message in queue._stock.messages()]


def test_without_a_rate_all_letters_go_back_at_once_the_oldest_first(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b", "c")
    redrive = letters.redrive()
    assert (redrive.status, redrive.moved, redrive.to_move) == ("completed", 3, 3)
    assert (letters.depth, letters.redriven, jobs.depth, jobs.published) == (0, 3, 3, 6)
    assert waiting(jobs) == ["a", "b", "c"]
    assert rows(sim, Queue.RedriveStarted, "to", "rate", "messages") == [(1.0, None, None, 3)]
    assert rows(sim, Queue.Redriven, "message_id", "to") == [
        (1.0, f"letters-{n}", "jobs") for n in (1, 2, 3)
    ]
    ended = rows(sim, Queue.RedriveEnded, "status", "reason", "moved", "left")
    assert ended == [(1.0, "completed", None, 3, 0)]
    sim.check_invariants()


def test_at_a_rate_the_first_goes_at_once_and_the_others_follow_evenly(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, *"abcdefghijk")
    redrive = letters.redrive(rate=10)
    assert redrive.moved == 1
    sim.run()
    times = [time for (time,) in rows(sim, Queue.Redriven)]
    assert times == [1.0 + n / 10 for n in range(11)]  # no error adds up
    assert rows(sim, Queue.RedriveEnded, "moved") == [(2.0, 11)]
    assert redrive.status == "completed"


def test_what_comes_back_is_a_new_message_with_the_same_content(sim: Simulation) -> None:
    letters = Queue(sim, "letters", ttl=1000)
    jobs = buried(sim, "jobs", letters, "a", ttl=100)
    sim.run(until=50)
    letters.redrive()
    (message,) = jobs._stock.messages()
    assert (message.message_id, message.deliveries, message.published_at) == ("jobs-2", 0, 50)
    assert message.expires_at == 150
    assert (message.body, message.key, message.priority) == ("a", "key-a", 3)
    assert message.history == (("jobs", "delivery_limit"),)


def test_each_letter_goes_back_to_its_own_queue_or_all_to_a_given_one(sim: Simulation) -> None:
    letters, repair = Queue(sim, "letters"), Queue(sim, "repair")
    jobs = buried(sim, "jobs", letters, "a", "b")
    mails = buried(sim, "mails", letters, "c")
    letters.redrive()
    assert (jobs.depth, mails.depth) == (2, 1)
    buried(sim, "more", letters, "d")
    letters.offer("by hand")
    redrive = letters.redrive(to=repair)
    assert (redrive.status, waiting(repair)) == ("completed", ["d", "by hand"])
    assert rows(sim, Queue.RedriveStarted, "to")[1] == (sim.now, "repair")


def test_a_letter_that_fails_again_waits_for_the_next_redrive(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b")

    def broken(_message: Any) -> None:
        raise BackendError("still")

    Consumer(sim, "worker", jobs, broken)
    redrive = letters.redrive(rate=1)
    sim.run(until=60)
    assert (redrive.status, redrive.moved, letters.depth) == ("completed", 2, 2)
    (first, _) = letters._stock.messages()
    assert first.history == (("jobs", "delivery_limit"), ("jobs", "delivery_limit"))
    assert letters.redrive().moved == 2


def test_a_letter_in_hand_stays_and_one_that_was_acknowledged_is_gone(sim: Simulation) -> None:
    letters = Queue(sim, "letters", visibility_timeout=None)
    jobs = buried(sim, "jobs", letters, "a", "b", "c", "d")

    def reader() -> Generator[Any, Any, None]:
        first = yield from letters.receive()
        yield from letters.receive()
        first.ack()

    sim.process(reader())
    sim.run(until=2)
    redrive = letters.redrive()
    assert (redrive.status, redrive.moved, redrive.to_move) == ("completed", 2, 3)
    assert waiting(jobs) == ["c", "d"]
    assert (letters.in_flight, letters.depth) == (1, 1)
    assert rows(sim, Queue.RedriveEnded, "moved", "left") == [(2.0, 2, 1)]
    sim.check_invariants()


def test_a_delayed_letter_that_goes_lets_the_next_of_its_key_come(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = Queue(sim, "jobs", ttl=1, dead_letters=letters)
    for body in ("a", "b"):
        jobs.offer(body, key="same")
    got: list[str] = []

    def reader() -> Generator[Any, Any, None]:
        delivery = yield from letters.receive()
        delivery.nack(delay=100)
        delivery = yield from letters.receive()
        got.append(delivery.message.body)

    sim.process(reader())
    sim.run(until=2)
    assert got == []  # "b" waits behind "a", which waits to be tried again
    redrive = letters.redrive()
    sim.run(until=3)
    assert got == ["b"]
    assert (redrive.moved, waiting(jobs)) == (1, ["a"])
    sim.check_invariants()


def test_a_redrive_that_is_cancelled_moves_no_more(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b", "c")
    redrive = letters.redrive(rate=1)
    sim.run(until=2.5)
    assert redrive.cancel() == 2
    assert redrive.cancel() == 2  # a second time says nothing more
    sim.run()
    assert sim.now == 2.5  # and nothing is left to wait for
    assert (redrive.status, jobs.depth, letters.depth) == ("cancelled", 2, 1)
    ended = rows(sim, Queue.RedriveEnded, "status", "moved", "left")
    assert ended == [(2.5, "cancelled", 2, 1)]
    assert letters.redrive().status == "completed"


def test_cancelled_by_who_hears_of_a_move_it_stops_there(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, "a", "b")
    redrive = letters.redrive(rate=1)
    sim.telemetry.attach("operator", Queue.Redriven, lambda _record: redrive.cancel())
    sim.run()
    assert (redrive.status, redrive.moved) == ("cancelled", 2)
    assert len(rows(sim, Queue.RedriveEnded)) == 1


def test_who_hears_of_the_end_may_begin_the_next_one(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, "a", "b")
    further = []

    def again(_record: Any) -> None:
        sim.telemetry.detach("operator")
        further.append(letters.redrive())

    sim.telemetry.attach("operator", Queue.RedriveEnded, again, on_error="raise")
    redrive = letters.redrive()
    assert (redrive.moved, redrive.to_move) == (2, 2)
    assert redrive is not further[0]
    assert (further[0].status, further[0].to_move) == ("completed", 0)


def test_begun_by_who_hears_of_a_dead_letter_it_is_told_after_the_letter_has_come(
    sim: Simulation,
) -> None:
    letters = Queue(sim, "letters")
    jobs = Queue(sim, "jobs", ttl=1, dead_letters=letters)
    jobs.offer("a")
    sim.telemetry.attach(
        "operator",
        Queue.DeadLettered,
        lambda _record: letters.redrive(),
        where=lambda _record: sim.now < 2,
        on_error="raise",
    )
    sim.run(until=1.5)
    events = sim.recording.events.filter(sim.recording.events["time"] == 1.0)
    assert [name.rpartition(".")[2] for name in events["event"]] == [
        "expired", "dead_lettered", "published", "redrive_started", "redriven", "published",
        "redrive_ended",
    ]  # fmt: skip
    causes = dict(zip(events["sequence"], events["cause"], strict=True))
    dead, arrived, started, moved, again = list(causes)[1:6]
    assert (causes[arrived], causes[started], causes[moved]) == (dead, dead, arrived)
    assert causes[again] == moved


def test_cancelled_in_the_middle_of_a_move_it_has_ended_after_it(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, "a", "b")
    redrive = letters.redrive(rate=1)
    before = sim.telemetry.sequence
    sim.telemetry.attach("operator", Queue.Redriven, lambda _record: redrive.cancel())
    sim.run()
    words = [name.rpartition(".")[2] for name in sim.recording.events["event"][before:]]
    assert words == ["redriven", "published", "redrive_ended"]


@pytest.mark.parametrize(("event", "moved"), [(Queue.RedriveStarted, 0), (Queue.Redriven, 1)])
def test_a_handler_that_raises_cancels_it(sim: Simulation, event: type[Event], moved: int) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b", "c")

    def fail(_record: Any) -> None:
        sim.telemetry.detach("broken")
        raise ZeroDivisionError

    sim.telemetry.attach("broken", event, fail, on_error="raise")
    with pytest.raises(ZeroDivisionError):
        letters.redrive(rate=1)
    ended = rows(sim, Queue.RedriveEnded, "status", "moved", "left")
    assert ended == [(1.0, "cancelled", moved, 3 - moved)]
    assert letters.redrive().moved == 3 - moved
    assert jobs.depth == 3


@pytest.mark.parametrize("rate", [None, 2.0])
def test_whoever_waits_for_the_end_goes_on_at_its_instant(
    sim: Simulation, rate: float | None
) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, "a", "b", "c")

    def operator() -> Generator[Any, Any, float]:
        yield from letters.redrive(rate=rate).done()
        return float(sim.now)

    assert sim.run(sim.process(operator())) == (1.0 if rate is None else 2.0)


def test_a_letter_of_no_queue_fails_the_redrive_and_stays(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a")
    letters.offer("by hand")
    buried(sim, "mails", letters, "c")
    redrive = letters.redrive()
    assert (redrive.status, redrive.reason, redrive.moved) == ("failed", "no_source", 1)
    assert (jobs.depth, waiting(letters)) == (1, ["by hand", "c"])
    ended = rows(sim, Queue.RedriveEnded, "status", "reason", "moved", "left")
    assert ended == [(2.0, "failed", "no_source", 1, 2)]
    sim.check_invariants()


def test_a_full_destination_fails_the_redrive_and_nothing_is_lost(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b", "c", capacity=2, overflow="block")
    jobs.offer("new")
    redrive = letters.redrive()
    assert (redrive.status, redrive.reason) == ("failed", "destination_full")
    assert (waiting(jobs), waiting(letters)) == (["new", "a"], ["b", "c"])
    sim.check_invariants()


def test_a_destination_that_drops_its_oldest_takes_them_all(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b", capacity=2, overflow="drop_oldest")
    jobs.offer("new")
    jobs.offer("newer")
    redrive = letters.redrive()
    assert (redrive.status, redrive.moved) == ("completed", 2)
    assert (waiting(jobs), waiting(letters)) == (["a", "b"], ["new", "newer"])
    sim.check_invariants()


def test_queues_that_are_down_fail_the_redrive(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a", "b", "c")
    redrive = letters.redrive(rate=1)
    jobs.kill("crashed")
    sim.run()
    assert (redrive.status, redrive.reason, sim.now) == ("failed", "destination_down", 2.0)
    jobs.restart()
    second = letters.redrive(rate=1)
    letters.kill("crashed")
    sim.run()
    assert (second.status, second.reason) == ("failed", "source_down")
    with pytest.raises(ServiceDown):
        letters.redrive()
    letters.restart()
    assert letters.redrive().status == "completed"
    assert jobs.depth == 3
    sim.check_invariants()


def test_a_paused_queue_of_letters_is_redriven(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = buried(sim, "jobs", letters, "a")
    letters.pause()
    assert letters.redrive().status == "completed"
    assert jobs.depth == 1


def test_an_empty_queue_has_nothing_to_redrive(sim: Simulation) -> None:
    redrive = Queue(sim, "letters").redrive(rate=1)
    assert (redrive.status, redrive.moved, redrive.to_move) == ("completed", 0, 0)


def test_one_redrive_of_a_queue_at_a_time(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, "a", "b")
    letters.redrive(rate=1)
    with pytest.raises(ValueError, match=r"a redrive of queue 'letters' is running; cancel it"):
        letters.redrive()
    sim.run()
    assert letters.redrive().status == "completed"


def test_unfit_arguments_are_refused_and_nothing_begins(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    with pytest.raises(ValueError, match="rate=0"):
        letters.redrive(rate=0)
    with pytest.raises(ValueError, match="to='letters' is the queue itself"):
        letters.redrive(to=letters)
    with pytest.raises(TypeError, match="to='jobs'"):
        letters.redrive(to="jobs")  # type: ignore[arg-type]
    assert rows(sim, Queue.RedriveStarted) == []
    assert letters.redrive().status == "completed"


def test_what_is_no_queue_takes_no_dead_letters(sim: Simulation) -> None:
    with pytest.raises(TypeError, match="dead_letters='letters'; give the Queue that takes them"):
        Queue(sim, "jobs", dead_letters="letters")  # type: ignore[arg-type]
    assert sim.components == {}


def test_a_message_can_be_followed_from_its_publisher_through_its_redrive(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    jobs = Queue(sim, "jobs", ttl=1, dead_letters=letters)
    with sim.telemetry.context(correlation_id="ada"):
        jobs.offer("a")
    sim.run(until=2)
    letters.redrive(rate=1)
    sim.run(until=2.5)
    (moved,) = sim.recording.frame(Queue.Redriven).to_dicts()
    again = sim.recording.frame(Queue.Published).to_dicts()[-1]
    assert (moved["correlation_id"], again["correlation_id"]) == ("ada", "ada")
    assert again["cause"] == moved["sequence"]
    (ended,) = sim.recording.frame(Queue.RedriveEnded).to_dicts()
    assert ended["correlation_id"] is None


def test_the_same_happens_with_telemetry_disabled() -> None:
    told = []
    for on in (True, False):
        sim = Simulation(seed=1)
        letters = Queue(sim, "letters")
        jobs = buried(sim, "jobs", letters, "a", "b", "c")
        if not on:
            sim.telemetry.disable()
        redrive = letters.redrive(rate=1)
        sim.run()
        told.append((sim.now, redrive.status, redrive.moved, jobs.depth, letters.depth))
    assert told[0] == told[1]


def test_the_summary_counts_what_was_redriven(sim: Simulation) -> None:
    letters = Queue(sim, "letters")
    buried(sim, "jobs", letters, "a", "b", "c")
    redrive = letters.redrive(rate=1)
    sim.run(until=2.5)
    redrive.cancel()
    queues = {queue.name: queue for queue in summarise(sim.recording).queues}
    assert (queues["letters"].redriven, queues["letters"].depth) == (2, 1)
    assert (queues["jobs"].published, queues["jobs"].depth) == (5, 2)
