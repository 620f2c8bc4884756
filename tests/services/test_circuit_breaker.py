from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError, CircuitOpen, ServiceDown, TimedOut
from foundation_lab.services import CircuitBreaker, CountWindow, Health, State, TimeWindow
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import calls, changes, fail, later, taking

if TYPE_CHECKING:
    from collections.abc import Generator


def bug() -> None:
    message = "a bug"
    raise ValueError(message)


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_it_opens_at_exactly_the_threshold_of_failures_in_a_row(threshold: int) -> None:
    sim = Simulation(seed=1)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=threshold)
    calls(sim, breaker, *[fail] * (threshold - 1))
    assert breaker.status == State.CLOSED
    calls(sim, breaker, fail)
    assert breaker.status == State.OPEN
    assert changes(sim) == [(0.0, "closed", "open")]
    sim.check_invariants()


def test_a_success_starts_the_row_of_failures_from_zero() -> None:
    sim = Simulation(seed=2)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=3)
    calls(sim, breaker, fail, fail, lambda: 1, fail, fail)
    assert breaker.status == State.CLOSED


def test_the_result_of_the_called_function_comes_back_whatever_its_kind() -> None:
    sim = Simulation(seed=3)
    breaker = CircuitBreaker(sim, "payments")
    results: list[Any] = []

    def caller() -> Generator[Any, Any, None]:
        results.append((yield from breaker.call(lambda: 1)))
        results.append((yield from breaker.call(lambda: sim.timeout(1, "event"))))
        results.append((yield from breaker.call(taking(sim, 1, lambda: "generator"))))

    sim.process(caller())
    sim.run()
    assert results == [1, "event", "generator"]
    durations = sim.recording.frame(CircuitBreaker.CallSuccess)["duration"].to_list()
    assert durations == [0.0, 1.0, 1.0]


def test_an_open_breaker_rejects_and_says_when_to_come_back() -> None:
    sim = Simulation(seed=4)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=30)
    calls(sim, breaker, fail)
    sim.run(until=10)
    assert breaker.retry_after == 20
    assert calls(sim, breaker, lambda: 1) == ["CircuitOpen"]
    rejected = sim.recording.frame(CircuitBreaker.CallRejected)
    assert rejected.select("time", "state", "retry_after").rows() == [(10.0, "open", 20.0)]


@pytest.mark.parametrize(("opened", "timeout"), [(0.0, 30.0), (0.1, 0.2), (1e6 / 3, 1 / 7)])
def test_it_is_half_open_at_exactly_the_reset_timeout_with_nobody_calling(
    opened: float, timeout: float
) -> None:
    sim = Simulation(seed=5)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=timeout)
    later(sim, opened, breaker, fail)
    sim.run()
    assert changes(sim) == [
        (opened, "closed", "open"),
        (opened + timeout, "open", "half_open"),
    ]
    assert sim.now == opened + timeout


def test_a_call_at_the_very_instant_of_the_reset_timeout_is_a_probe() -> None:
    sim = Simulation(seed=6)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=30)
    early = later(sim, 30, breaker, lambda: 1)  # its timer is older than the breaker's
    later(sim, 0, breaker, fail)
    sim.run()
    assert early.value == "ok"
    assert changes(sim) == [
        (0.0, "closed", "open"),
        (30.0, "open", "half_open"),
        (30.0, "half_open", "closed"),
    ]
    opened = sim.recording.frame(CircuitBreaker.StateChange)
    assert opened["cause"][1] == opened["sequence"][0]


def test_half_open_admits_so_many_probes_and_rejects_the_rest() -> None:
    sim = Simulation(seed=7)
    breaker = CircuitBreaker(
        sim, "payments", failure_threshold=1, reset_timeout=10, half_open_calls=2
    )
    later(sim, 0, breaker, fail)
    probes = [later(sim, 10, breaker, taking(sim, 1)) for _ in range(4)]
    sim.run()
    assert [probe.value for probe in probes] == ["ok", "ok", "CircuitOpen", "CircuitOpen"]
    rejected = sim.recording.frame(CircuitBreaker.CallRejected)
    assert rejected.select("state", "retry_after").rows() == [("half_open", None)] * 2
    assert changes(sim)[-1] == (11.0, "half_open", "closed")
    sim.check_invariants()


def test_one_failed_probe_opens_it_again_for_the_whole_reset_timeout() -> None:
    sim = Simulation(seed=8)
    breaker = CircuitBreaker(
        sim, "payments", failure_threshold=1, reset_timeout=10, half_open_calls=3
    )
    later(sim, 0, breaker, fail)
    later(sim, 10, breaker, lambda: 1)
    later(sim, 12, breaker, fail)
    sim.run()
    assert changes(sim) == [
        (0.0, "closed", "open"),
        (10.0, "open", "half_open"),
        (12.0, "half_open", "open"),
        (22.0, "open", "half_open"),
    ]


