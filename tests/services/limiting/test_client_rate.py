"""The adaptive retry mode of the AWS SDKs: its parts against the values of botocore's own tests
and of the SDKs' common test cases, and the service around them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import (
    BackendError,
    CircuitOpen,
    RateLimited,
    ServiceDown,
    ServiceError,
    TimedOut,
)
from foundation_lab.services import (
    Backend,
    ClientRate,
    ClientRateLimiter,
    CubicRate,
    FillingBucket,
    RateLimiter,
    RateMeter,
    Retry,
    RetryQuota,
    Timeout,
    TokenBucket,
    exponential_backoff,
    pipeline,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process

# -- the curve: botocore tests/unit/retries/test_throttling.py -----------------------------------


def test_the_time_until_the_old_rate_is_the_cube_root_of_what_was_lost() -> None:
    assert CubicRate(0, 10).k == pytest.approx(1.9574338205844317)


def test_the_rate_is_below_the_old_one_until_then_and_above_it_afterwards() -> None:
    cubic = CubicRate(0, 10)
    k = cubic.k
    assert cubic.succeeded(k / 3) <= cubic.succeeded(k / 2) <= cubic.succeeded(k / 1.1) <= 10
    assert cubic.succeeded(k) == pytest.approx(10)
    assert 10 <= cubic.succeeded(k * 1.1) <= cubic.succeeded(k * 2)


def test_a_refusal_leaves_beta_of_the_rate() -> None:
    cubic = CubicRate(0, 10)
    assert cubic.refused(1, 8) == pytest.approx(8 * 0.7)
    assert (cubic.w_max, cubic.last_refusal) == (8, 1)
    assert cubic.k == pytest.approx(1.8171205928321397)


def test_the_curve_begins_where_a_refusal_left_off() -> None:
    cubic = CubicRate(0, 10, beta=0.6)
    assert cubic.refused(1, 10) == 6
    assert cubic.succeeded(1) == pytest.approx(6)


def test_the_common_test_case_of_successes_after_a_refusal_at_10_a_second() -> None:
    cubic = CubicRate(5, 10)
    found = [cubic.succeeded(time) for time in range(5, 12)]
    expected = [7.0, 9.648936, 10.000031, 10.453285, 13.408697, 21.266268, 36.425999]
    assert found == pytest.approx(expected, abs=1e-6)


# -- the meter: botocore tests/unit/retries/test_adaptive.py -------------------------------------


def metered(*times: float) -> float:
    meter = RateMeter(0)
    for time in times:
        meter.record(time)
    return meter.rate


def test_the_measured_rate_of_nothing_is_0_and_one_a_second_after_a_second_is_a_share_of_1() -> (
    None
):
    assert metered() == 0
    assert metered(1) == 0.8


def test_a_constant_rate_is_measured() -> None:
    assert metered(*range(1, 21)) == pytest.approx(1)


def test_the_newest_rate_has_the_most_weight() -> None:
    times = [1, 1.5, 2, 2.5, 3, 3.5, 4]
    assert 1.99 <= metered(*times) <= 2
    assert metered(*times, 14) == pytest.approx(0.8 * 0.1 + 0.2 * metered(*times))


def test_several_answers_of_one_instant_are_counted_with_the_next() -> None:
    assert metered(1, 1, 1, 2, 3) >= 1


def test_answers_are_grouped_by_half_seconds() -> None:
    assert metered(0.1, 0.2, 0.3, 0.4, 0.49) == 0
    assert metered(0.1, 0.2, 0.3, 0.4, 0.49, 0.5) == 12 * 0.8


# -- the bucket: botocore tests/unit/retries/test_bucket.py --------------------------------------


def taken(bucket: FillingBucket, *times: float) -> list[bool]:
    found = []
    for time in times:
        there = bucket.wait_for(time) == 0
        if there:
            bucket.take(time)
        found.append(there)
    return found


def test_tokens_come_at_the_rate_from_none_on() -> None:
    assert taken(FillingBucket(0, 10), 1, 2, 3, 4, 5) == [True] * 5
    assert taken(FillingBucket(0, 10), *[1 + 0.1 * k for k in range(20)]) == [True] * 20
    bucket = FillingBucket(0, 10)
    assert taken(bucket, 0.05, 0.1) == [False, True]
    assert bucket.tokens == 0
    assert bucket.wait_for(0.15) == pytest.approx(0.05)


def test_a_lower_rate_takes_tokens_away_that_do_not_fit_any_more() -> None:
    bucket = FillingBucket(0, 10)
    assert taken(bucket, 1, 2, 3, 4, 5) == [True] * 5
    assert bucket.tokens == 9
    bucket.set_rate(5, 1)
    assert (bucket.tokens, bucket.capacity) == (1, 1)
    assert taken(bucket, 6, 7, 8, 9, 10) == [True] * 5


def test_a_bucket_holds_at_least_one_token_and_its_rate_has_a_least() -> None:
    bucket = FillingBucket(0, 10, least=0.1)
    bucket.set_rate(1, 0.5)
    assert (bucket.rate, bucket.capacity) == (0.5, 1)
    bucket = FillingBucket(0, 1, least=0.2)
    bucket.set_rate(1, 0.1)
    assert (bucket.rate, bucket.capacity) == (0.2, 1)


def test_what_came_before_a_change_of_the_rate_came_at_the_old_one() -> None:
    bucket = FillingBucket(0, 0.5)
    bucket.set_rate(1, 100)
    assert bucket.tokens == 0.5
    assert bucket.wait_for(1) == pytest.approx(0.005)


# -- all together: the SDKs' common test case ----------------------------------------------------


def test_the_common_test_case_of_successes_and_refusals() -> None:
    """Time, refused, and then the measured rate and the rate of tokens that are to come out."""
    course = [
        (0.2, False, 0.000000, 0.500000),
        (0.4, False, 0.000000, 0.500000),
        (0.6, False, 4.800000, 0.500000),
        (0.8, False, 4.800000, 0.500000),
        (1.0, False, 4.160000, 0.500000),
        (1.2, False, 4.160000, 0.691200),
        (1.4, False, 4.160000, 1.097600),
        (1.6, False, 5.632000, 1.638400),
        (1.8, False, 5.632000, 2.332800),
        (2.0, True, 4.326400, 3.028480),
        (2.2, False, 4.326400, 3.486639),
        (2.4, False, 4.326400, 3.821874),
        (2.6, False, 5.665280, 4.053386),
        (2.8, False, 5.665280, 4.200373),
        (3.0, False, 4.333056, 4.282037),
        (3.2, True, 4.333056, 2.997426),
        (3.4, False, 4.333056, 3.452226),
    ]
    rate = ClientRate(0)
    for time, refused, measured, filled in course:
        rate.answered(time, refused=refused)
        assert rate.meter.rate == pytest.approx(measured, abs=1e-6), time
        assert rate.rate == pytest.approx(filled, abs=1e-6), time
        assert rate.enabled == (time >= 2)


def test_the_rate_is_at_most_twice_what_is_measured() -> None:
    rate = ClientRate(0, cubic=CubicRate(-100, 50))
    rate.answered(1, refused=False)
    assert rate.rate == 2 * 0.8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CubicRate(0, beta=1), "beta=1"),
        (lambda: CubicRate(0, -1), "w_max=-1"),
        (lambda: CubicRate(0, scale=0), "scale=0"),
        (lambda: RateMeter(0, smoothing=0), "smoothing=0"),
        (lambda: RateMeter(0, bucket=0), "bucket=0"),
        (lambda: FillingBucket(0, least=0), "least=0"),
    ],
    ids=range(6),
)
def test_a_wrong_argument_is_an_error_at_once(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- the service ---------------------------------------------------------------------------------


def calling(
    sim: Simulation,
    limiter: ClientRateLimiter,
    at: float,
    error: Exception | None = None,
    duration: float = 0.0,
) -> Process:
    """Start a call; the value is when it was sent, or the name of the error and when it came."""

    def process() -> Generator[Any, Any, Any]:
        sent: list[float] = []

        def work() -> Generator[Any, Any, None]:
            sent.append(sim.now)
            yield duration
            if error is not None:
                raise error

        try:
            yield at - sim.now
            yield from limiter.call(work)
        except (ServiceError, simpy.Interrupt) as failure:
            return type(failure).__name__, sim.now
        return sent[0]

    return sim.process(process())


def test_nothing_waits_until_the_first_refusal() -> None:
    sim = Simulation(seed=1)
    limiter = ClientRateLimiter(sim, "s3")
    calls = [calling(sim, limiter, 0.1) for _ in range(50)]
    sim.run()
    assert {call.value for call in calls} == {0.1}
    assert (limiter.enabled, limiter.status) == (False, "up")
    assert "foundation.client_rate.permitted" not in sim.recording.counts


def test_after_a_refusal_attempts_wait_for_tokens_in_the_order_of_coming() -> None:
    sim = Simulation(seed=2)
    limiter = ClientRateLimiter(sim, "s3")
    calling(sim, limiter, 0.1, RateLimited("slow down"))
    calls = [calling(sim, limiter, 0.2, duration=100) for _ in range(3)]
    sim.run(until=0.3)
    # nothing was measured yet, so that the rate is the least one: a token in two seconds
    assert (limiter.rate, limiter.waiting, limiter.status) == (0.5, 3, "0.5/s")
    sim.check_invariants()
    sim.run(until=20)
    permitted = sim.recording.frame(ClientRateLimiter.Permitted)
    # 0.1 tokens had come at the first rate, of one a second
    assert permitted["time"].to_list() == pytest.approx([1.9, 3.9, 5.9])
    assert permitted["wait"].to_list() == pytest.approx([1.7, 3.7, 5.7])
    assert permitted["rate"].to_list() == [0.5] * 3
    throttled = sim.recording.frame(ClientRateLimiter.Throttled)
    columns = ("time", "error", "measured_rate", "rate")
    assert throttled.select(*columns).rows() == [(0.1, "RateLimited", 0, 0.5)]
    assert all(call.is_alive for call in calls)


def test_an_answer_that_brings_another_rate_changes_the_wait_under_way() -> None:
    sim = Simulation(seed=3)
    limiter = ClientRateLimiter(sim, "s3")
    calling(sim, limiter, 0, RateLimited("slow down"))
    for _ in range(200):
        calling(sim, limiter, 0, duration=9)  # sent before the refusal is seen
    calling(sim, limiter, 0, duration=9.6)
    sim.run(until=8)
    waiting = [calling(sim, limiter, 8.5, duration=100) for _ in range(8)]
    sim.run(until=8.9)
    assert limiter.waiting == 7
    sim.run(until=11)
    assert limiter.waiting == 0
    assert len([call for call in waiting if call.is_alive]) == 8


def test_what_the_clients_own_policies_turn_away_refuses_nothing() -> None:
    sim = Simulation(seed=4)
    limiter = ClientRateLimiter(sim, "s3")
    for error in (CircuitOpen("open"), TimedOut("late"), BackendError("no")):
        calling(sim, limiter, 0.1, error)
    sim.run()
    assert not limiter.enabled
    other = ClientRateLimiter(sim, "other", refused_on=BackendError)
    calling(sim, other, 1, BackendError("503 Slow Down"))
    sim.run()
    assert other.enabled


def test_an_interrupt_and_a_limit_further_outside_are_no_answers() -> None:
    sim = Simulation(seed=5)
    limiter = ClientRateLimiter(sim, "s3")
    cut = calling(sim, limiter, 0.6, duration=9)
    sim.call_at(1, cut.interrupt)
    outer = Timeout(sim, "outer", 1)
    late = sim.process(outer.call(lambda: limiter.call(lambda: sim.sleep(9))))
    late.defused = True
    sim.run()
    assert limiter.measured_rate == 0
    calling(sim, limiter, 5, BackendError("no"))
    sim.run()
    assert limiter.measured_rate > 0


def test_who_gives_up_leaves_the_line_and_a_token_of_that_instant_goes_to_the_next() -> None:
    sim = Simulation(seed=6)
    limiter = ClientRateLimiter(sim, "s3")
    calling(sim, limiter, 0, RateLimited("slow down"))
    first, second, third = (calling(sim, limiter, 0.5, duration=100) for _ in range(3))
    sim.call_at(1, first.interrupt)
    sim.run(until=1.5)
    sim.check_invariants()

    def just_granted() -> None:
        # after the grant of this instant, before the grantee runs
        assert limiter.waiting == 1
        second.interrupt()

    serve = limiter._serve

    def serve_and_interrupt() -> None:
        serve()
        if second.is_alive:
            just_granted()

    limiter._serve = serve_and_interrupt  # type: ignore[method-assign]
    limiter._set_timer()
    sim.run(until=50)
    assert (first.value, second.value) == (("Interrupt", 1), ("Interrupt", 2))
    permitted = sim.recording.frame(ClientRateLimiter.Permitted)
    assert permitted["time"].to_list() == [2]
    assert third.is_alive
    sim.check_invariants()


def test_a_limiter_that_goes_down_sends_its_line_away_and_begins_anew() -> None:
    sim = Simulation(seed=7)
    limiter = ClientRateLimiter(sim, "s3")
    calling(sim, limiter, 0, RateLimited("slow down"))
    calls = [calling(sim, limiter, 0.5) for _ in range(2)]
    old = calling(sim, limiter, 0, RateLimited("slow down"), duration=5)
    sim.call_at(1, limiter.kill)
    late = calling(sim, limiter, 1.5)
    sim.call_at(2, limiter.restart)
    free = [calling(sim, limiter, 3) for _ in range(9)]
    sim.run()
    assert [call.value for call in (*calls, late)] == [
        ("ServiceDown", 1),
        ("ServiceDown", 1),
        ("ServiceDown", 1.5),
    ]
    assert {call.value for call in free} == {3}
    assert old.value == ("RateLimited", 5)
    assert not limiter.enabled, "an answer to what was sent before the crash teaches nothing"
    sim.check_invariants()


def test_a_limiter_killed_at_the_instant_of_a_grant_sends_nobody() -> None:
    sim = Simulation(seed=8)
    limiter = ClientRateLimiter(sim, "s3")
    calling(sim, limiter, 0, RateLimited("slow down"))
    waiter = calling(sim, limiter, 0.5)
    sim.run(until=1)
    serve = limiter._serve

    def serve_and_kill() -> None:
        serve()
        limiter.kill()

    limiter._serve = serve_and_kill  # type: ignore[method-assign]
    limiter._set_timer()
    sim.run()
    assert waiter.value == ("ServiceDown", 2)
    with pytest.raises(ServiceDown):
        next(limiter.call(lambda: 1))
    assert limiter.status == "down"


def test_too_many_tokens_and_a_line_without_a_timer_break_laws() -> None:
    sim = Simulation(seed=9)
    limiter = ClientRateLimiter(sim, "s3")
    calling(sim, limiter, 0, RateLimited("slow down"))
    calling(sim, limiter, 0.5)
    sim.run(until=1)
    limiter._rate.bucket.tokens = 9
    limiter._timer = None
    assert limiter.violations() == [
        "9 tokens in a bucket for 1",
        "1 wait for a token, but nobody lets them go on",
    ]


def adaptive(sim: Simulation, name: str) -> Any:
    """Return the adaptive mode: the standard one, and inside of it the client's own limiter."""
    retry = Retry(
        sim,
        name,
        max_attempts=3,
        backoff=exponential_backoff(1.0, cap=20.0),
        jitter="full",
        budget=RetryQuota(),
    )
    return retry, pipeline(retry, ClientRateLimiter(sim, name))


