"""Retry budgets: their arithmetic step by step, and what a retry does with them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError, Throttled, TimedOut
from foundation_lab.services import (
    AdaptiveThrottle,
    Retry,
    RetryQuota,
    ThrottleTokens,
    WindowBudget,
    exponential_backoff,
    fixed_backoff,
)
from foundation_lab.services.retrying.adaptive_throttle import rejection_probability
from foundation_lab.simulation.engine import Simulation
from tests.services.test_retry import Flaky, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.services.retrying.retry_budget import RetryBudget

STREAM = Simulation(seed=0).stream("test")


def withdraw(budget: RetryBudget, now: float = 0.0, *, timed_out: bool = False) -> float | None:
    return budget.withdraw(now, STREAM, timed_out=timed_out)


def test_grpcs_throttle_step_by_step() -> None:
    """maxTokens 10, tokenRatio 0.1: the example of gRPC proposal A6; the threshold is 5."""
    budget = ThrottleTokens(10, token_ratio=0.1)
    for tokens, allowed in [(9, True), (8, True), (7, True), (6, True), (5, False), (4, False)]:
        budget.failed(0.0, retryable=True)
        assert budget.tokens == tokens
        assert (withdraw(budget) is not None) is allowed
    for success in range(1, 12):  # it takes eleven successes to come above 5 again
        budget.succeeded(0.0, None)
        assert budget.tokens == pytest.approx(4 + success / 10, abs=1e-12)
        assert (withdraw(budget) is not None) is (success == 11)


def test_grpcs_throttle_stays_between_nothing_and_all_tokens() -> None:
    budget = ThrottleTokens(2, token_ratio=0.3)
    budget.succeeded(0.0, None)
    assert budget.tokens == 2
    for _ in range(5):
        budget.failed(0.0, retryable=True)
    assert budget.tokens == 0
    budget.failed(0.0, retryable=False)
    for _ in range(3):
        budget.succeeded(0.0, 0.0)
    assert budget.tokens == 0.9


def test_the_aws_quota_step_by_step() -> None:
    """500 tokens: a retry costs 5, after a timeout 10; botocore's RetryQuotaChecker."""
    budget = RetryQuota()
    paid = withdraw(budget)
    assert (paid, budget.available) == (5, 495)
    last = withdraw(budget, timed_out=True)
    assert (last, budget.available) == (10, 485)
    budget.succeeded(0.0, last)  # only the last retry's price comes back
    assert budget.available == 495
    budget.succeeded(0.0, None)  # a success at the first attempt brings one
    assert budget.available == 496
    for _ in range(9):
        budget.succeeded(0.0, None)
    assert budget.available == 500
    for _ in range(100):
        assert withdraw(budget) == 5
    assert (withdraw(budget), budget.available) == (None, 0)
    for _ in range(5):
        assert withdraw(budget) is None
        budget.succeeded(0.0, None)
    assert withdraw(budget, timed_out=True) is None
    assert withdraw(budget) == 5


def test_a_window_budget_allows_a_reserve_and_a_share_of_the_calls() -> None:
    budget = WindowBudget(0.2, min_per_second=0.1, ttl=10)
    assert budget.balance(0.0) == 1
    assert withdraw(budget, 0.0) == 1
    assert withdraw(budget, 0.0) is None
    for k in range(5):
        budget.admit(float(k), STREAM)
    assert withdraw(budget, 4.0) == 1  # five calls earn one retry
    assert withdraw(budget, 9.999) is None
    assert budget.balance(10.0) == pytest.approx(0.8)  # the retry and the call of 0 have left
    assert withdraw(budget, 10.0) is None
    assert budget.balance(14.0) == pytest.approx(1.0)  # nothing is left but the reserve
    assert withdraw(budget, 14.0) == 1


@pytest.mark.parametrize(("share", "calls"), [(0.1, 30), (0.7, 10), (0.57, 100), (0.29, 100)])
def test_a_share_of_the_calls_is_not_spoilt_by_rounding(share: float, calls: int) -> None:
    budget = WindowBudget(share, min_per_second=0)
    for _ in range(calls):
        budget.admit(0.0, STREAM)
    made = sum(withdraw(budget) is not None for _ in range(calls))
    assert made == round(share * calls)


