from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import (
    CheckoutTimeout,
    ConnectionLost,
    ServiceDown,
    ServiceError,
    TimedOut,
)
from foundation_lab.services import Connection, ConnectionManager, Health, Supervisor
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process


def use(
    sim: Simulation, pool: ConnectionManager, at: float, hold: float, name: str = "user"
) -> Process:
    """Start a user of one connection; its value is the name of what ended it, and when."""

    def user() -> Generator[Any, Any, tuple[str, float]]:
        yield from sim.sleep(at - sim.now)
        try:
            yield from pool.call(lambda: sim.sleep(hold))
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, sim.now
        return "ok", sim.now

    return sim.process(user(), name=name)


def at(sim: Simulation, time: float, call: Callable[[], object]) -> None:
    """Have a process call a function; its timer is as old as this line."""

    def process() -> Generator[Any, Any, None]:
        yield from sim.sleep(time)
        call()

    sim.process(process(), name="actor")


def checks(sim: Simulation, pool: ConnectionManager) -> None:
    """Check that everything was given back, on the pool and in its events."""
    sim.check_invariants()
    assert (pool.active, pool.waiting) == (0, 0)
    if pool.up:
        assert pool.idle == pool.size
    acquired = sim.recording.frame(ConnectionManager.ConnectionAcquired)
    released = sim.recording.frame(ConnectionManager.ConnectionReleased)
    assert set(released["connection_id"]) <= set(acquired["connection_id"])


def acquisitions(sim: Simulation) -> list[tuple[float, str, float]]:
    frame = sim.recording.frame(ConnectionManager.ConnectionAcquired)
    return frame.select("time", "process", "duration").rows()


def test_waiters_are_served_first_in_first_out() -> None:
    sim = Simulation(seed=1)
    pool = ConnectionManager(sim, "db", size=1)
    for k in range(4):
        use(sim, pool, at=k / 10, hold=1, name=f"user-{k}")
    sim.run()
    assert acquisitions(sim) == [
        (0.0, "user-0", 0.0),
        (1.0, "user-1", 0.9),
        (2.0, "user-2", 1.8),
        (3.0, "user-3", 2.7),
    ]
    checks(sim, pool)


def test_overflow_connections_are_opened_when_all_are_out_and_closed_on_return() -> None:
    sim = Simulation(seed=2)
    pool = ConnectionManager(sim, "db", size=2, max_overflow=1)
    for _ in range(3):
        use(sim, pool, at=0, hold=1)
    sim.run(until=0.5)
    assert (pool.active, pool.idle) == (3, 0)
    sim.run()
    assert (pool.active, pool.idle) == (0, 2)
    ids = sim.recording.frame(ConnectionManager.ConnectionAcquired)["connection_id"].to_list()
    assert ids == ["db-1", "db-2", "db-3"]
    use(sim, pool, at=1, hold=1)
    sim.run()
    assert acquisitions(sim)[-1][0] == 1
    checks(sim, pool)


def test_places_are_free_until_somebody_holds_them_whether_opened_or_not() -> None:
    sim = Simulation(seed=31)
    pool = ConnectionManager(sim, "db", size=1, max_overflow=2)
    seen = [pool.free]
    for _ in range(4):
        use(sim, pool, at=0, hold=1)
    for until in (0.5, 1.5, 2.5):
        sim.run(until=until)
        seen.append(pool.free)
    assert seen == [3, 0, 2, 3]


def test_a_checkout_times_out_at_exactly_its_limit() -> None:
    sim = Simulation(seed=3)
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=0.3)
    use(sim, pool, at=0, hold=5)
    late = use(sim, pool, at=0.1, hold=1)
    sim.run(until=late)
    assert late.value == ("CheckoutTimeout", 0.1 + 0.3)
    timeouts = sim.recording.frame(ConnectionManager.Timeout)
    assert timeouts.select("duration", "waiting").rows() == [(pytest.approx(0.3), 0)]
    failed = sim.recording.frame(ConnectionManager.ConnectionFailed)
    assert failed["error"].to_list() == ["CheckoutTimeout"]
    sim.run()
    checks(sim, pool)


