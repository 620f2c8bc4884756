"""Lifetimes, recycling, idle timeouts and signs of life."""

from __future__ import annotations

import pytest

from foundation_lab.services import ConnectionManager
from foundation_lab.services.pooling.housekeeping import idle_for_too_long, next_round
from foundation_lab.services.pooling.link import Link, retire_at
from foundation_lab.simulation.engine import Simulation
from tests.services.pools import at, checks, evictions, told, use

Acquired = ConnectionManager.ConnectionAcquired
Opened = ConnectionManager.Opened


def reasons(sim: Simulation) -> list[tuple[float, str]]:
    return [(time, reason) for time, _, reason in evictions(sim)]


# -- decisions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lifetime", "variance", "draw", "at"),
    [
        (1800, 0.25, 0.0, 1900),
        (1800, 0.25, 0.999, 1450.45),
        (1800, 0.025, 0.5, 1877.5),
        (10, 0.25, 0.999, 110),  # not spread
        (10.5, 0.25, 0.5, 109.1875),
        (1800, 0.0, 0.999, 1900),
    ],
)
def test_a_connection_is_retired_up_to_its_variance_earlier(
    lifetime: float, variance: float, draw: float, at: float
) -> None:
    assert retire_at(100, lifetime, variance, draw) == pytest.approx(at)


@pytest.mark.parametrize(("number", "closed"), [(3, ["a", "b"]), (1, ["a"]), (0, []), (-1, [])])
def test_of_the_idle_those_are_closed_that_were_not_used_for_longest(
    number: int, closed: list[str]
) -> None:
    idle = [Link(name, 0.0, 0.0, used) for name, used in (("a", 1.0), ("b", 2.0), ("c", 3.0))]
    found = idle_for_too_long(idle, number, now=10.0, idle_timeout=7.0)  # c: exactly 7 s
    assert [link.name for link in found] == closed


def test_rounds_come_at_whole_periods_after_the_start() -> None:
    assert [next_round(now, 1.0, 30.0) for now in (1.0, 30.9, 31.0, 61.5)] == [31, 31, 61, 91]
    assert next_round(3 * 0.1, 0.0, 0.1) == 4 * 0.1  # not the same instant once more


# -- lifetimes -------------------------------------------------------------------------------------


def test_an_idle_connection_is_closed_at_its_lifetime_and_replaced_by_the_pool() -> None:
    sim = Simulation(seed=1)
    pool = ConnectionManager(sim, "db", size=1, opened_by="pool", max_lifetime=5, connect_time=1)
    sim.run(until=8)
    assert told(sim, Opened, "time") == [1.0, 7.0]
    assert evictions(sim) == [(6.0, "db-1", "max_lifetime")]
    assert told(sim, ConnectionManager.Evicted, "age") == [5.0]
    checks(sim, pool)


def test_a_connection_that_is_out_is_closed_when_it_comes_back() -> None:
    sim = Simulation(seed=2)
    pool = ConnectionManager(sim, "db", size=1, max_lifetime=5)
    users = [use(sim, pool, at=4, hold=3), use(sim, pool, at=5, hold=1)]
    sim.run(until=9)
    assert [user.value for user in users] == [("ok", 7.0), ("ok", 8.0)]
    assert evictions(sim) == [(7.0, "db-1", "max_lifetime")]
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-2"]
    checks(sim, pool)


def test_where_callers_open_connections_nobody_replaces_a_retired_one() -> None:
    sim = Simulation(seed=3)
    pool = ConnectionManager(sim, "db", size=2, max_lifetime=5)
    sim.run()
    assert (sim.now, pool.open, pool.free) == (5.0, 0, 2)
    checks(sim, pool)


def test_lifetimes_are_spread_so_that_not_all_connections_end_together() -> None:
    sim = Simulation(seed=4)
    ConnectionManager(sim, "db", size=8, max_lifetime=1800, lifetime_variance=0.25)
    sim.run()
    times = [time for time, _ in reasons(sim)]
    assert len(set(times)) == 8
    assert 1350 < min(times) < max(times) <= 1800