def test_a_probe_that_outlives_a_failed_one_does_not_move_the_next_half_open() -> None:
    sim = Simulation(seed=9)
    breaker = CircuitBreaker(
        sim, "payments", failure_threshold=1, reset_timeout=10, half_open_calls=2
    )
    later(sim, 0, breaker, fail)
    later(sim, 11, breaker, taking(sim, 20))  # ends at 31, in the second half-open
    later(sim, 12, breaker, fail)
    later(sim, 25, breaker, lambda: 1)  # the first of two probes
    sim.run(until=40)
    assert breaker.status == State.HALF_OPEN
    sim.check_invariants()


def test_late_results_from_before_a_trip_do_not_move_the_state() -> None:
    sim = Simulation(seed=10)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=2, reset_timeout=10)
    for seconds in (14, 15):
        later(sim, 0, breaker, taking(sim, seconds, fail))
    later(sim, 1, breaker, fail)
    later(sim, 2, breaker, fail)
    later(sim, 12, breaker, lambda: 1)
    sim.run()
    assert [to for _, _, to in changes(sim)] == ["open", "half_open", "closed"]
    assert breaker.status == State.CLOSED
    assert sim.recording.frame(CircuitBreaker.CallFailure).height == 4
    sim.check_invariants()


def test_an_ignored_error_gives_the_probe_back_and_counts_as_nothing() -> None:
    sim = Simulation(seed=11)
    breaker = CircuitBreaker(
        sim, "payments", failure_threshold=1, reset_timeout=10, ignore=(TimedOut,)
    )

    def overdue() -> None:
        raise TimedOut

    later(sim, 0, breaker, fail)
    first = later(sim, 11, breaker, overdue)
    second = later(sim, 12, breaker, lambda: 1)
    sim.run()
    assert (first.value, second.value) == ("TimedOut", "ok")
    assert breaker.status == State.CLOSED
    ignored = sim.recording.frame(CircuitBreaker.CallIgnored)
    assert ignored["error"].to_list() == ["TimedOut"]


def test_an_interrupted_probe_gives_its_permit_back() -> None:
    sim = Simulation(seed=12)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=10)
    later(sim, 0, breaker, fail)
    probe = later(sim, 10, breaker, taking(sim, 50))
    sim.run(until=15)
    probe.interrupt()
    sim.run(until=16)
    assert probe.value == "Interrupt"
    assert breaker.status == State.HALF_OPEN
    assert calls(sim, breaker, lambda: 1) == ["ok"]
    assert breaker.status == State.CLOSED
    sim.run()
    assert sim.now == 16
    sim.check_invariants()


@pytest.mark.parametrize("failure_on", [Exception, lambda _error: True])
def test_an_interrupt_never_counts_even_when_every_error_does(failure_on: Any) -> None:
    sim = Simulation(seed=13)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, failure_on=failure_on)
    caller = later(sim, 0, breaker, taking(sim, 50))
    sim.run(until=5)
    caller.interrupt()
    sim.run()
    assert breaker.status == State.CLOSED
    assert sim.recording.frame(CircuitBreaker.CallIgnored)["error"].to_list() == ["Interrupt"]


def test_a_bug_comes_through_and_never_counts() -> None:
    sim = Simulation(seed=14)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1)
    with pytest.raises(ValueError, match="a bug"):
        calls(sim, breaker, bug)
    assert breaker.status == State.CLOSED
    assert breaker.in_flight == 0
    sim.check_invariants()


def test_a_predicate_says_which_errors_count() -> None:
    sim = Simulation(seed=15)
    breaker = CircuitBreaker(
        sim, "payments", failure_threshold=1, failure_on=lambda error: "disk" in str(error)
    )

    def disk() -> None:
        message = "disk full"
        raise BackendError(message)

    calls(sim, breaker, fail)
    assert breaker.status == State.CLOSED
    calls(sim, breaker, disk)
    assert breaker.status == State.OPEN


@pytest.mark.parametrize(("seconds", "ended"), [(1.0, "ok"), (2.0, "TimedOut"), (3.0, "TimedOut")])
def test_a_call_may_take_less_than_its_timeout(seconds: float, ended: str) -> None:
    sim = Simulation(seed=16)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, call_timeout=2)
    assert calls(sim, breaker, taking(sim, seconds)) == [ended]
    assert sim.now == min(seconds, 2)
    sim.run(until=10)
    timeouts = sim.recording.frame(CircuitBreaker.CallTimeout)
    assert timeouts.select("time", "timeout").rows() == [(2.0, 2.0)] * (ended != "ok")
    failures = sim.recording.frame(CircuitBreaker.CallFailure)
    assert failures.select("error", "duration").rows() == [("TimedOut", 2.0)] * (ended != "ok")


