"""The kinds of limit, each against numbers worked by hand, and how they differ."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
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
from tests.services.test_rate_limiter import acquiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.limiting.limits import Limit
    from foundation_lab.simulation.process import Process

KINDS: dict[str, Callable[[], Limit]] = {
    "token_bucket": lambda: TokenBucket(rate=2, capacity=4),
    "leaky_bucket": lambda: LeakyBucket(limit=4, period=2),
    "fixed_window": lambda: FixedWindow(limit=4, window=2),
    "sliding_window": lambda: SlidingWindow(limit=4, window=2),
    "sliding_counter": lambda: SlidingCounter(limit=4, window=2),
    "cycle_limit": lambda: CycleLimit(limit=4, period=2),
}


def admitted(limit: Limit, times: list[float]) -> list[float]:
    """Ask for one permit at each of the times; return those at which it was granted."""
    granted = []
    for time in times:
        if limit.wait_for(time, 1) == 0:
            limit.take(time, 1)
            granted.append(time)
    return granted


def test_a_leaky_bucket_of_4_in_8_seconds_spaces_ten_waiters_by_two() -> None:
    sim = Simulation(seed=1)
    limiter = RateLimiter(sim, "api", lambda: LeakyBucket(limit=4, period=8))
    waiters = [acquiring(sim, limiter, 0) for _ in range(10)]
    sim.run()
    assert [waiter.value for waiter in waiters] == [0, 0, 0, 0, 2, 4, 6, 8, 10, 12]


def test_a_leaky_bucket_with_a_burst_of_1_admits_one_an_interval_and_none_early() -> None:
    bucket = LeakyBucket(limit=10, period=1, burst=1)
    times = [0.0, 0.05, 0.1, 0.19, 0.2, 0.35, 0.4, 0.45]
    assert admitted(bucket, times) == [0.0, 0.1, 0.2, 0.35, 0.45]


def test_a_leaky_bucket_is_a_token_bucket_seen_from_the_other_side() -> None:
    times = [k * 0.05 for k in range(20)]
    bucket = LeakyBucket(limit=10, period=1, burst=5)
    assert admitted(bucket, times) == admitted(TokenBucket(rate=10, capacity=5), times)


def test_the_sliding_counter_weighs_the_window_before() -> None:
    counter = SlidingCounter(limit=50, window=60)
    counter.take(10, 42)
    counter.take(60, 8)
    counter.take(74, 10)
    assert counter.remaining(75) == 50 - (42 * 45 / 60 + 18) == 0.5
    assert counter.wait_for(75, 1) == pytest.approx(60 * 11 / 42 - 15)  # 42 * (1 - e) = 31
    assert counter.wait_for(75, 32) == 45  # 18 of this window leave room for 32 when it is over
    assert counter.wait_for(75, 41) == pytest.approx(45 + 30)  # and half faded for 41
    assert counter.remaining(200) == 50


def test_a_counter_whose_clock_was_set_back_leaves_none_and_not_fewer() -> None:
    counter = SlidingCounter(limit=2, window=1)
    counter.take(0.9, 2)
    counter.take(1.5, 1)  # half of the two have faded
    assert counter.remaining(1.5) == 0
    assert counter.remaining(1.25) == 0  # 2 * 0.75 + 1 are taken
    assert counter.wait_for(1.25, 1) == 0.75


def test_a_fixed_window_lets_twice_its_limit_through_across_the_border() -> None:
    times = [0.9] * 9 + [1.0] * 9
    assert admitted(FixedWindow(limit=5, window=1), times) == [0.9] * 5 + [1.0] * 5


@pytest.mark.parametrize(
    ("limit", "most"), [(SlidingWindow(limit=5, window=1), 5), (SlidingCounter(5, 1), 5)]
)
def test_a_sliding_limit_lets_no_more_than_its_limit_through_there(limit: Limit, most: int) -> None:
    assert len(admitted(limit, [0.9] * 9 + [1.0] * 9)) == most


def test_the_cycle_limiter_gives_out_its_permits_at_the_start_of_each_cycle() -> None:
    limit = CycleLimit(limit=2, period=10)
    times = [3.0, 4.0, 5.0, 9.9, 10.0, 11.0, 12.0, 45.0, 46.0, 47.0]
    assert admitted(limit, times) == [3.0, 4.0, 10.0, 11.0, 45.0, 46.0]


def test_waiters_reserve_permits_of_future_cycles() -> None:
    sim = Simulation(seed=2)
    limiter = RateLimiter(sim, "api", lambda: CycleLimit(limit=3, period=10))
    waiters = [acquiring(sim, limiter, 4, 2) for _ in range(5)]
    # the balance after each: 1, -1, -3, -5, -7; a cycle adds 3, and it has to be 0 or more again
    sim.run()
    assert [waiter.value for waiter in waiters] == [4, 10, 10, 20, 30]
    assert sim.now == 30
    allowed = sim.recording.frame(RateLimiter.Allowed)
    assert allowed["remaining"].to_list() == [1, 0, 0, 0, 2]
    sim.check_invariants()


def test_a_reservation_further_off_than_the_timeout_is_refused_at_once_and_takes_nothing() -> None:
    sim = Simulation(seed=3)
    limiter = RateLimiter(sim, "api", lambda: CycleLimit(limit=1, period=10))
    waiters = [acquiring(sim, limiter, 4, timeout=timeout) for timeout in (0, 6, 15, 16, 25)]
    sim.run()
    values = [waiter.value for waiter in waiters]
    assert values == [4, 10, "RateLimited", 20, "RateLimited"]
    assert sim.recording.frame(RateLimiter.Denied)["time"].to_list() == [4, 4]
    assert sim.recording.frame(RateLimiter.Denied)["retry_after"].to_list() == [16, 26]


def test_an_interrupted_reservation_is_given_back_and_moves_nobody() -> None:
    sim = Simulation(seed=4)
    limiter = RateLimiter(sim, "api", lambda: CycleLimit(limit=1, period=10))
    waiters = [acquiring(sim, limiter, 0) for _ in range(3)]
    sim.run(until=5)
    assert limiter.retry_after() == 25
    waiters[1].interrupt()
    sim.run(until=6)
    assert limiter.retry_after() == 4  # the cycle from 10 on has its permit again
    late = [acquiring(sim, limiter, 6) for _ in range(2)]
    sim.run()
    assert [waiter.value for waiter in (*waiters, *late)] == [0, "Interrupt", 20, 10, 30]


def test_a_reservation_of_two_cycles_goes_back_to_both() -> None:
    limit = CycleLimit(limit=3, period=10)
    limit.take(0, 2)
    first = limit.reserve(0, 3)  # one permit of the present cycle and two of the next
    limit.take(0, 2)  # one of each of the next two
    assert (first, limit.remaining(0)) == (((0, 1, 1.0), (1, 1, 2.0)), 0)
    limit.give_back(5, first)
    assert (limit.remaining(5), limit.wait_for(5, 2), limit.wait_for(5, 4)) == (1, 5, 15)
    limit.give_back(25, limit.reserve(15, 1))  # of a cycle that is over
    assert limit.remaining(25) == 2


def test_a_limiter_that_goes_down_takes_its_reservations_with_it() -> None:
    sim = Simulation(seed=5)
    limiter = RateLimiter(sim, "api", lambda: CycleLimit(limit=1, period=10))
    waiters = [acquiring(sim, limiter, 0) for _ in range(3)]
    sim.run(until=5)
    limiter.kill()
    sim.run()
    assert [waiter.value for waiter in waiters] == [0, "ServiceDown", "ServiceDown"]
    with pytest.raises(ServiceDown):
        limiter.drain()
    assert not limiter.peek("another key")
    assert sim.now == 5
    limiter.restart()
    assert limiter.peek("another key")


def test_whoever_waits_in_line_too_long_leaves_it_and_holds_nobody_up() -> None:
    sim = Simulation(seed=6)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=4))
    limiter.drain()
    big = acquiring(sim, limiter, 0, 4)
    impatient = acquiring(sim, limiter, 0, 2, timeout=4.5)
    just = acquiring(sim, limiter, 0, 1, timeout=5)
    late = acquiring(sim, limiter, 0, 1, timeout=5)
    hopeless = acquiring(sim, limiter, 0, 1, timeout=3.9)
    sim.run()
    assert [big.value, impatient.value, just.value] == [4, "RateLimited", 5]
    assert [late.value, hopeless.value] == ["RateLimited"] * 2
    denied = sim.recording.frame(RateLimiter.Denied)
    assert denied["time"].to_list() == [0, 4.5, 5]
    assert denied["retry_after"].to_list() == [4, 1.5, 1]
    assert sim.recording.frame(RateLimiter.Drained)["amount"].to_list() == [4]
    sim.check_invariants()


def test_draining_what_is_empty_takes_nothing() -> None:
    sim = Simulation(seed=7)
    limiter = RateLimiter(sim, "api", lambda: FixedWindow(limit=3, window=1))
    assert [limiter.drain("a"), limiter.drain("a"), limiter.drain("b")] == [3, 0, 3]


@pytest.mark.parametrize("timeout", [-1, math.nan, math.inf])
def test_a_timeout_that_is_no_time_is_the_programmers_mistake(timeout: float) -> None:
    limiter = RateLimiter(Simulation(seed=8), "api", lambda: FixedWindow(limit=3, window=1))
    with pytest.raises(ValueError, match="timeout="):
        next(limiter.acquire(timeout=timeout))


@pytest.mark.parametrize("kind", KINDS)
def test_to_peek_changes_nothing_and_tells_what_allow_would_say(kind: str) -> None:
    sim = Simulation(seed=9)
    limiter = RateLimiter(sim, "api", KINDS[kind])
    for amount in (1, 4, 3, 1):
        expected = limiter.peek("k", amount)
        before = (limiter.remaining("k"), sim.recording.counts)
        assert limiter.peek("k", amount) == expected
        assert (limiter.remaining("k"), sim.recording.counts) == before
        assert limiter.allow("k", amount) == expected
    assert limiter.peek("other", 4)


def cancel(process: Process) -> None:
    if process.is_alive:
        process.interrupt()


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    callers=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0, 2.0]),  # the gap to the one before
            st.integers(1, 4),
            st.sampled_from([None, 0.0, 1.0, 2.5]),  # its timeout
            st.sampled_from([None, None, 0.0, 0.5, 2.0]),  # when it is interrupted
        ),
        max_size=12,
    ),
)
def test_waiters_are_served_in_order_and_nothing_is_lost(
    kind: str,
    callers: list[tuple[float, int, float | None, float | None]],
) -> None:
    sim = Simulation(seed=10)
    limiter = RateLimiter(sim, "api", KINDS[kind])
    arrival, waiters = 0.0, []
    for gap, amount, timeout, interrupt in callers:
        arrival += gap
        waiters.append(acquiring(sim, limiter, arrival, amount, timeout=timeout))
        if interrupt is not None:
            sim.call_at(arrival + interrupt, partial(cancel, waiters[-1]))
    sim.run()
    assert not any(waiter.is_alive for waiter in waiters)
    interrupted = any(waiter.value == "Interrupt" for waiter in waiters)
    times: list[float] = [
        waiter.value  # type: ignore[misc]
        for waiter in waiters
        if not isinstance(waiter.value, str)
    ]
    if not (interrupted and kind == "cycle_limit"):  # there others may use what it had
        assert times == sorted(times)
    assert sim.recording.frame(RateLimiter.Allowed).height == len(times)
    for waiter, (_, _, timeout, _) in zip(waiters, callers, strict=True):
        assert waiter.value != RateLimited.__name__ or timeout is not None
    sim.run(until=sim.now + 4)
    assert limiter.remaining() == 4  # two windows later nothing is missing
    sim.check_invariants()


def test_a_wait_that_rounding_makes_too_short_is_made_long_enough() -> None:
    bucket = TokenBucket(rate=3, capacity=1e7)
    now = 431_655_547.14977485
    bucket.take(now, 1e7)
    wait = bucket.wait_for(now, 1)
    assert 3 * (now + 1 / 3 - now) < 1 - 1e-8  # the clock is too coarse for a third of a second
    assert bucket.remaining(now + wait) >= 1
    assert wait == pytest.approx(1 / 3, abs=1e-7)


class Overdrawn(FixedWindow):
    """A limit that breaks the law of limits."""

    def remaining(self, now: float) -> float:
        return super().remaining(now) - 4


def test_a_limit_that_gave_out_too_much_breaks_a_law() -> None:
    sim = Simulation(seed=11)
    limiter = RateLimiter(sim, "api", lambda: Overdrawn(limit=3, window=1))
    limiter.allow("k")
    assert limiter.violations() == ["key 'k' has -1 permits left of 3"]


def test_a_reservation_given_back_when_it_is_due_saves_nothing_for_later() -> None:
    sim = Simulation(seed=12)
    limiter = RateLimiter(sim, "api", lambda: CycleLimit(limit=3, period=10))
    limiter.allow()
    waiter = acquiring(sim, limiter, 0, 3)
    sim.call_at(10, waiter.interrupt)
    sim.run()
    assert (waiter.value, sim.now) == ("Interrupt", 10)
    assert limiter.remaining() == 3
    sim.check_invariants()


def test_rounding_makes_no_reservation_a_cycle_late() -> None:
    limit = CycleLimit(limit=7, period=10)
    for _ in range(10):
        limit.take(0, 0.7)
    assert limit.wait_for(0, 7) == 10


def test_whoever_got_its_permits_in_time_leaves_no_timer() -> None:
    sim = Simulation(seed=13)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1))
    waiters = [acquiring(sim, limiter, 0, timeout=100) for _ in range(3)]
    sim.run()
    assert [waiter.value for waiter in waiters] == [0, 1, 2]
    assert sim.now == 2


def test_a_turn_that_is_due_this_instant_is_not_there_for_others() -> None:
    sim = Simulation(seed=14)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1))
    limiter.drain()
    answers: list[bool] = []
    sim.call_at(1, lambda: answers.extend([limiter.peek(), limiter.allow()]))
    waiter = acquiring(sim, limiter, 0)
    sim.run()
    assert (answers, waiter.value) == ([False, False], 1)


# -- the vectors of other implementations --------------------------------------------------------


def test_the_leaky_bucket_is_the_gcra_of_throttled() -> None:
    """TestRateLimit of github.com/throttled/throttled (which redis-cell follows): 1/s, 5 at once.

    Each row: the time, the amount, what is left, when all is back, and when to try again.
    """
    bucket = LeakyBucket(limit=1, period=1, burst=5)
    for time, amount, left, reset, retry in [
        (0, 1, 4, 1, 0),
        (0, 1, 3, 2, 0),
        (0, 1, 2, 3, 0),
        (0, 1, 1, 4, 0),
        (0, 1, 0, 5, 0),
        (0, 1, 0, 5, 1),
        (3, 1, 2, 3, 0),
        (3.1, 1, 1, 3.9, 0),
        (4, 1, 1, 4, 0),
        (8, 1, 4, 1, 0),
        (9.5, 1, 4, 1, 0),
        (9.5, 2, 2, 3, 0),
        (9.5, 5, 2, 3, 3),
    ]:
        wait = bucket.wait_for(time, amount)
        assert wait == pytest.approx(retry)
        if wait == 0:
            bucket.take(time, amount)
        assert math.floor(bucket.remaining(time) + 1e-9) == left
        assert bucket.wait_for(time, 5) == pytest.approx(reset)


@pytest.mark.parametrize(
    ("burst", "course"),
    [
        (1, "0y 0n 0n 1y 1n 1n 2y 2n"),  # TestLimiterBurst1
        (3, "0yy 0nn 0y 0n 2y 3y 4y 4y 4n 4n 9yyy"),  # TestLimiterBurst3
        (3, "1y 0y 0y 0n 0n 1y 1n 1n 2y 2n 2n"),  # TestLimiterJumpBackwards
    ],
)
def test_the_token_bucket_is_that_of_go(burst: int, course: str) -> None:
    """golang.org/x/time/rate, 10 a second: tenths of seconds, a letter for each token."""
    bucket = TokenBucket(rate=10, capacity=burst)
    for step in course.split():
        time, amount = int(step[0]) / 10, len(step) - 1
        assert (bucket.wait_for(time, amount) == 0) is ("y" in step), step
        if "y" in step:
            bucket.take(time, amount)


def test_reservations_of_go_are_places_in_line_here() -> None:
    """TestSimpleReserve of golang.org/x/time/rate."""
    sim = Simulation(seed=20)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=10, capacity=2))
    waiters = [acquiring(sim, limiter, time, 2) for time in (0, 0, 0.3)]
    sim.run()
    assert [waiter.value for waiter in waiters] == pytest.approx([0, 0.2, 0.4])


def test_permits_are_reserved_up_front_as_in_resilience4js_own_test() -> None:
    """AtomicRateLimiterTest, reservePermissionsUpfront: 3 in 10 ms, a timeout of 12 ms."""
    limit = CycleLimit(limit=3, period=0.010)
    waits = []
    for number in range(1, 10):
        now = 0.010 + number * 1e-6
        wait = limit.wait_for(now, 1)
        waits.append(wait if wait <= 0.012 else -1)
        if wait <= 0.012:
            limit.reserve(now, 1)
    assert waits == pytest.approx([0, 0, 0, 0.009996, 0.009995, 0.009994, -1, -1, -1])


@pytest.mark.parametrize(("amount", "granted"), [(1, 0.25), (2, 0.5), (3, 0.75), (5, 1.25)])
def test_a_reservation_may_be_of_more_than_a_cycle_has(amount: int, granted: float) -> None:
    """AtomicRateLimiterTest, reserveManyCyclesIfWeightGreaterThanLimitPerPeriod."""
    sim = Simulation(seed=21)
    limiter = RateLimiter(sim, "api", lambda: CycleLimit(limit=1, period=0.25))
    heavy = acquiring(sim, limiter, 0.25, amount, timeout=1.25)
    light = acquiring(sim, limiter, 0.25)
    too_heavy = acquiring(sim, limiter, 0.25, 7, timeout=1.25)
    sim.run()
    assert (heavy.value, light.value, too_heavy.value) == (granted, granted + 0.25, "RateLimited")
    with pytest.raises(ValueError, match="up to 1 at once, not amount=3"):
        limiter.allow(amount=3)
    with pytest.raises(ValueError, match="amount=0; give a finite number above 0"):
        next(limiter.acquire(amount=0))
    sim.check_invariants()


def test_a_huge_reservation_is_as_quick_as_a_small_one() -> None:
    limit = CycleLimit(limit=2, period=10)
    limit.take(0, 1)
    huge = limit.reserve(0, 2e8)
    assert huge == ((0, 1, 1.0), (1, 99_999_999, 2.0), (100_000_000, 1, 1.0))
    assert limit.wait_for(0, 1) == 1e9
    limit.take(0, 1)
    limit.give_back(15, huge)  # that of the cycle from 0 on is lost
    assert (limit.remaining(15), limit.wait_for(15, 3)) == (2, 5)
    assert limit.wait_for(15, 2e8) == 1e9 + 10 - 15  # all of it but for the one that was taken


class Balance:
    """The arithmetic of resilience4j's AtomicRateLimiter: a balance that reservations overdraw."""

    def __init__(self, limit: int, period: int) -> None:
        self.limit, self.period = limit, period
        self.cycle, self.permits = 0, limit

    def reserve(self, now: int, amount: int, timeout: int) -> int:
        """Return the wait, and take the permits if it is no longer than the timeout."""
        cycle = now // self.period
        self.permits = min(self.permits + (cycle - self.cycle) * self.limit, self.limit)
        self.cycle = cycle
        lacking = max(0, amount - self.permits)
        cycles = -(-lacking // self.limit)
        wait = (cycle + cycles) * self.period - now if cycles else 0
        self.permits -= amount if wait <= timeout else 0
        return wait


@given(
    limit=st.integers(1, 5),
    period=st.integers(1, 10),
    course=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 15), st.sampled_from([0, 5, 50])), max_size=40
    ),
)
def test_reservations_of_any_weight_wait_as_long_as_in_resilience4j(
    limit: int, period: int, course: list[tuple[int, int, int]]
) -> None:
    theirs, ours, now = Balance(limit, period), CycleLimit(limit=limit, period=period), 0
    for later, amount, timeout in course:
        now += later
        wait = ours.wait_for(now, amount)
        if wait <= timeout:
            ours.reserve(now, amount)
        assert wait == theirs.reserve(now, amount, timeout)
