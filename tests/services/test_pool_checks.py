"""Connections that die, and the checks that find them."""

from __future__ import annotations

from typing import Any

import pytest

from foundation_lab.errors import ConnectionLost
from foundation_lab.services import ConnectionManager
from foundation_lab.services.pooling.link import Link, outdated
from foundation_lab.services.pooling.link_check import LinkCheck
from foundation_lab.simulation.distributions import constant
from foundation_lab.simulation.engine import Simulation
from tests.services.pools import at, checks, evictions, told, use

Acquired = ConnectionManager.ConnectionAcquired
Failed = ConnectionManager.ConnectionFailed
Opened = ConnectionManager.Opened

HIKARI: dict[str, Any] = {
    "opened_by": "pool",
    "validation": True,
    "validation_time": 0.25,
    "alive_bypass": 0.5,
}


# -- decisions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bypass", "fresh", "now", "due"),
    [
        (None, True, 9.0, False),  # nobody has had it: as SQLAlchemy's pre-ping
        (None, False, 1.0, True),
        (0.5, True, 9.0, True),
        (0.5, False, 1.5, False),  # at exactly the border: as HikariCP
        (0.5, False, 1.51, True),
        (0.0, False, 1.0, False),
    ],
)
def test_which_connections_are_checked(
    *, bypass: float | None, fresh: bool, now: float, due: bool
) -> None:
    link = Link("db-1", started=0.0, born=1.0, used=1.0, fresh=fresh)
    assert LinkCheck(constant(0), 5.0, bypass).due(link, now) is due


@pytest.mark.parametrize(
    ("seconds", "dead", "silent", "took", "passed"),
    [
        (1.0, False, False, 1.0, True),
        (1.0, True, False, 1.0, False),
        (1.0, True, True, 5.0, False),
        (9.0, False, False, 5.0, False),  # alive, but too slow
        (5.0, False, False, 5.0, False),
    ],
)
def test_how_long_a_check_takes_and_what_it_says(
    *, seconds: float, dead: bool, silent: bool, took: float, passed: bool
) -> None:
    link = Link("db-1", started=0.0, born=0.0, used=0.0, dead=dead, silent=silent)
    check = LinkCheck(constant(seconds), 5.0, None)
    stream = Simulation(seed=1).stream("test")
    assert check.takes(link, stream) == took
    assert check.passed(link, took) is passed


def test_what_is_older_than_a_dead_connection_is_outdated_and_what_is_as_old_is_not() -> None:
    link = Link("db-1", started=3.0, born=4.0, used=4.0)
    assert outdated(link, now=9, recycle=None, invalid_before=3.0) is None
    assert outdated(link, now=9, recycle=None, invalid_before=3.5) == "invalid"
    link.ending = "max_lifetime"
    assert outdated(link, now=9, recycle=None, invalid_before=3.5) == "max_lifetime"


# -- without a check -------------------------------------------------------------------------------


def test_without_a_check_the_first_use_of_a_dead_connection_fails() -> None:
    sim = Simulation(seed=2)
    pool = ConnectionManager(sim, "db", size=1)
    assert pool.break_idle() == 1
    ran = []
    users = [use(sim, pool, at=k, hold=0.5) for k in (0, 1)]
    sim.call_in(0.1, lambda: ran.append(pool.active))
    sim.run()
    assert [user.value for user in users] == [("ConnectionLost", 0.0), ("ok", 1.5)]
    assert ran == [0]
    assert told(sim, Failed, "time", "error") == [(0.0, "ConnectionLost")]
    assert evictions(sim) == [(0.0, "db-1", "invalid")]
    assert told(sim, Acquired, "connection_id") == ["db-1", "db-2"]
    checks(sim, pool)


def test_who_holds_a_dead_connection_is_told_at_each_use() -> None:
    sim = Simulation(seed=3)
    pool = ConnectionManager(sim, "db", size=1)
    pool.break_idle(silent=True)

    def user() -> Any:
        with (yield from pool.checkout()) as connection:
            assert connection.dead
            for _ in range(2):
                with pytest.raises(ConnectionLost, match="connection 'db-1' of pool 'db' is dead"):
                    yield from connection.use(lambda: pytest.fail("it was used"))

    sim.process(user())
    sim.run()
    assert told(sim, Failed, "error") == ["ConnectionLost"]
    checks(sim, pool)


def test_a_connection_that_lives_is_used_and_returns_what_the_use_came_to() -> None:
    sim = Simulation(seed=4)
    pool = ConnectionManager(sim, "db", size=1)

    def user() -> Any:
        with (yield from pool.checkout()) as connection:
            return (yield from connection.use(lambda: 42))

    assert sim.run(sim.process(user())) == 42


