"""Draining, closing, resizing, leaks, and being killed and restarted under load."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import simpy

from foundation_lab.errors import ServiceDown, ServiceError, TimedOut
from foundation_lab.services import ConnectionManager, Health, Supervisor, pool_presets
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import CapacityLoss, Window, crash, inject
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from tests.services.pools import at, checks, evictions, told, use

Acquired = ConnectionManager.ConnectionAcquired
Failed = ConnectionManager.ConnectionFailed

KINDS: dict[str, dict[str, Any]] = {"caller": {}, "pool": {"opened_by": "pool"}}
kinds = pytest.mark.parametrize("terms", KINDS.values(), ids=KINDS)


def drain(
    sim: Simulation, pool: ConnectionManager, start: float, grace: float | None = None
) -> Any:
    def process() -> Any:
        yield start
        yield from pool.drain(grace)
        return sim.now

    return sim.process(process(), name="drainer")


# -- drain and close -------------------------------------------------------------------------------


@kinds
def test_a_pool_that_drains_lends_no_more_and_stops_once_all_are_back(terms: Any) -> None:
    sim = Simulation(seed=1)
    pool = ConnectionManager(sim, "db", size=2, **terms)
    users = [use(sim, pool, at=1, hold=k) for k in (2, 3)]
    waiter, late = use(sim, pool, at=1, hold=1), use(sim, pool, at=2.5, hold=1)
    drainer = drain(sim, pool, 2)
    sim.run(until=2.25)
    assert (pool.status, pool.health()) == ("draining: 2 active, 0 idle", Health.DEGRADED)
    sim.run()
    assert drainer.value == 4
    assert [user.value for user in users] == [("ok", 3.0), ("ok", 4.0)]
    assert (waiter.value, late.value) == (("ServiceDown", 2.0), ("ServiceDown", 2.5))
    assert not pool.up
    assert [(time, reason) for time, _, reason in evictions(sim)] == [
        (3.0, "drained"),
        (4.0, "drained"),
    ]
    assert told(sim, ConnectionManager.Draining, "time", "active") == [(2.0, 2)]
    assert told(sim, ConnectionManager.Stopped, "time", "reason") == [(4.0, "shutdown")]
    checks(sim, pool)


@kinds
def test_draining_a_pool_of_which_nothing_is_out_stops_it_at_once(terms: Any) -> None:
    sim = Simulation(seed=2)
    pool = ConnectionManager(sim, "db", size=2, **terms)
    drainer = drain(sim, pool, 1)
    sim.run()
    assert (drainer.value, pool.up) == (1, False)
    assert len(evictions(sim)) == 2


def test_a_drained_pool_is_not_restarted_by_its_supervisor_but_can_be_by_hand() -> None:
    sim = Simulation(seed=3)
    pool = ConnectionManager(sim, "db", size=2)
    Supervisor(sim, "root", [pool])
    drain(sim, pool, 1)
    sim.run(until=10)
    assert not pool.up
    pool.restart()
    user = use(sim, pool, at=10, hold=1)
    sim.run()
    assert user.value == ("ok", 11.0)
    assert pool.status == "0 active, 2 idle"
    checks(sim, pool)


def test_what_is_out_when_the_grace_is_over_is_lost() -> None:
    sim = Simulation(seed=4)
    pool = ConnectionManager(sim, "db", size=2)
    slow, quick = use(sim, pool, at=0, hold=9), use(sim, pool, at=0, hold=4)
    drainer = drain(sim, pool, 1, grace=3)
    sim.run()
    assert (quick.value, slow.value) == (("ok", 4.0), ("ConnectionLost", 4.0))
    assert drainer.value == 4
    checks(sim, pool)


def test_a_return_at_the_very_end_of_the_grace_is_in_time() -> None:
    sim = Simulation(seed=5)
    pool = ConnectionManager(sim, "db", size=1)
    drainer = drain(sim, pool, 1, grace=3)
    user = use(sim, pool, at=0, hold=4)
    sim.run()
    assert (user.value, drainer.value) == (("ok", 4.0), 4)
    checks(sim, pool)


def test_two_may_drain_a_pool_and_a_kill_ends_it_for_both() -> None:
    sim = Simulation(seed=6)
    pool = ConnectionManager(sim, "db", size=1)
    use(sim, pool, at=0, hold=9)
    drainers = [drain(sim, pool, 1), drain(sim, pool, 2, grace=100)]
    at(sim, 3, pool.kill)
    sim.run()
    assert [drainer.value for drainer in drainers] == [3, 3]
    assert told(sim, ConnectionManager.Stopped, "reason") == ["killed"]
    assert len(told(sim, ConnectionManager.Draining, "active")) == 1
    checks(sim, pool)


def test_an_interrupted_drainer_leaves_the_pool_draining_until_somebody_drains_it_again() -> None:
    sim = Simulation(seed=7)
    pool = ConnectionManager(sim, "db", size=1)
    use(sim, pool, at=0, hold=5)

    def hurried() -> Any:
        yield 1
        with suppress(TimedOut), sim.deadline(2):
            yield from pool.drain()

    sim.process(hurried())
    sim.run()
    assert (sim.now, pool.up, pool.status) == (5.0, True, "draining: 0 active, 0 idle")
    drain(sim, pool, 1)
    sim.run()
    assert not pool.up
    with pytest.raises(ServiceDown):
        next(pool.drain())


@kinds
def test_a_checkout_that_opens_or_checks_a_connection_when_the_pool_drains_goes_on(
    terms: Any,
) -> None:
    sim = Simulation(seed=8)
    terms = terms | {"validation": True, "validation_time": 1, "alive_bypass": 0}
    pool = ConnectionManager(sim, "db", size=1, **terms)
    user = use(sim, pool, at=1, hold=1)
    drainer = drain(sim, pool, 1.5)
    sim.run()
    assert (user.value, drainer.value) == (("ok", 3.0), 3)
    checks(sim, pool)


def test_a_checkout_that_finds_its_connection_dead_in_a_draining_pool_is_sent_away() -> None:
    sim = Simulation(seed=9)
    pool = ConnectionManager(
        sim, "db", size=1, opened_by="pool", validation=True, validation_time=1, alive_bypass=0
    )
    at(sim, 0.5, pool.break_idle)
    user = use(sim, pool, at=1, hold=1)
    drainer = drain(sim, pool, 1.5)
    sim.run()
    assert (user.value, drainer.value) == (("ServiceDown", 2.0), 2)
    checks(sim, pool)


@kinds
def test_a_waiter_that_was_granted_its_place_at_the_instant_of_the_drain_is_sent_away(
    terms: Any,
) -> None:
    sim = Simulation(seed=10)
    pool = ConnectionManager(sim, "db", size=1, **terms)

    def holder() -> Any:
        yield 1
        connection = yield from pool.checkout()
        yield 1
        connection.release()
        yield from pool.drain()
        return sim.now

    process = sim.process(holder())
    waiter = use(sim, pool, at=1.5, hold=1)
    sim.run()
    assert (waiter.value, process.value) == (("ServiceDown", 2.0), 2)
    sim.check_invariants()


def test_what_is_opened_in_the_background_when_the_pool_drains_is_never_open() -> None:
    sim = Simulation(seed=24)
    pool = ConnectionManager(sim, "db", size=2, opened_by="pool", connect_time=1)
    use(sim, pool, at=1, hold=5)
    drain(sim, pool, 1.5)
    sim.run()
    assert told(sim, ConnectionManager.Opened, "time") == [1.0]
    assert (sim.now, pool.up) == (6.0, False)


def test_closing_a_pool_takes_everything_at_once() -> None:
    sim = Simulation(seed=11)
    pool = ConnectionManager(sim, "db", size=1)
    user, waiter = use(sim, pool, at=0, hold=5), use(sim, pool, at=0, hold=5)
    at(sim, 1, pool.close)
    sim.run()
    assert (user.value, waiter.value) == (("ConnectionLost", 1.0), ("ServiceDown", 1.0))
    assert told(sim, ConnectionManager.Stopped, "reason") == ["shutdown"]


# -- resize ----------------------------------------------------------------------------------------


@kinds
def test_a_smaller_pool_closes_idle_connections_now_and_others_when_they_come_back(
    terms: Any,
) -> None:
    sim = Simulation(seed=12)
    pool = ConnectionManager(sim, "db", size=4, **terms)
    for hold in (3, 4):
        use(sim, pool, at=1, hold=hold)
    at(sim, 2, lambda: pool.resize(1))
    waiter = use(sim, pool, at=2.5, hold=1)
    sim.run(until=2.25)
    assert (pool.active, pool.idle, pool.open, pool.size) == (2, 0, 2, 1)
    sim.run()
    assert waiter.value == ("ok", 6.0)  # the first to come back is closed, the second lent
    assert [time for time, _, reason in evictions(sim) if reason == "resized"] == [2.0, 2.0, 4.0]
    assert told(sim, ConnectionManager.Resized, "time", "size", "max_overflow") == [(2.0, 1, 0)]
    assert pool.min_idle == 1
    checks(sim, pool)


def test_a_larger_pool_serves_those_who_wait_at_that_instant() -> None:
    sim = Simulation(seed=13)
    pool = ConnectionManager(sim, "db", size=1)
    users = [use(sim, pool, at=0, hold=5) for _ in range(3)]
    at(sim, 1, lambda: pool.resize(3))
    sim.run()
    assert [user.value for user in users] == [("ok", 5.0), ("ok", 6.0), ("ok", 6.0)]
    assert pool.idle == 3
    checks(sim, pool)


def test_a_larger_pool_that_opens_its_connections_adds_them_for_those_who_wait() -> None:
    sim = Simulation(seed=14)
    pool = ConnectionManager(
        sim, "db", size=1, opened_by="pool", min_idle=0, connect_time=0.5, checkout_timeout=None
    )
    users = [use(sim, pool, at=0, hold=9) for _ in range(3)]
    at(sim, 2, lambda: pool.resize(3))
    sim.run()
    assert [user.value for user in users] == [
        ("ok", 9.5),
        ("ok", 11.5),
        ("ok", pytest.approx(12.03)),
    ]
    checks(sim, pool)


def test_a_connection_that_is_being_opened_when_its_place_goes_is_never_open() -> None:
    sim = Simulation(seed=15)
    pool = ConnectionManager(sim, "db", size=2, opened_by="pool", connect_time=1)
    at(sim, 1.5, lambda: pool.resize(1))
    sim.run()
    assert told(sim, ConnectionManager.Opened, "time") == [1.0]
    checks(sim, pool)


def test_the_size_outlives_a_restart_and_may_change_while_the_pool_is_down() -> None:
    sim = Simulation(seed=16)
    pool = ConnectionManager(sim, "db", size=3)
    pool.resize(3)
    pool.resize(2)
    pool.kill()
    pool.resize(5)
    pool.restart()
    assert pool.idle == 5
    assert told(sim, ConnectionManager.Resized, "size") == [2, 5]
    assert told(sim, ConnectionManager.PoolCreated, "size") == [3, 5]
    with pytest.raises(ValueError, match="size=0"):
        pool.resize(0)


# -- leaks -----------------------------------------------------------------------------------------


def test_a_connection_that_is_out_for_too_long_is_told_of_once_and_stays_out() -> None:
    sim = Simulation(seed=17)
    pool = ConnectionManager(sim, "db", size=2, leak_threshold=2)
    use(sim, pool, at=0, hold=2)  # at exactly the threshold it comes back
    leak = use(sim, pool, at=0, hold=9, name="hoarder")
    sim.run(until=5)
    assert pool.active == 1
    sim.run()
    fields = ("time", "connection_id", "owner", "duration")
    assert told(sim, ConnectionManager.LeakDetected, *fields) == [(2.0, "db-2", "hoarder", 2.0)]
    assert leak.value == ("ok", 9.0)
    checks(sim, pool)


def test_a_lost_connection_leaks_no_more() -> None:
    sim = Simulation(seed=18)
    pool = ConnectionManager(sim, "db", size=1, leak_threshold=5)
    use(sim, pool, at=0, hold=9)
    at(sim, 1, pool.kill)
    sim.run()
    assert sim.now == 1
    assert told(sim, ConnectionManager.LeakDetected, "owner") == []


# -- killed and restarted --------------------------------------------------------------------------

LOADS = {
    "hikaricp": pool_presets.hikaricp(4)
    | {"connect_time": exponential(0.05), "validation_time": 0.002},
    "sqlalchemy": pool_presets.sqlalchemy_queue_pool(2, 2, pre_ping=True)
    | {"connect_time": exponential(0.05), "validation_time": 0.002},
    "plain": {"size": 4},
}


@pytest.mark.parametrize("terms", LOADS.values(), ids=LOADS)
def test_a_crash_under_load_is_one_event_of_many_in_the_life_of_a_supervised_pool(
    terms: dict[str, Any],
) -> None:
    sim = Simulation(seed=19)
    pool = ConnectionManager(sim, "db", **(terms | {"checkout_timeout": 0.5}))
    Supervisor(sim, "root", [pool], restart_delay=0.25, intensity=5)
    service = exponential(0.04)
    times = sim.stream("test.service")

    def request() -> Any:
        return pool.call(lambda: sim.sleep(service.sample(times)))

    sim.telemetry.attach("laws", "connection", lambda _: sim.check_invariants(), on_error="raise")
    Workload(sim, "shop", poisson(90.0), request)
    pids = [pool.pid]
    for start in (5.0, 10.0):
        crash(sim, pool, at=start)
        sim.call_at(start + 1, lambda: pids.append(pool.pid))
    sim.run(until=5.01)
    assert not pool.up
    sim.run(until=15)
    sim.check_invariants()
    assert pids == [f"connection_manager:db:{k}" for k in range(3)]
    assert told(sim, ConnectionManager.Restarted, "time") == [5.25, 10.25]
    failed = told(sim, Failed, "time", "error")
    at_the_crash = [error for time, error in failed if time == 5.0]
    assert at_the_crash.count("ConnectionLost") >= 1
    assert "ServiceDown" in {error for time, error in failed if 5.0 < time < 5.25}
    ids = told(sim, Acquired, "time", "connection_id")
    before = {name for time, name in ids if time < 5}
    after = {name for time, name in ids if time > 5}
    assert before
    assert after
    assert not before & after
    finished = sim.recording.counts["foundation.connection.connection_acquired"]
    released = sim.recording.counts["foundation.connection.connection_released"]
    lost = sum(error == "ConnectionLost" for _, error in failed)
    assert finished == released + lost + pool.active


@kinds
@pytest.mark.parametrize("first", ["checkout", "kill", "restart"])
def test_a_checkout_at_the_instant_of_a_kill_and_a_restart_ends_in_order(
    terms: Any, first: str
) -> None:
    sim = Simulation(seed=20)
    pool = ConnectionManager(sim, "db", size=1, **terms)
    sim.run(until=1)
    users = []
    steps = {
        "checkout": lambda: users.append(use(sim, pool, at=sim.now, hold=1)),
        "kill": pool.kill,
        "restart": lambda: None if pool.up else pool.restart(),
    }
    order = {
        "checkout": ["checkout", "kill", "restart"],
        "kill": ["kill", "checkout", "restart"],
        "restart": ["kill", "restart", "checkout"],
    }[first]
    for name in order:
        sim.call_at(2, steps[name])
    sim.run()
    assert users[0].value in {("ok", 3.0), ("ServiceDown", 2.0)}
    checks(sim, pool)


def test_an_owner_that_is_interrupted_at_the_instant_of_the_kill_hears_of_one_of_them() -> None:
    for order in (("interrupt", "kill"), ("kill", "interrupt")):
        sim = Simulation(seed=21)
        pool = ConnectionManager(sim, "db", size=1, connect_time=2)
        ended: list[str] = []

        def user(pool: ConnectionManager = pool, ended: list[str] = ended) -> Any:
            try:
                yield from pool.call(lambda: 1)
            except (ServiceError, simpy.Interrupt) as error:
                ended.append(type(error).__name__)
            yield 5

        process = sim.process(user())
        calls = {"interrupt": process.interrupt, "kill": pool.kill}

        def both(order: Any = order, calls: Any = calls) -> None:
            for name in order:
                calls[name]()

        at(sim, 1, both)
        with suppress(simpy.Interrupt):
            sim.run()
        assert len(ended) == 1
        sim.check_invariants()


def test_metrics_and_health_tell_what_is_open_and_being_opened() -> None:
    sim = Simulation(seed=22)
    pool = ConnectionManager(sim, "db", size=2, opened_by="pool", connect_time=1)
    use(sim, pool, at=1.5, hold=9)
    sim.run(until=2)
    assert pool.metrics() == {"active": 1, "idle": 0, "waiting": 0, "connecting": 1, "open": 1}
    assert pool.health() is Health.HEALTHY


@kinds
def test_a_pool_works_the_same_with_telemetry_disabled(terms: Any) -> None:
    values = []
    for enabled in (True, False):
        sim = Simulation(seed=23)
        if not enabled:
            sim.telemetry.disable()
        more = {"max_lifetime": 3, "validation": True, "leak_threshold": 1, "connect_time": 0.1}
        pool = ConnectionManager(sim, "db", size=1, **(terms | more))
        users = [use(sim, pool, at=k, hold=0.7) for k in range(8)]
        sim.run(until=20)
        values.append([user.value for user in users])
    assert values[0] == values[1]


@kinds
def test_a_restart_while_a_fault_takes_all_places_has_them_when_it_is_over(terms: Any) -> None:
    sim = Simulation(seed=91)
    pool = ConnectionManager(sim, "db", size=2, checkout_timeout=None, **terms)
    inject(sim, pool, CapacityLoss(share=1.0), when=Window(start=1, duration=4))
    sim.call_at(2, pool.kill)
    sim.call_at(3, pool.restart)
    user = use(sim, pool, at=4, hold=0.5)
    sim.run(until=4.5)
    assert (pool.up, pool.open, pool.waiting) == (True, 0, 1)
    sim.run(until=20)
    assert user.value == ("ok", 5.5)
    checks(sim, pool)
