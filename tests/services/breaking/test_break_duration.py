from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import RateLimited
from foundation_lab.services import (
    CircuitBreaker,
    Opening,
    decorrelated_backoff,
    exponential_backoff,
    retry_after_or,
)
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import calls, fail, play

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.breaking.break_duration import ResetTimeout


def breaks(reset_timeout: ResetTimeout, openings: int, jitter: str = "none") -> list[float]:
    """Return how long each of so many openings in a row lasts."""
    sim = Simulation(seed=1)
    breaker = CircuitBreaker(
        sim, "db", failure_threshold=1, reset_timeout=reset_timeout, reset_jitter=jitter
    )
    durations = []
    for _ in range(openings):
        play(sim, breaker, "F")
        durations.append(breaker.retry_after or 0.0)
        sim.run()  # to half-open
    sim.check_invariants()
    return durations


def test_a_number_is_the_same_break_every_time() -> None:
    assert breaks(7, 3) == [7, 7, 7]


def test_a_backoff_lengthens_the_breaks_of_a_row_up_to_its_cap() -> None:
    assert breaks(exponential_backoff(5, cap=30), 5) == [5, 10, 20, 30, 30]


def test_the_row_of_openings_ends_when_the_breaker_closes() -> None:
    sim = Simulation(seed=2)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1, reset_timeout=exponential_backoff(5))
    for pattern, after in (("F", 5), ("F", 10), ("SF", 5), ("F", 10)):
        play(sim, breaker, pattern)
        assert breaker.retry_after == after
        sim.run()
    breaker.reset()
    breaker.trip()
    breaker.trip("again")  # begins anew, but is the same opening
    assert breaker.retry_after == 5


def test_a_backoff_that_remembers_is_given_the_break_before() -> None:
    first, second, third = breaks(decorrelated_backoff(1.0), 3)
    assert 1 <= first <= 3
    assert 1 <= second <= 3 * first
    assert 1 <= third <= 3 * second


def test_equal_jitter_keeps_half_of_the_break() -> None:
    durations = breaks(10, 40, jitter="equal")
    assert 5 <= min(durations) < 6
    assert 9 < max(durations) < 10


def test_the_error_that_tripped_it_says_how_long_to_stay_away() -> None:
    sim = Simulation(seed=3)
    breaker = CircuitBreaker(
        sim, "api", failure_threshold=1, reset_timeout=retry_after_or(30, cap=60)
    )
    waits = []

    def refuse(seconds: float) -> None:
        message = "too many requests"
        raise RateLimited(message, seconds)

    def caller(seconds: float) -> Generator[Any, Any, None]:
        with pytest.raises(RateLimited):
            yield from breaker.call(lambda: refuse(seconds))

    for seconds in (7, 900, 0):
        sim.run(sim.process(caller(seconds)))
        waits.append(breaker.retry_after)
        breaker.reset()
    calls(sim, breaker, fail)
    assert [*waits, breaker.retry_after] == [7, 60, 30, 30]


def test_a_function_sees_the_openings_in_a_row_and_what_tripped() -> None:
    seen: list[Opening] = []

    def duration(opening: Opening) -> float:
        seen.append(opening)
        return 3.0 * opening.number

    assert breaks(duration, 3) == [3, 6, 9]
    assert [(o.number, type(o.error).__name__, o.previous) for o in seen] == [
        (1, "BackendError", 0),
        (2, "BackendError", 3),
        (3, "BackendError", 6),
    ]


def test_a_function_that_answers_nonsense_is_a_bug_and_the_breaker_stays_as_it_was() -> None:
    sim = Simulation(seed=4)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1, reset_timeout=lambda _opening: -1)
    with pytest.raises(ValueError, match="reset_timeout=-1; give a finite number from 0"):
        breaker.trip()
    assert breaker.status == "closed"
    sim.check_invariants()


@pytest.mark.parametrize("wrong", ["30", None])
def test_what_is_no_break_at_all_is_an_error_at_once(wrong: Any) -> None:
    sim = Simulation(seed=5)
    with pytest.raises(TypeError, match="give seconds, a backoff, or a function of the opening"):
        CircuitBreaker(sim, "db", reset_timeout=wrong)
    with pytest.raises(ValueError, match="otherwise=0"):
        retry_after_or(0)
    with pytest.raises(ValueError, match="cap=0"):
        retry_after_or(1, cap=0)
    assert not sim.components


def test_breaks_by_backoff_are_seeded() -> None:
    assert breaks(10, 5, "full") == breaks(10, 5, "full")


def test_a_call_of_the_breaker_sees_the_break_in_its_rejection() -> None:
    sim = Simulation(seed=6)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1, reset_timeout=lambda _opening: 12.0)
    assert calls(sim, breaker, fail, fail) == ["BackendError", "CircuitOpen"]
    rejected = sim.recording.frame(CircuitBreaker.CallRejected)
    assert rejected["retry_after"].to_list() == [12.0]