def test_a_connection_killed_while_it_is_out_fails_at_that_instant_and_is_closed() -> None:
    sim = Simulation(seed=5)
    pool = ConnectionManager(sim, "db", size=1)
    victim, waiter = use(sim, pool, at=0, hold=9), use(sim, pool, at=0, hold=1)

    def kill() -> None:
        for _ in range(2):  # the second time it is dead already
            pool.kill_connection("db-1")

    at(sim, 2, kill)
    sim.run()
    assert (victim.value, waiter.value) == (("ConnectionLost", 2.0), ("ok", 3.0))
    assert told(sim, Failed, "error") == ["ConnectionLost"]
    assert evictions(sim) == [(2.0, "db-1", "invalid")]
    checks(sim, pool)


def test_an_owner_who_swallows_the_loss_is_told_at_the_end_of_its_call() -> None:
    sim = Simulation(seed=6)
    pool = ConnectionManager(sim, "db", size=1)

    def stubborn() -> Any:
        try:
            yield 9
        except ConnectionLost:
            yield 1

    def user() -> Any:
        with pytest.raises(ConnectionLost):
            yield from pool.call(stubborn)
        return sim.now

    owner = sim.process(user())
    at(sim, 2, lambda: pool.kill_connection("db-1"))
    sim.run()
    assert owner.value == 3
    assert told(sim, Failed, "error") == ["ConnectionLost"]
    checks(sim, pool)


def test_a_connection_that_is_not_there_cannot_be_killed() -> None:
    pool = ConnectionManager(Simulation(seed=7), "db", size=1)
    with pytest.raises(ValueError, match="pool 'db' has no open connection 'db-7'"):
        pool.kill_connection("db-7")
    assert pool.connection_ids == ["db-1"]


def test_the_use_of_a_connection_of_a_pool_that_went_down_fails() -> None:
    sim = Simulation(seed=8)
    pool = ConnectionManager(sim, "db", size=1)

    def user() -> Any:
        connection = yield from pool.checkout()
        with pytest.raises(ConnectionLost):
            yield 9
        with pytest.raises(ConnectionLost, match="pool 'db' went down"):
            yield from connection.use(lambda: 1)

    sim.process(user())
    at(sim, 1, pool.kill)
    sim.run()
    assert told(sim, Failed, "error") == ["ConnectionLost"]


# -- as HikariCP -----------------------------------------------------------------------------------


def test_a_check_before_lending_takes_its_time_and_a_recent_use_spares_it() -> None:
    sim = Simulation(seed=9)
    pool = ConnectionManager(sim, "db", size=1, **HIKARI)
    for start in (1.0, 2.75, 5.0):
        use(sim, pool, at=start, hold=1)
    sim.run()
    assert told(sim, Acquired, "time", "duration") == [
        (1.25, 0.25),
        (2.75, 0.0),  # it came back at 2.25
        (5.25, 0.25),
    ]
    checks(sim, pool)


def test_a_dead_connection_is_replaced_within_what_is_left_of_the_time() -> None:
    sim = Simulation(seed=10)
    pool = ConnectionManager(sim, "db", size=1, connect_time=0.5, checkout_timeout=1.0, **HIKARI)
    at(sim, 2, pool.break_idle)
    user = use(sim, pool, at=3, hold=1)
    sim.run()
    assert user.value == ("ok", 4.75)  # 0.25 for the check, 0.5 to connect
    assert evictions(sim) == [(3.25, "db-1", "invalid")]
    assert told(sim, Acquired, "duration") == [0.75]
    checks(sim, pool)


def test_a_dead_connection_costs_time_and_the_deadline_stays_where_it_was() -> None:
    sim = Simulation(seed=11)
    pool = ConnectionManager(sim, "db", size=1, connect_time=2.0, checkout_timeout=1.0, **HIKARI)
    at(sim, 3, pool.break_idle)
    user = use(sim, pool, at=4, hold=1)
    sim.run()
    assert user.value == ("CheckoutTimeout", 5.0)
    assert told(sim, ConnectionManager.Timeout, "duration") == [1.0]
    checks(sim, pool)


def test_a_check_that_lasts_beyond_the_deadline_still_lends_what_it_finds_alive() -> None:
    """As HikariCP, which looks at the clock again only when the connection is dead."""
    sim = Simulation(seed=12)
    terms = HIKARI | {"validation_time": 1.5}
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=1.0, **terms)
    alive = use(sim, pool, at=1, hold=1)
    at(sim, 4, pool.break_idle)
    dead = use(sim, pool, at=5, hold=1)
    sim.run()
    assert (alive.value, dead.value) == (("ok", 3.5), ("CheckoutTimeout", 6.5))
    checks(sim, pool)


def test_each_of_several_dead_connections_costs_a_check() -> None:
    sim = Simulation(seed=13)
    pool = ConnectionManager(sim, "db", size=3, **HIKARI)
    at(sim, 1, pool.break_idle)
    user = use(sim, pool, at=2, hold=1)
    sim.run()
    assert [(time, reason) for time, _, reason in evictions(sim)] == [
        (2.25, "invalid"),
        (2.5, "invalid"),
        (2.75, "invalid"),
    ]
    assert user.value == ("ok", 3.75)  # with one opened 0.5 s ago, which is not checked
    checks(sim, pool)


