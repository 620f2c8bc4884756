"""Delays and their jitter, against what the systems that they come from publish."""

from __future__ import annotations

import math
import statistics
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError
from foundation_lab.services import (
    Retry,
    additive_jitter,
    custom_backoff,
    decorrelated_backoff,
    decorrelated_v2_backoff,
    exponential_backoff,
    factor_jitter,
    fibonacci_backoff,
    fixed_backoff,
    linear_backoff,
)
from foundation_lab.services.retrying.backoff import smooth
from foundation_lab.services.retrying.jitter import as_jitter
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.retrying.backoff import Backoff


def pauses(sim: Simulation, retry: Retry, calls: int = 1) -> list[float]:
    """Return the delays of calls that fail to the end."""

    def fail() -> None:
        raise BackendError

    def caller() -> Generator[Any, Any, None]:
        for _ in range(calls):
            with suppress(BackendError):
                yield from retry.call(fail)

    sim.process(caller())
    sim.run()
    sim.check_invariants()
    return list(sim.recording.frame(Retry.Backoff)["delay"])


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (exponential_backoff(0.1, cap=1), [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]),  # gRPC's example
        (exponential_backoff(0.5, factor=1.5), [0.5, 0.75, 1.125, 1.6875]),  # resilience4j's
        (exponential_backoff(0.1, cap=100), [*(0.1 * 2**n for n in range(10)), 100, 100]),
        # botocore, test_range_of_exponential_backoff
        (exponential_backoff(0.05, cap=20), [*(0.05 * 2**n for n in range(9)), 20, 20]),
        (exponential_backoff(0.001, cap=0.005), [0.001, 0.002, 0.004, 0.005, 0.005]),  # Finagle's
        (linear_backoff(1), [1, 2, 3, 4]),  # Polly, Linear_Ok
        (linear_backoff(1, cap=2.5), [1, 2, 2.5, 2.5]),
        (fibonacci_backoff(0.5), [0.5, 0.5, 1.0, 1.5, 2.5, 4.0]),
        (fibonacci_backoff(1, cap=4), [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]),
        (custom_backoff(lambda n: n**2 / 4), [0.25, 1.0, 2.25, 4.0]),
    ],
)
def test_the_delays_are_the_published_ones(backoff: Backoff, delays: list[float]) -> None:
    sim = Simulation(seed=1)
    retry = Retry(sim, "orders", max_attempts=len(delays) + 1, backoff=backoff)
    assert pauses(sim, retry) == pytest.approx(delays)
    assert set(sim.recording.frame(Retry.Backoff)["strategy"]) == {backoff.strategy}


@pytest.mark.parametrize("attempt", [1, 2, 50, 10**6])
def test_a_fibonacci_delay_of_any_attempt_is_finite_and_grows(attempt: int) -> None:
    stream = Simulation(seed=2).stream("test")
    backoff = fibonacci_backoff(0.1)
    delay = backoff.delay(attempt, 0.0, stream)
    assert 0 < delay <= backoff.delay(attempt + 1, 0.0, stream) < 1e17


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "soon"])
def test_a_function_that_gives_no_delay_is_an_error_that_names_the_attempt(wrong: Any) -> None:
    sim = Simulation(seed=3)
    retry = Retry(sim, "orders", backoff=custom_backoff(lambda _n: wrong))
    with pytest.raises(ValueError, match="delay after attempt 1="):
        pauses(sim, retry)
    assert retry.in_flight == 0


def test_pollys_jitter_steps_along_its_curve_within_bounds() -> None:
    """The delay after attempt n is (f(t) - f(s)) / 1.4 medians, s in [n-2, n-1), t in [n-1, n)."""
    sim = Simulation(seed=4)
    backoff = decorrelated_v2_backoff(1)
    delays = pauses(sim, Retry(sim, "orders", max_attempts=7, backoff=backoff), calls=400)
    for position, delay in enumerate(delays):
        n = position % 6 + 1
        assert 0 < delay <= (smooth(n) - smooth(max(0, n - 2))) / 1.4
    for first in range(0, len(delays), 6):  # they add up: the sum is where the curve was reached
        reached = 1.4 * sum(delays[first : first + 6])
        assert smooth(5) <= reached < smooth(6)


def test_pollys_median_first_delay_is_about_what_was_asked_for() -> None:
    """With U = 1/2: sqrt(2) tanh(sqrt(2)) / 1.4 = 0.897 medians, by monotony of the curve."""
    sim = Simulation(seed=5)
    backoff = decorrelated_v2_backoff(2)
    delays = pauses(sim, Retry(sim, "orders", max_attempts=2, backoff=backoff), calls=4000)
    assert statistics.median(delays) == pytest.approx(2 * smooth(0.5) / 1.4, rel=0.03)
    assert smooth(0.5) / 1.4 == pytest.approx(0.897, abs=1e-3)


def test_calls_at_the_same_time_do_not_share_the_memory_of_pollys_jitter() -> None:
    stream = Simulation(seed=6).stream("test")
    backoff = decorrelated_v2_backoff(1, cap=100)
    one, other = backoff.begin(), backoff.begin()
    sums = [0.0, 0.0]
    for attempt in range(1, 5):
        for k, delays in enumerate((one, other)):
            sums[k] += delays.delay(attempt, 0.0, stream)
    assert all(smooth(3) <= 1.4 * total < smooth(4) for total in sums)
    assert one.begin().delay(1, 0.0, stream) < smooth(1)
    assert backoff.delay(1, 0.0, stream) < smooth(1)