def test_the_adaptive_throttle_follows_the_formula_of_the_sre_book() -> None:
    budget = AdaptiveThrottle(2, window=120)
    for failures in (1, 2, 3):
        budget.failed(0.0, retryable=True)
        assert budget.rejection(0.0) == failures / (failures + 1)
    budget.succeeded(0.0, None)
    assert budget.rejection(0.0) == (4 - 2 * 1) / (4 + 1)
    budget.failed(0.0, retryable=False)  # an answer, although an error
    assert budget.rejection(0.0) == (5 - 2 * 2) / (5 + 1)
    budget.succeeded(0.0, 0.0)
    assert budget.rejection(0.0) == 0
    budget.failed(119.0, retryable=True)
    assert budget.rejection(119.0) == (7 - 2 * 3) / (7 + 1)
    assert budget.rejection(120.0) == 1 / 2  # only the failure of 119 is left


def test_what_the_adaptive_throttle_turns_away_counts_as_asked_for() -> None:
    budget, stream = AdaptiveThrottle(), Simulation(seed=11).stream("test")
    budget.failed(0.0, retryable=True)
    turned_away = sum(not budget.admit(0.0, stream) for _ in range(50))
    assert turned_away > 0
    assert budget.rejection(0.0) == (1 + turned_away) / (2 + turned_away)


def test_attempts_whose_answers_are_still_to_come_turn_nothing_away() -> None:
    budget = AdaptiveThrottle()
    assert all(budget.admit(0.0, STREAM) for _ in range(1000))


def test_the_adaptive_throttle_sends_about_k_times_what_is_accepted() -> None:
    """In balance requests * (1 - p) = K accepts: with 1 of 10 accepted, a fifth is sent."""
    budget, stream = AdaptiveThrottle(2, window=1000), Simulation(seed=1).stream("test")
    sent = accepted = 0
    for step in range(20_000):
        now = step / 10
        if budget.admit(now, stream):
            sent += 1
            if step % 10 == 0 or accepted < step / 10:  # the other side has room for a tenth
                accepted += 1
                budget.succeeded(now, None)
            else:
                budget.failed(now, retryable=True)
    assert sent / 20_000 == pytest.approx(0.2, abs=0.01)
    assert rejection_probability(10_000, 1000) == pytest.approx(0.8, abs=1e-4)


def test_an_exhausted_budget_ends_the_retry_with_the_last_error() -> None:
    sim = Simulation(seed=2)
    budget = RetryQuota(capacity=12, label="shared")
    retry = Retry(sim, "orders", max_attempts=9, backoff=fixed_backoff(1), budget=budget)
    flaky = Flaky(sim, failures=99)
    assert type(run(sim, retry, flaky)) is BackendError
    assert flaky.times == [0.0, 1.0, 2.0]
    (told,) = sim.recording.frame(Retry.BudgetExhausted).to_dicts()
    assert (told["attempt"], told["budget"], told["final_error"]) == (3, "shared", "BackendError")
    assert sim.recording.frame(Retry.Exhausted).height == 0
    assert budget.available == 2


def test_a_retry_after_a_timeout_is_dearer() -> None:
    sim = Simulation(seed=3)
    budget = RetryQuota()
    run(sim, Retry(sim, "orders", budget=budget), Flaky(sim, 9, TimedOut))
    assert budget.available == 480


def test_a_success_gives_back_what_the_last_retry_cost() -> None:
    sim = Simulation(seed=4)
    budget = RetryQuota()
    retry = Retry(sim, "orders", budget=budget)
    run(sim, retry, Flaky(sim, failures=2))
    assert budget.available == 495
    run(sim, retry, Flaky(sim, failures=0))
    assert budget.available == 496


def test_retries_that_share_a_budget_draw_on_it_together() -> None:
    sim = Simulation(seed=5)
    budget = ThrottleTokens(4)
    for name in ("orders", "payments"):
        retry = Retry(sim, name, max_attempts=9, backoff=fixed_backoff(1), budget=budget)
        run(sim, retry, Flaky(sim, failures=99))
    told = sim.recording.frame(Retry.BudgetExhausted).select("service_id", "attempt").rows()
    assert told == [("orders", 2), ("payments", 1)]