def test_a_connection_that_does_not_answer_costs_the_validation_timeout() -> None:
    sim = Simulation(seed=14)
    pool = ConnectionManager(sim, "db", size=1, validation_timeout=5.0, **HIKARI)
    at(sim, 1, lambda: pool.break_idle(silent=True))
    user = use(sim, pool, at=2, hold=1)
    sim.run()
    assert user.value == ("ok", 8.0)
    checks(sim, pool)


def test_who_had_a_dead_connection_lines_up_behind_those_who_wait() -> None:
    sim = Simulation(seed=15)
    pool = ConnectionManager(sim, "db", size=1, connect_time=0.5, **HIKARI)
    at(sim, 1, pool.break_idle)
    first, second = use(sim, pool, at=2, hold=1), use(sim, pool, at=2.1, hold=1)
    sim.run()
    assert (second.value, first.value) == (("ok", 3.75), ("ok", 4.75))
    checks(sim, pool)


def test_an_interrupt_during_a_check_leaves_the_connection_in_the_pool() -> None:
    sim = Simulation(seed=16)
    pool = ConnectionManager(sim, "db", size=1, **HIKARI)
    user = use(sim, pool, at=1, hold=1)
    at(sim, 1.125, user.interrupt)
    sim.run()
    assert user.value == ("Interrupt", 1.125)
    assert (pool.idle, pool.free, evictions(sim)) == (1, 1, [])
    checks(sim, pool)


def test_a_connection_killed_during_its_check_does_not_pass_it() -> None:
    sim = Simulation(seed=17)
    pool = ConnectionManager(sim, "db", size=1, **HIKARI)
    user = use(sim, pool, at=1, hold=1)
    at(sim, 1.125, lambda: pool.kill_connection("db-1"))
    sim.run()
    assert user.value == ("ok", 2.25)
    assert told(sim, Acquired, "connection_id") == ["db-2"]
    checks(sim, pool)


# -- as SQLAlchemy ---------------------------------------------------------------------------------

QUEUE_POOL: dict[str, Any] = {
    "size": 2,
    "min_idle": 0,
    "validation": True,
    "validation_time": 0.25,
    "invalidate_all": True,
}


def test_a_failed_ping_has_the_caller_connect_anew_and_the_others_replaced_when_wanted() -> None:
    sim = Simulation(seed=18)
    pool = ConnectionManager(sim, "db", **(QUEUE_POOL | {"min_idle": None, "connect_time": 0.5}))
    for _ in range(2):
        use(sim, pool, at=0, hold=1)
    at(sim, 2, lambda: pool.kill_connection("db-1"))
    users = [use(sim, pool, at=k, hold=1) for k in (3, 5)]
    sim.run()
    assert told(sim, Acquired, "time", "connection_id") == [
        (0.5, "db-1"),
        (0.5, "db-2"),
        (3.75, "db-3"),
        (5.5, "db-4"),  # without a ping: db-2 is older than what was found dead
    ]
    assert evictions(sim) == [(3.25, "db-1", "invalid"), (5.0, "db-2", "invalid")]
    assert [user.value for user in users] == [("ok", 4.75), ("ok", 6.5)]
    checks(sim, pool)


def test_a_fresh_connection_is_not_pinged_and_a_used_one_always() -> None:
    sim = Simulation(seed=19)
    pool = ConnectionManager(sim, "db", **QUEUE_POOL)
    for start in (0, 1, 2):
        use(sim, pool, at=start, hold=0.5)
    sim.run()
    assert told(sim, Acquired, "duration") == [0.0, 0.25, 0.25]


def test_a_failed_use_has_all_older_connections_replaced_when_they_are_wanted() -> None:
    sim = Simulation(seed=20)
    terms = QUEUE_POOL | {"validation": False}
    pool = ConnectionManager(sim, "db", **terms)
    for _ in range(2):
        use(sim, pool, at=0, hold=1)
    at(sim, 2, pool.break_idle)
    users = [use(sim, pool, at=k, hold=1) for k in (3, 5)]
    sim.run()
    assert [user.value for user in users] == [("ConnectionLost", 3.0), ("ok", 6.0)]
    assert evictions(sim) == [(3.0, "db-1", "invalid"), (5.0, "db-2", "invalid")]


def test_a_reconnect_that_fails_comes_out_of_the_checkout_and_gives_the_place_back() -> None:
    sim = Simulation(seed=21)
    terms = QUEUE_POOL | {"min_idle": None, "size": 1, "connect_failure": lambda now: now == 3.25}
    pool = ConnectionManager(sim, "db", **terms)
    use(sim, pool, at=0, hold=1)
    at(sim, 2, pool.break_idle)
    users = [use(sim, pool, at=k, hold=1) for k in (3, 3.125)]
    sim.run()
    assert [user.value for user in users] == [("ConnectFailed", 3.25), ("ConnectFailed", 3.25)]
    assert (pool.open, pool.free) == (0, 1)
    checks(sim, pool)