@pytest.mark.parametrize("older", ["the lifetime", "the checkout"])
def test_a_connection_that_retires_at_the_instant_of_a_checkout_is_in_nobodys_way(
    older: str,
) -> None:
    sim = Simulation(seed=5)
    if older == "the checkout":
        sim.call_at(5, lambda: use(sim, pool, at=5, hold=1))
    pool = ConnectionManager(sim, "db", size=1, max_lifetime=5)
    if older == "the lifetime":
        sim.call_at(5, lambda: use(sim, pool, at=5, hold=1))
    sim.run(until=8)
    assert told(sim, Acquired, "time", "connection_id") == [(5.0, "db-2")]
    checks(sim, pool)


def test_a_connection_that_was_promised_when_its_lifetime_ended_is_replaced() -> None:
    sim = Simulation(seed=6)
    pool = ConnectionManager(sim, "db", size=1, opened_by="pool", max_lifetime=5, connect_time=0.5)

    def retire(_record: object) -> None:  # when it is back, and the waiter has but a place
        sim.telemetry.detach("old")
        pool._stock._ageing._retire(pool._stock.links["db-1"])  # type: ignore[union-attr]

    use(sim, pool, at=1, hold=1)
    waiter = use(sim, pool, at=1.5, hold=1)
    sim.telemetry.attach("old", ConnectionManager.ConnectionReleased, retire, on_error="raise")
    sim.run(until=4)
    assert waiter.value == ("ok", 3.5)
    assert evictions(sim) == [(2.0, "db-1", "max_lifetime")]
    checks(sim, pool)


# -- recycling -------------------------------------------------------------------------------------


def test_a_connection_that_is_too_old_is_replaced_when_it_is_wanted_and_not_before() -> None:
    sim = Simulation(seed=7)
    pool = ConnectionManager(sim, "db", size=1, min_idle=0, recycle=10)
    for start in (0, 10, 20):  # at exactly its age it is lent still
        use(sim, pool, at=start, hold=1)
    sim.run()
    assert evictions(sim) == [(20.0, "db-1", "recycled")]
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-1", "db-2"]
    checks(sim, pool)


def test_the_age_for_recycling_counts_from_where_the_connecting_began() -> None:
    sim = Simulation(seed=8)
    pool = ConnectionManager(sim, "db", size=1, connect_time=4, recycle=10)
    for start in (0, 11):  # begun at 0, open since 4
        use(sim, pool, at=start, hold=1)
    sim.run()
    assert evictions(sim) == [(11.0, "db-1", "recycled")]
    assert told(sim, Acquired, "duration") == [4.0, 4.0]


# -- idle timeouts ---------------------------------------------------------------------------------


def test_what_was_idle_for_too_long_is_closed_in_the_next_round_down_to_min_idle() -> None:
    sim = Simulation(seed=9)
    pool = ConnectionManager(sim, "db", size=4, min_idle=1, idle_timeout=40)
    for _ in range(4):
        use(sim, pool, at=0, hold=10)
    sim.run()
    assert reasons(sim) == [(60.0, "idle_timeout")] * 3  # idle for 50 s; at 30 it was 20 s
    assert (pool.idle, sim.now) == (1, 60.0)  # with nothing left to do, the rounds end
    checks(sim, pool)


def test_at_exactly_the_idle_timeout_a_connection_is_kept_for_another_round() -> None:
    sim = Simulation(seed=10)
    pool = ConnectionManager(sim, "db", size=2, min_idle=0, idle_timeout=60)
    use(sim, pool, at=0, hold=30)
    sim.run()
    assert reasons(sim) == [(120.0, "idle_timeout")]


def test_a_pool_that_keeps_all_its_connections_idle_has_no_idle_timeout() -> None:
    sim = Simulation(seed=11)
    pool = ConnectionManager(sim, "db", size=2, opened_by="pool", idle_timeout=10)
    sim.run()
    assert sim.now == pytest.approx(0.03)
    assert pool.idle == 2