def test_a_window_budget_recovers_as_virtual_time_goes_by() -> None:
    sim = Simulation(seed=6)
    budget = WindowBudget(0, min_per_second=0.1, ttl=10)
    retry = Retry(sim, "orders", max_attempts=9, backoff=fixed_backoff(4), budget=budget)
    flaky = Flaky(sim, failures=99)
    run(sim, retry, flaky)
    assert flaky.times == [0.0, 4.0]
    sim.run(until=10)
    run(sim, retry, flaky)
    assert flaky.times == [0.0, 4.0, 10.0, 14.0]


def test_a_throttle_turns_first_attempts_away_and_says_so() -> None:
    sim = Simulation(seed=7)
    budget = AdaptiveThrottle()
    for _ in range(10**5):
        budget.failed(0.0, retryable=True)
    retry = Retry(sim, "orders", budget=budget)
    flaky = Flaky(sim, failures=0)
    error = run(sim, retry, flaky)
    assert type(error) is Throttled
    assert str(error) == "the budget 'adaptive_throttle' of retry 'orders' is used up"
    assert flaky.times == []
    (told,) = sim.recording.frame(Retry.BudgetExhausted).to_dicts()
    assert (told["attempt"], told["final_error"]) == (0, "Throttled")


def test_an_unwanted_result_is_returned_when_the_budget_is_exhausted() -> None:
    sim = Simulation(seed=8)
    budget = RetryQuota(capacity=5)
    answers = iter("abc")
    retry = Retry(sim, "orders", retry_if_result=lambda _value: True, budget=budget)
    assert run(sim, retry, lambda: next(answers)) == "b"


def test_an_interrupt_tells_a_budget_nothing() -> None:
    sim = Simulation(seed=9)
    budget = AdaptiveThrottle()
    retry = Retry(sim, "orders", budget=budget)

    def caller() -> Any:
        yield from retry.call(lambda: sim.sleep(9))

    process = sim.process(caller())
    sim.run(until=1)
    process.interrupt()
    process.defused = True
    sim.run()
    assert budget.rejection(1.0) == 0
    budget.failed(1.0, retryable=True)
    assert budget.rejection(1.0) == 1 / 2  # this one only


def test_a_limit_further_outside_tells_a_budget_nothing() -> None:
    sim = Simulation(seed=12)
    budget = AdaptiveThrottle()
    retry = Retry(sim, "orders", total_timeout=1, budget=budget)
    assert type(run(sim, retry, lambda: sim.sleep(9))) is TimedOut
    budget.failed(1.0, retryable=True)
    assert budget.rejection(1.0) == 1 / 2  # this one only


def test_an_error_that_is_not_tried_again_is_an_answer_to_a_budget() -> None:
    sim = Simulation(seed=13)
    throttle, tokens = AdaptiveThrottle(), ThrottleTokens(10)
    budgets: dict[str, RetryBudget] = {"orders": throttle, "payments": tokens}
    for name, budget in budgets.items():
        retry = Retry(sim, name, never_on=(BackendError,), budget=budget)
        assert type(run(sim, retry, Flaky(sim, failures=9))) is BackendError
    assert tokens.tokens == 10
    throttle.failed(0.0, retryable=True)
    assert throttle.rejection(0.0) == 0  # one of two accepted


