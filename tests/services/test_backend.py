from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import LoadShed, ServiceError
from foundation_lab.services import Backend, Health, LoadShedder, Timeout, WarmUp
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, Outage, SlowDown, crash, inject
from foundation_lab.simulation.lines.line import Lifo, Priority
from foundation_lab.simulation.lines.shedding import DeadlineAware
from foundation_lab.simulation.workload import request
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.process import Process


def ask(
    sim: Simulation,
    backend: Backend,
    at: float = 0.0,
    priority: int = 0,
    deadline: float | None = None,
) -> Process:
    """Start a caller; its value is how it ended, and when."""

    def caller() -> Generator[Any, Any, tuple[str, float]]:
        yield from sim.sleep(at - sim.now)
        try:
            yield from backend.request(priority=priority, deadline=deadline)
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, sim.now
        return "ok", sim.now

    return sim.process(caller())


def endings(callers: list[Process]) -> list[Any]:
    return [caller.value for caller in callers]


def served(sim: Simulation) -> list[tuple[float, str, float, float]]:
    frame = sim.recording.frame(Backend.Served)
    return frame.select("time", "outcome", "wait", "service_time").rows()


def empty(sim: Simulation, backend: Backend) -> None:
    sim.check_invariants()
    assert (backend.serving, backend.waiting) == (0, 0)


def test_requests_are_served_first_in_first_out() -> None:
    sim = Simulation(seed=1)
    backend = Backend(sim, "db", service_time=2)
    callers = [ask(sim, backend, at=k / 2) for k in range(3)]
    sim.run()
    assert endings(callers) == [("ok", 2.0), ("ok", 4.0), ("ok", 6.0)]
    assert served(sim) == [(2.0, "ok", 0.0, 2.0), (4.0, "ok", 1.5, 2.0), (6.0, "ok", 3.0, 2.0)]
    empty(sim, backend)


def test_so_many_requests_are_served_at_the_same_time() -> None:
    sim = Simulation(seed=2)
    backend = Backend(sim, "db", service_time=1, concurrency=3)
    callers = [ask(sim, backend) for _ in range(4)]
    sim.run(until=0.5)
    assert (backend.serving, backend.waiting) == (3, 1)
    sim.run()
    assert [time for _, time in endings(callers)] == [1.0, 1.0, 1.0, 2.0]
    empty(sim, backend)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_full_line_turns_requests_away(limit: int) -> None:
    sim = Simulation(seed=3)
    backend = Backend(sim, "db", service_time=1, queue_limit=limit)
    callers = [ask(sim, backend) for _ in range(4)]
    sim.run()
    outcomes = [ended for ended, _ in endings(callers)]
    assert outcomes == ["ok"] * (1 + limit) + ["QueueFull"] * (3 - limit)
    rejected = sim.recording.frame(Backend.Rejected)
    assert rejected.select("error", "waiting").rows() == [("QueueFull", limit)] * (3 - limit)
    empty(sim, backend)


@pytest.mark.parametrize(("rate", "failed"), [(0.0, 0), (0.25, 246), (1.0, 1000)])
def test_a_share_of_the_requests_fails_after_being_served(rate: float, failed: int) -> None:
    sim = Simulation(seed=4)
    backend = Backend(sim, "db", service_time=0.001, error_rate=rate)
    callers = [ask(sim, backend) for _ in range(1000)]
    sim.run()
    errors = [ended for ended, _ in endings(callers)].count("BackendError")
    assert abs(errors - failed) <= 30 * (0 < rate < 1)
    assert errors == sim.recording.frame(Backend.Served).filter(outcome="error").height


def test_an_outage_drops_what_is_served_and_what_waits_and_refuses_the_rest() -> None:
    sim = Simulation(seed=5)
    backend = Backend(sim, "db", service_time=2)
    inject(sim, backend, [Outage(service="db", start=1, duration=3)])
    callers = [ask(sim, backend, at) for at in (0, 0.5, 2, 4.5)]
    sim.run(until=2.5)
    assert backend.status == "down"
    assert backend.health() is Health.UNHEALTHY
    sim.run()
    assert endings(callers) == [
        ("ServiceDown", 1.0),
        ("ServiceDown", 1.0),
        ("ServiceDown", 2.0),
        ("ok", 6.5),
    ]
    dropped = [row for row in served(sim) if row[1] == "error"]
    assert sorted(dropped) == [(1.0, "error", 0.0, 1.0), (1.0, "error", 0.5, 0.0)]
    assert backend.status == "up"
    empty(sim, backend)


