"""Faults of whole services, their lives and surroundings, and how they are told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab import NodeClock
from foundation_lab.errors import SchedulingError, ServiceError
from foundation_lab.services import (
    Backend,
    Bulkhead,
    Cache,
    CircuitBreaker,
    ConnectionManager,
    Queue,
    RateLimiter,
    Service,
    State,
    Supervisor,
    Timeout,
    TokenBucket,
)
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import (
    CacheFlush,
    CapacityLoss,
    ClockSkew,
    CpuStress,
    Crash,
    ErrorRate,
    Fault,
    Hang,
    Impairments,
    Latency,
    LoadStep,
    LostRequest,
    Node,
    Once,
    OnEvent,
    Outage,
    Pause,
    Periodic,
    QueueRedrive,
    Reset,
    RollingDeploy,
    SlowDown,
    SlowNode,
    Window,
    crash,
    inject,
)
from foundation_lab.telemetry import events
from tests.simulation.faults.faulty import ask, endings, spans, struck

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

SEED = 38


def backend(sim: Simulation, name: str = "db", **kwargs: Any) -> Backend:
    return Backend(sim, name, **{"service_time": 1.0, **kwargs})


def test_a_fault_holds_from_its_start_to_its_end() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(
        sim,
        db,
        [Outage(service="db", start=2, duration=3), SlowDown(service="db", start=4, factor=2)],
    )
    seen = []
    for until in (1, 3, 4.5, 6):
        sim.run(until=until)
        seen.append((db.impairments.down, db.impairments.slowdown))
    assert seen == [(False, 1), (True, 1), (True, 2), (False, 2)]
    frame = sim.recording.wide("fault").select("event", "time", "kind", "duration", "cause")
    injected, cleared = "foundation.fault.injected", "foundation.fault.cleared"
    assert frame.drop("cause").rows() == [
        (injected, 2.0, "outage", None),
        (injected, 4.0, "slow_down", None),
        (cleared, 5.0, "outage", 3.0),
    ]
    outage = sim.recording.frame(injected)["sequence"][0]
    assert sim.recording.frame(cleared)["cause"].to_list() == [outage]


def test_two_faults_of_one_kind_and_start_are_told_apart() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    ids = inject(sim, db, [SlowDown(service="db", start=1, duration=d, factor=2) for d in (1, 2)])
    ids += inject(sim, db, [SlowDown(service="db", start=1.0000001, duration=5, factor=3)])
    assert len(set(ids)) == 3
    seen = []
    for until in (1.5, 2.5, 4, 7):
        sim.run(until=until)
        seen.append(db.impairments.slowdown)
    assert seen == [12, 6, 3, 1]


def test_a_fault_is_there_at_its_first_instant_and_gone_at_its_last() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=9)
    callers = [ask(sim, db.request, at) for at in (0.5, 1, 2)]
    inject(sim, db, SlowDown(factor=3), when=Window(start=1, duration=1))
    sim.run()
    assert endings(callers) == [("ok", 1.5), ("ok", 4), ("ok", 3)]


def test_a_fault_cannot_begin_in_the_past_and_none_is_scheduled_then() -> None:
    sim = Simulation(seed=SEED, initial_time=10)
    db = backend(sim)
    with pytest.raises(SchedulingError, match="outage of 'db' would begin at 5 s, but it is 10 s"):
        inject(sim, db, [Outage(service="db", start=11), Outage(service="db", start=5)])
    sim.run(until=12)
    assert db.available


def test_a_fault_of_another_service_is_refused_and_none_is_scheduled() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    message = "outage of 'nonsense' on service 'db'; give service='db'"
    with pytest.raises(ValueError, match=message):
        inject(sim, db, [Outage(service="db", start=1), Outage(service="nonsense", start=1)])
    sim.run(until=2)
    assert not db.impairments


NO_SENSE: list[tuple[Fault, str]] = [
    (Outage(service="db", start=1, duration=0), "outage of 'db': duration=0; give seconds > 0"),
    (SlowDown(start=1, factor=math.inf), "slow_down of 'db': factor=inf; give a number > 0"),
    (ErrorRate(start=1, rate=1.5), "rate=1.5; give a share from 0 to 1"),
    (Latency(delay=-1), "latency of 'db': delay=-1; give seconds from 0"),
    (Latency(delay=1, jitter=math.nan), "jitter=nan; give seconds from 0"),
    (Hang(probability=2), "hang of 'db': probability=2; give a share from 0 to 1"),
    (Reset(after=-1), "connection_reset of 'db': after=-1; give seconds from 0"),
    (LostRequest(detect_after=-1), "lost_request of 'db': detect_after=-1; give seconds from 0"),
    (CpuStress(share=1), "cpu_stress of 'db': share=1; give a share from 0 up to, but not incl"),
    (CapacityLoss(), "capacity_loss of 'db': places=None; give either places or share"),
    (CapacityLoss(places=1, share=0.5), "share=0.5; leave it out beside places=1"),
    (CapacityLoss(share=0), "share=0; give a share above 0, up to 1"),
    (CapacityLoss(places=0), "places=0; give a whole number from 1"),
    (Crash(down_for=0), "crash of 'db': down_for=0; give seconds > 0"),
    (Crash(state="solid"), "crash of 'db': state='solid'; give 'volatile' or 'durable'"),
    (CacheFlush(), "cache_flush of 'db': a backend has no flush; give a target"),
    (LoadStep(factor=2), "load_step of 'db': a backend has no change_load; give a target"),
    (ClockSkew(offset=1), "clock_skew of 'db': a backend has no skew and correct; give a target"),
    (QueueRedrive(), "queue_redrive of 'db': a backend has no redrive; give a target"),
    (RollingDeploy(down_for=1), "rolling_deploy of 'db': a backend has no rolling_deploy"),
]


@pytest.mark.parametrize(("fault", "message"), NO_SENSE, ids=[m[:40] for _, m in NO_SENSE])
def test_a_fault_that_makes_no_sense_is_refused(fault: Fault, message: str) -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the message is compared below)
        inject(sim, backend(sim), [fault])
    assert message in str(caught.value)


def test_a_service_says_which_faults_it_can_have() -> None:
    sim = Simulation(seed=SEED)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1)
    with pytest.raises(ValueError, match="hang of 'api': a bulkhead can have capacity_loss, crash"):
        inject(sim, bulkhead, Hang())
    with pytest.raises(ValueError, match="can have capacity_loss, crash; give one of these"):
        inject(sim, bulkhead, Latency(delay=1))
    with pytest.raises(ValueError, match="outage of 'plain': a service can have crash; give one"):
        inject(sim, Service(sim, "plain"), Outage())
    with pytest.raises(ValueError, match="a clock can have none of its kind; give a service"):
        inject(sim, NodeClock(sim, "a"), Outage())
    bulkhead.impairments = Impairments()
    with pytest.raises(ValueError, match="can have error_rate, outage, slow_down, slow_node, cpu"):
        inject(sim, bulkhead, Pause())
    with pytest.raises(ValueError, match="target=\\[\\]; give at least one service"):
        inject(sim, [], Hang())


# -- pause -----------------------------------------------------------------------------------------


def test_in_a_pause_work_stands_still_and_whoever_comes_waits() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=2)
    callers = [ask(sim, db.request, at) for at in (0, 0.25, 1, 2)]
    inject(sim, db, Pause(), when=Window(start=0.5, duration=10))
    sim.run(until=5)
    assert (db.serving, db.waiting) == (2, 2)
    sim.run()
    assert endings(callers) == [("ok", 11), ("ok", 11.25), ("ok", 12), ("ok", 12.25)]
    assert [row[:2] for row in struck(sim)] == [
        (0.5, "request at 0"),
        (0.5, "request at 0.25"),
        (1, "request at 1"),
        (2, "request at 2"),
    ]
    sim.check_invariants()


def test_work_that_ends_at_the_instant_of_the_pause_ends_and_its_place_stays_empty() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    callers = [ask(sim, db.request), ask(sim, db.request)]
    inject(sim, db, Pause(), when=Window(start=1, duration=3))
    sim.run()
    assert endings(callers) == [("ok", 1), ("ok", 5)]


def test_a_request_granted_at_the_instant_of_the_pause_waits_for_its_end() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Pause(), when=OnEvent(event=Backend.Served, duration=2))
    callers = [ask(sim, db.request), ask(sim, db.request)]
    sim.run()
    assert endings(callers) == [("ok", 1), ("ok", 4)]


def test_pauses_overlap_and_whoever_is_interrupted_goes_at_once() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=2)
    patience = Timeout(sim, "api", 4)
    callers = [ask(sim, db.request), ask(sim, lambda: patience.call(db.request))]
    inject(sim, db, Pause(), when=Window(start=0.25, duration=3))
    inject(sim, db, Pause(), when=Window(start=1, duration=5))
    inject(sim, db, Pause(), when=Window(start=6.5, duration=1))
    sim.run()
    # 0.25 done, paused to 6, another 0.5 done, paused to 7.5
    assert endings(callers) == [("ok", 7.75), ("TimedOut", 4)]
    sim.check_invariants()


def test_a_crash_during_a_pause_drops_what_stands_still() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    callers = [ask(sim, db.request, at) for at in (0, 0.1, 3.5)]
    inject(sim, db, Pause(), when=Window(start=0.5, duration=4))
    inject(sim, db, Crash(down_for=1), when=Once(at=2))
    sim.run()
    assert endings(callers) == [("ServiceDown", 2), ("ServiceDown", 2), ("ok", 5.5)]
    assert (db.serving, db.waiting, db.concurrency) == (0, 0, 1)
    sim.check_invariants()


def test_a_pause_of_a_service_that_is_down_outlasts_its_restart() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, [Crash(start=0, duration=2), Pause(start=1, duration=3)])
    callers = [ask(sim, db.request, at) for at in (1.5, 3)]
    sim.run()
    assert endings(callers) == [("ServiceDown", 1.5), ("ok", 5)]


# -- capacity --------------------------------------------------------------------------------------


def test_a_backend_loses_places_and_gets_them_again() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=4)
    inject(sim, db, CapacityLoss(share=0.3), when=Window(start=1, duration=4))  # 1.2: two of four
    inject(sim, db, CapacityLoss(places=1), when=Window(start=2, duration=1))
    inject(sim, db, CapacityLoss(places=9), when=Window(start=6, duration=1))
    seen = []
    for until in (0.5, 1.5, 2.5, 3.5, 5.5, 6.5, 7.5):
        sim.run(until=until)
        seen.append(db.concurrency)
    assert seen == [4, 2, 1, 2, 4, 0, 4]


def test_places_in_use_are_lost_when_they_are_given_back() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim, concurrency=2)
    inject(sim, db, CapacityLoss(places=1), when=Window(start=0.5, duration=9))
    callers = [ask(sim, db.request) for _ in range(4)]
    sim.run()
    assert endings(callers) == [("ok", 1), ("ok", 1), ("ok", 2), ("ok", 3)]
    sim.check_invariants()


def test_a_bulkhead_and_a_pool_lose_places_too_and_keep_their_laws() -> None:
    sim = Simulation(seed=SEED)
    bulkhead = Bulkhead(sim, "api", max_concurrent=2, max_wait=None)
    pool = ConnectionManager(sim, "pool", size=2)
    inject(sim, [bulkhead, pool], CapacityLoss(places=1), when=Window(start=0.5, duration=9))

    def work() -> Generator[Any, Any, None]:
        yield 1.0

    callers = [ask(sim, lambda s=s: s.call(work)) for s in (bulkhead, pool) for _ in range(4)]  # type: ignore[misc]
    sim.run(until=0.75)
    sim.check_invariants()
    assert (bulkhead.max_concurrent, pool.free) == (1, -1)
    pool.kill()
    pool.restart()
    assert pool.free == 1
    sim.run()
    sim.check_invariants()
    assert endings(callers)[:4] == [("ok", 1), ("ok", 1), ("ok", 2), ("ok", 3)]
    assert (bulkhead.max_concurrent, pool.free) == (2, 2)


def test_a_pool_fails_to_connect_or_connects_late() -> None:
    sim = Simulation(seed=SEED)
    pool = ConnectionManager(sim, "pool", size=2)
    inject(sim, pool, ErrorRate(rate=1), when=Window(start=0, duration=1))
    inject(sim, pool, Latency(delay=0.5), when=Window(start=1, duration=1))
    callers = [ask(sim, lambda: pool.call(lambda: 1), at) for at in (0.5, 1.5, 2)]
    sim.run()
    assert endings(callers) == [("ConnectFailed", 0.5), ("ok", 2), ("ok", 2)]
    assert sim.recording.frame(ConnectionManager.ConnectionFailed).height == 1
    assert (pool.active, pool.free) == (0, 2)


# -- slowness --------------------------------------------------------------------------------------


def test_processor_stress_slows_by_what_it_leaves() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, [CpuStress(share=0.75), SlowDown(factor=0.5)])
    caller = ask(sim, db.request)
    sim.run()
    assert caller.value == ("ok", 2)


def test_a_slow_node_slows_every_service_on_it_and_no_other() -> None:
    sim = Simulation(seed=SEED)
    with sim.telemetry.context(node="a"):
        there = [backend(sim, name) for name in ("one", "two")]
        CircuitBreaker(sim, "breaker")
    elsewhere = backend(sim, "three")
    ids = inject(sim, Node("a"), SlowNode(factor=3))
    assert ids == ["slow_node:one:0", "slow_node:two:0"]
    callers = [ask(sim, each.request) for each in (*there, elsewhere)]
    sim.run()
    assert endings(callers) == [("ok", 3), ("ok", 3), ("ok", 1)]
    with pytest.raises(ValueError, match="slow_node of node 'b': no service there can have it"):
        inject(sim, Node("b"), SlowNode(factor=3))


# -- crashes ---------------------------------------------------------------------------------------


def test_two_crashes_at_one_instant_are_told_apart() -> None:
    sim = Simulation(seed=SEED)
    db, cache = backend(sim), Backend(sim, "cache", service_time=0.1)
    ids = [crash(sim, service, at=1) for service in (db, cache, db)]
    sim.run(until=2)
    assert ids == ["crash:db:1", "crash:cache:1", "crash:db:1#2"]
    assert sim.recording.frame("foundation.fault.cleared")["fault_id"].to_list() == ids


def test_a_crash_brings_the_service_back_after_its_time() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    (fault_id,) = inject(sim, db, Crash(down_for=3), when=Once(at=1))
    callers = [ask(sim, db.request, at) for at in (0.5, 2, 4)]
    sim.run()
    assert endings(callers) == [("ServiceDown", 1), ("ServiceDown", 2), ("ok", 5)]
    assert spans(sim) == [(fault_id, 1, 4)]
    assert struck(sim) == [(1, "request at 0.5", fault_id)]
    assert db.restart_count == 1


def test_overlapping_crashes_hold_a_service_down_until_the_last_is_over() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(
        sim,
        db,
        [Crash(start=1, down_for=5), Crash(start=2, down_for=1), Crash(start=3, duration=6)],
    )
    seen = []
    for until in (0.5, 1.5, 3.5, 6.5, 8.5, 9.5):
        sim.run(until=until)
        seen.append(db.up)
    assert seen == [True, False, False, False, False, True]
    assert db.restart_count == 1


@pytest.mark.parametrize(("delay", "back_at"), [(1.0, 2.0), (2.0, 3.0), (5.0, 3.0)])
def test_the_crash_or_a_supervisor_restarts_whoever_comes_first(
    delay: float, back_at: float
) -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    Supervisor(sim, "boss", [db], restart_delay=delay)
    inject(sim, db, Crash(down_for=2), when=Once(at=1))
    sim.run()
    assert db.up
    assert sim.recording.frame(Service.Restarted)["time"].to_list() == [back_at]
    sim.check_invariants()


def test_the_end_of_a_crash_leaves_a_later_incarnation_alone() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, Crash(down_for=5), when=Once(at=1))
    sim.call_at(2, db.restart)
    sim.call_at(3, db.kill)  # by another hand, and for good
    sim.run()
    assert not db.up


def test_a_service_that_cannot_start_again_stays_down() -> None:
    class Broken(Service):
        kind = "broken"

        def on_restart(self) -> None:
            raise ServiceError

    sim = Simulation(seed=SEED)
    inject(sim, Broken(sim, "it"), Crash(down_for=1), when=Once(at=1))
    sim.run()
    assert sim.now == 2


@pytest.mark.parametrize("state", ["volatile", "durable"])
def test_what_a_service_knew_is_lost_or_not(state: str) -> None:
    sim = Simulation(seed=SEED)
    cache = Cache(sim, "cache", ttl=100)
    limiter = RateLimiter(sim, "limiter", lambda: TokenBucket(rate=0.001, capacity=1))
    breaker = CircuitBreaker(sim, "breaker", failure_threshold=1, reset_timeout=10)
    cache.put("a", 1)
    limiter.allow()
    breaker.trip()
    inject(sim, [cache, limiter, breaker], Crash(down_for=3, state=state), when=Once(at=2))
    sim.run(until=6)
    sim.check_invariants()
    kept = (cache.peek("a") is not None, limiter.remaining() < 1, breaker.state is State.OPEN)
    assert kept == (state == "durable",) * 3
    sim.run(until=11)
    assert breaker.state is (State.HALF_OPEN if state == "durable" else State.CLOSED)
    sim.check_invariants()


def test_a_breaker_whose_time_ran_out_while_it_was_down_is_half_open_at_once() -> None:
    sim = Simulation(seed=SEED)
    breaker = CircuitBreaker(sim, "breaker", failure_threshold=1, reset_timeout=2)
    breaker.trip()
    inject(sim, breaker, Crash(down_for=5, state="durable"), when=Once(at=1))
    sim.run()
    changes = sim.recording.frame(CircuitBreaker.StateChange)
    assert changes.select("time", "to").rows() == [(0, "open"), (6, "half_open")]
    sim.check_invariants()


# -- deploys ---------------------------------------------------------------------------------------


def test_a_rolling_deploy_takes_down_so_many_at_a_time() -> None:
    sim = Simulation(seed=SEED)
    fleet = [backend(sim, f"web{n}") for n in range(5)]
    Supervisor(sim, "boss", fleet)  # an orderly end is none of its business
    (fault_id,) = inject(
        sim, fleet, RollingDeploy(down_for=2, max_unavailable=2, service="web"), when=Once(at=1)
    )
    caller = ask(sim, fleet[0].request, at=0.5)
    seen = []
    for until in (0.75, 1.5, 3.5, 5.5, 7.5):
        sim.run(until=until)
        seen.append([each.up for each in fleet].count(False))
    assert seen == [0, 2, 2, 1, 0]
    assert [each.restart_count for each in fleet] == [1] * 5
    assert spans(sim) == [(fault_id, 1, 7)]
    assert fault_id == "rolling_deploy:web:1"
    assert caller.value == ("ServiceDown", 1)
    assert struck(sim) == [(1, "request at 0.5", fault_id)]


def test_a_deploy_meets_services_that_are_down_or_come_back_by_another_hand() -> None:
    sim = Simulation(seed=SEED)
    fleet = [backend(sim, f"web{n}") for n in range(3)]
    (fault_id,) = inject(sim, fleet, RollingDeploy(down_for=2), when=Once(at=1))
    assert fault_id == "rolling_deploy:web0+web1+web2:1"
    crash(sim, fleet[1], at=0.5)
    sim.call_at(6, fleet[2].restart)
    sim.run()
    assert all(each.up for each in fleet)
    assert [each.restart_count for each in fleet] == [1] * 3
    assert spans(sim)[-1] == (fault_id, 1, 7)


def test_the_time_down_counts_from_the_end_of_an_orderly_stop() -> None:
    class Slow(Backend):
        def stop(self, reason: str = "shutdown") -> None:
            self.sim.call_in(3, lambda: super(Slow, self).stop(reason))

    sim = Simulation(seed=SEED)
    fleet = [Slow(sim, f"web{n}", service_time=1.0) for n in range(2)]
    (fault_id,) = inject(sim, fleet, RollingDeploy(down_for=2), when=Once(at=1))
    caller = ask(sim, fleet[0].request, at=0.5)
    crash(sim, fleet[0], at=20)  # the deploy has no more to do with it
    sim.run()
    assert caller.value == ("ok", 1.5)
    stopped = sim.recording.frame(Service.Stopped).filter(reason="shutdown")
    assert stopped.select("time", "service").rows() == [(4, "web0"), (9, "web1")]
    assert spans(sim)[0] == (fault_id, 1, 11)
    assert [each.up for each in fleet] == [False, True]


@pytest.mark.parametrize("answer", ["down", "nothing to wait for"])
def test_a_deploy_that_is_over_before_it_begins_is_cleared_at_once(answer: str) -> None:
    class Fleet:
        kind, name = "fleet", "web"

        def rolling_deploy(self, *, max_unavailable: float) -> None:
            if answer == "down":
                raise ServiceError

    sim = Simulation(seed=SEED)
    inject(sim, Fleet(), RollingDeploy(), when=Once(at=1))
    sim.run()
    assert spans(sim) == [("rolling_deploy:web:1", 1, 1)]


def test_a_target_that_deploys_itself_is_left_to_it() -> None:
    class Fleet:
        kind, name = "fleet", "web"

        def __init__(self, done: simpy.Event) -> None:
            self.done = done
            self.asked: list[float] = []

        def rolling_deploy(self, *, max_unavailable: float) -> simpy.Event:
            self.asked.append(max_unavailable)
            return self.done

    sim = Simulation(seed=SEED)
    fleet = Fleet(sim.timeout(5))
    (fault_id,) = inject(sim, fleet, RollingDeploy(max_unavailable=3), when=Once(at=1))
    with pytest.raises(ValueError, match="down_for=2; give it for several services, and for these"):
        inject(sim, fleet, RollingDeploy(down_for=2))
    with pytest.raises(ValueError, match="max_unavailable=-1; give a whole number from 0"):
        inject(sim, fleet, RollingDeploy(max_unavailable=-1))
    (wrong,) = RollingDeploy(down_for=2, max_unavailable=0).wrong()
    assert wrong == ("max_unavailable", 0, "give a whole number from 1")
    with pytest.raises(ValueError, match="a group has no restart; give a target that can have"):
        inject(sim, [fleet], RollingDeploy(down_for=2))
    sim.run()
    assert fleet.asked == [3]
    assert spans(sim) == [(fault_id, 1, 5)]


# -- surroundings ----------------------------------------------------------------------------------


def test_the_load_is_the_product_of_all_steps() -> None:
    class Stub:
        kind, name = "workload", "shop"

        def __init__(self) -> None:
            self.factors: list[tuple[float, float]] = []

        def change_load(self, factor: float) -> None:
            self.factors.append((sim.now, factor))

    sim = Simulation(seed=SEED)
    shop = Stub()
    inject(sim, shop, [LoadStep(start=1, factor=2), LoadStep(start=2, factor=3, duration=4)])
    inject(sim, shop, LoadStep(factor=0), when=Window(start=3, duration=1))
    with pytest.raises(ValueError, match="load_step of 'shop': factor=-1; give a number from 0"):
        inject(sim, shop, LoadStep(factor=-1))
    sim.run()
    assert shop.factors == [(1, 2), (2, 6), (3, 0), (4, 6), (6, 2)]


def test_a_flush_empties_a_cache_at_an_instant() -> None:
    sim = Simulation(seed=SEED)
    cache = Cache(sim, "cache", ttl=100)
    for key in "ab":
        cache.put(key, 1)
    inject(sim, cache, CacheFlush(), when=Once(at=3))
    loading = ask(sim, lambda: cache.call(lambda: sim.sleep(2), key="c"), at=2)
    sim.run()
    assert len(cache) == 0  # a load from before the flush is not kept
    assert loading.value == ("ok", 4)
    evicted = sim.recording.frame(Cache.Evicted)
    assert evicted.select("time", "key", "reason").rows() == [(3, k, "flushed") for k in "ab"]
    assert spans(sim) == [("cache_flush:cache:3", 3, 3)]
    with pytest.raises(ValueError, match="duration=1; leave it out; it lasts as long as it takes"):
        inject(sim, cache, CacheFlush(), when=Once(at=9, duration=1))


def dead_letters(sim: Simulation, *bodies: str) -> tuple[Queue, Queue]:
    """Return a queue of dead letters, and the one that they come from."""
    letters = Queue(sim, "letters")
    jobs = Queue(sim, "jobs", ttl=1, dead_letters=letters)
    for body in bodies:
        jobs.offer(body)
    return letters, jobs


def moved(sim: Simulation) -> list[tuple[Any, ...]]:
    return sim.recording.frame(Queue.Redriven).select("time", "to").rows()


def test_a_redrive_of_a_queue_lasts_until_its_letters_are_moved() -> None:
    sim = Simulation(seed=SEED)
    letters, _ = dead_letters(sim, "a", "b", "c")
    inject(sim, letters, QueueRedrive(rate=2), when=Once(at=3))
    sim.run(until=4.5)
    assert moved(sim) == [(3, "jobs"), (3.5, "jobs"), (4, "jobs")]
    assert spans(sim) == [("queue_redrive:letters:3", 3, 4)]
    assert sim.recording.frame(events.fault.Injected)["parameters"].to_list() == ['{"rate":2}']
    with pytest.raises(ValueError, match="duration=1; leave it out; it lasts as long as it takes"):
        inject(sim, letters, QueueRedrive(), when=Once(at=9, duration=1))


def test_letters_can_be_moved_to_another_queue_at_once_each_time_that_it_is_due() -> None:
    sim = Simulation(seed=SEED)
    letters, _ = dead_letters(sim, "a", "b")
    repair = Queue(sim, "repair")
    inject(sim, letters, QueueRedrive(to="repair"), when=Periodic(every=3, times=2))
    sim.call_at(4, lambda: sim.components["queue", "jobs"].offer("c"))  # type: ignore[attr-defined]
    sim.run()
    assert moved(sim) == [(3, "repair"), (3, "repair"), (6, "repair")]
    assert spans(sim) == [
        ("queue_redrive:letters:3", 3, 3),
        ("queue_redrive:letters:3#2", 6, 6),
    ]
    assert repair.depth == 3


def test_no_redrive_begins_while_one_is_running_or_the_queue_is_down() -> None:
    sim = Simulation(seed=SEED)
    letters, _ = dead_letters(sim, "a", "b", "c")
    sim.call_at(2, lambda: letters.redrive(rate=1))
    inject(sim, letters, QueueRedrive(), when=Once(at=2.5))
    sim.call_at(6, letters.kill)
    inject(sim, letters, QueueRedrive(), when=Once(at=7))
    sim.run()
    assert moved(sim)[:3] == [(2, "jobs"), (3, "jobs"), (4, "jobs")]
    assert len(sim.recording.frame(Queue.RedriveStarted)) == 1
    assert [(begin, end) for _, begin, end in spans(sim)] == [(2.5, 2.5), (7, 7)]


def test_a_redrive_that_cannot_go_on_is_over() -> None:
    sim = Simulation(seed=SEED)
    letters, jobs = dead_letters(sim, "a", "b", "c")
    inject(sim, letters, QueueRedrive(rate=1), when=Once(at=2))
    sim.call_at(2.5, jobs.kill)
    sim.run()
    assert spans(sim) == [("queue_redrive:letters:2", 2, 3)]
    assert sim.recording.frame(Queue.RedriveEnded)["reason"].to_list() == ["destination_down"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (QueueRedrive(rate=0), "rate=0; give letters a second, above 0"),
        (QueueRedrive(to="letters"), "to='letters'; that is the queue itself; give another"),
        (QueueRedrive(to="leters"), "to='leters'; there is no such queue; give the name of one"),
    ],
)
def test_a_redrive_to_nowhere_is_refused(fault: Fault, message: str) -> None:
    sim = Simulation(seed=SEED)
    letters, _ = dead_letters(sim)
    with pytest.raises(ValueError, match=f"queue_redrive of 'letters': {message}"):
        inject(sim, letters, fault, when=Once(at=1))


# -- what is told ----------------------------------------------------------------------------------


def test_the_event_says_how_strong_a_fault_is() -> None:
    sim = Simulation(seed=SEED)
    db = backend(sim)
    inject(sim, db, [SlowDown(factor=1.5), Latency(delay=exponential(2), probability=0.5)])
    sim.run()
    frame = sim.recording.frame(events.fault.Injected)
    assert frame["parameters"].to_list() == [
        '{"factor":1.5}',
        '{"delay":{"distribution":"Exponential","mean":2.0},"jitter":0.0,"probability":0.5}',
    ]


def test_faults_work_the_same_when_nothing_is_told() -> None:
    def run(*, told: bool) -> list[tuple[str, float]]:
        sim = Simulation(seed=SEED)
        db = backend(sim, service_time=exponential(0.5))
        if not told:
            sim.telemetry.disable()
        faults = [Latency(delay=0.5, probability=0.5), Hang(probability=0.2), ErrorRate(rate=0.3)]
        inject(sim, db, [*faults, Pause()], when=Window(start=2, duration=3))
        inject(sim, db, Crash(down_for=2), when=Once(at=9))
        callers = [ask(sim, db.request, at / 4) for at in range(60)]
        sim.run()
        sim.check_invariants()
        return endings(callers)

    assert run(told=True) == run(told=False)
