from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import RateLimited, ServiceDown
from foundation_lab.services import (
    CycleLimit,
    FixedWindow,
    LeakyBucket,
    RateLimiter,
    SlidingCounter,
    SlidingWindow,
    TokenBucket,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.limiting.limits import Limit
    from foundation_lab.simulation.process import Process


def acquiring(
    sim: Simulation,
    limiter: RateLimiter,
    at: float,
    amount: float = 1,
    *,
    key: str = "",
    timeout: float | None = None,
) -> Process:
    """Start a process that acquires; its value is when it got the permits, or the error."""

    def process() -> Generator[Any, Any, float | str]:
        try:
            yield from sim.sleep(at - sim.now)
            yield from limiter.acquire(key, amount, timeout=timeout)
        except (simpy.Interrupt, ServiceDown, RateLimited) as error:
            return type(error).__name__
        return sim.now

    return sim.process(process())


def asking(sim: Simulation, limiter: RateLimiter, times: list[float]) -> list[bool]:
    """Ask for a permit at each of the times; return the answers."""
    answers: list[bool] = []

    def process() -> Generator[Any, Any, None]:
        for time in times:
            if time > sim.now:
                yield sim.at(time)
            answers.append(limiter.allow())

    sim.run(sim.process(process()))
    sim.check_invariants()
    return answers


def test_a_bucket_of_5_at_10_a_second_admits_14_of_20_requests_50_ms_apart() -> None:
    sim = Simulation(seed=1)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=10, capacity=5))
    answers = asking(sim, limiter, [k * 0.05 for k in range(20)])
    admitted = [index for index, allowed in enumerate(answers) if allowed]
    assert admitted == [*range(9), 10, 12, 14, 16, 18]
    assert sim.recording.frame(RateLimiter.Allowed).height == 14
    denied = sim.recording.frame(RateLimiter.Denied)
    assert denied["retry_after"].to_list() == pytest.approx([0.05] * 6)


def test_a_bucket_never_holds_more_than_its_capacity() -> None:
    sim = Simulation(seed=2)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=10, capacity=5))
    answers = asking(sim, limiter, [1000.0] * 7)
    assert answers == [True] * 5 + [False] * 2


def test_a_fixed_window_admits_its_limit_up_to_the_border_and_again_from_it() -> None:
    sim = Simulation(seed=3)
    limiter = RateLimiter(sim, "api", lambda: FixedWindow(limit=2, window=0.1))
    times = [0.09, 0.09, 0.09, 0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.7, 0.7, 0.7]
    assert asking(sim, limiter, times) == [True, True, False] * 4


def test_a_sliding_window_admits_its_limit_in_any_span_of_its_length() -> None:
    sim = Simulation(seed=4)
    limiter = RateLimiter(sim, "api", lambda: SlidingWindow(limit=2, window=1))
    times = [0.0, 0.6, 0.9, 0.999, 1.0, 1.5, 1.6]
    assert asking(sim, limiter, times) == [True, True, False, False, True, False, True]


def test_a_request_may_weigh_more_than_one_and_waits_for_all_of_it() -> None:
    sim = Simulation(seed=15)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=2, capacity=10))
    assert [limiter.allow(amount=amount) for amount in (4, 6, 0.5)] == [True, True, False]
    assert [limiter.retry_after(amount=amount) for amount in (0.5, 3, 10)] == [0.25, 1.5, 5]
    sim.run(until=1.5)
    assert [limiter.allow(amount=amount) for amount in (3.25, 3)] == [False, True]


def test_keys_have_limits_of_their_own() -> None:
    sim = Simulation(seed=5)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1))
    assert [limiter.allow(key) for key in ("ann", "bob", "ann")] == [True, True, False]
    assert limiter.remaining("ann") == 0
    assert limiter.remaining("eve") == 1