def test_pollys_jitter_does_not_overflow() -> None:
    stream = Simulation(seed=7).stream("test")
    delays = decorrelated_v2_backoff(1, cap=30).begin()
    assert all(0 <= delays.delay(attempt, 0.0, stream) <= 30 for attempt in (1, 5, 2000, 10**9))


@pytest.mark.parametrize(
    ("jitter", "least", "most"),
    [
        (factor_jitter(), 2.0, 6.0),
        (factor_jitter(0.2), 3.2, 4.8),
        (factor_jitter(0), 4.0, 4.0),
        (additive_jitter(0.5), 4.0, 4.5),
        (as_jitter("full"), 0.0, 4.0),
        (as_jitter("equal"), 2.0, 4.0),
    ],
)
def test_a_jitter_is_uniform_between_its_bounds(jitter: Any, least: float, most: float) -> None:
    sim = Simulation(seed=8)
    retry = Retry(sim, "orders", max_attempts=2001, backoff=fixed_backoff(4), jitter=jitter)
    delays = pauses(sim, retry)
    width = most - least
    assert least <= min(delays) <= least + 0.01 * width
    assert most - 0.01 * width <= max(delays) <= most
    # the mean of n uniform draws is within 4 of its standard deviations, width / sqrt(12 n)
    assert statistics.mean(delays) == pytest.approx(
        (least + most) / 2, abs=4 * width / (12 * 2000) ** 0.5 + 1e-9
    )


def test_a_cap_is_applied_before_the_jitter_and_max_delay_after_it() -> None:
    sim = Simulation(seed=9)
    backoff = exponential_backoff(1, cap=4)
    names: dict[str, float | None] = {"before": None, "after": 4}
    for name, limit in names.items():
        jitter = factor_jitter(0.5)
        pauses(
            sim,
            Retry(sim, name, max_attempts=200, backoff=backoff, jitter=jitter, max_delay=limit),
        )
    frame = sim.recording.frame(Retry.Backoff)
    before, after = (list(frame.filter(service_id=name)["delay"])[2:] for name in names)
    assert 5.9 < max(before) <= 6
    assert max(after) == 4
    assert after.count(4.0) / len(after) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: factor_jitter(1.5), ValueError, "share=1.5"),
        (lambda: additive_jitter(-1), ValueError, "extra=-1"),
        (lambda: as_jitter("factor"), ValueError, r"jitter='factor'; .* factor_jitter\(share\)"),
        (lambda: as_jitter(0.5), TypeError, r"jitter=0.5; .* spread\(delay, stream\)"),  # type: ignore[arg-type]
        (lambda: fibonacci_backoff(0), ValueError, "base=0"),
        (lambda: decorrelated_v2_backoff(1, cap=0), ValueError, "cap=0"),
        (lambda: custom_backoff(3), TypeError, "function=3"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_an_error_at_once(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_the_curve_rises() -> None:
    points = [smooth(k / 10) for k in range(200)]
    assert all(low < high for low, high in pairwise(points))


class Always:
    """A stream that draws the same number each time."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(
    ("share", "delay", "drawn"),
    [
        (0.25, 1, {0: 0.75, 0.4: 0.95, 0.6: 1.05, 1: 1.25}),  # Polly, Constant_Jitter_Ok
        (0.25, 3, {0: 2.25, 0.4: 2.85, 0.5: 3, 0.6: 3.15, 1: 3.75}),  # Polly, Linear_Jitter_Ok
        (0.5, 0.1, {0: 0.05, 0.5: 0.1, 1: 0.15}),  # resilience4j, generatesRandomizedIntervals
    ],
)
def test_a_share_of_the_delay_is_spread_as_in_the_sources(
    share: float, delay: float, drawn: dict[float, float]
) -> None:
    for number, spread in drawn.items():
        stream: Any = Always(number)
        assert factor_jitter(share).spread(delay, stream) == pytest.approx(spread)


@pytest.mark.parametrize("most", [10, 1000, 1024, 1025, 3000])
@pytest.mark.parametrize("cap", [30, math.inf])
def test_pollys_jitter_gives_no_attempt_a_delay_of_nothing(most: int, cap: float) -> None:
    """RetryHelperTests: attempts up to 1,025, all delays above zero and up to the greatest."""
    stream = Simulation(seed=10).stream("test")
    backoff = decorrelated_v2_backoff(2, cap=cap).begin()
    delays = [backoff.delay(attempt, 0.0, stream) for attempt in range(1, most + 1)]
    assert 0 < min(delays) <= max(delays) <= min(cap, 1e9)
    assert max(delays) == delays[-1] or most == 10


@pytest.mark.parametrize(
    "backoff",
    [
        exponential_backoff(86_400),  # Polly, GetRetryDelay_Overflow_ReturnsMaxTimeSpan
        decorrelated_backoff(1),
        decorrelated_v2_backoff(1),
    ],
)
def test_what_would_overflow_is_a_billion_seconds(backoff: Backoff) -> None:
    stream: Any = Always(0.9)
    backoff, delay = backoff.begin(), 0.0
    for attempt in range(1, 1100):
        delay = backoff.delay(attempt, delay, stream)
    assert delay == 1e9