def test_a_release_before_the_timeout_at_the_same_instant_still_serves_the_waiter() -> None:
    sim = Simulation(seed=4)
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=1)
    use(sim, pool, at=0, hold=1)  # its timer is older than the waiter's
    waiter = use(sim, pool, at=0, hold=1)
    sim.run()
    assert waiter.value == ("ok", 2.0)
    checks(sim, pool)


def test_a_release_after_the_timeout_at_the_same_instant_still_serves_the_waiter() -> None:
    sim = Simulation(seed=5)
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=2)

    def holder() -> Generator[Any, Any, None]:
        with (yield from pool.checkout()):
            yield from sim.sleep(1)
            yield from sim.sleep(1)  # younger than the waiter's timeout

    sim.process(holder())
    waiter = use(sim, pool, at=0, hold=1)
    following = use(sim, pool, at=0.5, hold=1)
    sim.run()
    assert waiter.value == ("ok", 3.0)
    assert following.value == ("CheckoutTimeout", 2.5)
    checks(sim, pool)


def test_a_checkout_timeout_of_zero_does_not_wait() -> None:
    sim = Simulation(seed=6)
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=0)
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0, hold=1)
    sim.run()
    assert (first.value, second.value) == (("ok", 1.0), ("CheckoutTimeout", 0.0))
    checks(sim, pool)


def test_without_a_checkout_timeout_one_waits_for_ever() -> None:
    sim = Simulation(seed=7)
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=None)
    use(sim, pool, at=0, hold=1e6)
    waiter = use(sim, pool, at=0, hold=1)
    sim.run()
    assert waiter.value == ("ok", 1e6 + 1)


def test_an_interrupted_waiter_leaves_the_line() -> None:
    sim = Simulation(seed=8)
    pool = ConnectionManager(sim, "db", size=1)
    use(sim, pool, at=0, hold=2)
    first, second = use(sim, pool, at=0, hold=1), use(sim, pool, at=0, hold=1)
    sim.run(until=1)
    first.interrupt()
    sim.run()
    assert first.value == ("Interrupt", 1.0)
    assert second.value == ("ok", 3.0)
    assert sim.now == 3
    checks(sim, pool)


def test_an_interrupt_at_the_instant_of_the_grant_loses_no_connection() -> None:
    sim = Simulation(seed=9)
    pool = ConnectionManager(sim, "db", size=1)
    holder: list[Connection] = []

    def hold() -> Generator[Any, Any, None]:
        holder.append((yield from pool.checkout()))
        yield from sim.sleep(2)
        holder[0].release()  # grants the waiter
        waiter.interrupt()  # which never gets to see it

    sim.process(hold())
    waiter = use(sim, pool, at=0, hold=1)
    following = use(sim, pool, at=0, hold=1)
    sim.run()
    assert waiter.value == ("Interrupt", 2.0)
    assert following.value == ("ok", 3.0)
    checks(sim, pool)


def test_every_checkout_ends_acquired_or_failed_also_when_its_caller_gives_up() -> None:
    sim = Simulation(seed=32)
    pool = ConnectionManager(sim, "db", size=1, checkout_timeout=3)

    def hurried() -> Generator[Any, Any, None]:
        yield from sim.sleep(0.5)
        with pytest.raises(TimedOut), sim.deadline(0.5):
            yield from pool.call(lambda: sim.sleep(1))

    use(sim, pool, at=0, hold=5)
    sim.process(hurried())
    interrupted = use(sim, pool, at=0, hold=1)
    use(sim, pool, at=0, hold=1)
    sim.call_at(2, interrupted.interrupt)
    sim.run()
    assert len(sim.recording.frame(ConnectionManager.ConnectionAcquired)) == 1
    failed = sim.recording.frame(ConnectionManager.ConnectionFailed)
    assert failed.select("time", "error").rows() == [
        (1.0, "DeadlinePassed"),
        (2.0, "Interrupt"),
        (3.0, "CheckoutTimeout"),
    ]
    checks(sim, pool)