def test_a_budget_does_not_shift_the_draws_of_the_jitter() -> None:
    def delays(budget: RetryBudget | None) -> list[float]:
        sim = Simulation(seed=10)
        run(sim, Retry(sim, "orders", jitter="full", budget=budget), Flaky(sim, failures=9))
        return list(sim.recording.frame(Retry.Backoff)["delay"])

    roomy = AdaptiveThrottle()
    for _ in range(10):
        roomy.succeeded(0.0, None)
    assert delays(None) == delays(roomy)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WindowBudget(-0.1), "share=-0.1"),
        (lambda: WindowBudget(ttl=0), "ttl=0"),
        (lambda: ThrottleTokens(0), "max_tokens=0"),
        (lambda: ThrottleTokens(token_ratio=0), "token_ratio=0"),
        (lambda: ThrottleTokens(token_ratio=1e-4), "token_ratio=0.0001; a thousandth"),
        (lambda: RetryQuota(0), "capacity=0"),
        (lambda: RetryQuota(cost=-1), "cost=-1"),
        (lambda: AdaptiveThrottle(0.5), "k=0.5; give a number from 1"),
        (lambda: AdaptiveThrottle(window=-1), "window=-1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("ttl_and_reserve", [(60, 0), (1, 10), (2, 5)])
@pytest.mark.parametrize("share", [0, 0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.999, 0.9999, 1])
def test_the_window_budget_of_finagles_own_test(
    ttl_and_reserve: tuple[float, float], share: float
) -> None:
    """RetryBudgetTest: time stands still, and each of 10,000 calls tries a retry."""
    ttl, reserve = ttl_and_reserve
    budget = WindowBudget(share, min_per_second=reserve, ttl=ttl)
    assert budget.balance(0) == ttl * reserve
    retried = 0
    for _ in range(10_000):
        budget.admit(0, STREAM)
        retried += withdraw(budget) is not None
    assert retried == min(10_000, round(10_000 * share + ttl * reserve))


def test_a_window_budget_may_allow_several_retries_for_each_call() -> None:
    budget = WindowBudget(2.0, min_per_second=0, ttl=60)
    assert withdraw(budget) is None
    for _ in range(10_000):
        budget.admit(0, STREAM)
    assert budget.balance(0) == 20_000


def test_a_throttle_ends_the_retries_of_a_dead_server_after_half_of_the_tokens() -> None:
    """The first call takes 4 of 10 tokens; the failure of the second leaves 5, half of them."""
    sim = Simulation(seed=20)
    backoff = fixed_backoff(0.01)
    retry = Retry(sim, "orders", max_attempts=4, backoff=backoff, budget=ThrottleTokens())
    dead = Flaky(sim, 99)
    attempts = []
    for _ in range(3):
        before = len(dead.times)
        with pytest.raises(BackendError):
            sim.run(sim.process(retry.call(dead)))
        attempts.append(len(dead.times) - before)
    assert attempts == [4, 1, 1]


@pytest.mark.parametrize(
    ("tokens", "attempts", "cap", "answers", "delays_and_left"),
    [
        (500, 3, 20, ["500 500 200"], ([1, 2], [495])),  # succeeds in the end
        (500, 3, 20, ["502 502 502"], ([1, 2], [490])),  # no attempt is left
        (5, 3, 20, ["500 502"], ([1], [0])),  # no token is left after a retry
        (0, 3, 20, ["500"], ([], [0])),  # there is none at all
        (500, 5, 20, ["500 500 500 500 500"], ([1, 2, 4, 8], [480])),  # exponential
        (500, 5, 3, ["500 500 500 500 500"], ([1, 2, 3, 3], [480])),  # at most 3 s
        (10, 5, 20, ["500 500 503"], ([1, 2], [0])),
        (15, 5, 20, ["500 502 200", "500 200"], ([1, 2, 1], [10, 10])),  # tokens come back
    ],
)
def test_the_standard_mode_of_the_aws_sdks_by_the_cases_that_they_share(
    tokens: int,
    attempts: int,
    cap: float,
    answers: list[str],
    delays_and_left: tuple[list[float], list[int]],
) -> None:
    """The SDKs' cases of standard mode 2.0, with a random number of 1: the delays are the whole."""
    sim = Simulation(seed=21)
    quota = RetryQuota()
    quota.available = tokens
    backoff = exponential_backoff(1, cap=cap)
    retry = Retry(sim, "client", max_attempts=attempts, backoff=backoff, budget=quota)
    found = []
    for course in answers:
        codes = iter(course.split())

        def request(codes: Iterator[str] = codes) -> None:
            if next(codes) != "200":
                raise BackendError

        with suppress(BackendError):
            sim.run(sim.process(retry.call(request)))
        assert next(codes, "all were asked for") == "all were asked for"
        found.append(quota.available)
    assert (sim.recording.frame(Retry.Backoff)["delay"].to_list(), found) == delays_and_left
