"""The adaptive limiter: places that it learns, and calls that wait for them or are turned away."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import (
    BackendError,
    LimitReached,
    QueueFull,
    ServiceDown,
    ServiceError,
    TimedOut,
)
from foundation_lab.services import (
    AdaptiveLimiter,
    AIMDLimit,
    Backend,
    Gradient2Limit,
    Health,
    Timeout,
    VegasLimit,
    WindowedLimit,
)
from foundation_lab.simulation.distributions import erlang
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import SlowDown, inject
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import polars as pl

    from foundation_lab.services.limiting.concurrency_limits import ConcurrencyLimit
    from foundation_lab.simulation.process import Process

    Made = Callable[[], ConcurrencyLimit]


def few(initial: int = 2) -> Made:
    """Return an AIMD limit that is small at first."""
    return lambda: AIMDLimit(initial, least=1, timeout=100)


def calling(
    sim: Simulation,
    limiter: AdaptiveLimiter,
    at: float,
    duration: float,
    error: Exception | None = None,
) -> Process:
    """Start a call; the value is when it ended, or the name of the error and when."""

    def work() -> Generator[Any, Any, None]:
        yield duration
        if error is not None:
            raise error

    def process() -> Generator[Any, Any, Any]:
        try:
            yield at - sim.now
            yield from limiter.call(work)
        except (ServiceError, simpy.Interrupt) as failure:
            return type(failure).__name__, sim.now
        return sim.now

    return sim.process(process())


def test_a_call_too_many_is_turned_away_and_each_that_ends_well_teaches() -> None:
    sim = Simulation(seed=1)
    limiter = AdaptiveLimiter(sim, "api", few())
    calls = [calling(sim, limiter, 0, 5) for _ in range(3)]
    sim.run(until=1)
    assert (limiter.in_use, limiter.limit, limiter.health()) == (2, 2, Health.DEGRADED)
    assert limiter.status == "2 of 2"
    sim.run()
    assert [call.value for call in calls] == [5, 5, ("LimitReached", 0)]
    permitted = sim.recording.frame(AdaptiveLimiter.Permitted)
    assert permitted.select("wait", "in_flight", "limit").rows() == [(0, 1, 2), (0, 2, 2)]
    rejected = sim.recording.frame(AdaptiveLimiter.Rejected)
    assert rejected.select("reason", "wait", "limit").rows() == [("limit", 0, 2)]
    changed = sim.recording.frame(AdaptiveLimiter.Changed)
    assert changed.select("time", "limit", "previous", "rtt").rows() == [(5, 3, 2, 5), (5, 4, 3, 5)]
    assert limiter.health() is Health.HEALTHY
    sim.check_invariants()


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (TimedOut("late"), 18),
        (QueueFull("full"), 18),
        (BackendError("no"), 20),
        (ServiceDown("down"), 20),
        (None, 21),
    ],
)
def test_timeouts_and_rejections_are_drops_and_other_failures_are_ignored(
    error: Exception | None, limit: int
) -> None:
    sim = Simulation(seed=2)
    limiter = AdaptiveLimiter(sim, "api", few(20))
    for _ in range(9):
        calling(sim, limiter, 0, 9)
    calling(sim, limiter, 0, 1, error)
    sim.run(until=2)
    assert limiter.limit == limit


def test_a_limit_further_outside_is_a_drop_and_an_interrupt_is_ignored() -> None:
    sim = Simulation(seed=3)
    limiter = AdaptiveLimiter(sim, "api", few(20))
    outer = Timeout(sim, "outer", 1)
    late = sim.process(outer.call(lambda: limiter.call(lambda: sim.sleep(9))))
    late.defused = True
    sim.run(until=2)
    assert limiter.limit == 18
    cut = calling(sim, limiter, 3, 9)
    sim.call_at(4, cut.interrupt)
    sim.run()
    assert (limiter.limit, limiter.in_use) == (18, 0)


def test_which_errors_are_drops_can_be_said() -> None:
    sim = Simulation(seed=4)
    limiter = AdaptiveLimiter(sim, "api", few(20), drop_on=BackendError)
    calling(sim, limiter, 0, 1, BackendError("no"))
    calling(sim, limiter, 0, 1, TimedOut("late"))
    sim.run()
    assert limiter.limit == 18


def test_a_call_that_takes_no_time_teaches_nothing() -> None:
    sim = Simulation(seed=5)
    limiter = AdaptiveLimiter(sim, "api")
    sim.process(limiter.call(lambda: 1))
    sim.run()
    assert limiter.algorithm.limit == 20
    assert isinstance(limiter.algorithm, VegasLimit)
    assert limiter.algorithm.shortest == 0


def test_calls_wait_first_in_first_out_and_the_wait_is_not_learnt_from() -> None:
    sim = Simulation(seed=6)
    limiter = AdaptiveLimiter(sim, "api", lambda: AIMDLimit(1, least=1, most=1), max_wait=3)
    calls = [calling(sim, limiter, 0, 2) for _ in range(3)]
    sim.run()
    assert [call.value for call in calls] == [2, 4, ("LimitReached", 3)]
    assert sim.recording.frame(AdaptiveLimiter.Permitted)["wait"].to_list() == [0, 2]
    rejected = sim.recording.frame(AdaptiveLimiter.Rejected)
    assert rejected.select("reason", "wait").rows() == [("timeout", 3)]


def test_a_limit_that_grows_lets_more_than_one_go_on() -> None:
    sim = Simulation(seed=7)
    limiter = AdaptiveLimiter(sim, "api", few(1), max_wait=None)
    calls = [calling(sim, limiter, 0, 1) for _ in range(4)]
    sim.run()
    assert [call.value for call in calls] == [1, 2, 2, 3]


def test_a_limit_that_shrinks_below_its_use_admits_nobody_until_enough_have_ended() -> None:
    sim = Simulation(seed=8)
    limiter = AdaptiveLimiter(sim, "api", few(10))
    for k in range(9):
        calling(sim, limiter, 0, 5 + k)
    calling(sim, limiter, 0, 1, TimedOut("late"))
    sim.run(until=2)
    assert (limiter.limit, limiter.in_use) == (9, 9)
    late = calling(sim, limiter, 3, 1)
    sim.run(until=4)
    assert late.value == ("LimitReached", 3)
    sim.check_invariants()


def test_the_message_says_what_the_limit_is_and_how_long_was_waited() -> None:
    sim = Simulation(seed=9)
    for max_wait, words in ((0, "now"), (3, "now; no place came free within 3 s")):
        limiter = AdaptiveLimiter(sim, f"api {max_wait}", few(1), max_wait=max_wait)
        calling(sim, limiter, sim.now, 9)
        sim.run(until=sim.now + 1)
        refused = sim.process(limiter.call(lambda: 1))
        with pytest.raises(LimitReached, match=f"allows 1 calls in flight {words}$"):
            sim.run(refused)


def test_a_limiter_that_goes_down_sends_its_line_away_and_begins_anew() -> None:
    sim = Simulation(seed=10)
    limiter = AdaptiveLimiter(sim, "api", few(1), max_wait=None)
    calls = [calling(sim, limiter, 0, 1), calling(sim, limiter, 1, 5), calling(sim, limiter, 2, 5)]
    waiter = calling(sim, limiter, 2, 5)
    sim.run(until=3)
    assert limiter.limit == 2
    limiter.kill()
    assert limiter.status == "down"
    late = calling(sim, limiter, 4, 1)
    sim.run(until=5)
    limiter.restart()
    assert (limiter.limit, limiter.in_use, limiter.health()) == (1, 2, Health.DEGRADED)
    sim.run()
    assert [call.value for call in (*calls, waiter, late)] == [
        1,
        6,
        7,
        ("ServiceDown", 3),
        ("ServiceDown", 4),
    ]
    assert limiter.limit == 1, "calls of before the crash teach nothing"
    rejected = sim.recording.frame(AdaptiveLimiter.Rejected)
    assert rejected.select("reason", "wait").rows() == [("down", 1), ("down", 0)]
    sim.check_invariants()


def test_a_limiter_that_is_down_learns_nothing() -> None:
    sim = Simulation(seed=18)
    limiter = AdaptiveLimiter(sim, "api", few(1))
    calling(sim, limiter, 0, 2)
    sim.call_at(1, limiter.kill)
    sim.run()
    assert (limiter.limit, limiter.in_use) == (1, 0)
    assert limiter.health() is Health.UNHEALTHY


def test_a_handler_that_raises_costs_no_place() -> None:
    sim = Simulation(seed=19)
    limiter = AdaptiveLimiter(sim, "api", few(1))

    def bad(_record: object) -> None:
        message = "a bug"
        raise TypeError(message)

    sim.telemetry.attach("bad", AdaptiveLimiter.Changed, bad, on_error="raise")
    calling(sim, limiter, 0, 1)
    with pytest.raises(TypeError, match="a bug"):
        sim.run()
    assert limiter.in_use == 0
    sim.check_invariants()


def test_a_place_too_few_breaks_a_law() -> None:
    sim = Simulation(seed=11)
    limiter = AdaptiveLimiter(sim, "api", few(2))
    calling(sim, limiter, 0, 5)
    sim.run(until=1)
    limiter._running = 2
    limiter._slots.capacity = 7
    assert limiter.violations() == [
        "2 calls run in 1 places",
        "7 places, although the limit is 2",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"), [({"max_wait": -1}, "max_wait=-1"), ({"drop_on": 3}, "drop_on=3")]
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=12)
    with pytest.raises((ValueError, TypeError), match=message):
        AdaptiveLimiter(sim, "api", **arguments)
    assert not sim.components


# -- with a backend of known capacity ------------------------------------------------------------

CAPACITY, SERVICE, SLOWER = 20, 0.1, 3.0
"""A backend for 200 requests a second: with its service time without a line, 20 are in flight."""

LIMITS: dict[str, tuple[Made, tuple[float, float], float]] = {
    # each of the calls in flight teaches the same again, so that it swings
    "vegas": (lambda: VegasLimit(5), (1.0, 1.6), 0.8),
    "windowed vegas": (lambda: WindowedLimit(VegasLimit(5)), (1.0, 1.6), 0.97),
    "windowed gradient": (
        lambda: WindowedLimit(Gradient2Limit(5, least=2)),
        (1.0, 3.2),
        0.97,
    ),
    "windowed aimd": (
        lambda: WindowedLimit(AIMDLimit(5, least=1, timeout=0.15), least=0.1, most=0.1, size=2),
        (1.0, 1.7),
        0.97,
    ),
}


@pytest.mark.parametrize(("make", "region", "share"), LIMITS.values(), ids=LIMITS)
def test_the_limit_comes_to_what_the_backend_can_do_and_little_stands_in_line(
    make: Made, region: tuple[float, float], share: float
) -> None:
    """Twice as much is asked for as can be done; rate * shortest time = 200 * 0.1 = 20 places."""
    sim = Simulation(seed=13)
    db = Backend(sim, "db", service_time=erlang(SERVICE, 100), concurrency=CAPACITY)
    limiter = AdaptiveLimiter(sim, "db", make)
    Workload(sim, "web", poisson(2 * CAPACITY / SERVICE), lambda: limiter.call(db.request))
    sim.run(until=60)
    sim.check_invariants()
    permitted = sim.recording.frame(AdaptiveLimiter.Permitted)
    low, high = region
    assert low * CAPACITY <= mean_limit(permitted, 20, 60) <= high * CAPACITY
    served = sim.recording.frame(Backend.Served)
    done = served.filter(served["time"] > 20).height / 40
    assert share * CAPACITY / SERVICE <= done <= 1.01 * CAPACITY / SERVICE


def mean_limit(permitted: pl.DataFrame, begin: float, end: float) -> float:
    inside = permitted.filter((permitted["time"] >= begin) & (permitted["time"] < end))
    return math.fsum(inside["limit"]) / inside.height


def test_the_limit_falls_when_the_backend_has_become_slow_and_grows_back() -> None:
    sim = Simulation(seed=14)
    db = Backend(sim, "db", service_time=erlang(SERVICE, 100), concurrency=CAPACITY)
    limiter = AdaptiveLimiter(sim, "db", lambda: AIMDLimit(5, least=1, timeout=0.25))
    Workload(sim, "web", poisson(2 * CAPACITY / SERVICE), lambda: limiter.call(db.request))
    inject(sim, db, [SlowDown(service="db", start=30, duration=30, factor=SLOWER)])
    sim.run(until=120)
    permitted = sim.recording.frame(AdaptiveLimiter.Permitted)
    assert mean_limit(permitted, 20, 30) > 1.5 * CAPACITY
    assert mean_limit(permitted, 40, 60) < 0.2 * CAPACITY
    assert mean_limit(permitted, 100, 120) > 1.5 * CAPACITY


def test_vegas_takes_a_lasting_slowness_for_a_line_until_it_measures_anew() -> None:
    sim = Simulation(seed=15)
    db = Backend(sim, "db", service_time=SERVICE, concurrency=CAPACITY)
    limiter = AdaptiveLimiter(sim, "db", lambda: WindowedLimit(VegasLimit(20)))
    Workload(sim, "web", poisson(2 * CAPACITY / SERVICE), lambda: limiter.call(db.request))
    inject(sim, db, [SlowDown(service="db", start=60, duration=60, factor=SLOWER)])
    sim.run(until=60)
    before = limiter.limit
    sim.run(until=100)
    slow = limiter.limit
    sim.run(until=200)
    assert CAPACITY <= before <= CAPACITY + 7
    assert slow < 0.75 * CAPACITY
    assert limiter.limit >= CAPACITY


def cancel(process: Process) -> None:
    if process.is_alive:
        process.interrupt()


@settings(max_examples=150, deadline=None)
@given(
    initial=st.integers(1, 3),
    max_wait=st.sampled_from([0, 1, 2.5, None]),
    calls=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]),
            st.sampled_from([0.0, 0.5, 1.0, 3.0]),
            st.sampled_from([None, None, BackendError("x"), TimedOut("x")]),
            st.sampled_from([None, 0.0, 0.5, 1.0, 2.5]),
        ),
        max_size=10,
    ),
    kill=st.sampled_from([None, 1.0, 2.0]),
)
def test_places_are_never_lost_nor_given_twice(
    initial: int,
    max_wait: float | None,
    calls: list[tuple[float, float, Exception | None, float | None]],
    kill: float | None,
) -> None:
    sim = Simulation(seed=16)
    limiter = AdaptiveLimiter(sim, "api", few(initial), max_wait=max_wait)
    for at, duration, error, interrupt in calls:
        process = calling(sim, limiter, at, duration, error)
        if interrupt is not None:
            sim.call_at(at + interrupt, partial(cancel, process))
    if kill is not None:
        sim.call_at(kill, limiter.kill)
        sim.call_at(kill, limiter.restart)
    for until in (0.25, 1.0, 1.25, 2.0, 3.25):
        sim.run(until=until)
        sim.check_invariants()
    sim.run()
    sim.check_invariants()
    assert not sim.living()
    assert (limiter.in_use, limiter.waiting) == (0, 0)


def test_the_same_seed_is_the_same_run_with_telemetry_or_without() -> None:
    found = []
    for enabled in (True, True, False):
        sim = Simulation(seed=17)
        if not enabled:
            sim.telemetry.disable()
        db = Backend(sim, "db", service_time=erlang(SERVICE, 3), concurrency=5)
        limiter = AdaptiveLimiter(sim, "db")
        web = Workload(sim, "web", poisson(100), lambda s=limiter, d=db: s.call(d.request))  # type: ignore[misc]
        sim.run(until=20)
        found.append((web.finished, limiter.limit))
    assert found[0] == found[1] == found[2]