@pytest.mark.parametrize("ending", ["returns", "fails", "is interrupted"])
def test_a_connection_whose_owner_ends_without_giving_it_back_is_taken_back(ending: str) -> None:
    sim = Simulation(seed=10)
    pool = ConnectionManager(sim, "db", size=1)

    def forgetful() -> Generator[Any, Any, None]:
        yield from pool.checkout()
        yield from sim.sleep(2)
        if ending == "fails":
            raise ServiceError
        if ending == "is interrupted":
            yield from sim.sleep(10)

    owner = sim.process(forgetful())
    owner.callbacks.append(lambda event: setattr(event, "defused", True))
    waiter = use(sim, pool, at=0, hold=1)
    sim.run(until=2.5)
    if ending == "is interrupted":
        owner.interrupt()
    sim.run()
    ended = 2.5 if ending == "is interrupted" else 2.0
    assert waiter.value == ("ok", ended + 1)
    failed = sim.recording.frame(ConnectionManager.ConnectionFailed)
    assert failed.select("time", "error").rows() == [(ended, "ConnectionLost")]
    checks(sim, pool)


def test_giving_back_twice_is_the_programmers_mistake() -> None:
    sim = Simulation(seed=11)
    pool = ConnectionManager(sim, "db", size=1)

    def clumsy() -> Generator[Any, Any, None]:
        connection = yield from pool.checkout()
        connection.release()
        connection.release()

    sim.process(clumsy())
    with pytest.raises(RuntimeError, match="connection 'db-1' was given back twice"):
        sim.run()
    checks(sim, pool)


def test_a_with_block_gives_back_on_every_path_and_may_do_so_early() -> None:
    sim = Simulation(seed=12)
    pool = ConnectionManager(sim, "db", size=1)
    active: list[int] = []

    def user() -> Generator[Any, Any, None]:
        with (yield from pool.checkout()) as connection:
            active.append(pool.active)
            connection.release()
            active.append(pool.active)
        with pytest.raises(ServiceError), (yield from pool.checkout()):
            raise ServiceError
        active.append(pool.active)

    sim.process(user())
    sim.run()
    assert active == [1, 0, 0]
    checks(sim, pool)


def test_an_early_release_in_a_with_block_frees_the_owner_of_the_pools_fate() -> None:
    sim = Simulation(seed=13)
    pool = ConnectionManager(sim, "db", size=1)

    def user() -> Generator[Any, Any, str]:
        connection = yield from pool.checkout()
        connection.release()
        yield from sim.sleep(10)
        return "undisturbed"

    owner = sim.process(user())
    at(sim, 5, pool.kill)
    sim.run()
    assert owner.value == "undisturbed"


def test_a_kill_takes_every_connection_and_sends_every_waiter_away() -> None:
    sim = Simulation(seed=14)
    pool = ConnectionManager(sim, "db", size=2)
    users = [use(sim, pool, at=0, hold=10) for _ in range(4)]
    at(sim, 3, pool.kill)
    sim.run()
    assert [user.value for user in users] == [
        ("ConnectionLost", 3.0),
        ("ConnectionLost", 3.0),
        ("ServiceDown", 3.0),
        ("ServiceDown", 3.0),
    ]
    assert pool.status == "down"
    assert pool.health() is Health.UNHEALTHY
    assert sim.now == 3
    refused = use(sim, pool, at=3, hold=1)
    sim.run()
    assert refused.value == ("ServiceDown", 3.0)
    checks(sim, pool)


