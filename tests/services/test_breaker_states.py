"""What resilience4j's users know of a breaker: slow calls, probes by rate, states set by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import CircuitOpen, ServiceDown
from foundation_lab.services import (
    CircuitBreaker,
    CountWindow,
    Health,
    State,
    TimeWindow,
    exponential_backoff,
)
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import calls, changes, fail, later, play, succeed, taking

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def reasons(sim: Simulation) -> list[str]:
    return sim.recording.frame(CircuitBreaker.StateChange)["reason"].to_list()


def half_open_by_rate(
    sim: Simulation, permitted: int, window: CountWindow, **arguments: Any
) -> CircuitBreaker:
    """Return a breaker that is half-open and judges its probes by rate."""
    breaker = CircuitBreaker(
        sim,
        "db",
        counting=window,
        reset_timeout=10,
        half_open_calls=permitted,
        half_open_rule="rate",
        **arguments,
    )
    breaker.trip()
    sim.run(until=10.5)
    assert breaker.state is State.HALF_OPEN
    return breaker


# -- rates -------------------------------------------------------------------------------------


def test_a_time_window_of_20_s_opens_at_60_percent_with_the_fifth_call() -> None:
    sim = Simulation(seed=1)
    window = TimeWindow(20, failure_rate=0.5, minimum_calls=5)
    breaker = CircuitBreaker(sim, "db", counting=window)
    play(sim, breaker, "FFFS")
    assert (breaker.state, breaker.failure_rate()) == (State.CLOSED, -1)
    play(sim, breaker, "S")
    assert (breaker.state, breaker.failure_rate()) == (State.OPEN, 0.6)
    assert breaker.slow_call_rate() == 0


def test_the_failure_rate_of_a_count_window_is_minus_1_below_the_minimum_and_then_slides() -> None:
    sim = Simulation(seed=2)
    window = CountWindow(10, failure_rate=0.7, minimum_calls=10)
    breaker = CircuitBreaker(sim, "db", counting=window)
    rates = []
    for letter in "SSFFFFFFSSSSSSS":
        play(sim, breaker, letter)
        rates.append(breaker.failure_rate())
    assert rates == [-1] * 9 + [0.6, 0.6, 0.6, 0.5, 0.4, 0.3]
    assert breaker.state is State.CLOSED


def test_the_rate_of_a_time_window_falls_with_time_alone() -> None:
    sim = Simulation(seed=3)
    window = TimeWindow(10, failure_rate=0.9, minimum_calls=1)
    breaker = CircuitBreaker(sim, "db", counting=window)
    play(sim, breaker, "SF")
    assert breaker.failure_rate() == 0.5
    sim.run(until=10)
    assert breaker.failure_rate() == -1


def test_failures_in_a_row_have_no_rate() -> None:
    sim = Simulation(seed=4)
    breaker = CircuitBreaker(sim, "db")
    play(sim, breaker, "FFF")
    assert (breaker.failure_rate(), breaker.slow_call_rate()) == (-1, -1)


def test_a_health_check_reports_the_rates_as_soon_as_there_are_any() -> None:
    sim = Simulation(seed=5)
    breaker = CircuitBreaker(sim, "db", counting=CountWindow(2, failure_rate=0.9))
    play(sim, breaker, "F")
    assert breaker.metrics() == {"in_flight": 0}
    play(sim, breaker, "S")
    assert breaker.metrics() == {"in_flight": 0, "failure_rate": 0.5, "slow_call_rate": 0}


# -- slow calls --------------------------------------------------------------------------------


def test_a_call_is_slow_when_it_takes_longer_than_the_threshold_not_when_just_as_long() -> None:
    sim = Simulation(seed=6)
    window = CountWindow(2, slow_rate=1.0)
    breaker = CircuitBreaker(sim, "db", counting=window, slow_call_duration=2)
    calls(sim, breaker, taking(sim, 2), taking(sim, 2))
    assert (breaker.state, breaker.slow_call_rate()) == (State.CLOSED, 0)
    calls(sim, breaker, taking(sim, 2.25))
    assert (breaker.state, breaker.slow_call_rate()) == (State.CLOSED, 0.5)
    slow = sim.recording.frame(CircuitBreaker.SlowCall)
    assert slow.select("duration", "threshold").rows() == [(2.25, 2.0)]


def test_a_slow_success_may_be_the_one_that_opens_it() -> None:
    sim = Simulation(seed=7)
    window = CountWindow(4, slow_rate=0.5)
    breaker = CircuitBreaker(sim, "db", counting=window, slow_call_duration=1)
    calls(sim, breaker, taking(sim, 3), succeed, succeed)
    assert breaker.state is State.CLOSED
    calls(sim, breaker, taking(sim, 3))
    assert (breaker.state, breaker.slow_call_rate()) == (State.OPEN, 0.5)
    assert reasons(sim) == ["2 of 4 calls were slow"]


def test_a_slow_failure_is_both_and_the_failures_give_the_reason() -> None:
    sim = Simulation(seed=8)
    window = CountWindow(2, failure_rate=0.5, slow_rate=0.5)
    breaker = CircuitBreaker(sim, "db", counting=window, slow_call_duration=1)
    calls(sim, breaker, taking(sim, 2, fail), succeed)
    assert (breaker.failure_rate(), breaker.slow_call_rate()) == (0.5, 0.5)
    assert reasons(sim) == ["1 of 2 calls failed"]


def test_the_state_is_committed_before_the_event_of_a_slow_call() -> None:
    sim = Simulation(seed=9)
    breaker = CircuitBreaker(sim, "db", counting=CountWindow(1), slow_call_duration=1)
    seen: list[str] = []
    sim.telemetry.attach(
        "watch", CircuitBreaker.SlowCall, lambda _record: seen.append(breaker.status)
    )
    calls(sim, breaker, taking(sim, 2))
    assert seen == ["open"]


def test_a_late_slow_call_is_neither_counted_nor_told() -> None:
    sim = Simulation(seed=10)
    breaker = CircuitBreaker(sim, "db", counting=CountWindow(1), slow_call_duration=1)
    late = later(sim, 0, breaker, taking(sim, 5))
    sim.run(until=2)
    breaker.reset()
    sim.run(late)
    assert breaker.state is State.CLOSED
    assert sim.recording.frame(CircuitBreaker.SlowCall).is_empty()


# -- half-open ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "to", "reason"),
    [
        ("FFSF", State.OPEN, "3 of 4 calls failed"),
        ("FSSS", State.CLOSED, "1 of 4 calls failed"),
        ("FSFS", State.OPEN, "2 of 4 calls failed"),  # exactly at the threshold
    ],
)
def test_four_probes_are_judged_by_rate_when_the_last_has_ended(
    pattern: str, to: State, reason: str
) -> None:
    sim = Simulation(seed=11)
    breaker = half_open_by_rate(sim, 4, CountWindow(10))
    play(sim, breaker, pattern[:3])
    assert (breaker.state, breaker.failure_rate()) == (State.HALF_OPEN, -1)
    play(sim, breaker, pattern[3])
    assert breaker.state is to
    assert reasons(sim)[-1] == reason
    if to is State.OPEN:
        assert breaker.failure_rate() == pattern.count("F") / 4
    sim.check_invariants()


def test_probes_are_judged_at_the_minimum_of_the_window_when_more_are_permitted() -> None:
    sim = Simulation(seed=12)
    breaker = half_open_by_rate(sim, 4, CountWindow(10, minimum_calls=2))
    play(sim, breaker, "FF")
    assert breaker.state is State.OPEN


def test_slow_probes_open_the_breaker_again() -> None:
    sim = Simulation(seed=13)
    window = CountWindow(10, slow_rate=0.5)
    breaker = half_open_by_rate(sim, 2, window, slow_call_duration=1)
    calls(sim, breaker, taking(sim, 2), succeed)
    assert breaker.state is State.OPEN
    assert reasons(sim)[-1] == "1 of 2 calls were slow"


def test_probes_that_count_as_nothing_are_replaced_by_others() -> None:
    sim = Simulation(seed=14)
    breaker = half_open_by_rate(sim, 2, CountWindow(10))
    first, second = (later(sim, 11, breaker, taking(sim, 5)) for _ in range(2))
    sim.run(until=12)
    assert calls(sim, breaker, succeed) == ["CircuitOpen"]
    first.interrupt()
    sim.run(until=13)
    assert calls(sim, breaker, succeed) == ["ok"]
    sim.run(second)
    assert breaker.state is State.CLOSED
    sim.check_invariants()


def test_a_call_from_before_that_counts_as_nothing_gives_no_probe_back() -> None:
    sim = Simulation(seed=24)
    breaker = CircuitBreaker(sim, "db", reset_timeout=10)
    before = later(sim, 0, breaker, taking(sim, 50))
    sim.run(until=1)
    breaker.trip()
    probe = later(sim, 12, breaker, taking(sim, 5))
    sim.run(until=13)
    before.interrupt()
    sim.run(until=14)
    sim.check_invariants()
    assert calls(sim, breaker, succeed) == ["CircuitOpen"]
    sim.run(probe)
    assert breaker.state is State.CLOSED


def test_half_open_is_open_again_at_exactly_its_longest_wait() -> None:
    sim = Simulation(seed=15)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1, reset_timeout=10, half_open_max_wait=5)
    at_the_end = later(sim, 15, breaker, succeed)  # its timer is older than the breaker's
    later(sim, 0, breaker, fail)
    stuck = later(sim, 10, breaker, taking(sim, 12))
    sim.run(until=16)
    assert at_the_end.value == "CircuitOpen"
    assert changes(sim)[1:] == [(10.0, "open", "half_open"), (15.0, "half_open", "open")]
    assert reasons(sim)[-1] == "half-open for 5 s without a verdict"
    change = sim.recording.frame(CircuitBreaker.StateChange)
    assert change["cause"][2] == change["sequence"][1]
    sim.run(until=26)
    assert stuck.value == "ok"  # late: it moves nothing
    assert breaker.status == "half_open"
    assert calls(sim, breaker, succeed) == ["ok"]
    assert breaker.status == "closed"
    sim.run()
    assert sim.now == 26
    sim.check_invariants()


def test_a_lazy_breaker_stays_open_until_a_call_comes_after_the_reset_timeout() -> None:
    sim = Simulation(seed=16)
    breaker = CircuitBreaker(
        sim, "db", failure_threshold=1, reset_timeout=10, automatic_half_open=False
    )
    later(sim, 0, breaker, fail)
    sim.run(until=9)
    assert breaker.retry_after == 1
    sim.run(until=25)
    assert (breaker.state, breaker.retry_after) == (State.OPEN, 0)
    assert calls(sim, breaker, succeed) == ["ok"]
    assert changes(sim)[1:] == [(25.0, "open", "half_open"), (25.0, "half_open", "closed")]
    change = sim.recording.frame(CircuitBreaker.StateChange)
    assert change["cause"][1] == change["sequence"][0]
    sim.check_invariants()


def test_a_call_of_a_lazy_breaker_at_exactly_the_reset_timeout_is_a_probe() -> None:
    sim = Simulation(seed=17)
    breaker = CircuitBreaker(sim, "db", reset_timeout=10, automatic_half_open=False)
    breaker.trip()
    early, exact = later(sim, 9.75, breaker, succeed), later(sim, 10, breaker, succeed)
    sim.run()
    assert (early.value, exact.value) == ("CircuitOpen", "ok")
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"half_open_rule": "some"}, "half_open_rule='some'; use one of every, rate"),
        ({"half_open_rule": "rate"}, "half_open_rule='rate' judges probes by the rates of a win"),
        ({"half_open_max_wait": 0}, "half_open_max_wait=0; give a finite number above 0"),
        ({"slow_call_duration": -1}, "slow_call_duration=-1; give a finite number above 0"),
        ({"reset_jitter": "much"}, "reset_jitter='much'; use one of none, full, equal"),
    ],
)
def test_a_wrong_option_is_an_error_at_once_and_leaves_nothing_behind(
    arguments: dict[str, Any], message: str
) -> None:
    sim = Simulation(seed=18)
    with pytest.raises(ValueError, match=message):
        CircuitBreaker(sim, "db", **arguments)
    assert not sim.components
    assert len(sim.recording) == 0


# -- states set by hand ------------------------------------------------------------------------


def test_forced_open_rejects_for_ever_and_does_not_say_when_to_come_back() -> None:
    sim = Simulation(seed=19)
    breaker = CircuitBreaker(sim, "db", reset_timeout=10)
    breaker.trip()
    breaker.force_open("maintenance")
    sim.run(until=1000)
    assert breaker.health() is Health.UNHEALTHY

    def caller() -> Generator[Any, Any, float | None]:
        with pytest.raises(CircuitOpen, match=r"'db' is forced_open$") as refusal:
            yield from breaker.call(succeed)
        return refusal.value.retry_after

    assert sim.run(sim.process(caller())) is None
    assert changes(sim)[-1] == (0.0, "open", "forced_open")
    assert reasons(sim)[-1] == "maintenance"
    rejected = sim.recording.frame(CircuitBreaker.CallRejected)
    assert rejected.select("state", "retry_after").rows() == [("forced_open", None)]
    breaker.reset()
    assert play(sim, breaker, "S") == ["ok"]
    sim.check_invariants()


def test_a_disabled_breaker_admits_everything_and_judges_nothing() -> None:
    sim = Simulation(seed=20)
    window = CountWindow(1, slow_rate=1.0)
    breaker = CircuitBreaker(sim, "db", counting=window, slow_call_duration=1)
    breaker.disable()
    calls(sim, breaker, fail, taking(sim, 9), fail)
    assert (breaker.status, breaker.failure_rate()) == ("disabled", -1)
    assert breaker.health() is Health.HEALTHY
    assert sim.recording.frame(CircuitBreaker.CallFailure).height == 2
    assert sim.recording.frame(CircuitBreaker.SlowCall).is_empty()
    breaker.reset()
    assert breaker.failure_rate() == -1
    sim.check_invariants()


def test_metrics_only_admits_everything_and_tells_each_time_that_it_would_open() -> None:
    sim = Simulation(seed=21)
    breaker = CircuitBreaker(sim, "db", counting=CountWindow(2, failure_rate=0.9))
    breaker.metrics_only()
    assert play(sim, breaker, "FFF S FF") == [*["BackendError"] * 3, "ok", *["BackendError"] * 2]
    assert (breaker.state, breaker.failure_rate()) == (State.METRICS_ONLY, 1)
    assert breaker.health() is Health.HEALTHY
    would = sim.recording.frame(CircuitBreaker.WouldOpen)
    assert would["reason"].to_list() == ["2 of 2 calls failed"] * 2
    assert changes(sim) == [(0.0, "closed", "metrics_only")]
    sim.check_invariants()


def test_a_call_from_before_a_hand_moved_the_state_counts_as_nothing() -> None:
    sim = Simulation(seed=22)
    breaker = CircuitBreaker(sim, "db", counting=CountWindow(1))
    late = later(sim, 0, breaker, taking(sim, 5, fail))
    sim.run(until=1)
    breaker.metrics_only()
    sim.run(late)
    assert breaker.failure_rate() == -1


@pytest.mark.parametrize(
    "move",
    [CircuitBreaker.force_open, CircuitBreaker.disable, CircuitBreaker.metrics_only],
    ids=lambda move: str(move.__name__),
)
def test_a_stopped_breaker_is_moved_by_no_hand(move: Callable[[CircuitBreaker], None]) -> None:
    sim = Simulation(seed=23)
    breaker = CircuitBreaker(sim, "db")
    breaker.stop()
    with pytest.raises(ServiceDown, match="circuit_breaker 'db' is down"):
        move(breaker)


# -- CircuitBreakerStateMachineTest of resilience4j ----------------------------------------------


def ignored() -> None:
    message = "no failure of it"
    raise ServiceDown(message)


def state_machine(sim: Simulation, **arguments: Any) -> CircuitBreaker:
    """Return the breaker of that test: half of the calls of 5 s, or half of 4 probes."""
    terms: dict[str, Any] = {
        "counting": TimeWindow(5, failure_rate=0.5, slow_rate=0.5, minimum_calls=5),
        "slow_call_duration": 4,
        "reset_timeout": 5,
        "automatic_half_open": False,
        "half_open_calls": 4,
        "half_open_rule": "rate",
        "ignore": ServiceDown,
    }
    return CircuitBreaker(sim, "db", **(terms | arguments))


@pytest.mark.parametrize(
    ("probes", "then", "rates"),
    [
        ("FFSF", State.OPEN, (0.75, 0)),
        ("FFSS", State.OPEN, (0.5, 0)),
        ("FSSS", State.CLOSED, (-1, -1)),
        ("SSSF", State.CLOSED, (-1, -1)),
        ("SSSiF", State.CLOSED, (-1, -1)),  # who is ignored gives its permit back
        ("iiiiSSSS", State.CLOSED, (-1, -1)),
        ("ssSs", State.OPEN, (0, 0.75)),
    ],
)
def test_four_probes_are_judged_when_the_last_has_ended(
    probes: str, then: State, rates: tuple[float, float]
) -> None:
    sim = Simulation(seed=61)
    breaker = state_machine(sim)
    breaker.trip()
    sim.run(until=5)
    ends = {"F": fail, "S": succeed, "i": ignored, "s": taking(sim, 5)}
    calls(sim, breaker, *[ends[probe] for probe in probes[:-1]])
    assert breaker.state is State.HALF_OPEN
    calls(sim, breaker, ends[probes[-1]])
    assert breaker.state is then
    assert (breaker.failure_rate(), breaker.slow_call_rate()) == rates


@pytest.mark.parametrize(
    ("ends", "rates"), [("FFFSS", (0.6, 0)), ("FsFSs", (0.4, 0.4)), ("fsFSs", (0.4, 0.6))]
)
def test_the_fifth_call_may_open_it_by_either_rate(ends: str, rates: tuple[float, float]) -> None:
    sim = Simulation(seed=62)
    breaker = state_machine(sim, counting=CountWindow(5, slow_rate=0.5))
    way = {"F": fail, "S": succeed, "s": taking(sim, 5), "f": taking(sim, 5, fail)}
    calls(sim, breaker, *[way[end] for end in ends[:-1]])
    assert (breaker.state, breaker.failure_rate()) == (State.CLOSED, -1)
    calls(sim, breaker, way[ends[-1]])
    assert (breaker.failure_rate(), breaker.slow_call_rate()) == rates
    assert breaker.state is (State.OPEN if max(rates) >= 0.5 else State.CLOSED)


def test_an_interval_function_goes_on_when_a_hand_opens_it_from_half_open() -> None:
    """shouldTransitionToHalfOpenAfterWaitInterval: 5 s, then 7.5 s."""
    sim = Simulation(seed=63)
    breaker = state_machine(sim, reset_timeout=exponential_backoff(5, factor=1.5))
    breaker.trip()
    outcomes = [later(sim, time, breaker, succeed) for time in (0, 3, 6)]
    sim.run(until=6.5)
    breaker.trip()
    outcomes += [later(sim, time, breaker, succeed) for time in (12.5, 14)]
    sim.run()
    assert [outcome.value for outcome in outcomes] == [
        "CircuitOpen",
        "CircuitOpen",
        "ok",
        "CircuitOpen",
        "ok",
    ]