def test_waiters_are_served_first_in_first_out_whatever_their_amounts() -> None:
    sim = Simulation(seed=6)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=4))
    first, big, small = (
        acquiring(sim, limiter, 0, 4),
        acquiring(sim, limiter, 0, 3),
        acquiring(sim, limiter, 0, 1),
    )
    sim.run()
    assert (first.value, big.value, small.value) == (0.0, 3.0, 4.0)
    sim.check_invariants()


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_an_interrupted_waiter_does_not_hold_up_the_others(victim: int) -> None:
    sim = Simulation(seed=7)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1))
    limiter.allow()
    waiters = [acquiring(sim, limiter, 0) for _ in range(3)]
    sim.run(until=0.5)
    waiters[victim].interrupt()
    sim.run()
    values = [waiter.value for waiter in waiters]
    assert values.pop(victim) == "Interrupt"
    assert values == [1.0, 2.0]
    assert sim.now == 2


def test_an_interrupt_at_the_instant_of_the_turn_does_not_hold_up_the_others() -> None:
    sim = Simulation(seed=8)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1))
    limiter.allow()

    def first() -> Generator[Any, Any, None]:
        yield from limiter.acquire()
        waiters[0].interrupt()

    sim.process(first())
    waiters = [acquiring(sim, limiter, 0) for _ in range(2)]
    sim.run()
    assert [waiter.value for waiter in waiters] == ["Interrupt", 2.0]


def test_nobody_overtakes_the_line() -> None:
    sim = Simulation(seed=9)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=3))
    limiter.allow(amount=3)
    acquiring(sim, limiter, 0, 3)
    sim.run(until=2)
    assert limiter.remaining() == 2
    assert not limiter.allow()
    denied = sim.recording.frame(RateLimiter.Denied)
    assert denied["retry_after"].to_list() == [1.0]  # when the one in line is served
    assert limiter.retry_after() == 1


def test_a_call_without_a_permit_is_rejected_with_the_time_to_wait() -> None:
    sim = Simulation(seed=10)
    limiter = RateLimiter(sim, "api", lambda: FixedWindow(limit=1, window=10))
    results: list[Any] = []

    def caller() -> Generator[Any, Any, None]:
        yield from sim.sleep(4)
        results.append((yield from limiter.call(lambda: "answer")))
        try:
            yield from limiter.call(lambda: "never")
        except RateLimited as error:
            results.append(error.retry_after)

    sim.process(caller())
    sim.run()
    assert results == ["answer", 6.0]


def test_a_stopped_limiter_sends_its_waiters_away_and_takes_nobody() -> None:
    sim = Simulation(seed=11)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=2))
    limiter.allow(amount=2)
    waiters = [acquiring(sim, limiter, 0, 2) for _ in range(3)]
    sim.run(until=1)
    limiter.kill()
    late = acquiring(sim, limiter, 1)
    sim.run()
    assert [process.value for process in (*waiters, late)] == ["ServiceDown"] * 4
    assert sim.now == 1
    with pytest.raises(ServiceDown):
        limiter.allow()
    limiter.restart()
    assert limiter.remaining() == 2
    sim.check_invariants()


def test_a_limiter_restarted_at_once_begins_with_a_full_limit_and_an_empty_line() -> None:
    sim = Simulation(seed=12)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=2))
    limiter.allow(amount=2)
    waiters = [acquiring(sim, limiter, 0, 2) for _ in range(2)]
    sim.run(until=1)
    limiter.kill()
    limiter.restart()
    following = acquiring(sim, limiter, 1, 2)
    sim.run()
    assert [process.value for process in waiters] == ["ServiceDown"] * 2
    assert following.value == 1.0


