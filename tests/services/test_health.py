from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, UnknownName
from foundation_lab.services import (
    Backend,
    Health,
    HealthCheck,
    HealthMonitor,
    Service,
    Supervisor,
)
from foundation_lab.services.health import BADNESS, GOOD, Standing, as_health, overall
from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import wait_for_service_health

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def fail() -> None:
    raise BackendError


def results(sim: Simulation) -> list[tuple[Any, ...]]:
    frame = sim.recording.frame(HealthMonitor.Checked)
    return frame.select("time", "status", "reason").rows()


def changes(sim: Simulation, target: str) -> list[tuple[Any, ...]]:
    frame = sim.recording.frame(HealthMonitor.StatusChanged)
    return [
        row[:1] + row[2:]
        for row in frame.select("time", "service", "from", "to").rows()
        if row[1] == target
    ]


# -- the rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "successes", "course"),
    [
        (1, 1, "hH uU hH uU"),
        (3, 1, "hH uH uH uU uU hH"),
        (2, 2, "h? hH uH hH uH uU hU hH"),
        (3, 1, "u? u? uU"),
        (3, 2, "u? h? u? h? hH"),
        (2, 3, "d? d? dD hH dD uD uU dU hU dD"),
    ],
)
def test_thresholds_are_counted_in_a_row(failures: int, successes: int, course: str) -> None:
    letters = {
        "h": Health.HEALTHY,
        "d": Health.DEGRADED,
        "u": Health.UNHEALTHY,
        "?": Health.UNKNOWN,
    }
    standing = Standing(failures, successes)
    for result, status in map(tuple, course.split()):
        assert standing.observe(letters[result]) is letters[status.lower()], course


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.sampled_from(list(Health)), max_size=40))
def test_only_the_threshold_in_a_row_leads_to_unhealthy_and_back(
    failures: int, successes: int, course: list[Health]
) -> None:
    standing, before = Standing(failures, successes), Health.UNKNOWN
    for number, result in enumerate(course, 1):
        after = standing.observe(result)
        if after is Health.UNHEALTHY and before is not Health.UNHEALTHY:
            assert all(r not in GOOD for r in course[number - failures : number])
        if after in GOOD and before not in GOOD:
            assert all(r in GOOD for r in course[number - successes : number])
        if after in GOOD and result in GOOD:
            assert after is result
        before = after


@pytest.mark.parametrize(
    ("critical", "others", "whole"),
    [
        ("", "", "healthy"),
        ("hhh", "", "healthy"),
        ("hdh", "", "degraded"),
        ("hu", "h", "unhealthy"),
        ("h?d", "", "unknown"),
        ("hh", "u", "degraded"),
        ("hh", "?", "degraded"),
        ("u", "d", "unhealthy"),
        ("", "uu", "degraded"),
    ],
)
def test_a_whole_is_as_bad_as_its_worst_critical_part(
    critical: str, others: str, whole: str
) -> None:
    letters = {
        "h": Health.HEALTHY,
        "d": Health.DEGRADED,
        "u": Health.UNHEALTHY,
        "?": Health.UNKNOWN,
    }
    assert overall(map(letters.get, critical), map(letters.get, others)) == whole  # type: ignore[arg-type]


def test_what_a_check_may_come_to() -> None:
    assert [as_health(r) for r in (True, False, "degraded", Health.UNKNOWN)] == [
        Health.HEALTHY,
        Health.UNHEALTHY,
        Health.DEGRADED,
        Health.UNKNOWN,
    ]
    assert set(BADNESS) == set(Health)
    with pytest.raises(TypeError, match="a health check came to None"):
        as_health(None)
    with pytest.raises(ValueError, match="'fine'"):
        as_health("fine")


# -- checks ------------------------------------------------------------------------------------


def test_checks_begin_after_the_initial_delay_and_come_at_their_interval() -> None:
    sim = Simulation(seed=1)
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch("disk", HealthCheck(lambda: True, interval=5, initial_delay=2))
    sim.run(until=13)
    assert [time for time, *_ in results(sim)] == [2.0, 7.0, 12.0]
    assert changes(sim, "disk") == [(2.0, "unknown", "healthy")]
    sim.check_invariants()


def test_a_check_may_take_its_time_up_to_the_timeout() -> None:
    sim = Simulation(seed=2)
    monitor = HealthMonitor(sim, "monitor")
    durations = iter([0.5, 2.0, 2.1, 0.0])

    def probe() -> Generator[Any, Any, bool]:
        yield next(durations)
        return True

    monitor.watch("disk", HealthCheck(probe, interval=10, timeout=2, failure_threshold=1))
    sim.run(until=35)
    assert results(sim) == [
        (0.5, "healthy", "check"),
        (12.0, "healthy", "check"),
        (22.0, "unhealthy", "timeout"),
        (30.0, "healthy", "check"),
    ]