def test_a_request_granted_at_the_instant_of_the_crash_is_dropped_too() -> None:
    sim = Simulation(seed=6)
    backend = Backend(sim, "db", service_time=1)
    sim.telemetry.attach(
        "chaos", Backend.Served, lambda _record: backend.kill(), where={"outcome": "ok"}
    )
    first, waiter = ask(sim, backend), ask(sim, backend)  # the first leaves its place to the waiter
    sim.run()
    assert first.value == ("ok", 1.0)
    assert waiter.value == ("ServiceDown", 1.0)
    empty(sim, backend)


def test_overlapping_outages_end_with_the_last() -> None:
    sim = Simulation(seed=7)
    backend = Backend(sim, "db", service_time=1)
    faults = [Outage(service="db", start=1, duration=2), Outage(service="db", start=2, duration=3)]
    inject(sim, backend, faults)
    callers = [ask(sim, backend, at) for at in (4, 5.5)]
    sim.run()
    assert endings(callers) == [("ServiceDown", 4.0), ("ok", 6.5)]


def test_a_slow_down_makes_what_begins_under_it_take_longer() -> None:
    sim = Simulation(seed=8)
    backend = Backend(sim, "db", service_time=1, concurrency=9)
    slow = [SlowDown(service="db", start=1, duration=2, factor=f) for f in (3, 2)]
    inject(sim, backend, slow)
    callers = [ask(sim, backend, at) for at in (0.5, 1.5, 3.5)]
    sim.run(until=2)
    assert backend.status == "impaired"
    assert backend.health() is Health.DEGRADED
    sim.run()
    assert [time for _, time in endings(callers)] == [1.5, 7.5, 4.5]
    empty(sim, backend)


def test_faults_alike_in_kind_and_start_are_two_faults() -> None:
    sim = Simulation(seed=9)
    backend = Backend(sim, "db", service_time=0.5)
    rates = [ErrorRate(service="db", start=1, duration=d, rate=1) for d in (2, 4)]
    ids = inject(sim, backend, rates)
    ids += inject(sim, backend, [ErrorRate(service="db", start=1.0000001, duration=4, rate=1)])
    assert len(set(ids)) == 3
    callers = [ask(sim, backend, at) for at in (0, 1.5, 3.5, 6)]
    sim.run()
    outcomes = [ended for ended, _ in endings(callers)]
    assert outcomes == ["ok", "BackendError", "BackendError", "ok"]
    cleared = sim.recording.frame(events.fault.Cleared)
    assert sorted(cleared["fault_id"]) == sorted(ids)


def test_one_of_several_error_rates_is_enough() -> None:
    sim = Simulation(seed=20)
    backend = Backend(sim, "db", service_time=1)
    inject(sim, backend, [ErrorRate(service="db", start=0, rate=rate) for rate in (0, 1, 0)])
    caller = ask(sim, backend, at=0.5)
    sim.run()
    assert caller.value == ("BackendError", 1.5)


def test_a_crash_kills_once_and_has_an_id_of_its_own() -> None:
    sim = Simulation(seed=21)
    backend = Backend(sim, "db", service_time=1)
    ids = [crash(sim, backend, at=time) for time in (1e6, 1e6 + 0.25)]
    caller = ask(sim, backend, at=1e6 - 0.5)
    sim.run()
    assert len(set(ids)) == 2
    assert caller.value == ("ServiceDown", 1e6)
    injected = sim.recording.frame(events.fault.Injected)
    assert injected.select("fault_id", "kind").rows() == [(fault_id, "crash") for fault_id in ids]
    assert sim.recording.frame(Backend.Stopped)["reason"].to_list() == ["crashed"]


def test_leaving_an_error_fault_out_changes_nothing_else() -> None:
    def run(faults: list[Fault]) -> tuple[list[float], list[str]]:
        sim = Simulation(seed=10)
        backend = Backend(sim, "db", service_time=exponential(0.3), error_rate=0.2)
        inject(sim, backend, faults)
        for k in range(60):
            ask(sim, backend, at=float(k))
        sim.run()
        frame = sim.recording.frame(Backend.Served)
        return frame["service_time"].to_list(), frame["outcome"].to_list()

    fault = ErrorRate(service="db", start=20, duration=10, rate=0.9)
    times, outcomes = run([fault])
    times_without, outcomes_without = run([])
    assert times == times_without
    assert outcomes[:20] + outcomes[30:] == outcomes_without[:20] + outcomes_without[30:]
    assert outcomes[20:30] != outcomes_without[20:30]


