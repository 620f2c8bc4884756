from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import (
    BackendError,
    QueueFull,
    ServiceDown,
    ServiceError,
    Throttled,
    TimedOut,
)
from foundation_lab.services import (
    AdaptiveThrottle,
    Backend,
    CircuitBreaker,
    Hedge,
    RetryQuota,
    ThrottleTokens,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process

Attempt = tuple[float, Any]
"""Seconds, and then an answer, or the error that is raised."""


def attempts(sim: Simulation, *plan: Attempt) -> Callable[[], Any]:
    """Return a function whose calls go one after the other as planned."""
    coming = iter(plan)

    def attempt() -> Generator[Any, Any, Any]:
        seconds, end = next(coming)
        yield seconds
        if isinstance(end, Exception):
            raise end
        return end

    return attempt


def start(sim: Simulation, hedge: Hedge, function: Callable[[], Any]) -> Process:
    def caller() -> Generator[Any, Any, Any]:
        try:
            return (yield from hedge.call(function))
        except (ServiceError, simpy.Interrupt) as error:
            return error

    return sim.process(caller())


def run(sim: Simulation, hedge: Hedge, *plan: Attempt) -> Any:
    caller = start(sim, hedge, attempts(sim, *plan))
    sim.run()
    sim.check_invariants()
    assert (hedge.in_flight, hedge.running) == (0, 0)
    return caller.value


def happened(sim: Simulation) -> list[tuple[float, str, int]]:
    """Return what the hedge told: time, what, attempt."""
    rows = [
        (sequence, time, cls.event_name.rpartition(".")[2], attempt)
        for cls in (Hedge.AttemptStarted, Hedge.Won, Hedge.Failed, Hedge.Cancelled)
        for sequence, time, attempt in sim.recording.frame(cls)
        .select("sequence", "time", "attempt")
        .rows()
    ]
    return [row[1:] for row in sorted(rows)]


def test_an_answer_in_time_needs_no_second_attempt() -> None:
    sim = Simulation(seed=1)
    assert run(sim, Hedge(sim, "orders", delay=2), (1.0, "answer")) == "answer"
    assert happened(sim) == [(0, "started", 1), (1, "won", 1)]
    assert sim.now == 1


def test_an_answer_at_the_very_instant_of_the_delay_is_in_time() -> None:
    sim = Simulation(seed=2)
    assert run(sim, Hedge(sim, "orders", delay=2), (2.0, "answer")) == "answer"
    assert happened(sim) == [(0, "started", 1), (2, "won", 1)]


def test_so_it_is_when_the_answer_comes_at_the_end_of_that_instant() -> None:
    sim = Simulation(seed=23)
    hedge = Hedge(sim, "orders", delay=2)

    def attempt() -> Generator[Any, Any, str]:
        yield 2
        for _ in range(5):
            yield 0
        return "answer"

    start(sim, hedge, attempt)
    sim.run()
    assert happened(sim) == [(0, "started", 1), (2, "won", 1)]


def test_a_late_answer_starts_another_attempt_and_the_first_good_one_wins() -> None:
    sim = Simulation(seed=3)
    hedge = Hedge(sim, "orders", delay=2, max_attempts=3)
    assert run(sim, hedge, (100.0, "slow"), (3.0, "fast"), (50.0, "last")) == "fast"
    assert happened(sim) == [
        (0, "started", 1),
        (2, "started", 2),
        (4, "started", 3),
        (5, "won", 2),
        (5, "cancelled", 1),
        (5, "cancelled", 3),
    ]
    assert sim.now == 5
    assert sim.recording.frame(Hedge.Won)["duration"].to_list() == [5.0]
    assert sim.recording.frame(Hedge.Cancelled)["duration"].to_list() == [5.0, 1.0]


def test_the_first_attempt_may_still_win() -> None:
    sim = Simulation(seed=4)
    assert run(sim, Hedge(sim, "orders", delay=2), (3.0, "first"), (9.0, "second")) == "first"
    assert happened(sim)[-2:] == [(3, "won", 1), (3, "cancelled", 2)]


def test_of_two_answers_of_one_instant_the_first_wins() -> None:
    sim = Simulation(seed=19)
    assert run(sim, Hedge(sim, "orders", delay=1), (3.0, "one"), (2.0, "two")) == "one"
    assert happened(sim)[-2:] == [(3, "won", 1), (3, "cancelled", 2)]


def test_an_answer_counts_more_than_the_last_failure_of_its_instant() -> None:
    sim = Simulation(seed=24)
    hedge = Hedge(sim, "orders", delay=1)
    assert run(sim, hedge, (3.0, BackendError()), (2.0, "two")) == "two"


def test_of_two_failures_of_one_instant_the_last_comes_out() -> None:
    sim = Simulation(seed=25)
    hedge = Hedge(sim, "orders", delay=1)
    error = run(sim, hedge, (3.0, BackendError("one")), (2.0, BackendError("two")))
    assert str(error) == "two"
    assert [row[1:] for row in happened(sim)][-2:] == [("failed", 1), ("failed", 2)]


def test_an_answer_does_not_hide_a_bug_of_the_same_instant() -> None:
    sim = Simulation(seed=20)
    hedge = Hedge(sim, "orders", delay=1)
    start(sim, hedge, attempts(sim, (3.0, "one"), (2.0, ZeroDivisionError())))
    with pytest.raises(ZeroDivisionError):
        sim.run()


def test_a_failure_of_the_same_instant_as_an_answer_starts_nothing_more() -> None:
    sim = Simulation(seed=21)
    hedge = Hedge(sim, "orders", delay=1, max_attempts=3)
    assert run(sim, hedge, (3.0, BackendError()), (2.0, "two"), (1.5, "three")) == "two"
    hedge = Hedge(sim, "payments", delay=1.5, max_attempts=3)
    assert run(sim, hedge, (2.0, BackendError()), (0.5, "two"), (9.0, "three")) == "two"
    sent = sim.recording.frame(Hedge.AttemptStarted).filter(service_id="payments")
    assert sent["attempt"].to_list() == [1, 2]


def test_without_a_delay_all_are_sent_at_once() -> None:
    sim = Simulation(seed=5)
    hedge = Hedge(sim, "orders", delay=0, max_attempts=3)
    assert run(sim, hedge, (3.0, "a"), (1.0, "b"), (2.0, "c")) == "b"
    assert [row for row in happened(sim) if row[1] == "started"] == [
        (0, "started", 1),
        (0, "started", 2),
        (0, "started", 3),
    ]


def test_no_more_than_the_allowed_attempts_are_sent() -> None:
    sim = Simulation(seed=6)
    hedge = Hedge(sim, "orders", delay=1, max_attempts=2)
    assert run(sim, hedge, (50.0, "a"), (60.0, "b"), (0.0, "never")) == "a"
    assert sim.recording.frame(Hedge.AttemptStarted).height == 2


def test_an_error_that_is_not_fatal_starts_the_next_attempt_at_once() -> None:
    sim = Simulation(seed=7)
    hedge = Hedge(sim, "orders", delay=10, max_attempts=3)
    assert run(sim, hedge, (1.0, BackendError()), (2.0, TimedOut()), (4.0, "third")) == "third"
    assert happened(sim) == [
        (0, "started", 1),
        (1, "failed", 1),
        (1, "started", 2),
        (3, "failed", 2),
        (3, "started", 3),
        (7, "won", 3),
    ]


@pytest.mark.parametrize(
    ("most", "sent", "answer"), [(5, [0, 2, 3, 3], "fast"), (3, [0, 2, 3], "slow")]
)
def test_each_of_two_failures_of_one_instant_is_followed_by_an_attempt_while_some_are_left(
    most: int, sent: list[float], answer: str
) -> None:
    sim = Simulation(seed=31)
    hedge = Hedge(sim, "orders", delay=2, max_attempts=most)
    failing = ((3.0, BackendError()), (1.0, BackendError()))
    assert run(sim, hedge, *failing, (9.0, "slow"), (1.5, "fast")) == answer
    assert sim.recording.frame(Hedge.AttemptStarted)["time"].to_list() == sent


def test_the_last_error_comes_out_when_every_attempt_failed() -> None:
    sim = Simulation(seed=8)
    hedge = Hedge(sim, "orders", delay=1)
    error = run(sim, hedge, (5.0, QueueFull("first")), (1.0, BackendError("second")))
    assert str(error) == "first"
    assert sim.now == 5


def test_a_fatal_error_ends_the_call_at_once() -> None:
    sim = Simulation(seed=9)
    hedge = Hedge(sim, "orders", delay=1, max_attempts=3, non_fatal=TimedOut)
    assert type(run(sim, hedge, (9.0, "late"), (1.0, BackendError()))) is BackendError
    assert sim.now == 2
    assert happened(sim)[-2:] == [(2, "failed", 2), (2, "cancelled", 1)]


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_bug_comes_through_and_ends_the_others(seconds: float) -> None:
    sim = Simulation(seed=10)
    hedge = Hedge(sim, "orders", delay=1)
    start(sim, hedge, attempts(sim, (9.0, "late"), (seconds, ZeroDivisionError())))
    with pytest.raises(ZeroDivisionError):
        sim.run()
    assert (hedge.in_flight, hedge.running) == (0, 0)
    sim.run()
    assert sim.now < 9


def test_what_the_losers_hold_is_given_back_at_that_instant() -> None:
    sim = Simulation(seed=11)
    slow = Backend(sim, "slow", service_time=100)
    fast = Backend(sim, "fast", service_time=1)
    coming = iter((slow, fast))
    hedge = Hedge(sim, "orders", delay=1)
    start(sim, hedge, lambda: next(coming).request())
    sim.run()
    sim.check_invariants()
    assert sim.now == 2
    abandoned = sim.recording.frame(Backend.Abandoned)
    assert abandoned.select("time", "service_id", "stage").rows() == [(2.0, "slow", "serving")]


@pytest.mark.parametrize("when", [0.0, 0.5, 1.0, 2.5])
def test_an_interrupt_of_the_caller_ends_every_attempt(when: float) -> None:
    sim = Simulation(seed=12)
    slots = sim.Resource(3)

    def attempt() -> Generator[Any, Any, None]:
        with slots.request() as slot:
            yield slot
            yield 50

    hedge = Hedge(sim, "orders", delay=1, max_attempts=3)
    caller = start(sim, hedge, attempt)
    sim.call_at(when, caller.interrupt)
    sim.run()
    assert isinstance(caller.value, simpy.Interrupt)
    assert sim.now == when
    assert (slots.count, hedge.in_flight, hedge.running) == (0, 0, 0)
    assert sim.living() == []


def test_a_time_limit_further_outside_ends_every_attempt() -> None:
    sim = Simulation(seed=13)
    breaker = CircuitBreaker(sim, "orders", call_timeout=5)
    hedge = Hedge(sim, "orders", delay=1)
    fn = attempts(sim, (50.0, "a"), (50.0, "b"))

    def caller() -> Generator[Any, Any, Any]:
        try:
            yield from breaker.call(lambda: hedge.call(fn))
        except TimedOut:
            return sim.now

    process = sim.process(caller())
    sim.run()
    assert (process.value, sim.now) == (5, 5)
    assert hedge.running == 0


def test_a_bug_in_how_a_loser_cleans_up_comes_through() -> None:
    sim = Simulation(seed=14)
    hedge = Hedge(sim, "orders", delay=1)

    def untidy() -> Generator[Any, Any, None]:
        try:
            yield 50
        finally:
            raise ZeroDivisionError

    plans = iter((untidy(), "fast"))
    start(sim, hedge, lambda: next(plans))
    with pytest.raises(ZeroDivisionError):
        sim.run()


def test_a_generator_that_is_thrown_away_ends_its_attempts() -> None:
    sim = Simulation(seed=15)
    hedge = Hedge(sim, "orders", delay=1)
    calling = hedge.call(lambda: sim.sleep(50))
    next(calling)
    calling.close()
    sim.run()
    assert sim.now == 0
    assert (hedge.in_flight, hedge.running) == (0, 0)


def test_attempts_inherit_the_context_of_the_caller() -> None:
    sim = Simulation(seed=16)
    db = Backend(sim, "db", concurrency=2, service_time=3)
    hedge = Hedge(sim, "orders", delay=1)
    start(sim, hedge, db.request)
    sim.run()
    rows = sim.recording.events.filter(
        sim.recording.events["event"] != "foundation.service.started"
    )
    assert rows["correlation_id"].n_unique() == 1


def test_a_budget_pays_for_every_attempt_but_the_first() -> None:
    sim = Simulation(seed=26)
    budget = RetryQuota(20)
    hedge = Hedge(sim, "orders", delay=1, max_attempts=3, budget=budget)
    plan = ((9.0, "one"), (9.0, "two"), (1.0, "three"))
    assert run(sim, hedge, *plan) == "three"
    assert budget.available == 15  # two were paid for, and the price of the winner came back
    assert run(sim, hedge, (0.5, "one")) == "one"
    assert budget.available == 16


def test_a_call_goes_on_with_what_runs_when_the_budget_allows_no_more() -> None:
    sim = Simulation(seed=27)
    hedge = Hedge(sim, "orders", delay=1, max_attempts=3, budget=RetryQuota(5))
    assert run(sim, hedge, (9.0, "one"), (20.0, "two")) == "one"
    told = sim.recording.frame(Hedge.BudgetExhausted).select("time", "attempt", "budget").rows()
    assert told == [(2.0, 2, "quota")]
    assert sim.recording.frame(Hedge.AttemptStarted).height == 2


def test_the_last_error_comes_out_when_the_budget_allows_no_more() -> None:
    sim = Simulation(seed=28)
    tokens = ThrottleTokens(2)
    hedge = Hedge(sim, "orders", delay=5, max_attempts=3, budget=tokens)
    assert str(run(sim, hedge, (1.0, BackendError("only")))) == "only"
    assert (sim.now, tokens.tokens) == (1, 1)
    fatal = Hedge(sim, "payments", delay=5, non_fatal=TimedOut, budget=tokens)
    run(sim, fatal, (1.0, BackendError()))
    assert tokens.tokens == 1  # a fatal error is an answer


def test_a_retry_after_a_timeout_is_dearer_for_a_hedge_too() -> None:
    sim = Simulation(seed=29)
    budget = RetryQuota()
    run(sim, Hedge(sim, "orders", delay=5, budget=budget), (1.0, TimedOut()), (1.0, BackendError()))
    assert budget.available == 490


def test_a_throttle_turns_first_attempts_away() -> None:
    sim = Simulation(seed=30)
    budget = AdaptiveThrottle()
    for _ in range(10**5):
        budget.failed(0.0, retryable=True)
    hedge = Hedge(sim, "orders", delay=5, budget=budget)
    error = run(sim, hedge, (1.0, "never"))
    assert type(error) is Throttled
    assert str(error) == "the budget 'adaptive_throttle' of hedge 'orders' is used up"
    assert sim.recording.frame(Hedge.BudgetExhausted)["attempt"].to_list() == [0]
    assert sim.recording.frame(Hedge.AttemptStarted).height == 0


def test_calls_and_attempts_under_way_are_counted_and_checked() -> None:
    sim = Simulation(seed=22)
    hedge = Hedge(sim, "orders", delay=1)
    start(sim, hedge, attempts(sim, (9.0, "one"), (9.0, "two")))
    sim.run(until=2)
    assert hedge.metrics() == {"in_flight": 1, "attempts": 2}
    sim.check_invariants()
    hedge.running = 3
    assert hedge.violations() == ["3 attempts run for 1 calls"]
    hedge.running, hedge.in_flight = 0, -1
    assert hedge.violations()[0] == "-1 calls in flight"


def test_a_hedge_that_is_down_calls_nothing() -> None:
    sim = Simulation(seed=17)
    hedge = Hedge(sim, "orders", delay=1)
    hedge.stop()
    assert type(run(sim, hedge, (1.0, "never"))) is ServiceDown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"delay": -1}, "delay=-1"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"delay": 1, "max_attempts": 0}, "max_attempts=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hedge(Simulation(seed=18), "orders", **wrong)