@pytest.mark.parametrize("killer", ["a process", "a timer"])
def test_the_pool_is_stopped_before_anybody_notices(killer: str) -> None:
    sim = Simulation(seed=15)
    pool = ConnectionManager(sim, "db", size=1)
    user = use(sim, pool, at=0, hold=10)

    def noticing() -> Generator[Any, Any, None]:
        yield user
        sim.telemetry.emit("test.noticed")

    sim.process(noticing())
    if killer == "a process":
        at(sim, 3, pool.kill)
    else:
        sim.call_in(3, pool.kill)
    sim.run()
    names = sim.recording.events["event"].to_list()
    assert names.index("foundation.service.stopped") < names.index("test.noticed")


def test_an_owner_of_two_connections_is_told_once() -> None:
    sim = Simulation(seed=16)
    pool = ConnectionManager(sim, "db", size=2)

    def user() -> Generator[Any, Any, str]:
        try:
            with (yield from pool.checkout()), (yield from pool.checkout()):
                yield from sim.sleep(10)
        except ConnectionLost:
            yield from sim.sleep(1)
        return "recovered"

    owner = sim.process(user())
    at(sim, 5, pool.kill)
    sim.run()
    assert owner.value == "recovered"
    assert sim.now == 6
    failed = sim.recording.frame(ConnectionManager.ConnectionFailed)
    assert failed["error"].to_list() == ["ConnectionLost", "ConnectionLost"]


def test_an_owner_who_kills_the_pool_loses_its_own_connection_too() -> None:
    sim = Simulation(seed=30)
    pool = ConnectionManager(sim, "db", size=1)

    def chaos() -> Any:
        pool.kill()
        return sim.sleep(10)

    def owner() -> Generator[Any, Any, float]:
        with pytest.raises(ConnectionLost):
            yield from pool.call(chaos)
        return sim.now

    process = sim.process(owner())
    sim.run()
    assert process.value == 0


def test_an_owner_who_left_at_the_instant_of_the_kill_is_not_told() -> None:
    sim = Simulation(seed=17)
    pool = ConnectionManager(sim, "db", size=1)

    def user() -> Generator[Any, Any, str]:
        try:
            yield from pool.call(lambda: sim.sleep(10))
        except simpy.Interrupt:
            yield from sim.sleep(1)
        return "went on"

    owner = sim.process(user())

    def chaos() -> None:
        owner.interrupt()
        pool.kill()

    at(sim, 5, chaos)
    sim.run()
    assert owner.value == "went on"


def test_a_waiter_granted_at_the_instant_of_the_kill_gets_no_connection() -> None:
    sim = Simulation(seed=18)
    pool = ConnectionManager(sim, "db", size=1)
    holder: list[Connection] = []

    def hold() -> Generator[Any, Any, None]:
        holder.append((yield from pool.checkout()))
        yield from sim.sleep(2)
        holder[0].release()
        pool.kill()
        pool.restart()

    sim.process(hold())
    waiter = use(sim, pool, at=0, hold=1)
    sim.run()
    assert waiter.value == ("ServiceDown", 2.0)
    checks(sim, pool)


def test_a_loss_that_a_retry_inside_swallows_still_ends_the_call() -> None:
    sim = Simulation(seed=19)
    pool = ConnectionManager(sim, "db", size=1)

    def stubborn() -> Generator[Any, Any, str]:
        try:
            yield from sim.sleep(10)
        except ConnectionLost:
            yield from sim.sleep(1)
        return "done on a dead connection"

    def user() -> Generator[Any, Any, None]:
        with pytest.raises(ConnectionLost):
            yield from pool.call(stubborn)

    owner = sim.process(user())
    at(sim, 5, pool.kill)
    sim.run(owner)
    assert sim.now == 6