def test_a_fault_tells_when_it_takes_hold_and_lets_go() -> None:
    sim = Simulation(seed=11)
    backend = Backend(sim, "db", service_time=1)
    (fault_id,) = inject(sim, backend, [SlowDown(service="db", start=1, duration=2, factor=1.5)])
    sim.run()
    injected = sim.recording.frame(events.fault.Injected)
    cleared = sim.recording.frame(events.fault.Cleared)
    assert injected.select("time", "service", "fault_id", "kind", "parameters").rows() == [
        (1.0, "db", fault_id, "slow_down", '{"factor":1.5}')
    ]
    assert cleared.select("time", "fault_id", "duration").rows() == [(3.0, fault_id, 2.0)]
    assert cleared["cause"].to_list() == injected["sequence"].to_list()


def test_a_fault_without_end_lasts_for_ever() -> None:
    sim = Simulation(seed=12)
    backend = Backend(sim, "db", service_time=1)
    inject(sim, backend, [Outage(service="db", start=1)])
    sim.run()
    assert sim.now == 1
    assert backend.status == "down"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Outage(service="db", start=1, duration=0), "outage of 'db': duration=0; give seconds"),
        (
            Outage(service="db", start=-1),
            "outage of 'db' would begin at -1 s, but it is 0 s already",
        ),
        (SlowDown(service="db", start=1, factor=0), "slow_down of 'db': factor=0"),
        (ErrorRate(service="db", start=1, rate=1.5), "error_rate of 'db': rate=1.5"),
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error_at_once(fault: Fault, message: str) -> None:
    sim = Simulation(seed=13)
    backend = Backend(sim, "db", service_time=1)
    with pytest.raises(ValueError, match=message):
        inject(sim, backend, [fault])


def test_an_interrupted_caller_abandons_its_place_at_either_stage() -> None:
    sim = Simulation(seed=14)
    backend = Backend(sim, "db", service_time=4)
    serving, waiting, following = (ask(sim, backend) for _ in range(3))
    sim.run(until=1)
    waiting.interrupt()
    sim.run(until=2)
    serving.interrupt()
    sim.run()
    assert following.value == ("ok", 6.0)
    abandoned = sim.recording.frame(Backend.Abandoned)
    assert abandoned.select("stage", "duration").rows() == [("waiting", 1.0), ("serving", 2.0)]
    assert sim.now == 6
    empty(sim, backend)


def test_a_caller_who_left_at_the_instant_of_the_outage_is_not_told_of_it() -> None:
    sim = Simulation(seed=15)
    backend = Backend(sim, "db", service_time=4)

    def caller() -> Generator[Any, Any, str]:
        try:
            yield from backend.request()
        except simpy.Interrupt:
            yield from sim.sleep(1)
        return "went on"

    process = sim.process(caller())

    def chaos() -> Generator[Any, Any, None]:
        yield from sim.sleep(2)
        process.interrupt()
        backend.kill()

    sim.process(chaos())
    sim.run()
    assert process.value == "went on"
    empty(sim, backend)


def test_a_killed_backend_serves_again_after_its_restart() -> None:
    sim = Simulation(seed=16)
    backend = Backend(sim, "db", service_time=2, concurrency=2)
    callers = [ask(sim, backend, at) for at in (0, 0, 0, 2, 3)]
    sim.call_at(1, backend.kill)
    sim.call_at(2.5, backend.restart)
    sim.run()
    assert endings(callers) == [
        *[("ServiceDown", 1.0)] * 3,
        ("ServiceDown", 2.0),
        ("ok", 5.0),
    ]
    empty(sim, backend)


def test_a_busy_backend_with_a_line_is_degraded() -> None:
    sim = Simulation(seed=17)
    backend = Backend(sim, "db", service_time=2, health_interval=1)
    ask(sim, backend, 0.5)
    ask(sim, backend, 1.5)
    sim.run(until=3.2)
    frame = sim.recording.frame(Backend.ServiceHealth)
    assert frame["status"].to_list() == ["healthy", "degraded", "healthy"]
    assert frame["metrics"][1] == '{"serving":1,"waiting":1}'


