from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import BackendError, QueueFull, ServiceDown, ServiceError, TimedOut
from foundation_lab.services import (
    CircuitBreaker,
    Retry,
    State,
    decorrelated_backoff,
    exponential_backoff,
    fixed_backoff,
    linear_backoff,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.retrying.backoff import Backoff
    from foundation_lab.simulation.process import Process


class Flaky:
    """Fails a number of times, then succeeds; remembers when it was called."""

    def __init__(
        self, sim: Simulation, failures: int, error: Callable[[], Exception] = BackendError
    ) -> None:
        self.times: list[float] = []
        self._sim = sim
        self._failures = failures
        self._error = error

    def __call__(self) -> str:
        self.times.append(self._sim.now)
        if len(self.times) <= self._failures:
            raise self._error()
        return "answer"


def start(sim: Simulation, retry: Retry, function: Callable[[], Any]) -> Process:
    """Start a caller; its value is the result, or the exception that reached it."""

    def caller() -> Generator[Any, Any, Any]:
        try:
            return (yield from retry.call(function))
        except (ServiceError, simpy.Interrupt) as error:
            return error

    return sim.process(caller())


def run(sim: Simulation, retry: Retry, function: Callable[[], Any]) -> Any:
    caller = start(sim, retry, function)
    sim.run()
    sim.check_invariants()
    assert retry.in_flight == 0
    return caller.value


def sleeping(sim: Simulation, seconds: float) -> Callable[[], Any]:
    return lambda: sim.sleep(seconds)


@pytest.mark.parametrize("allowed", [1, 2, 5])
def test_so_many_attempts_are_made_the_first_call_included(allowed: int) -> None:
    sim = Simulation(seed=1)
    retry = Retry(sim, "orders", max_attempts=allowed, backoff=fixed_backoff(1))
    flaky = Flaky(sim, failures=99)
    assert type(run(sim, retry, flaky)) is BackendError
    assert flaky.times == [float(k) for k in range(allowed)]
    exhausted = sim.recording.frame(Retry.Exhausted)
    assert exhausted.select("total_attempts", "final_error").rows() == [(allowed, "BackendError")]
    starts = sim.recording.frame(Retry.AttemptStart)
    assert starts["total_attempts"].to_list() == [allowed] * allowed


def test_it_stops_at_the_first_success() -> None:
    sim = Simulation(seed=2)
    retry = Retry(sim, "orders", max_attempts=5, backoff=fixed_backoff(2))
    assert run(sim, retry, Flaky(sim, failures=2)) == "answer"
    names = sim.recording.events.filter(service="orders")["event"].to_list()
    assert [name.rpartition(".")[2] for name in names] == [
        "started",
        *["attempt_start", "attempt_failure", "backoff"] * 2,
        "attempt_start",
        "attempt_success",
    ]
    assert sim.now == 4


def test_the_error_that_comes_out_is_that_of_the_last_attempt_as_it_was() -> None:
    sim = Simulation(seed=3)
    errors = iter([QueueFull("first"), TimedOut("second"), ServiceDown("third")])
    retry = Retry(sim, "orders", max_attempts=3)
    last = run(sim, retry, Flaky(sim, 99, lambda: next(errors)))
    assert type(last) is ServiceDown
    assert str(last) == "third"


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (fixed_backoff(0.5), [0.5, 0.5, 0.5, 0.5]),
        (fixed_backoff(0), [0.0, 0.0, 0.0, 0.0]),
        (linear_backoff(0.5), [0.5, 1.0, 1.5, 2.0]),
        (linear_backoff(0.5, cap=1.2), [0.5, 1.0, 1.2, 1.2]),
        (exponential_backoff(0.5, factor=1.5), [0.5, 0.75, 1.125, 1.6875]),
        (exponential_backoff(1), [1.0, 2.0, 4.0, 8.0]),
        (exponential_backoff(1, cap=3), [1.0, 2.0, 3.0, 3.0]),
        (exponential_backoff(1, factor=1), [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_pauses_follow_the_strategy(backoff: Backoff, delays: list[float]) -> None:
    sim = Simulation(seed=4)
    retry = Retry(sim, "orders", max_attempts=5, backoff=backoff)
    flaky = Flaky(sim, failures=99)
    run(sim, retry, flaky)
    frame = sim.recording.frame(Retry.Backoff)
    assert frame["delay"].to_list() == delays
    assert frame["attempt"].to_list() == [1, 2, 3, 4]
    assert set(frame["strategy"]) == {backoff.strategy}
    assert flaky.times == list(accumulate(delays, initial=0.0))  # `sum` rounds less from 3.12 on


@pytest.mark.parametrize(("jitter", "least"), [("none", 1.0), ("equal", 0.5), ("full", 0.0)])
def test_jitter_keeps_within_its_bounds_and_fills_them(jitter: str, least: float) -> None:
    sim = Simulation(seed=5)
    retry = Retry(sim, "orders", max_attempts=400, backoff=fixed_backoff(4), jitter=jitter)
    run(sim, retry, Flaky(sim, failures=399))
    delays = [delay / 4 for delay in sim.recording.frame(Retry.Backoff)["delay"]]
    assert least <= min(delays) <= max(delays) <= 1
    assert min(delays) < least + 0.02
    assert max(delays) > 0.98


def test_decorrelated_delays_lie_between_the_base_and_three_times_the_last_one() -> None:
    sim = Simulation(seed=6)
    backoff = decorrelated_backoff(0.1, cap=5)
    retry = Retry(sim, "orders", max_attempts=300, backoff=backoff)
    run(sim, retry, Flaky(sim, failures=299))
    delays = sim.recording.frame(Retry.Backoff)["delay"].to_list()
    for last, delay in zip([0.1, *delays], delays, strict=False):
        assert 0.1 <= delay <= min(5, 3 * last)
    assert max(delays) == 5


def test_decorrelated_delays_never_fall_below_the_base_under_jitter_of_another_kind() -> None:
    sim = Simulation(seed=7)
    backoff = decorrelated_backoff(1)
    stream = sim.stream("test")
    assert all(backoff.delay(2, previous=0.01, stream=stream) >= 1 for _ in range(50))


@pytest.mark.parametrize(
    "backoff",
    [exponential_backoff(1e-3), exponential_backoff(7, factor=1e300), linear_backoff(3)],
)
@pytest.mark.parametrize("attempt", [1, 1023, 10**6, 10**15])
def test_a_huge_attempt_does_not_overflow(backoff: Backoff, attempt: int) -> None:
    stream = Simulation(seed=8).stream("test")
    delay = backoff.delay(attempt, 0.0, stream)
    assert 0 < delay < 1e17


@pytest.mark.parametrize("attempt", [10, 1023, 10**9])
def test_the_cap_holds_for_ever(attempt: int) -> None:
    stream = Simulation(seed=9).stream("test")
    assert exponential_backoff(1, cap=8).delay(attempt, 8.0, stream) == 8


def test_an_error_that_is_not_to_be_tried_again_comes_through_at_once() -> None:
    sim = Simulation(seed=10)
    retry = Retry(sim, "orders", retry_on=(BackendError, TimedOut), never_on=(TimedOut,))
    assert type(run(sim, retry, Flaky(sim, 99, TimedOut))) is TimedOut
    assert type(run(sim, retry, Flaky(sim, 99, QueueFull))) is QueueFull
    ignored = sim.recording.frame(Retry.IgnoredError)
    assert ignored.select("attempt", "error").rows() == [(1, "TimedOut"), (1, "QueueFull")]
    assert sim.recording.frame(Retry.Exhausted).height == 0
    assert sim.recording.frame(Retry.AttemptFailure).height == 0


def test_a_predicate_says_what_is_tried_again() -> None:
    sim = Simulation(seed=11)
    retry = Retry(sim, "orders", retry_on=lambda error: "again" in str(error))
    assert run(sim, retry, Flaky(sim, 1, lambda: BackendError("try again"))) == "answer"
    assert type(run(sim, retry, Flaky(sim, 1, lambda: BackendError("no")))) is BackendError


def test_a_bug_is_not_tried_again() -> None:
    sim = Simulation(seed=12)
    retry = Retry(sim, "orders")
    flaky = Flaky(sim, 1, ValueError)
    start(sim, retry, flaky)
    with pytest.raises(ValueError):  # noqa: PT011  (a bare one)
        sim.run()
    assert flaky.times == [0.0]
    assert retry.in_flight == 0


@pytest.mark.parametrize(
    ("seconds", "kind", "until"), [(0.9, type(None), 0.9), (1.0, TimedOut, 5.0)]
)
def test_each_attempt_has_its_own_time_limit(seconds: float, kind: type, until: float) -> None:
    sim = Simulation(seed=13)
    retry = Retry(sim, "orders", backoff=fixed_backoff(1), attempt_timeout=1)
    assert type(run(sim, retry, sleeping(sim, seconds))) is kind
    assert sim.now == until


def test_an_interrupt_in_the_backoff_leaves_no_timer_that_drags_the_clock() -> None:
    sim = Simulation(seed=14)
    retry = Retry(sim, "orders", backoff=fixed_backoff(1000), attempt_timeout=500)
    caller = start(sim, retry, Flaky(sim, 99))
    sim.run(until=3)
    caller.interrupt()
    sim.run()
    assert isinstance(caller.value, simpy.Interrupt)
    assert sim.now == 3
    assert retry.in_flight == 0


@pytest.mark.parametrize("retry_on", [Exception, lambda _error: True])
def test_an_interrupt_is_never_tried_again(retry_on: Any) -> None:
    sim = Simulation(seed=15)
    retry = Retry(sim, "orders", retry_on=retry_on)
    caller = start(sim, retry, sleeping(sim, 10))
    sim.run(until=3)
    caller.interrupt()
    sim.run()
    assert isinstance(caller.value, simpy.Interrupt)
    assert sim.now == 3


def test_the_timeout_of_a_call_further_outside_is_not_tried_again() -> None:
    sim = Simulation(seed=16)
    breaker = CircuitBreaker(sim, "orders", call_timeout=5)
    retry = Retry(sim, "orders", max_attempts=3, backoff=fixed_backoff(1), attempt_timeout=3)
    caught: list[tuple[float, str]] = []

    def caller() -> Generator[Any, Any, None]:
        try:
            yield from breaker.call(lambda: retry.call(sleeping(sim, 10)))
        except ServiceError as error:
            caught.append((sim.now, str(error)))

    sim.process(caller())
    sim.run()
    assert caught == [(5.0, "call through circuit breaker 'orders' took longer than 5 s")]
    assert sim.recording.frame(Retry.AttemptStart)["time"].to_list() == [0.0, 4.0]
    assert sim.recording.frame(CircuitBreaker.CallTimeout)["time"].to_list() == [5.0]
    assert sim.recording.frame(CircuitBreaker.CallFailure)["error"].to_list() == ["TimedOut"]


def test_a_breaker_inside_counts_the_timeouts_of_the_retry_outside() -> None:
    sim = Simulation(seed=17)
    breaker = CircuitBreaker(sim, "orders", failure_threshold=2)
    retry = Retry(sim, "orders", max_attempts=2, attempt_timeout=1)
    run(sim, retry, lambda: breaker.call(sleeping(sim, 10)))
    failures = sim.recording.frame(CircuitBreaker.CallFailure)
    assert failures["duration"].to_list() == [1.0, 1.0]
    opened = sim.recording.frame(CircuitBreaker.StateChange)["to"].to_list()
    assert opened[0] == State.OPEN


def test_a_process_that_is_thrown_away_is_not_tried_again() -> None:
    sim = Simulation(seed=18)
    retry = Retry(sim, "orders", retry_on=lambda _error: True)
    calling = retry.call(sleeping(sim, 10))
    next(calling)
    calling.close()
    assert retry.in_flight == 0


def test_a_retry_that_is_down_calls_nothing() -> None:
    sim = Simulation(seed=19)
    retry = Retry(sim, "orders")
    flaky = Flaky(sim, failures=0)
    retry.stop()
    assert type(run(sim, retry, flaky)) is ServiceDown
    assert flaky.times == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda sim: Retry(sim, "r", max_attempts=0), "max_attempts=0"),
        (lambda sim: Retry(sim, "r", jitter="some"), "jitter='some'; use one of none, full, equal"),
        (lambda sim: Retry(sim, "r", attempt_timeout=0), "attempt_timeout=0"),
        (lambda _sim: fixed_backoff(-1), "seconds=-1"),
        (lambda _sim: linear_backoff(0), "base=0"),
        (lambda _sim: exponential_backoff(1, factor=0.5), "factor=0.5"),
        (lambda _sim: exponential_backoff(1, factor=float("inf")), "factor=inf"),
        (lambda _sim: exponential_backoff(1, cap=0), "cap=0"),
        (lambda _sim: decorrelated_backoff(float("nan")), "base=nan"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(
    make: Callable[[Simulation], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(Simulation(seed=20))


def test_jitter_comes_from_the_retrys_own_stream() -> None:
    def delays(*others: str) -> list[float]:
        sim = Simulation(seed=21)
        for name in (*others, "orders"):
            run(sim, Retry(sim, name, jitter="full"), Flaky(sim, failures=99))
        frame = sim.recording.frame(Retry.Backoff)
        return frame.filter(service_id="orders")["delay"].to_list()

    assert delays() == delays("first", "second")