def test_the_timeout_of_one_call_overrides_the_breakers() -> None:
    sim = Simulation(seed=17)
    breaker = CircuitBreaker(sim, "payments", call_timeout=2)
    ended: list[float] = []

    def caller() -> Generator[Any, Any, None]:
        yield from breaker.call(taking(sim, 3), timeout=4)
        ended.append(sim.now)

    sim.process(caller())
    sim.run()
    assert ended == [3]
    assert sim.now == 3
    assert sim.recording.frame(CircuitBreaker.CallStart)["timeout"].to_list() == [4.0]


def test_a_timeout_further_inside_is_a_failure_but_not_this_breakers_timeout() -> None:
    sim = Simulation(seed=18)
    outer = CircuitBreaker(sim, "outer", call_timeout=5)
    inner = CircuitBreaker(sim, "inner", call_timeout=2)
    assert calls(sim, outer, lambda: inner.call(taking(sim, 9))) == ["TimedOut"]
    assert sim.recording.frame(CircuitBreaker.CallTimeout)["service_id"].to_list() == ["inner"]
    failed = sim.recording.frame(CircuitBreaker.CallFailure)["service_id"].to_list()
    assert failed == ["inner", "outer"]


def test_a_time_window_opens_after_the_minimum_of_calls_at_60_percent() -> None:
    sim = Simulation(seed=19)
    window = TimeWindow(20, failure_rate=0.5, minimum_calls=5)
    breaker = CircuitBreaker(sim, "payments", counting=window)
    calls(sim, breaker, fail, fail, fail, lambda: 1)
    assert breaker.status == State.CLOSED
    calls(sim, breaker, lambda: 1)  # a success trips: 3 of 5 have failed
    assert breaker.status == State.OPEN
    reasons = sim.recording.frame(CircuitBreaker.StateChange)["reason"].to_list()
    assert reasons == ["3 of 5 calls failed"]


def test_a_count_window_judges_nothing_before_it_is_full() -> None:
    sim = Simulation(seed=20)
    breaker = CircuitBreaker(sim, "payments", counting=CountWindow(10, failure_rate=0.8))
    calls(sim, breaker, *[lambda: 1] * 2, *[fail] * 7)
    assert breaker.status == State.CLOSED
    calls(sim, breaker, fail)
    assert breaker.status == State.OPEN


def test_trip_opens_and_starts_the_reset_timeout_anew() -> None:
    sim = Simulation(seed=21)
    breaker = CircuitBreaker(sim, "payments", reset_timeout=10)
    breaker.trip("drill")
    sim.run(until=5)
    breaker.trip()
    sim.run()
    assert changes(sim) == [(0.0, "closed", "open"), (15.0, "open", "half_open")]
    assert sim.recording.frame(CircuitBreaker.StateChange)["reason"][0] == "drill"
    sim.check_invariants()


def test_reset_closes_forgets_the_counts_and_says_so() -> None:
    sim = Simulation(seed=22)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=2)
    calls(sim, breaker, fail)
    breaker.reset()
    calls(sim, breaker, fail)
    assert breaker.status == State.CLOSED
    calls(sim, breaker, fail)
    breaker.reset()
    assert breaker.status == State.CLOSED
    assert sim.recording.frame(CircuitBreaker.Reset)["from"].to_list() == ["closed", "open"]
    sim.run()
    assert sim.now == 0  # the timer to half-open went with the reset
    sim.check_invariants()


def test_a_stopped_breaker_rejects_and_moves_no_more() -> None:
    sim = Simulation(seed=23)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=10)
    calls(sim, breaker, fail)
    breaker.stop()
    assert breaker.status == "down"
    assert calls(sim, breaker, lambda: 1) == ["ServiceDown"]
    for move in (breaker.trip, breaker.reset):
        with pytest.raises(ServiceDown, match="circuit_breaker 'payments' is down"):
            move()
    sim.run(until=60)
    assert changes(sim) == [(0.0, "closed", "open")]
    sim.check_invariants()


def test_a_restarted_breaker_is_closed_and_deaf_to_calls_of_its_former_life() -> None:
    sim = Simulation(seed=24)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1)
    late = later(sim, 0, breaker, taking(sim, 10, fail))
    sim.run(until=5)
    breaker.trip()
    breaker.kill()
    breaker.restart()
    sim.run(until=late)
    assert breaker.status == State.CLOSED
    assert [to for _, _, to in changes(sim)] == ["open", "closed"]
    sim.check_invariants()