def test_with_the_standard_quota_it_is_the_adaptive_mode_and_settles_below_the_servers_limit() -> (
    None
):
    """30 users ask as fast as they can for 20 a second: most of the refusals go away."""
    refused = {}
    for mode in ("standard", "adaptive"):
        sim = Simulation(seed=10)
        db = Backend(sim, "db", service_time=0.02, concurrency=100)
        api = RateLimiter(sim, "api", lambda: TokenBucket(rate=20, capacity=20))
        retry, policy = adaptive(sim, "client")
        outer = policy if mode == "adaptive" else pipeline(retry)
        ClosedLoop(
            sim,
            "users",
            users=30,
            think_time=0.2,
            call=lambda o=outer, a=api, d=db: o.call(lambda: a.call(d.request)),  # type: ignore[misc]
        )
        sim.run(until=60)
        sim.check_invariants()
        counts = sim.recording.counts
        asked = counts["foundation.rate_limiter.allowed"] + counts["foundation.rate_limiter.denied"]
        refused[mode] = counts["foundation.rate_limiter.denied"] / asked
        if mode == "adaptive":
            assert counts["foundation.rate_limiter.allowed"] / 60 == pytest.approx(20, rel=0.2)
    assert refused["adaptive"] < 0.5 * refused["standard"]
    assert refused["adaptive"] < 0.3