def test_a_check_that_takes_longer_than_the_interval_delays_the_next_one() -> None:
    sim = Simulation(seed=3)
    monitor = HealthMonitor(sim, "monitor")

    def probe() -> Generator[Any, Any, str]:
        yield 3
        return "degraded"

    monitor.watch("disk", HealthCheck(probe, interval=2, timeout=5))
    sim.run(until=10)
    assert [time for time, *_ in results(sim)] == [3.0, 6.0, 9.0]


def test_a_failure_of_the_simulated_world_is_unhealthy_and_names_itself() -> None:
    sim = Simulation(seed=4)
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch("db", HealthCheck(fail, interval=1, failure_threshold=2))
    sim.run(until=1.5)
    assert results(sim) == [(0.0, "unhealthy", "BackendError"), (1.0, "unhealthy", "BackendError")]
    assert monitor.status_of("db") is Health.UNHEALTHY


def test_a_bug_in_a_check_comes_through() -> None:
    sim = Simulation(seed=5)
    HealthMonitor(sim, "monitor").watch("db", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sim.run(until=1)


def test_a_service_is_asked_itself_and_says_so() -> None:
    sim = Simulation(seed=6)
    backend = Backend(sim, "db", service_time=1)
    HealthMonitor(sim, "monitor").watch(backend)
    sim.run(until=15)
    asked = sim.recording.frame(Service.ServiceHealth).select("time", "service", "status").rows()
    assert asked == [(0.0, "db", "healthy"), (10.0, "db", "healthy")]


def test_a_service_that_goes_down_is_unhealthy_at_that_instant_and_its_checks_find_it_back() -> (
    None
):
    sim = Simulation(seed=7)
    service = Service(sim, "db")
    Supervisor(sim, "root", [service], restart_delay=3)
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch(service, HealthCheck(service.check_health, interval=2, success_threshold=2))
    sim.call_at(4.5, service.kill)
    sim.run(until=20)
    assert changes(sim, "db") == [
        (2.0, "unknown", "healthy"),
        (4.5, "healthy", "unhealthy"),
        (10.0, "unhealthy", "healthy"),
    ]
    reasons = sim.recording.frame(HealthMonitor.StatusChanged)["reason"].to_list()
    assert reasons == ["check", "down: killed", "check"]


def test_a_check_that_began_before_the_crash_says_nothing_of_what_came_after() -> None:
    sim = Simulation(seed=8)
    service = Service(sim, "db")
    monitor = HealthMonitor(sim, "monitor")

    def probe() -> Generator[Any, Any, bool]:
        alive = service.up
        yield 2
        return alive

    monitor.watch(service, HealthCheck(probe, interval=10, timeout=5))
    sim.call_at(1, service.kill)
    sim.run(until=5)
    assert results(sim) == []
    assert monitor.status_of("db") is Health.UNHEALTHY


def test_who_hears_of_a_good_check_may_crash_the_target() -> None:
    sim = Simulation(seed=32)
    db = Backend(sim, "db", service_time=1)
    monitor = HealthMonitor(sim, "watch")
    monitor.watch(db, HealthCheck(db.check_health, interval=1))
    crashes = iter([True])
    sim.telemetry.attach(
        "act",
        HealthMonitor.Checked,
        lambda _: db.kill() if sim.now == 3 and next(crashes, False) else None,
        on_error="raise",
    )
    sim.call_at(1.5, db.kill)
    sim.call_at(2.5, db.restart)
    sim.call_at(4.5, db.restart)
    sim.run(until=3.5)
    sim.check_invariants()
    assert monitor.lost("db") == []
    assert monitor.status_of("db") is Health.UNHEALTHY
    sim.run(until=6)
    sim.check_invariants()
    assert changes(sim, "db") == [
        (0, "unknown", "healthy"),
        (1.5, "healthy", "unhealthy"),
        (5, "unhealthy", "healthy"),
    ]


# -- dependencies ------------------------------------------------------------------------------


def test_dependents_are_told_of_what_they_lost_and_found() -> None:
    sim = Simulation(seed=9)
    db, cache = Service(sim, "db"), Service(sim, "cache")
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch("shop", lambda: True, depends_on=["db", "cache"])
    monitor.watch("report", lambda: True, depends_on=["db"])
    monitor.watch(db, HealthCheck(db.check_health, interval=1))
    monitor.watch(cache, HealthCheck(cache.check_health, interval=1))
    sim.call_at(2.5, db.kill)
    sim.call_at(2.6, lambda: losses.extend(monitor.lost("shop")))
    sim.call_at(4.5, db.restart)
    losses: list[str] = []
    sim.run(until=8)
    assert losses == ["db"]
    lost = sim.recording.frame(HealthMonitor.DependencyLost)
    assert lost.select("time", "service", "dependency", "reason").rows() == [
        (2.5, "shop", "db", "down: killed"),
        (2.5, "report", "db", "down: killed"),
    ]
    found = sim.recording.frame(HealthMonitor.DependencyFound)
    assert found.select("time", "service", "dependency", "duration").rows() == [
        (5.0, "shop", "db", 2.5),
        (5.0, "report", "db", 2.5),
    ]
    assert monitor.lost("shop") == []


def test_whoever_is_watched_after_the_loss_is_told_at_once() -> None:
    sim = Simulation(seed=10)
    db = Service(sim, "db")
    db.kill()
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch(db)
    monitor.watch("shop", lambda: True, depends_on=["db"])
    assert monitor.lost("shop") == ["db"]
    assert sim.recording.frame(HealthMonitor.DependencyLost)["service"].to_list() == ["shop"]


def test_the_whole_follows_its_parts_and_says_when_it_changes() -> None:
    sim = Simulation(seed=11)
    db, mail = Service(sim, "db"), Service(sim, "mail")
    monitor = HealthMonitor(sim, "monitor")
    assert monitor.health() is Health.HEALTHY
    monitor.watch(db, HealthCheck(db.check_health, interval=1))
    monitor.watch(mail, HealthCheck(mail.check_health, interval=1), critical=False)
    sim.call_at(2.5, mail.kill)
    sim.call_at(3.5, db.kill)
    sim.call_at(4.5, db.restart)
    sim.call_at(5.5, mail.restart)
    wait_for_service_health(sim, "monitor", "degraded", within=3)
    sim.run(until=9)
    whole = sim.recording.frame(HealthMonitor.OverallChanged)
    assert whole.select("time", "from", "to", "target").rows() == [
        (0.0, "healthy", "unknown", "db"),
        (0.0, "unknown", "degraded", "db"),
        (0.0, "degraded", "healthy", "mail"),
        (2.5, "healthy", "degraded", "mail"),
        (3.5, "degraded", "unhealthy", "db"),
        (5.0, "unhealthy", "degraded", "db"),
        (6.0, "degraded", "healthy", "mail"),
    ]
    assert monitor.metrics() == {"targets": 2, "good": 2}


# -- life --------------------------------------------------------------------------------------


def test_a_monitor_that_is_down_checks_nothing_and_begins_anew() -> None:
    sim = Simulation(seed=12)
    db = Service(sim, "db")
    monitor = HealthMonitor(sim, "monitor")

    def slow() -> Generator[Any, Any, bool]:
        yield 1
        return True

    monitor.watch(db, HealthCheck(slow, interval=2, timeout=1.5))
    sim.call_at(4.5, monitor.kill)  # in the middle of a check
    sim.call_at(6, db.kill)
    sim.call_at(8, db.restart)
    sim.call_at(9, monitor.restart)
    sim.run(until=9.5)
    assert [time for time, *_ in results(sim)] == [1.0, 3.0]
    assert monitor.status_of("db") is Health.UNKNOWN
    sim.run(until=13)
    assert [time for time, *_ in results(sim)] == [1.0, 3.0, 10.0, 12.0]
    assert len(sim.recording.frame(HealthMonitor.StatusChanged)) == 2


def test_a_check_may_end_its_monitor() -> None:
    sim = Simulation(seed=13)
    monitor = HealthMonitor(sim, "monitor")

    def probe() -> bool:
        monitor.kill()
        return True

    monitor.watch("disk", HealthCheck(probe, interval=1))
    sim.run()
    assert results(sim) == []
    assert not monitor.up


def test_it_does_the_same_with_telemetry_off() -> None:
    sim = Simulation(seed=14)
    sim.telemetry.disable()
    db = Service(sim, "db")
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch(db, HealthCheck(db.check_health, interval=1))
    monitor.watch("shop", lambda: True, depends_on=["db"])
    sim.call_at(2.5, db.kill)
    sim.run(until=5)
    assert monitor.lost("shop") == ["db"]
    assert monitor.health() is Health.UNHEALTHY


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: HealthCheck("db"), TypeError, "check='db'"),  # type: ignore[arg-type]
        (lambda: HealthCheck(fail, interval=0), ValueError, "interval=0"),
        (lambda: HealthCheck(fail, timeout=-1), ValueError, "timeout=-1"),
        (lambda: HealthCheck(fail, initial_delay=-1), ValueError, "initial_delay=-1"),
        (lambda: HealthCheck(fail, failure_threshold=0), ValueError, "failure_threshold=0"),
        (lambda: HealthCheck(fail, success_threshold=0), ValueError, "success_threshold=0"),
    ],
)
def test_a_check_that_makes_no_sense_is_an_error_at_once(
    make: Callable[[], HealthCheck], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_target_has_a_name_of_its_own_and_a_way_to_check_it() -> None:
    sim = Simulation(seed=15)
    monitor = HealthMonitor(sim, "monitor")
    with pytest.raises(TypeError, match="target 'disk' is no service"):
        monitor.watch("disk")
    monitor.watch("disk", lambda: True)
    with pytest.raises(ValueError, match="watches 'disk' already"):
        monitor.watch("disk", lambda: True)
    with pytest.raises(UnknownName, match="unknown target 'dusk'; did you mean 'disk'"):
        monitor.status_of("dusk")
