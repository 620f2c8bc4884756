"""Connection pools with the defaults of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import CheckoutTimeout, ConnectFailed
from foundation_lab.services import ConnectionManager, pool_presets
from foundation_lab.simulation.engine import Simulation
from tests.services.pools import at, evictions, told, use

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.pooling.connection import Connection

Acquired = ConnectionManager.ConnectionAcquired
Opened = ConnectionManager.Opened


def test_hikaricp_keeps_ten_connections_that_it_opens_itself() -> None:
    sim = Simulation(seed=1)
    pool = ConnectionManager(sim, "db", **(pool_presets.hikaricp() | {"connect_time": 0.07}))
    sim.run(until=1.01)
    assert told(sim, Opened, "time") == pytest.approx([0.07 + 0.1 * k for k in range(10)])
    assert (pool.size, pool.max_overflow, pool.min_idle, pool.idle) == (10, 0, 10, 10)
    assert pool.checkout_timeout == 30


def test_hikaricp_retires_a_connection_after_22_to_30_minutes_and_replaces_it() -> None:
    sim = Simulation(seed=2)
    pool = ConnectionManager(sim, "db", **pool_presets.hikaricp())
    sim.run(until=1800.5)
    ages = told(sim, ConnectionManager.Evicted, "age")
    assert len(ages) >= 10
    assert all(1350 <= age <= 1800 for age in ages)
    assert {reason for _, _, reason in evictions(sim)} == {"max_lifetime"}
    assert pool.idle == 10


def test_hikaricp_shrinks_to_its_minimum_after_ten_idle_minutes() -> None:
    sim = Simulation(seed=3)
    terms = pool_presets.hikaricp(5, minimum_idle=2) | {"keepalive_time": None}
    pool = ConnectionManager(sim, "db", **terms)
    for _ in range(5):
        use(sim, pool, at=1, hold=8)
    sim.run(until=609)
    assert pool.idle >= 5
    sim.run(until=631)
    assert pool.idle == 2
    assert {time for time, _, _ in evictions(sim)} == {630.0}


def test_hikaricp_finds_a_dead_connection_before_it_lends_it() -> None:
    sim = Simulation(seed=4)
    terms = pool_presets.hikaricp(1) | {"connect_time": 0.05, "validation_time": 0.001}
    pool = ConnectionManager(sim, "db", **terms)
    at(sim, 5, pool.break_idle)
    use(sim, pool, at=10, hold=1)
    sim.run(until=15)
    assert told(sim, Acquired, "connection_id") == ["db-2"]
    assert told(sim, Acquired, "duration") == [pytest.approx(0.051)]


def test_queue_pool_begins_empty_keeps_five_and_has_ten_more() -> None:
    sim = Simulation(seed=5)
    terms = pool_presets.sqlalchemy_queue_pool() | {"connect_time": 0.05}
    pool = ConnectionManager(sim, "db", **terms)
    assert pool.open == 0
    users = [use(sim, pool, at=0, hold=60) for _ in range(16)]
    sim.run(until=29)
    assert (pool.active, pool.waiting) == (15, 1)
    sim.run()
    assert users[-1].value == ("CheckoutTimeout", 30.0)
    assert (pool.active, pool.idle) == (0, 5)
    assert [reason for _, _, reason in evictions(sim)] == ["overflow"] * 10


@pytest.mark.parametrize("pre_ping", [False, True])
def test_queue_pool_finds_dead_connections_by_a_ping_or_by_a_failure(*, pre_ping: bool) -> None:
    sim = Simulation(seed=6)
    terms = pool_presets.sqlalchemy_queue_pool(pre_ping=pre_ping)
    pool = ConnectionManager(sim, "db", **terms)
    for _ in range(3):
        use(sim, pool, at=0, hold=1)
    at(sim, 2, pool.break_idle)
    users = [use(sim, pool, at=k, hold=0.5) for k in (3, 4, 5)]
    sim.run()
    first = "ok" if pre_ping else "ConnectionLost"
    assert [user.value for user in users] == [
        (first, 3.5 if pre_ping else 3.0),
        ("ok", 4.5),
        ("ok", 5.5),
    ]


def test_queue_pool_recycles_and_lends_the_last_one_first_if_it_is_told_to() -> None:
    sim = Simulation(seed=7)
    terms = pool_presets.sqlalchemy_queue_pool(2, 0, recycle=3600, use_lifo=True)
    pool = ConnectionManager(sim, "db", **terms)
    use(sim, pool, at=0, hold=1)
    use(sim, pool, at=0, hold=2)
    use(sim, pool, at=3, hold=1)
    use(sim, pool, at=3601, hold=1)
    sim.run()
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-2", "db-2", "db-3"]
    assert evictions(sim) == [(3601.0, "db-2", "recycled")]


@pytest.mark.parametrize(
    ("refuses", "returned", "served"),
    [
        (lambda now: now < 0.3, None, 0.31),  # testConnectionRetries2: tried at 150 and at 310 ms
        (1.0, None, "CheckoutTimeout"),  # testConnectionRetries
        (lambda now: now > 0, 0.25, 0.25),  # testConnectionRetries5: another gives its own back
    ],
)
def test_hikaricp_tries_to_connect_until_the_checkout_is_over(
    refuses: Any, returned: float | None, served: float | str
) -> None:
    """TestConnectionTimeoutRetry, with one connection that is out at first, or none."""
    sim = Simulation(seed=20)
    terms = pool_presets.hikaricp(2, minimum_idle=0) | {"checkout_timeout": 2.8}
    pool = ConnectionManager(sim, "db", **terms, connect_failure=refuses)
    ends: list[float | str] = []

    def holder() -> Generator[Any, Any, None]:
        with (yield from pool.checkout()):
            yield returned or 0.0

    def client() -> Generator[Any, Any, None]:
        yield 1e-9 if returned else 0.0
        try:
            with (yield from pool.checkout()):
                ends.append(sim.now)
        except CheckoutTimeout:
            ends.append("CheckoutTimeout")
            assert sim.now == pytest.approx(2.8)

    if returned:
        sim.process(holder())
    sim.process(client())
    sim.run(until=10)
    assert ends == [served if isinstance(served, str) else pytest.approx(served)]


def checkouts(pool: ConnectionManager, many: int) -> Generator[Any, Any, list[Connection]]:
    held = []
    for _ in range(many):
        connection = yield from pool.checkout()
        held.append(connection)
    return held


def test_hikaricp_keeps_its_minimum_idle_beside_those_that_are_out() -> None:
    """TestConnectionTimeoutRetry, testConnectionIdleFill: 7 of 10 out, at least 5 wanted idle."""
    sim = Simulation(seed=21)
    terms = pool_presets.hikaricp(10, minimum_idle=5) | {"housekeeping_period": 0.4}
    pool = ConnectionManager(sim, "db", **terms)

    def client() -> Generator[Any, Any, None]:
        held = yield from checkouts(pool, 7)
        yield 1.3
        assert (pool.metrics()["open"], pool.idle) == (10, 3)
        for connection in held:
            connection.release()
        assert (pool.metrics()["open"], pool.idle) == (10, 10)

    sim.run(sim.process(client()))


def test_queue_pool_closes_its_overflow_each_time() -> None:
    """test_pool.py, test_overflow_no_gc: five times four of 2 + 2 are ten closed and two kept."""
    sim = Simulation(seed=22)
    pool = ConnectionManager(sim, "db", **pool_presets.sqlalchemy_queue_pool(2, 2))
    lent: set[str] = set()

    def client() -> Generator[Any, Any, None]:
        for _ in range(5):
            held = yield from checkouts(pool, 4)
            lent.update(connection.connection_id for connection in held)
            for connection in held:
                connection.release()

    sim.run(sim.process(client()))
    assert (len(lent), len(evictions(sim)), pool.idle) == (12, 10, 2)


def test_a_reconnect_of_queue_pool_that_fails_leaves_all_places() -> None:
    """test_pool.py, test_error_on_pooled_reconnect_cleanup_recycle, with 1 + 2 connections."""
    sim = Simulation(seed=23)
    terms = pool_presets.sqlalchemy_queue_pool(1, 2, recycle=1) | {"checkout_timeout": 0.0}
    pool = ConnectionManager(sim, "db", **terms, connect_failure=lambda now: 1.5 <= now < 2)

    def client() -> Generator[Any, Any, None]:
        (yield from pool.checkout()).release()
        yield 1.5
        with pytest.raises(ConnectFailed):
            yield from pool.checkout()
        assert (pool.metrics()["open"], pool.metrics()["connecting"]) == (0, 0)
        yield 0.5
        yield from checkouts(pool, 3)
        with pytest.raises(CheckoutTimeout):
            yield from pool.checkout()

    sim.run(sim.process(client()))
    sim.check_invariants()
