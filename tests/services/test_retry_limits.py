"""What else ends a retry, or makes it wait: results, time, and what the error itself says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError, RateLimited, TimedOut
from foundation_lab.services import (
    CircuitBreaker,
    RateLimiter,
    Retry,
    TokenBucket,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation
from tests.services.test_retry import Flaky, run, sleeping

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def test_an_unwanted_result_is_tried_again() -> None:
    sim = Simulation(seed=1)
    answers = iter(["busy", "busy", "done"])
    retry = Retry(sim, "orders", retry_if_result="busy".__eq__, backoff=fixed_backoff(1))
    assert run(sim, retry, lambda: next(answers)) == "done"
    assert sim.now == 2
    failures = sim.recording.frame(Retry.AttemptFailure)
    assert failures["error"].to_list() == ["UnwantedResult"] * 2
    assert sim.recording.frame(Retry.AttemptSuccess)["attempt"].to_list() == [3]


def test_the_last_result_is_returned_when_no_attempt_is_left() -> None:
    sim = Simulation(seed=2)
    answers = iter([1, 2, 3])
    retry = Retry(sim, "orders", retry_if_result=lambda _value: True)
    assert run(sim, retry, lambda: next(answers)) == 3
    exhausted = sim.recording.frame(Retry.Exhausted)
    assert exhausted.select("total_attempts", "final_error").rows() == [(3, "UnwantedResult")]
    assert sim.recording.frame(Retry.AttemptSuccess).height == 0


def test_a_bug_in_the_predicate_comes_through() -> None:
    sim = Simulation(seed=3)
    retry = Retry(sim, "orders", retry_if_result=lambda value: bool(value["status"]))
    with pytest.raises(TypeError):
        run(sim, retry, lambda: 1)
    assert retry.in_flight == 0


def test_a_retry_may_wait_until_the_breaker_is_half_open() -> None:
    sim = Simulation(seed=4)
    breaker = CircuitBreaker(sim, "orders", failure_threshold=1, reset_timeout=30)
    retry = Retry(sim, "orders", backoff=fixed_backoff(1), use_retry_after=True)
    flaky = Flaky(sim, failures=1)
    assert run(sim, retry, lambda: breaker.call(flaky)) == "answer"
    assert flaky.times == [0.0, 30.0]
    assert sim.recording.frame(Retry.Backoff)["delay"].to_list() == [1.0, 29.0]


def test_a_retry_may_wait_until_the_limiter_has_a_permit() -> None:
    sim = Simulation(seed=5)
    limiter = RateLimiter(sim, "orders", lambda: TokenBucket(rate=0.5, capacity=1))
    assert limiter.allow()
    patient = Retry(sim, "orders", backoff=fixed_backoff(0.1), use_retry_after=True, max_delay=1)
    assert run(sim, patient, lambda: limiter.call(lambda: "answer")) == "answer"
    assert sim.recording.frame(Retry.Backoff)["delay"].to_list() == [2.0]


@pytest.mark.parametrize(("switch", "waited"), [(False, 5.0), (True, 7.0)])
def test_the_longer_of_both_delays_counts_where_that_is_wanted(
    switch: bool,  # noqa: FBT001  (a parameter of a test)
    waited: float,
) -> None:
    sim = Simulation(seed=6)
    errors = iter([RateLimited("later", 7.0), RateLimited("soon", 1.0)])
    retry = Retry(sim, "orders", backoff=fixed_backoff(5), use_retry_after=switch)
    run(sim, retry, Flaky(sim, 2, lambda: next(errors)))
    assert sim.recording.frame(Retry.Backoff)["delay"].to_list() == [waited, 5.0]


def test_the_total_timeout_cuts_the_attempt_that_runs() -> None:
    sim = Simulation(seed=7)
    retry = Retry(sim, "orders", total_timeout=5)
    error = run(sim, retry, sleeping(sim, 10))
    assert type(error) is TimedOut
    assert str(error) == "call through retry 'orders' took longer than 5 s"
    assert sim.now == 5
    ignored = sim.recording.frame(Retry.IgnoredError)
    assert ignored.select("time", "attempt", "error").rows() == [(5.0, 1, "DeadlinePassed")]


@pytest.mark.parametrize(("limit", "attempts"), [(2.0, 1), (2.1, 2), (4.0, 2), (4.1, 3)])
def test_no_pause_is_begun_that_would_not_end_in_time(limit: float, attempts: int) -> None:
    sim = Simulation(seed=8)
    flaky = Flaky(sim, failures=9)
    retry = Retry(sim, "orders", max_attempts=5, backoff=fixed_backoff(2), total_timeout=limit)
    assert type(run(sim, retry, flaky)) is BackendError
    assert flaky.times == [2.0 * k for k in range(attempts)]
    assert sim.now == 2.0 * (attempts - 1)
    (told,) = sim.recording.frame(Retry.DeadlineExceeded).to_dicts()
    assert (told["attempt"], told["delay"], told["final_error"]) == (attempts, 2, "BackendError")
    assert told["remaining"] == pytest.approx(limit - sim.now)
    assert sim.recording.frame(Retry.Exhausted).height == 0


@pytest.mark.parametrize(("limit", "attempts"), [(7.0, 1), (7.5, 2)])
def test_a_wait_that_an_error_asks_for_must_end_in_time_too(limit: float, attempts: int) -> None:
    sim = Simulation(seed=12)
    retry = Retry(
        sim,
        "orders",
        max_attempts=2,
        backoff=fixed_backoff(1),
        use_retry_after=True,
        total_timeout=limit,
    )
    flaky = Flaky(sim, 9, lambda: RateLimited("later", 7.0))
    assert type(run(sim, retry, flaky)) is RateLimited
    assert flaky.times == [0.0, 7.0][:attempts]
    told = sim.recording.frame(Retry.DeadlineExceeded)
    assert told.select("delay", "remaining").rows() == [(7.0, limit)] * (attempts == 1)


def test_an_attempt_that_begins_in_time_is_cut_where_the_time_is_over() -> None:
    sim = Simulation(seed=13)
    retry = Retry(sim, "orders", backoff=fixed_backoff(2), total_timeout=5)
    plans = iter([BackendError, None])

    def attempt() -> Generator[Any, Any, None]:
        error = next(plans)
        if error is not None:
            raise error
        yield 100.0

    assert type(run(sim, retry, attempt)) is TimedOut
    assert sim.now == 5
    assert sim.recording.frame(Retry.AttemptStart)["time"].to_list() == [0.0, 2.0]


def test_the_total_timeout_counts_from_the_beginning_of_the_call() -> None:
    sim = Simulation(seed=11)
    sim.run(until=100)
    flaky = Flaky(sim, failures=9)
    run(sim, Retry(sim, "orders", backoff=fixed_backoff(2), total_timeout=3), flaky)
    assert flaky.times == [100.0, 102.0]
    assert sim.recording.frame(Retry.DeadlineExceeded)["remaining"].to_list() == [1.0]


def test_a_call_that_is_in_time_leaves_no_timer_behind() -> None:
    sim = Simulation(seed=9)
    retry = Retry(sim, "orders", backoff=fixed_backoff(1), total_timeout=100)
    assert run(sim, retry, Flaky(sim, failures=1)) == "answer"
    assert sim.now == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda sim: Retry(sim, "r", max_delay=0), ValueError, "max_delay=0"),
        (lambda sim: Retry(sim, "r", total_timeout=0), ValueError, "total_timeout=0"),
        (lambda sim: Retry(sim, "r", retry_if_result=1), TypeError, "retry_if_result=1"),  # type: ignore[arg-type]
        (lambda sim: Retry(sim, "r", budget=10), TypeError, "budget=10"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_an_error_at_once(
    make: Callable[[Simulation], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(Simulation(seed=10))


def test_a_retry_that_gives_up_hands_its_results_on_as_any_value(sim: Simulation) -> None:
    retry = Retry(sim, "orders", retry_if_result=lambda value: value is None, total_timeout=0.05)
    result: Any = run(sim, retry, lambda: None)
    assert result is None
    assert sim.recording.frame(Retry.DeadlineExceeded)["final_error"][0] == "UnwantedResult"