def test_a_line_says_whose_turn_it_is() -> None:
    ended = {}
    for name, line in (("lifo", Lifo()), ("priority", Priority())):
        sim = Simulation(seed=22)
        backend = Backend(sim, "db", service_time=10, line=line)
        callers = [ask(sim, backend, k, priority=p) for k, p in enumerate((0, 2, 1, 1))]
        sim.run()
        ended[name] = [time for _, time in endings(callers)]
        empty(sim, backend)
    assert ended == {"lifo": [10, 40, 30, 20], "priority": [10, 40, 20, 30]}


def test_without_a_line_that_knows_them_priority_and_deadline_mean_nothing() -> None:
    sim = Simulation(seed=23)
    backend = Backend(sim, "db", service_time=10)
    callers = [ask(sim, backend, k, priority=-k, deadline=0) for k in range(3)]
    sim.run()
    assert endings(callers) == [("ok", 10), ("ok", 20), ("ok", 30)]


def test_work_that_is_too_late_is_turned_away_at_once_or_sent_out_of_the_line() -> None:
    sim = Simulation(seed=24)
    backend = Backend(sim, "db", service_time=10, line=DeadlineAware(needs=10))
    deadlines = (9, 10, 15, 99)
    callers = [ask(sim, backend, 0, priority=k, deadline=d) for k, d in enumerate(deadlines)]
    sim.run()
    assert endings(callers) == [("LoadShed", 0), ("ok", 10), ("LoadShed", 10), ("ok", 20)]
    rejected = sim.recording.frame(LoadShedder.Rejected)
    assert rejected.select("service_id", "reason", "priority").rows() == [("db", "deadline", 0)]
    expired = sim.recording.frame(LoadShedder.Expired)
    assert expired.select("reason", "priority", "wait").rows() == [("deadline", 2, 10)]
    assert sim.recording.frame(Backend.Abandoned).height == 0
    empty(sim, backend)


def test_shedding_thrown_at_a_waiter_from_outside_is_not_the_lines() -> None:
    sim = Simulation(seed=27)
    backend = Backend(sim, "db", service_time=10)
    _, waiter = ask(sim, backend), ask(sim, backend)
    sim.call_at(3, lambda: waiter.throw(LoadShed("somebody else", "other")))
    sim.run()
    assert waiter.value == ("LoadShed", 3)
    assert sim.recording.frame(LoadShedder.Expired).height == 0
    assert sim.recording.frame(Backend.Abandoned)["stage"].to_list() == ["waiting"]
    empty(sim, backend)


def test_more_places_serve_the_line_at_once_and_fewer_let_the_work_end() -> None:
    sim = Simulation(seed=25)
    backend = Backend(sim, "db", service_time=10)
    callers = [ask(sim, backend) for _ in range(4)]
    sim.call_at(2, lambda: backend.resize(3))
    sim.call_at(3, lambda: backend.resize(1))
    sim.run()
    assert [time for _, time in endings(callers)] == [10, 12, 12, 22]


def test_after_its_start_and_each_restart_it_is_slow_until_it_is_warm() -> None:
    sim = Simulation(seed=26)
    backend = Backend(sim, "db", service_time=1, concurrency=9, warm_up=WarmUp(10, 5))
    sim.call_at(50, backend.kill)
    sim.call_at(60, backend.restart)
    callers = [ask(sim, backend, at) for at in (0, 5, 10, 20, 65)]
    sim.run()
    assert [time for _, time in endings(callers)] == [5, 8, 11, 21, 68]
    assert backend.service_time.mean == 1


@pytest.mark.parametrize(
    ("age", "factor"), [(0, 3.0), (2.5, 2.5), (5, 2.0), (10, 1.0), (11, 1.0), (1e9, 1.0)]
)
def test_a_warm_up_falls_in_a_straight_line(age: float, factor: float) -> None:
    assert WarmUp(10, 3).factor_at(age) == factor