def test_a_pool_killed_with_connections_out_begins_anew_with_all_of_them() -> None:
    sim = Simulation(seed=20)
    pool = ConnectionManager(sim, "db", size=2)
    Supervisor(sim, "root", [pool], restart_delay=1)
    kept: list[Connection] = []

    def keeper() -> Generator[Any, Any, None]:
        kept.append((yield from pool.checkout()))
        with pytest.raises(ConnectionLost):
            yield from sim.sleep(100)
        yield from sim.sleep(5)
        kept[0].release()  # of a former life: no error, and no effect

    sim.process(keeper())
    at(sim, 3, pool.kill)
    after = [use(sim, pool, at=4.5, hold=1) for _ in range(3)]
    sim.run()
    assert [user.value for user in after] == [("ok", 5.5), ("ok", 5.5), ("ok", 6.5)]
    assert kept[0].lost
    created = sim.recording.frame(ConnectionManager.PoolCreated)
    assert created["time"].to_list() == [0.0, 4.0]
    checks(sim, pool)


def test_connection_ids_are_unique_for_all_time() -> None:
    sim = Simulation(seed=21)
    pool = ConnectionManager(sim, "db", size=1)
    use(sim, pool, at=0, hold=1)
    sim.run()
    pool.kill()
    pool.restart()
    use(sim, pool, at=2, hold=1)
    sim.run()
    ids = sim.recording.frame(ConnectionManager.ConnectionAcquired)["connection_id"].to_list()
    assert ids == ["db-1", "db-2"]


def test_a_handler_of_any_event_sees_the_laws_kept_and_the_state_of_the_event() -> None:
    sim = Simulation(seed=22)
    seen: dict[str, list[tuple[int, int, int]]] = {}

    def look(record: Any) -> None:
        sim.check_invariants()
        pool = sim.components["connection_manager", "db"]
        assert isinstance(pool, ConnectionManager)
        seen.setdefault(record.name.rpartition(".")[2], []).append(
            (pool.active, pool.idle, pool.waiting)
        )

    sim.telemetry.attach("look", "foundation.**", look, on_error="raise")
    pool = ConnectionManager(sim, "db", size=1)
    use(sim, pool, at=0, hold=1)
    use(sim, pool, at=0.5, hold=1)
    sim.run()
    assert seen == {
        "started": [(0, 1, 0)],
        "pool_created": [(0, 1, 0)],
        "connection_acquired": [(1, 0, 0), (1, 0, 0)],
        "exhausted": [(1, 0, 1)],
        "connection_released": [(0, 1, 0), (0, 1, 0)],
    }


def test_a_handler_of_a_release_may_kill_the_pool() -> None:
    sim = Simulation(seed=23)
    pool = ConnectionManager(sim, "db", size=1)

    def kill(_record: object) -> None:
        pool.kill()
        pool.restart()

    sim.telemetry.attach("chaos", ConnectionManager.ConnectionReleased, kill, on_error="raise")
    use(sim, pool, at=0, hold=1)
    sim.run()
    assert pool.restart_count == 1
    checks(sim, pool)


def test_health_tells_connections_out_idle_and_waiting() -> None:
    sim = Simulation(seed=24)
    pool = ConnectionManager(sim, "db", size=1, max_overflow=1, health_interval=1)
    for _ in range(3):
        use(sim, pool, at=0.5, hold=1)
    sim.run(until=3.5)
    frame = sim.recording.frame(ConnectionManager.PoolHealth)
    assert frame.select("active", "idle", "waiting").rows() == [(2, 0, 1), (1, 0, 0), (0, 1, 0)]
    statuses = sim.recording.frame(ConnectionManager.ServiceHealth)["status"].to_list()
    assert statuses == ["degraded", "healthy", "healthy"]


