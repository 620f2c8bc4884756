"""Clocks that are wrong, and those who judge by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.services import (
    Cache,
    CycleLimit,
    FixedWindow,
    LeakyBucket,
    RateLimiter,
    SlidingCounter,
    SlidingWindow,
    TokenBucket,
)
from foundation_lab.simulation.clock import NodeClock
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ClockSkew, Periodic, Window, inject
from tests.simulation.faults.faulty import ask, endings

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.services.limiting.limits import Limit

SEED = 74


def test_a_clock_shows_the_true_time_until_something_is_wrong_with_it() -> None:
    sim = Simulation(seed=SEED, initial_time=5)
    clock = NodeClock(sim, "a")
    sim.run(until=7)
    assert (clock.now, clock.error, clock.monotonic, clock.rate) == (7, 0, 7, 1)
    assert clock.status == "+0 s"


def test_skews_add_up_and_are_corrected_by_a_jump() -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a", offset=1)
    inject(sim, clock, ClockSkew(offset=-10), when=Window(start=10, duration=10))
    inject(sim, clock, ClockSkew(drift=0.5), when=Window(start=14, duration=10))
    seen = []
    for until in (9, 12, 18, 22, 25):
        sim.run(until=until)
        sim.check_invariants()
        seen.append((clock.now, clock.monotonic))
    assert seen == [(10, 9), (3, 12), (11, 20), (27, 26), (26, 30)]


def test_monotonic_time_never_goes_back() -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a")
    skew = ClockSkew(offset=-3, drift=-0.25)
    inject(sim, clock, skew, when=Periodic(every=1, duration=1.5, times=9))
    before = 0.0
    for tenth in range(1, 150):
        sim.run(until=tenth / 10)
        assert clock.monotonic > before
        before = clock.monotonic


def test_a_node_has_one_clock() -> None:
    sim = Simulation(seed=SEED)
    assert NodeClock.of(sim, "a") is NodeClock.of(sim, "a")
    assert NodeClock.of(sim, "b") is not NodeClock.of(sim, "a")
    with pytest.raises(ValueError, match="drift=-1 of clock 'c'; give seconds a second, above -1"):
        NodeClock(sim, "c", drift=-1)
    with pytest.raises(ValueError, match="offset=inf of clock 'c'; give a finite number"):
        NodeClock(sim, "c", offset=float("inf"))
    with pytest.raises(ValueError, match="clock_skew of 'a': drift=-2; give seconds a second"):
        inject(sim, NodeClock.of(sim, "a"), ClockSkew(drift=-2))
    with pytest.raises(ValueError, match="offset=inf; give a finite number of seconds"):
        inject(sim, NodeClock.of(sim, "a"), ClockSkew(offset=float("inf")))
    with pytest.raises(ValueError, match=r"offset=0\.0; give an offset or a drift"):
        inject(sim, NodeClock.of(sim, "a"), ClockSkew())


def test_how_long_it_takes_until_a_clock_has_gone_so_far() -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a", drift=1)
    assert clock.lasting(3) == 1.5
    assert clock.lasting(0) == 0
    sim.run(until=1e9)
    assert sim.now + clock.lasting(1e-12) > sim.now


def test_a_cache_judges_by_its_clock_and_its_events_bear_the_true_time() -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a")
    cache = Cache(sim, "cache", ttl=10, clock=clock)
    inject(sim, clock, ClockSkew(offset=8), when=Window(start=5, duration=1))
    inject(sim, clock, ClockSkew(offset=-8), when=Window(start=16, duration=9))
    cache.put("a", 1)
    seen = []
    for until in (1, 5.5):
        sim.run(until=until)
        seen.append(cache.peek("a") is not None)
    assert seen == [True, False]
    sim.run(until=7)
    cache.put("b", 1)
    sim.run(until=16.5)
    ask(sim, lambda: cache.call(lambda: 2, key="b"))
    sim.run(until=24)
    assert cache.peek("b") is not None  # it should have expired at 17
    hit = sim.recording.frame(Cache.Hit)
    assert hit.select("time", "age").rows() == [(16.5, 1.5)]


def test_a_rate_limiter_whose_clock_runs_fast_grants_more() -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a", drift=1)
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1), clock=clock)
    callers = [ask(sim, limiter.acquire) for _ in range(4)]
    sim.run()
    assert endings(callers) == [("ok", 0), ("ok", 0.5), ("ok", 1), ("ok", 1.5)]


def test_a_token_bucket_stands_still_while_a_clock_set_back_catches_up() -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a")
    limiter = RateLimiter(sim, "api", lambda: TokenBucket(rate=1, capacity=1), clock=clock)
    inject(sim, clock, ClockSkew(offset=-4, start=1))
    sim.run(until=0.5)
    assert limiter.allow()
    caller = ask(sim, limiter.acquire, at=1.5)
    sim.run()
    assert caller.value == ("ok", 5.5)  # a second after the clock shows 0.5 again


LIMITS: list[Callable[[], Limit]] = [
    lambda: TokenBucket(rate=2, capacity=2),
    lambda: LeakyBucket(limit=2, period=1),
    lambda: FixedWindow(limit=2, window=1),
    lambda: SlidingWindow(limit=2, window=1),
    lambda: SlidingCounter(limit=2, window=1),
    lambda: CycleLimit(limit=2, period=1),
]


@settings(max_examples=60)
@given(
    limit=st.integers(0, len(LIMITS) - 1),
    skews=st.lists(
        st.tuples(
            st.floats(0, 5),
            st.floats(0.1, 5),
            st.floats(-20, 20).filter(bool),
            st.sampled_from([0.0, 0.5, -0.5]),
        ),
        max_size=4,
    ),
    asked=st.lists(st.floats(0, 8), max_size=12),
)
def test_every_limit_keeps_its_laws_and_lets_everybody_through_whatever_its_clock_does(
    limit: int, skews: list[tuple[float, float, float, float]], asked: list[float]
) -> None:
    sim = Simulation(seed=SEED)
    clock = NodeClock(sim, "a")
    limiter = RateLimiter(sim, "api", LIMITS[limit], clock=clock)
    for start, length, offset, drift in skews:
        skew = ClockSkew(offset=offset, drift=drift)
        inject(sim, clock, skew, when=Window(start=start, duration=length))
    callers = [ask(sim, limiter.acquire, at) for at in asked]
    for until in range(1, 10):
        sim.run(until=until)
        sim.check_invariants()
    sim.run()
    assert [end for end in endings(callers) if end[0] != "ok"] == []
    assert sim.now < 9_999