def test_health_follows_the_state() -> None:
    sim = Simulation(seed=25)
    breaker = CircuitBreaker(
        sim, "payments", failure_threshold=1, reset_timeout=10, health_interval=4
    )
    later(sim, 5, breaker, fail)
    sim.run(until=17)
    breaker.stop()
    assert breaker.check_health() is Health.UNHEALTHY
    frame = sim.recording.frame(CircuitBreaker.HealthCheck)
    assert frame.select("time", "healthy", "state").rows() == [
        (4.0, True, "closed"),
        (8.0, False, "open"),
        (12.0, False, "open"),
        (16.0, False, "half_open"),
        (17.0, False, "down"),
    ]
    statuses = sim.recording.frame(CircuitBreaker.ServiceHealth)["status"].to_list()
    assert statuses == ["healthy", "unhealthy", "unhealthy", "degraded", "unhealthy"]


def test_the_state_is_committed_before_its_event() -> None:
    sim = Simulation(seed=26)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1)
    seen: list[str] = []
    sim.telemetry.attach(
        "watch", CircuitBreaker.StateChange, lambda _record: seen.append(breaker.status)
    )
    calls(sim, breaker, fail)
    sim.run()
    assert seen == ["open", "half_open"]


def test_a_raising_handler_takes_no_permit_with_it() -> None:
    sim = Simulation(seed=27)
    breaker = CircuitBreaker(sim, "payments")

    def refuse(_record: object) -> None:
        message = "refused by a handler"
        raise ValueError(message)

    sim.telemetry.attach("strict", CircuitBreaker.CallStart, refuse, on_error="raise")
    with pytest.raises(ValueError, match="refused by a handler"):
        calls(sim, breaker, lambda: 1)
    assert breaker.in_flight == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"failure_threshold": 0}, "failure_threshold=0; give a whole number from 1"),
        ({"reset_timeout": 0}, "reset_timeout=0; give a finite number above 0"),
        ({"half_open_calls": 1.5}, "half_open_calls=1.5"),
        ({"call_timeout": -1}, "call_timeout=-1"),
        ({"health_interval": 0}, "health_interval=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once_and_leaves_nothing_behind(
    arguments: dict[str, Any], message: str
) -> None:
    sim = Simulation(seed=28)
    with pytest.raises(ValueError, match=message):
        CircuitBreaker(sim, "payments", **arguments)
    assert not sim.components
    assert len(sim.recording) == 0


def test_what_counts_as_failure_is_types_or_a_predicate() -> None:
    wrong: Any = "ServiceError"
    with pytest.raises(TypeError, match="failure_on='ServiceError'; give an exception type"):
        CircuitBreaker(Simulation(seed=29), "payments", failure_on=wrong)


def test_a_handler_of_the_opening_may_reset_the_breaker_for_good() -> None:
    sim = Simulation(seed=30)
    breaker = CircuitBreaker(sim, "payments", failure_threshold=1, reset_timeout=10)
    sim.telemetry.attach(
        "operator",
        CircuitBreaker.StateChange,
        lambda _record: breaker.reset(),
        where={"to": "open"},
        on_error="raise",
    )
    calls(sim, breaker, fail)
    sim.run()
    assert breaker.status == State.CLOSED
    assert [to for _, _, to in changes(sim)] == ["open", "closed"]
    sim.check_invariants()


def test_a_reset_by_a_handler_of_the_failure_leaves_no_count_of_it() -> None:
    sim = Simulation(seed=61)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1)
    sim.telemetry.attach(
        "operator", CircuitBreaker.CallFailure, lambda _record: breaker.reset(), on_error="raise"
    )
    assert calls(sim, breaker, fail) == ["BackendError"]
    assert breaker.state is State.CLOSED
    sim.check_invariants()


def test_a_rejection_says_when_to_come_back() -> None:
    sim = Simulation(seed=62)
    breaker = CircuitBreaker(sim, "db", reset_timeout=15)
    breaker.trip()
    sim.run(until=2.7)

    def caller() -> Generator[Any, Any, float | None]:
        with pytest.raises(CircuitOpen, match=r"'db' is open; half-open in 12\.3 s$") as refusal:
            yield from breaker.call(fail)
        return refusal.value.retry_after

    assert sim.run(sim.process(caller())) == pytest.approx(12.3)


def test_a_rejection_of_one_probe_too_many_does_not_know_when_to_come_back() -> None:
    sim = Simulation(seed=63)
    breaker = CircuitBreaker(sim, "db", reset_timeout=1)
    breaker.trip()
    later(sim, 1, breaker, taking(sim, 5))
    sim.run(until=2)

    def caller() -> Generator[Any, Any, float | None]:
        with pytest.raises(CircuitOpen, match=r"'db' is half_open$") as refusal:
            yield from breaker.call(fail)
        return refusal.value.retry_after

    assert sim.run(sim.process(caller())) is None
