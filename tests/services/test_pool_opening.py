"""How connections are opened: by the caller who needs one, or by the pool in the background."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from foundation_lab.errors import TimedOut
from foundation_lab.services import ConnectionManager, Health
from foundation_lab.simulation.distributions import uniform
from foundation_lab.simulation.engine import Simulation
from tests.services.pools import at, checks, evictions, told, use

Acquired = ConnectionManager.ConnectionAcquired
Opened = ConnectionManager.Opened


def test_a_caller_who_finds_no_connection_opens_one_itself_and_pays_for_it() -> None:
    sim = Simulation(seed=1)
    pool = ConnectionManager(sim, "db", size=2, connect_time=0.5)
    assert (pool.idle, pool.min_idle) == (0, 0)
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0.25, hold=1)
    again = use(sim, pool, at=2, hold=1)
    sim.run()
    assert [user.value for user in (first, second, again)] == [
        ("ok", 1.5),
        ("ok", 1.75),
        ("ok", 3.0),
    ]
    assert told(sim, Opened, "time", "connection_id", "duration") == [
        (0.5, "db-1", 0.5),
        (0.75, "db-2", 0.5),
    ]
    assert told(sim, Acquired, "duration") == [0.5, 0.5, 0.0]
    checks(sim, pool)


def test_a_pool_begins_with_as_many_connections_as_it_is_told_when_they_are_free() -> None:
    sim = Simulation(seed=2)
    assert ConnectionManager(sim, "all", size=3).idle == 3
    few = ConnectionManager(sim, "few", size=3, min_idle=1)
    assert few.idle == 1
    for _ in range(2):
        use(sim, few, at=0, hold=1)
    sim.run()
    assert told(sim, Opened, "connection_id") == ["few-2"]
    assert few.idle == 2


def test_a_caller_who_cannot_open_a_connection_gives_its_place_to_the_next_in_line() -> None:
    sim = Simulation(seed=3)
    pool = ConnectionManager(
        sim, "db", size=1, connect_time=0.5, connect_failure=lambda now: now <= 0.5
    )
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0, hold=1)
    sim.run(until=0.25)
    assert (pool.connecting, pool.active, pool.waiting, pool.health()) == (1, 0, 1, "degraded")
    sim.run(until=0.6)
    assert pool.health() is Health.UNHEALTHY  # none is open, and the last attempt failed
    sim.run()
    assert (first.value, second.value) == (("ConnectFailed", 0.5), ("ok", 2.0))
    assert told(sim, ConnectionManager.ConnectFailed, "time", "opened_by", "duration") == [
        (0.5, "caller", 0.5)
    ]
    assert told(sim, ConnectionManager.ConnectionFailed, "error") == ["ConnectFailed"]
    assert pool.health() is Health.HEALTHY
    checks(sim, pool)


def test_the_time_to_open_a_connection_is_not_limited_by_the_checkout_timeout() -> None:
    sim = Simulation(seed=4)
    pool = ConnectionManager(sim, "db", size=1, connect_time=5, checkout_timeout=1)
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0, hold=1)
    sim.run()
    assert (first.value, second.value) == (("ok", 6.0), ("CheckoutTimeout", 1.0))


def test_a_caller_interrupted_while_it_opens_a_connection_gives_its_place_back() -> None:
    sim = Simulation(seed=5)
    pool = ConnectionManager(sim, "db", size=1, connect_time=1)
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0, hold=1)
    at(sim, 0.5, first.interrupt)
    sim.run()
    assert (first.value, second.value) == (("Interrupt", 0.5), ("ok", 2.5))
    assert told(sim, Opened, "time") == [1.5]
    checks(sim, pool)


@pytest.mark.parametrize("stage", ["opening", "checking"])
def test_a_kill_ends_the_opening_and_the_checking_of_connections(stage: str) -> None:
    sim = Simulation(seed=6)
    opening = stage == "opening"
    pool = ConnectionManager(
        sim,
        "db",
        size=1,
        connect_time=1 if opening else 0,
        validation=not opening,
        validation_time=1,
        alive_bypass=0,
    )
    user = use(sim, pool, at=1, hold=1)
    at(sim, 1.5, pool.kill)
    sim.run(until=1.6)
    assert user.value == ("ServiceDown", 1.5)
    pool.restart()
    sim.run()
    assert told(sim, ConnectionManager.ConnectionFailed, "error") == ["ServiceDown"]
    checks(sim, pool)


def test_a_handler_that_kills_the_pool_when_a_connection_is_opened_leaves_nothing_lent() -> None:
    sim = Simulation(seed=7)
    pool = ConnectionManager(sim, "db", size=1, connect_time=1)

    def crash(_record: object) -> None:
        if pool.restart_count == 0:
            pool.kill()
            pool.restart()

    sim.telemetry.attach("chaos", Opened, crash, on_error="raise")
    user = use(sim, pool, at=0, hold=1)
    sim.run()
    assert user.value == ("ServiceDown", 1.0)
    checks(sim, pool)


def test_a_pool_that_fills_itself_opens_one_connection_after_the_other() -> None:
    """With 30 ms between them, as HikariCP does."""
    sim = Simulation(seed=8)
    pool = ConnectionManager(sim, "db", size=3, opened_by="pool", connect_time=0.1)
    assert (pool.idle, pool.free, pool.min_idle) == (0, 0, 3)
    sim.run()
    assert told(sim, Opened, "time") == pytest.approx([0.1, 0.23, 0.36])
    assert (pool.idle, pool.free) == (3, 3)
    checks(sim, pool)


def test_a_pool_without_idle_connections_opens_one_for_each_that_waits() -> None:
    sim = Simulation(seed=9)
    pool = ConnectionManager(sim, "db", size=5, opened_by="pool", min_idle=0, connect_time=0.1)
    sim.run(until=1)
    assert pool.open == 0
    users = [use(sim, pool, at=1, hold=1) for _ in range(2)]
    sim.run()
    assert [user.value for user in users] == [
        ("ok", pytest.approx(2.1)),
        ("ok", pytest.approx(2.23)),
    ]
    assert pool.open == 2
    checks(sim, pool)


def test_a_waiter_takes_what_comes_first_a_returned_connection_or_a_new_one() -> None:
    sim = Simulation(seed=10)
    pool = ConnectionManager(sim, "db", size=2, opened_by="pool", min_idle=1, connect_time=1)
    holder = use(sim, pool, at=1, hold=0.5)
    waiter = use(sim, pool, at=1.25, hold=1)
    sim.run(until=1.4)
    assert (pool.waiting, pool.connecting) == (1, 1)
    sim.run()
    assert (holder.value, waiter.value) == (("ok", 1.5), ("ok", 2.5))
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-1"]
    assert pool.open == 2  # what was begun is finished
    checks(sim, pool)


def test_the_pool_tries_again_after_10_ms_doubled_to_5_s_while_connections_are_needed() -> None:
    sim = Simulation(seed=11)
    pool = ConnectionManager(
        sim, "db", size=1, opened_by="pool", connect_failure=lambda now: now < 30
    )
    sim.run(until=0.5)
    assert pool.health() is Health.UNHEALTHY
    sim.run(until=100)
    times = told(sim, ConnectionManager.ConnectFailed, "time")
    waits = [round(b - a, 3) for a, b in pairwise(times)]
    assert waits[:10] == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.0]
    assert set(waits[10:]) == {5.0}
    assert told(sim, Opened, "time") == [pytest.approx(times[-1] + 5)]
    assert pool.health() is Health.HEALTHY


def test_the_pool_stops_trying_once_nobody_needs_the_connection() -> None:
    sim = Simulation(seed=12)
    pool = ConnectionManager(
        sim,
        "db",
        size=1,
        opened_by="pool",
        min_idle=0,
        connect_failure=1.0,
        checkout_timeout=0.1,
    )
    user = use(sim, pool, at=0, hold=1)
    sim.run()
    assert user.value == ("CheckoutTimeout", 0.1)
    assert sim.now < 0.2
    sim.check_invariants()


def test_borrowing_below_min_idle_is_made_good_by_the_housekeeping() -> None:
    sim = Simulation(seed=13)
    pool = ConnectionManager(sim, "db", size=4, opened_by="pool", min_idle=2)
    for _ in range(2):
        use(sim, pool, at=1, hold=100)
    sim.run(until=29)
    assert (pool.active, pool.idle) == (2, 0)
    sim.run(until=31)
    assert (pool.active, pool.idle) == (2, 2)
    assert told(sim, Opened, "time")[2:] == pytest.approx([30.0, 30.03])


def test_a_kill_stops_the_opening_in_the_background_and_a_restart_begins_anew() -> None:
    sim = Simulation(seed=14)
    pool = ConnectionManager(sim, "db", size=2, opened_by="pool", connect_time=1)
    at(sim, 0.5, pool.kill)
    sim.run()
    assert (sim.now, told(sim, Opened, "time")) == (0.5, [])
    pool.restart()
    sim.run()
    assert told(sim, Opened, "time") == pytest.approx([1.5, 2.53])
    checks(sim, pool)


def test_the_timeout_and_a_new_connection_at_the_same_instant_the_connection_is_in_time() -> None:
    sim = Simulation(seed=15)
    pool = ConnectionManager(
        sim, "db", size=1, opened_by="pool", min_idle=0, connect_time=1, checkout_timeout=1
    )
    user = use(sim, pool, at=0, hold=1)
    sim.run()
    assert user.value == ("ok", 2.0)
    checks(sim, pool)


def test_a_connection_that_comes_free_at_the_instant_of_an_interrupt_goes_to_the_next() -> None:
    sim = Simulation(seed=16)
    pool = ConnectionManager(sim, "db", size=1, opened_by="pool", connect_time=1)
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0, hold=1)

    def interrupt(_record: object) -> None:
        if first.is_alive:
            first.interrupt()

    sim.telemetry.attach("chaos", Opened, interrupt, on_error="raise")
    sim.run()
    assert (first.value, second.value) == (("Interrupt", 1.0), ("ok", 2.0))
    checks(sim, pool)


@pytest.mark.parametrize(("order", "last"), [("fifo", "db-2"), ("lifo", "db-1")])
def test_idle_connections_are_lent_in_the_order_that_is_asked_for(order: Any, last: str) -> None:
    sim = Simulation(seed=17)
    pool = ConnectionManager(sim, "db", size=2, min_idle=0, order=order)
    use(sim, pool, at=0, hold=2)  # db-1, the last to come back
    use(sim, pool, at=0, hold=1)
    use(sim, pool, at=3, hold=1)
    sim.run()
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-2", last]


def test_the_same_seed_opens_at_the_same_instants_and_another_does_not() -> None:
    def times(seed: int) -> list[float]:
        sim = Simulation(seed=seed)
        ConnectionManager(
            sim,
            "db",
            size=5,
            opened_by="pool",
            connect_time=uniform(0.1, 0.2),
            connect_failure=0.5,
        )
        sim.run()
        return told(sim, Opened, "time")

    assert times(18) == times(18) != times(19)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "random"}, "order='random'; give one of 'fifo', 'lifo'"),
        ({"opened_by": "nobody"}, "opened_by='nobody'"),
        ({"opened_by": "pool", "max_overflow": 1}, "max_overflow=1 with opened_by='pool'"),
        ({"min_idle": 1, "connect_time": 1}, "min_idle=1 with opened_by='caller'"),
        ({"min_idle": -1}, "min_idle=-1"),
        ({"connect_failure": 1.5}, "connect_failure=1.5; give a share"),
        ({"connect_time": -1}, "-1"),
        ({"lifetime_variance": 2}, "lifetime_variance=2"),
        ({"max_lifetime": 0}, "max_lifetime=0"),
        ({"idle_timeout": -1}, "idle_timeout=-1"),
        ({"recycle": -1}, "recycle=-1"),
        ({"keepalive_time": 0}, "keepalive_time=0"),
        ({"housekeeping_period": 0}, "housekeeping_period=0"),
        ({"validation_timeout": 0}, "validation_timeout=0"),
        ({"alive_bypass": -1}, "alive_bypass=-1"),
        ({"leak_threshold": 0}, "leak_threshold=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConnectionManager(Simulation(seed=20), "db", size=2, **arguments)


def test_an_overflow_connection_is_told_of_when_it_is_opened_and_when_it_is_closed() -> None:
    sim = Simulation(seed=21)
    pool = ConnectionManager(sim, "db", size=1, max_overflow=1)
    use(sim, pool, at=0, hold=1)
    use(sim, pool, at=0, hold=2)
    sim.run()
    assert told(sim, Opened, "connection_id") == ["db-2"]
    assert evictions(sim) == [(2.0, "db-2", "overflow")]
    names = sim.recording.events["event"].to_list()[-2:]
    assert names == [
        "foundation.connection.connection_released",
        "foundation.connection.evicted",
    ]
    checks(sim, pool)


def test_a_deadline_outside_ends_the_opening_too() -> None:
    sim = Simulation(seed=22)
    pool = ConnectionManager(sim, "db", size=1, connect_time=5)

    def hurried() -> Any:
        with pytest.raises(TimedOut), sim.deadline(1):
            yield from pool.call(lambda: None)

    sim.process(hurried())
    sim.run()
    assert sim.now == 1
    checks(sim, pool)