def test_lifo_lets_the_unused_connections_go_and_fifo_keeps_them_all_busy() -> None:
    kept = {}
    for order in ("lifo", "fifo"):
        sim = Simulation(seed=12)
        pool = ConnectionManager(sim, "db", size=4, min_idle=0, idle_timeout=40, order=order)
        for _ in range(4):
            use(sim, pool, at=0, hold=1)
        for k in range(1, 30):
            use(sim, pool, at=5 * k, hold=1)
        sim.run(until=145)
        kept[order] = pool.open
    assert kept == {"lifo": 1, "fifo": 4}


# -- signs of life ---------------------------------------------------------------------------------


def test_a_sign_of_life_finds_a_dead_idle_connection_before_somebody_wants_it() -> None:
    sim = Simulation(seed=13)
    pool = ConnectionManager(
        sim, "db", size=1, opened_by="pool", keepalive_time=10, validation_time=0.5
    )
    at(sim, 1, pool.break_idle)
    user = use(sim, pool, at=20, hold=1)
    sim.run(until=22)
    ((time, name, reason),) = evictions(sim)
    assert (name, reason) == ("db-1", "invalid")
    assert 8.5 <= time <= 10.5
    assert user.value == ("ok", 21.0)


def test_a_connection_that_is_checked_for_a_sign_of_life_is_nobodys_meanwhile() -> None:
    sim = Simulation(seed=14)
    pool = ConnectionManager(
        sim, "db", size=1, opened_by="pool", keepalive_time=10, validation_time=2
    )
    sim.run(until=1)
    while pool.idle:
        sim.step()
    began = sim.now
    assert (pool.free, pool.open) == (0, 1)
    sim.check_invariants()
    user = use(sim, pool, at=began, hold=1)
    sim.run(until=began + 4)
    assert user.value == ("ok", began + 3)
    assert evictions(sim) == []
    checks(sim, pool)


def test_a_connection_that_is_out_gives_no_sign_of_life() -> None:
    sim = Simulation(seed=15)
    pool = ConnectionManager(sim, "db", size=1, keepalive_time=10, validation_time=2)
    user = use(sim, pool, at=0, hold=100)
    sim.run(until=50)
    pool._stock.links["db-1"].dead = True  # nobody has noticed
    sim.run(until=99)
    assert evictions(sim) == []
    sim.run(until=130)
    assert user.value == ("ConnectionLost", 100.0)


def test_a_dead_connection_is_replaced_for_who_waits_while_it_is_checked() -> None:
    sim = Simulation(seed=16)
    pool = ConnectionManager(
        sim, "db", size=1, min_idle=0, opened_by="pool", keepalive_time=10, validation_time=2
    )
    use(sim, pool, at=0, hold=1)
    at(sim, 2, pool.break_idle)
    sim.run(until=3)
    while pool.idle:
        sim.step()
    began = sim.now
    user = use(sim, pool, at=began + 1, hold=1)
    sim.run(until=began + 4)
    assert user.value == ("ok", began + 3)
    assert evictions(sim) == [(began + 2, "db-1", "invalid")]


def test_a_connection_keeps_its_place_in_the_order_when_it_was_only_checked() -> None:
    sim = Simulation(seed=17)
    pool = ConnectionManager(
        sim, "db", size=2, validation=True, validation_time=1, alive_bypass=0.0
    )
    use(sim, pool, at=5, hold=1)  # db-1, back at 7
    use(sim, pool, at=5, hold=2)  # db-2, back at 8
    impatient = use(sim, pool, at=9, hold=1)
    at(sim, 9.5, impatient.interrupt)
    use(sim, pool, at=10, hold=1)
    sim.run()
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-2", "db-1"]


def test_a_handler_of_an_eviction_may_kill_the_pool() -> None:
    sim = Simulation(seed=18)
    pool = ConnectionManager(sim, "db", size=3, min_idle=1, opened_by="pool", idle_timeout=10)
    for _ in range(3):
        use(sim, pool, at=1, hold=1)
    sim.telemetry.attach(
        "chaos", ConnectionManager.Evicted, lambda _: pool.kill(), on_error="raise"
    )
    sim.run()
    assert (len(evictions(sim)), pool.up) == (1, False)
    pool.restart()
    sim.run()
    assert pool.idle == 1
    checks(sim, pool)
