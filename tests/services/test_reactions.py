"""Who hears of an event finds the whole step done, and may use the service at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import ServiceDown
from foundation_lab.services import (
    Autoscaler,
    Backend,
    CircuitBreaker,
    Delivery,
    LoadBalancer,
    OutlierDetector,
    Queue,
    ReplicaSet,
    Service,
    State,
    Supervisor,
)
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import calls, changes, fail

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.telemetry.event import Event


def on(sim: Simulation, event: type[Event], act: Callable[[], object]) -> None:
    """Act once, at the first event of a class."""

    def hear(_record: Any) -> None:
        sim.telemetry.detach("hear")
        act()

    sim.telemetry.attach("hear", event, hear, on_error="raise")


def told(sim: Simulation, family: str) -> list[str]:
    """Return the last parts of the names of all events of a family, in their order."""
    names = [name.removeprefix("foundation.") for name in sim.recording.events["event"]]
    return [name.partition(".")[2] for name in names if name.startswith(family)]


def receiving(sim: Simulation, queue: Queue) -> list[Delivery]:
    """Start a process that receives one message."""
    found: list[Delivery] = []

    def process() -> Generator[Any, Any, None]:
        found.append((yield from queue.receive("worker")))

    sim.process(process())
    sim.run(until=1)
    return found


# -- queues --------------------------------------------------------------------------------------


def test_a_message_is_with_its_consumer_when_its_publication_is_told() -> None:
    sim = Simulation(seed=1)
    queue = Queue(sim, "jobs")
    receiving(sim, queue)
    seen: list[tuple[int, int]] = []
    on(sim, Queue.Published, lambda: seen.append((queue.waiting, queue.in_flight)))
    queue.offer("a")
    assert seen == [(0, 1)]


def test_what_a_reaction_does_is_told_after_what_was_done_before() -> None:
    sim = Simulation(seed=2)
    queue = Queue(sim, "jobs")
    found = receiving(sim, queue)
    on(sim, Queue.Published, queue.kill)
    queue.offer("a")
    sim.run(until=2)
    assert told(sim, "queue.") == ["published", "delivered", "redelivered"]
    assert not found[0].ack()  # the crash has taken it back
    assert (queue.waiting, queue.in_flight) == (1, 0)
    sim.check_invariants()


def test_a_dead_letter_has_arrived_when_its_death_is_told() -> None:
    sim = Simulation(seed=3)
    letters = Queue(sim, "letters")
    queue = Queue(sim, "jobs", dead_letters=letters)
    found = receiving(sim, queue)
    queue.offer("a")
    sim.run(until=2)
    on(sim, Queue.DeadLettered, letters.kill)  # too late to lose it
    found[0].nack(requeue=False)
    assert (queue.dead_lettered, letters.waiting) == (1, 1)
    assert told(sim, "queue.") == [
        "published", "delivered", "rejected", "dead_lettered", "published",
    ]  # fmt: skip
    frame = sim.recording.frame(Queue.Published)
    dead = sim.recording.frame(Queue.DeadLettered)["sequence"][0]
    assert frame["cause"][1] == dead
    sim.check_invariants()


def test_a_rejected_message_of_a_queue_that_forgets_is_lost_once() -> None:
    sim = Simulation(seed=4)
    queue = Queue(sim, "jobs", durable=False)
    found = receiving(sim, queue)
    queue.offer("a")
    sim.run(until=2)
    on(sim, Queue.Rejected, queue.kill)
    found[0].nack()
    assert told(sim, "queue.") == ["published", "delivered", "rejected", "redelivered", "dropped"]
    assert (queue.depth, queue.dropped) == (0, 1)
    sim.check_invariants()


def test_a_publisher_is_in_the_line_when_it_is_told_that_the_queue_is_full() -> None:
    sim = Simulation(seed=5)
    queue = Queue(sim, "jobs", capacity=1, overflow="block")
    queue.offer("a")
    on(sim, Queue.Full, queue.kill)

    def publisher() -> Generator[Any, Any, float]:
        with pytest.raises(ServiceDown, match="went down"):
            yield from queue.publish("b")
        return sim.now

    process = sim.process(publisher())
    sim.run()
    assert process.value == 0.0


def test_a_handler_that_raises_does_not_keep_the_rest_of_the_step_from_being_told() -> None:
    sim = Simulation(seed=16)
    queue = Queue(sim, "jobs")
    receiving(sim, queue)

    def fail() -> None:
        raise ZeroDivisionError

    on(sim, Queue.Published, fail)
    with pytest.raises(ZeroDivisionError):
        queue.offer("a")
    assert told(sim, "queue.") == ["published", "delivered"]


def test_a_reaction_leaves_correlation_ids_and_causes_as_they_are() -> None:
    """Of what is told in the middle of an event: it was done by, and for, somebody else."""
    ids, causes = [], []
    for reacts in (False, True):
        sim = Simulation(seed=17)
        letters = Queue(sim, "letters")
        queue = Queue(sim, "jobs", capacity=1, overflow="drop_oldest", dead_letters=letters)
        if reacts:
            on(sim, Queue.DeadLettered, letters.pause)
        for user in ("ada", "bob"):
            with sim.telemetry.context(correlation_id=user):
                queue.offer(user)
        frame = sim.recording.events.filter(sim.recording.events["event"].str.contains("queue"))
        words = [name.rpartition(".")[2] for name in frame["event"]]
        rows = list(zip(words, frame["correlation_id"], frame["cause"], strict=True))
        ids.append([row[:2] for row in rows if row[0] != "paused"])
        causes.append([row[2] for row in rows if row[:2] == ("published", "ada")])
    assert ids[0] == ids[1]
    assert ids[0][-2:] == [("published", "ada"), ("published", "bob")]
    assert causes[0] == causes[1]


def test_a_message_that_is_delivered_in_the_middle_of_its_publication_was_so_last() -> None:
    sim = Simulation(seed=18)
    queue = Queue(sim, "jobs", visibility_timeout=5)
    receiving(sim, queue)
    on(sim, Queue.Published, queue.pause)
    queue.offer("a")
    sim.run(until=10)
    delivered = sim.recording.frame(Queue.Delivered)["sequence"].to_list()
    assert sim.recording.frame(Queue.Redelivered)["cause"].to_list() == delivered


# -- breakers ------------------------------------------------------------------------------------


def test_a_breaker_is_open_when_the_failure_that_opened_it_is_told() -> None:
    sim = Simulation(seed=6)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1)
    seen: list[State] = []
    on(sim, CircuitBreaker.CallFailure, lambda: seen.append(breaker.state))
    calls(sim, breaker, fail)
    assert seen == [State.OPEN]


@pytest.mark.parametrize("event", [CircuitBreaker.CallFailure, CircuitBreaker.StateChange])
@pytest.mark.parametrize(
    ("deed", "then"),
    [
        ("trip", []),  # it is open already; its time begins anew
        ("reset", [(0.0, "open", "closed")]),
        ("disable", [(0.0, "open", "disabled")]),
    ],
)
def test_a_breaker_that_is_moved_by_a_reaction_tells_of_both_moves(
    event: type[Event], deed: str, then: list[tuple[float, str, str]]
) -> None:
    sim = Simulation(seed=7)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1)
    on(sim, event, getattr(breaker, deed))
    calls(sim, breaker, fail)
    assert changes(sim) == [(0.0, "closed", "open"), *then]
    sim.check_invariants()


def test_a_breaker_tells_that_it_opened_before_it_is_down() -> None:
    sim = Simulation(seed=8)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1)
    on(sim, CircuitBreaker.CallFailure, breaker.kill)
    calls(sim, breaker, fail)
    events = list(sim.recording.events["event"])
    opened = events.index("foundation.circuit_breaker.state_change")
    assert opened < events.index("foundation.service.stopped")
    breaker.restart()
    assert breaker.state is State.CLOSED
    sim.check_invariants()


# -- replica sets, balancers, supervisors --------------------------------------------------------


def test_all_replicas_that_are_too_many_drain_when_the_scaling_is_told() -> None:
    sim = Simulation(seed=9)
    replicas = ReplicaSet(sim, "web", lambda n: Backend(sim, n, service_time=1), replicas=4)
    seen: list[tuple[int, int, tuple[str, ...]]] = []
    on(
        sim,
        ReplicaSet.Scaled,
        lambda: seen.append((replicas.ready, replicas.draining, replicas.balancer.hosts)),
    )
    replicas.scale(2)
    assert seen == [(2, 2, ("web-1", "web-2"))]
    assert told(sim, "replica.")[-3:] == ["scaled", "draining", "draining"]


def test_a_reaction_to_a_scaling_is_told_after_it() -> None:
    sim = Simulation(seed=10)
    replicas = ReplicaSet(sim, "web", lambda n: Backend(sim, n, service_time=1), replicas=2)
    on(sim, ReplicaSet.Scaled, lambda: replicas.scale(2))
    replicas.scale(1)
    assert told(sim, "replica.")[-4:] == ["scaled", "draining", "scaled", "started"]
    sim.run(until=1)
    assert replicas.ready == 2
    sim.check_invariants()


def test_a_set_that_is_scaled_while_it_begins_has_what_it_should_have() -> None:
    sim = Simulation(seed=15)

    def scale() -> None:
        replicas: Any = sim.components["replica_set", "web"]
        replicas.scale(1)

    on(sim, ReplicaSet.ReplicaStarted, scale)
    replicas = ReplicaSet(sim, "web", lambda n: Backend(sim, n, service_time=1), replicas=3)
    assert [replica.name for replica in replicas.replicas] == ["web-1"]
    assert replicas.balancer.hosts == ("web-1",)
    sim.check_invariants()


def test_a_balancer_is_in_panic_when_the_ejection_that_led_there_is_told() -> None:
    sim = Simulation(seed=11)
    outliers = OutlierDetector(sim, "outliers", [], consecutive_failures=1, max_ejected=1.0)
    balancer = LoadBalancer(
        sim, "lb", {"a": fail, "b": fail}, outliers=outliers, panic_threshold=0.9
    )
    seen: list[bool] = []
    on(sim, LoadBalancer.Ejected, lambda: seen.append(balancer.panic))
    outliers.observe("a", failed=True)
    assert seen == [True]


def test_a_supervisor_is_stopping_when_it_tells_that_it_gave_up() -> None:
    sim = Simulation(seed=12)
    child = Service(sim, "worker")
    boss = Supervisor(sim, "root", [child], intensity=0)
    seen: list[bool] = []
    on(sim, Supervisor.GaveUp, lambda: seen.append(boss.stopping))
    child.kill()
    sim.run()
    assert seen == [True]
    assert not boss.up


def test_a_supervisor_that_is_ended_and_restarted_as_it_gives_up_goes_on() -> None:
    sim = Simulation(seed=13)
    child = Service(sim, "worker")
    boss = Supervisor(sim, "root", [child], intensity=0)

    def begin_anew() -> None:
        boss.kill()
        boss.restart()

    on(sim, Supervisor.GaveUp, begin_anew)
    child.kill()
    sim.run()
    assert boss.up
    assert not boss.stopping
    assert child.up
    sim.check_invariants()


def test_an_autoscaler_leaves_a_set_alone_that_was_ended_when_it_was_evaluated() -> None:
    sim = Simulation(seed=14)
    replicas = ReplicaSet(sim, "web", lambda n: Backend(sim, n, service_time=1))
    Autoscaler(sim, "web", replicas, metric=lambda _: 2.0, target=1)
    on(sim, Autoscaler.Evaluated, replicas.kill)
    sim.run(until=20)
    assert not replicas.up
    assert replicas.desired == 1