def test_the_time_that_connections_are_out_adds_up_to_the_utilisation() -> None:
    sim = Simulation(seed=25)
    pool = ConnectionManager(sim, "db", size=2)
    holds = [0.5, 1.0, 1.5, 2.0, 2.5]
    for hold in holds:
        use(sim, pool, at=0, hold=hold)
    sim.run()
    released = sim.recording.frame(ConnectionManager.ConnectionReleased)
    assert released["duration"].sum() == sum(holds)
    assert sim.now == 4.5  # 0.5 + 1.5 + 2.5 on one, 1 + 2 on the other


def test_an_owner_of_many_connections_one_after_the_other_is_watched_by_none() -> None:
    sim = Simulation(seed=29)
    pool = ConnectionManager(sim, "db", size=2)

    def user() -> Generator[Any, Any, None]:
        for _ in range(5):
            with (yield from pool.checkout()):
                yield from sim.sleep(1)
        yield from pool.checkout()
        with suppress(ConnectionLost):
            yield from sim.sleep(9)
        yield from sim.sleep(1)

    owner = sim.process(user())
    sim.run(until=6)
    assert len(owner.callbacks) == 1
    pool.kill()
    sim.run(until=6.5)
    assert owner.callbacks == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 1, "max_overflow": -1}, "max_overflow=-1"),
        ({"size": 1, "checkout_timeout": -1}, "checkout_timeout=-1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConnectionManager(Simulation(seed=26), "db", **arguments)


def test_a_checkout_needs_a_process() -> None:
    sim = Simulation(seed=27)
    pool = ConnectionManager(sim, "db", size=1)
    with pytest.raises(RuntimeError, match="a checkout from pool 'db' needs a running process"):
        next(pool.checkout())


tenths = st.integers(0, 30).map(lambda k: k / 10)
actions = st.lists(st.tuples(tenths, st.sampled_from(["interrupt", "kill", "restart"]), tenths))


@settings(max_examples=120, deadline=None)
@given(
    users=st.lists(st.tuples(tenths, tenths, st.sampled_from(["call", "with", "forget"]))),
    actions=actions,
    size=st.integers(1, 3),
    overflow=st.integers(0, 2),
    timeout=st.sampled_from([None, 0.0, 0.5, 1.0]),
)
def test_whatever_happens_at_whatever_instant_no_connection_is_ever_lost(  # noqa: C901
    users: list[tuple[float, float, str]],
    actions: list[tuple[float, str, float]],
    size: int,
    overflow: int,
    timeout: float | None,
) -> None:
    sim = Simulation(seed=28)
    pool = ConnectionManager(sim, "db", size=size, max_overflow=overflow, checkout_timeout=timeout)
    sim.telemetry.attach("laws", "**", lambda _record: sim.check_invariants(), on_error="raise")

    def user(start: float, hold: float, way: str) -> Generator[Any, Any, None]:
        try:
            yield from sim.sleep(start)
            if way == "call":
                yield from pool.call(lambda: sim.sleep(hold))
            elif way == "with":
                with (yield from pool.checkout()):
                    yield from sim.sleep(hold)
            else:
                yield from pool.checkout()
                yield from sim.sleep(hold)
        except (CheckoutTimeout, ConnectionLost, ServiceDown, simpy.Interrupt):
            if way == "forget":
                return  # holding its connection still
            with suppress(simpy.Interrupt):  # of the test; an exception of the pool would be stray
                yield from sim.sleep(0.1)

    processes = [sim.process(user(*plan)) for plan in users]

    def act(what: str, which: float) -> None:
        if what == "kill":
            pool.kill()
        elif what == "restart" and not pool.up:
            pool.restart()
        elif what == "interrupt" and processes:
            victim = processes[int(which * 10) % len(processes)]
            if victim.is_alive:
                victim.interrupt()

    for k, (time, what, which) in enumerate(actions):
        call = lambda what=what, which=which: act(what, which)  # noqa: E731
        if k % 2:
            at(sim, time, call)
        else:
            sim.call_at(time, call)
    while sim.peek() < math.inf:
        sim.step()
        sim.check_invariants()
    checks(sim, pool)