@pytest.mark.parametrize("amount", [0, -1, 5.5, math.nan])
def test_an_amount_that_can_never_be_granted_is_the_programmers_mistake(amount: float) -> None:
    sim = Simulation(seed=13)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=10, capacity=5))
    with pytest.raises(ValueError, match="can grant up to 5 at once, not amount="):
        limiter.allow(amount=amount)
    with pytest.raises(ValueError, match="can grant up to 5 at once, not amount="):
        next(limiter.acquire(amount=amount))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenBucket(rate=0, capacity=1), "rate=0"),
        (lambda: TokenBucket(rate=1, capacity=math.inf), "capacity=inf"),
        (lambda: FixedWindow(limit=0, window=1), "limit=0"),
        (lambda: SlidingWindow(limit=1, window=0), "window=0"),
        (lambda: SlidingCounter(limit=1.5, window=1), "limit=1.5"),  # type: ignore[arg-type]
        (lambda: LeakyBucket(limit=1, period=1, burst=0), "burst=0"),
        (lambda: CycleLimit(limit=1, period=-1), "period=-1"),
    ],
)
def test_a_wrong_limit_is_an_error_when_the_limiter_is_made(
    make: Callable[[], Limit], message: str
) -> None:
    sim = Simulation(seed=14)
    with pytest.raises(ValueError, match=message):
        RateLimiter(sim, "api", make)
    assert not sim.components


instants = st.one_of(
    st.floats(0, 10),
    st.floats(0, 1e9),
    st.integers(0, 10**6).map(lambda k: k * 0.1),
)
lengths = st.one_of(st.floats(1e-3, 1e4), st.sampled_from([0.1, 0.3, 1 / 3, 60.0]))
limits = st.one_of(
    st.builds(TokenBucket, rate=st.floats(1e-3, 1e6), capacity=st.floats(1, 1e7)),
    st.builds(FixedWindow, limit=st.integers(1, 50), window=lengths),
    st.builds(SlidingWindow, limit=st.integers(1, 50), window=lengths),
    st.builds(SlidingCounter, limit=st.integers(1, 50), window=lengths),
    st.builds(LeakyBucket, limit=st.floats(0.5, 1e6), period=lengths, burst=st.floats(1, 1e5)),
    st.builds(CycleLimit, limit=st.integers(1, 50), period=lengths),
)


@settings(max_examples=400, deadline=None)
@given(
    limit=limits,
    start=instants,
    gaps=st.lists(st.floats(0, 3), max_size=10),
    shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=10),
)
def test_what_is_denied_is_granted_after_exactly_the_time_to_wait(
    limit: Limit, start: float, gaps: list[float], shares: list[float]
) -> None:
    now = start
    for gap, share in zip([0.0, *gaps], shares, strict=False):
        now += gap
        amount = share * limit.largest
        wait = limit.wait_for(now, amount)
        assert 0 <= wait < math.inf
        assert (wait == 0) == (now + wait == now)  # a wait that moves no clock would never end
        now += wait
        assert limit.wait_for(now, amount) == 0
        limit.take(now, amount)
        assert -1e-6 * limit.largest <= limit.remaining(now) <= limit.largest


@settings(max_examples=200, deadline=None)
@given(
    limit=st.integers(1, 5),
    window=st.sampled_from([0.1, 0.3, 1.0, 2.5]),
    gaps=st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 1.0]), max_size=40),
)
def test_no_span_of_a_sliding_window_holds_more_than_its_limit(
    limit: int, window: float, gaps: list[float]
) -> None:
    sliding = SlidingWindow(limit, window)
    granted: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        inside = sum(now < time + window for time in granted)  # by counting them all
        allowed = sliding.wait_for(now, 1) == 0
        assert allowed == (inside < limit)
        if allowed:
            sliding.take(now, 1)
            granted.append(now)


def test_a_wait_that_the_clock_of_floats_would_cut_short_is_rounded_up() -> None:
    window = (2**53 - 1) / 2**43
    now = 2.0**-44
    assert now + (window - now) < window
    sliding = SlidingWindow(1, window)
    sliding.take(0.0, 1)
    assert now + sliding.wait_for(now, 1) >= window


def test_a_multiple_of_the_window_begins_a_window_however_late() -> None:
    window, number = 1 / 3, 430_978_177_987
    begin = number * window
    assert begin / window < number
    fixed = FixedWindow(1, window)
    fixed.take((number - 1) * window, 1)
    assert fixed.remaining(begin) == 1