def test_each_attempt_takes_a_token_those_of_retries_too() -> None:
    sim = Simulation(seed=11)
    _, policy = adaptive(sim, "client")

    def fail() -> None:
        raise RateLimited("slow down")

    call = sim.process(policy.call(fail))
    call.defused = True
    sim.run()
    assert sim.recording.frame(Retry.AttemptStart).height == 3
    assert sim.recording.frame(ClientRateLimiter.Permitted).height == 2
    assert sim.recording.frame(ClientRateLimiter.Throttled).height == 3


def cancel(process: Process) -> None:
    if process.is_alive:
        process.interrupt()


@settings(max_examples=100, deadline=None)
@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]),
            st.sampled_from([0.0, 0.5, 1.0]),
            st.sampled_from([None, RateLimited("x"), BackendError("x")]),
            st.sampled_from([None, 0.0, 0.5, 1.0, 2.0]),
        ),
        max_size=12,
    ),
    kill=st.sampled_from([None, 1.0, 2.0]),
)
def test_nobody_is_forgotten_in_the_line(
    calls: list[tuple[float, float, Exception | None, float | None]], kill: float | None
) -> None:
    sim = Simulation(seed=12)
    limiter = ClientRateLimiter(sim, "s3")
    for at, duration, error, interrupt in calls:
        process = calling(sim, limiter, at, error, duration)
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
    assert limiter.waiting == 0


def test_tokens_are_never_given_out_faster_than_they_come() -> None:
    sim = Simulation(seed=13)
    limiter = ClientRateLimiter(sim, "s3")
    api = RateLimiter(sim, "api", lambda: TokenBucket(rate=10, capacity=1))
    Workload(
        sim, "web", poisson(30), lambda: limiter.call(lambda: api.call(lambda: sim.sleep(0.1)))
    )
    sim.run(until=60)
    permitted = sim.recording.frame(ClientRateLimiter.Permitted)
    top = permitted["rate"].max()
    assert isinstance(top, float)
    waited = permitted.filter(permitted["wait"] > 0)["time"]
    assert waited.len() > 100
    assert float(waited.diff().min()) >= 1 / (top * 2)  # type: ignore[arg-type]