@pytest.mark.parametrize(("seconds", "factor"), [(0, 2), (10, 0), (-1, 2), (10, float("nan"))])
def test_a_warm_up_that_makes_no_sense_is_an_error_at_once(seconds: float, factor: float) -> None:
    with pytest.raises(ValueError, match="give a finite number above 0"):
        WarmUp(seconds, factor)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"service_time": -1}, "value=-1"),
        ({"service_time": 1, "concurrency": 0}, "concurrency=0"),
        ({"service_time": 1, "queue_limit": -1}, "queue_limit=-1"),
        ({"service_time": 1, "error_rate": 1.1}, "error_rate=1.1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Backend(Simulation(seed=18), "db", **arguments)


tenths = st.integers(0, 20).map(lambda k: k / 10)


@settings(max_examples=150, deadline=None)
@given(
    arrivals=st.lists(tenths, max_size=8),
    interrupts=st.lists(st.tuples(tenths, st.integers(0, 7)), max_size=5),
    outages=st.lists(st.tuples(tenths, st.sampled_from([0.1, 0.5])), max_size=2),
    kills=st.lists(tenths, max_size=2),
    concurrency=st.integers(1, 3),
    limit=st.sampled_from([None, 0, 1]),
)
def test_every_request_leaves_once_and_no_place_is_lost(  # noqa: PLR0917
    arrivals: list[float],
    interrupts: list[tuple[float, int]],
    outages: list[tuple[float, float]],
    kills: list[float],
    concurrency: int,
    limit: int | None,
) -> None:
    sim = Simulation(seed=19)
    backend = Backend(sim, "db", service_time=0.3, concurrency=concurrency, queue_limit=limit)
    sim.telemetry.attach("laws", "**", lambda _record: sim.check_invariants(), on_error="raise")

    def caller(at: float) -> Generator[Any, Any, None]:
        try:
            yield from sim.sleep(at)
            asked.append(at)
            yield from backend.request()
        except (ServiceError, simpy.Interrupt):
            pass

    def interrupt(which: int) -> None:
        if which < len(callers) and callers[which].is_alive:
            callers[which].interrupt()

    def bounce() -> None:
        backend.kill()
        if not backend.up:
            backend.restart()

    asked: list[float] = []
    callers = [sim.process(caller(at)) for at in arrivals]
    inject(sim, backend, [Outage(service="db", start=s, duration=d) for s, d in outages])
    for time, which in interrupts:
        sim.call_at(time, lambda which=which: interrupt(which))  # type: ignore[misc]
    for time in kills:
        sim.call_at(time, bounce)
    sim.run()
    empty(sim, backend)
    counts = sim.recording.counts
    left = [
        counts.get(f"foundation.backend.{way}", 0) for way in ("served", "rejected", "abandoned")
    ]
    assert sum(left) == len(asked)


# -- callers that leave ----------------------------------------------------------------------------


def test_a_request_whose_caller_leaves_is_dropped_or_served_to_the_end() -> None:
    ends: dict[str, list[float]] = {}
    ways: tuple[Literal["dropped", "served"], ...] = ("dropped", "served")
    for abandoned in ways:
        sim = Simulation(seed=31)
        db = Backend(sim, "db", service_time=2, abandoned=abandoned)
        limit = Timeout(sim, "limit", 1)
        clients = [sim.process(request(sim, "web", partial(limit.call, db.request)))]
        clients.append(sim.process(request(sim, "app", db.request)))
        sim.run(until=1.5)
        assert (db.serving, db.ghosts) == ((1, 1) if abandoned == "served" else (1, 0))
        sim.run()
        assert [client.value for client in clients] == ["timeout", "ok"]
        ends[abandoned] = sim.recording.frame(Backend.Served)["time"].to_list()
        sim.check_invariants()
        assert db.ghosts == 0
    assert ends == {"dropped": [3.0], "served": [2.0, 4.0]}


def test_a_ghost_that_fails_is_nobodys_affair_and_a_crash_drops_it() -> None:
    sim = Simulation(seed=32)
    db = Backend(sim, "db", service_time=2, error_rate=1, abandoned="served")
    limit = Timeout(sim, "limit", 1)
    for _ in range(2):
        sim.process(request(sim, "web", partial(limit.call, db.request)))
    sim.call_at(3, db.kill)
    sim.run()
    served = sim.recording.frame(Backend.Served)
    assert served.select("time", "outcome").rows() == [(2.0, "error"), (3.0, "error")]
    assert (db.serving, db.ghosts) == (0, 0)
    sim.check_invariants()


def test_what_becomes_of_the_abandoned_is_one_of_two_things() -> None:
    with pytest.raises(ValueError, match="abandoned='kept'; give 'dropped' or 'served'"):
        Backend(Simulation(), "db", service_time=1, abandoned="kept")  # type: ignore[arg-type]
