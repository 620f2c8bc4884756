"""Pipelines; and what every wrapper makes of every outcome, alone and in any nesting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, CircuitOpen, DeadlinePassed, ServiceError, TimedOut
from foundation_lab.services import (
    AdaptiveLimiter,
    AIMDLimit,
    Backend,
    Bulkhead,
    Cache,
    CircuitBreaker,
    ClientRateLimiter,
    ConnectionManager,
    Fallback,
    Hedge,
    LoadShedder,
    NetworkLink,
    OutlierDetector,
    RateLimiter,
    ResourceManager,
    Retry,
    Timeout,
    TokenBucket,
    fixed_backoff,
    outcome_of,
    pipeline,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.lines.line import AdaptiveLifo
from foundation_lab.simulation.lines.shedding import ControlledDelay
from foundation_lab.simulation.workload import request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.policy import Caller
    from foundation_lab.simulation.process import Process

WRAPPERS: dict[str, Callable[[Simulation, str], Caller]] = {
    "adaptive limiter": AdaptiveLimiter,
    "adaptive limiter with a line": lambda sim, name: AdaptiveLimiter(
        sim, name, lambda: AIMDLimit(1, least=1, timeout=2), max_wait=1.5
    ),
    "breaker": lambda sim, name: CircuitBreaker(sim, name, failure_threshold=2, reset_timeout=3),
    "breaker with a limit": lambda sim, name: CircuitBreaker(sim, name, call_timeout=2),
    "bulkhead": lambda sim, name: Bulkhead(sim, name, max_concurrent=2),
    "bulkhead with a line": lambda sim, name: Bulkhead(sim, name, max_concurrent=1, max_wait=1.5),
    "cache": lambda sim, name: Cache(sim, name, ttl=1, negative_ttl=0.5),
    "client rate limiter": ClientRateLimiter,
    "fallback": lambda sim, name: Fallback(sim, name, value="instead"),
    "hedge": lambda sim, name: Hedge(sim, name, delay=1.5, non_fatal=TimedOut),
    "limiter": lambda sim, name: RateLimiter(sim, name, lambda: TokenBucket(rate=1, capacity=3)),
    "ghost": lambda sim, name: Timeout(sim, name, 1.5, "ghost"),
    "load shedder": lambda sim, name: LoadShedder(
        sim, name, max_concurrent=1, max_waiting=3, line=AdaptiveLifo(1)
    ),
    "load shedder with a limit": lambda sim, name: LoadShedder(
        sim, name, max_concurrent=1, line=ControlledDelay(0.25, 0.5)
    ),
    "pool": lambda sim, name: ConnectionManager(sim, name, size=2, checkout_timeout=1.5),
    "pool that connects": lambda sim, name: ConnectionManager(
        sim, name, size=1, max_overflow=1, connect_time=0.25, leak_threshold=1
    ),
    "pool that fills itself": lambda sim, name: ConnectionManager(
        sim,
        name,
        size=1,
        opened_by="pool",
        connect_time=0.25,
        validation=True,
        validation_time=0.25,
    ),
    "network link": lambda sim, name: NetworkLink(sim, name, latency=0.125),
    "outlier detector": lambda sim, name: pipeline(
        partial(OutlierDetector(sim, name, ["far"], consecutive_failures=1).call, "far")
    ),
    "resource manager": lambda sim, name: pipeline(
        partial(ResourceManager(sim, name, {"gpu": 1}).call, "gpu")
    ),
    "resource manager that turns away": lambda sim, name: pipeline(
        partial(ResourceManager(sim, name, {"gpu": 2}).call, "gpu", wait=False)
    ),
    "retry": lambda sim, name: Retry(sim, name, max_attempts=2, backoff=fixed_backoff(0.5)),
    "timeout": lambda sim, name: Timeout(sim, name, 1.5),
}

ENDS: dict[str, BaseException | None] = {
    "ok": None,
    "error": BackendError("no"),
    "timeout": TimedOut("inside"),
    "rejected": CircuitOpen("inside"),
    "cancelled": None,  # by an interrupt after half of the time
}

LATER: dict[tuple[str, str], float] = {
    ("network link", "ok"): 0.25,  # there and back
    ("network link", "error"): 0.25,
    ("network link", "timeout"): 0.25,
    ("network link", "rejected"): 0.25,
    ("pool that connects", "ok"): 0.25,
    ("pool that connects", "error"): 0.25,
    ("pool that connects", "timeout"): 0.25,
    ("pool that connects", "rejected"): 0.25,
    ("pool that fills itself", "ok"): 0.25,
    ("pool that fills itself", "error"): 0.25,
    ("pool that fills itself", "timeout"): 0.25,
    ("pool that fills itself", "rejected"): 0.25,
    ("hedge", "timeout"): 1.0,  # the second attempt begins when the first has failed
    ("retry", "error"): 1.5,  # twice, with a pause
    ("retry", "timeout"): 1.5,
    ("retry", "rejected"): 1.5,
}
"""By how many seconds a wrapper makes a call longer than the second that it takes by itself."""

BOUNDS: dict[str, int] = {
    "bulkhead": 2,
    "bulkhead with a line": 1,
    "cache": 1,  # one load for all
    "load shedder": 1,
    "load shedder with a limit": 1,
    "pool": 2,
    "pool that connects": 2,
    "pool that fills itself": 1,
    "resource manager": 1,
    "resource manager that turns away": 2,
}
"""How many calls a wrapper has under way at most."""

CHANGED = {("fallback", end): "ok" for end in ("error", "timeout", "rejected")}
"""Where a wrapper makes another outcome of the one it is given."""


def work(duration: float, error: BaseException | None) -> Generator[Any, Any, str]:
    yield duration
    if error is not None:
        raise error
    return "done"


def outcome(
    sim: Simulation, call: Callable[[], Generator[Any, Any, Any]], at: float = 0
) -> Process:
    """Start a call; the value is its outcome."""

    def process() -> Generator[Any, Any, str]:
        try:
            yield at
            yield from call()
        except (ServiceError, simpy.Interrupt) as error:
            if isinstance(error, DeadlinePassed):
                return "the limit of somebody who has gone"
            return outcome_of(error)
        return "ok"

    return sim.process(process())


def cancel(process: Process) -> None:
    if process.is_alive:
        process.interrupt()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_hands_on_how_a_call_ended_and_keeps_nothing(wrapper: str, end: str) -> None:
    sim = Simulation(seed=1)
    service = WRAPPERS[wrapper](sim, "one")
    backend = Backend(sim, "db", service_time=0.1)

    def inside() -> Generator[Any, Any, str]:
        yield from backend.request()
        return (yield from work(0.9, ENDS[end]))

    call = outcome(sim, lambda: service.call(inside))
    ends = []
    call.callbacks.append(lambda _call: ends.append(sim.now))
    if end == "cancelled":
        sim.call_at(0.5, call.interrupt)
    sim.run(until=40)
    assert call.value == CHANGED.get((wrapper, end), end)
    took = 0.5 if end == "cancelled" else 1.0
    assert ends == [pytest.approx(took + LATER.get((wrapper, end), 0.0))]
    sim.check_invariants()
    assert_nothing_is_kept(sim)


@pytest.mark.parametrize("when", [0.0, 0.25, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_bound_holds_and_who_is_called_off_at_whatever_instant_keeps_nothing(
    wrapper: str, when: float
) -> None:
    sim = Simulation(seed=5)
    service = WRAPPERS[wrapper](sim, "one")
    inside, most = 0, 0

    def counted() -> Generator[Any, Any, str]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            return (yield from work(0.5, None))
        finally:
            inside -= 1

    calls = [outcome(sim, lambda: service.call(counted), at) for at in (0, 0, 0.25, 0.5, 0.5, 1.0)]
    for call in calls[::2]:
        sim.call_at(when, lambda call=call: cancel(call))  # type: ignore[misc]
    sim.run(until=20)
    sim.check_invariants()
    assert most <= BOUNDS.get(wrapper, len(calls))
    assert (most, inside) != (0, 0)
    assert all(call.processed for call in calls)
    assert_nothing_is_kept(sim)
    again = outcome(sim, lambda: service.call(lambda: work(0.5, None)))
    sim.run(until=40)
    assert again.value == "ok"


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_limit_outside_of_a_wrapper_is_a_timeout_whatever_it_is(wrapper: str) -> None:
    sim = Simulation(seed=2)
    service = WRAPPERS[wrapper](sim, "inner")
    outer = Timeout(sim, "outer", 1)
    call = outcome(sim, lambda: outer.call(lambda: service.call(lambda: work(9, None))))
    sim.run(until=40)
    assert call.value == "timeout"
    sim.check_invariants()
    assert_nothing_is_kept(sim)


@settings(max_examples=250, deadline=None)
@given(
    nesting=st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=5),
    calls=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0]),  # when
            st.sampled_from([0.0, 0.5, 1.0, 1.5, 4.0]),  # how long
            st.sampled_from(sorted(ENDS)),
            st.sampled_from([None, None, 0.0, 0.5, 1.5]),  # when it is interrupted
        ),
        min_size=1,
        max_size=6,
    ),
    crash=st.sampled_from([None, None, 1.0, 1.5]),
    casualties=st.sampled_from(["all", "the backend"]),
)
def test_nothing_is_lost_in_any_nesting(
    nesting: list[str],
    calls: list[tuple[float, float, str, float | None]],
    crash: float | None,
    casualties: str,
) -> None:
    sim = Simulation(seed=3)
    backend = Backend(sim, "db", service_time=0.5, concurrency=2)
    policy = pipeline(*(WRAPPERS[name](sim, f"{k}") for k, name in enumerate(nesting)))

    def inside(duration: float, end: str) -> Generator[Any, Any, str]:
        yield from backend.request()
        return (yield from work(duration, ENDS[end]))

    def call(duration: float, end: str) -> Generator[Any, Any, Any]:
        return policy.call(lambda: inside(duration, end))

    processes = []
    for at, duration, end, interrupt in calls:
        whole = request(sim, "shop", lambda d=duration, e=end: call(d, e))  # type: ignore[misc]
        processes.append(outcome(sim, lambda whole=whole: whole, at))  # type: ignore[misc]
        if interrupt is not None:
            sim.call_at(at + interrupt, lambda p=processes[-1]: cancel(p))  # type: ignore[misc]
    if crash is not None:
        for service in sim.components.values():
            if casualties == "all" or service is backend:
                sim.call_at(crash, service.kill)  # type: ignore[attr-defined]
                sim.call_at(crash, service.restart)  # type: ignore[attr-defined]
    for now in (0.25, 0.75, 1.25, 1.75, 2.25, 3.25):
        sim.run(until=now)
        sim.check_invariants()
    sim.run(until=40)
    sim.check_invariants()
    assert all(process.daemon for process in sim.living())
    assert_nothing_is_kept(sim)
    assert {process.value for process in processes} <= set(ENDS)
    finished = sim.recording.counts.get("foundation.request.finished", 0)
    assert finished == sim.recording.counts.get("foundation.request.started", 0)


def assert_nothing_is_kept(sim: Simulation) -> None:
    held = (
        "in_flight",
        "attempts",
        "ghosts",
        "in_use",
        "waiting",
        "loading",
        "serving",
        "active",
        "connecting",
    )
    for service in sim.components.values():
        numbers: dict[str, float] = service.metrics()  # type: ignore[attr-defined]
        assert {name: numbers.get(name, 0) for name in held} == dict.fromkeys(held, 0), service


# -- pipelines -----------------------------------------------------------------------------------


def run(sim: Simulation, generator: Generator[Any, Any, Any]) -> Any:
    return sim.run(sim.process(generator))


def test_the_first_stage_is_the_outermost() -> None:
    counts = {}
    for order in ("retry breaker", "breaker retry"):
        sim = Simulation(seed=4)
        stages: dict[str, Caller] = {
            "retry": Retry(sim, "api", max_attempts=3, backoff=fixed_backoff(1)),
            "breaker": CircuitBreaker(sim, "api", failure_threshold=9),
        }
        policy = pipeline(*(stages[name] for name in order.split()))
        call = outcome(sim, lambda p=policy: p.call(lambda: work(1, BackendError("no"))))  # type: ignore[misc]
        sim.run()
        assert call.value == "error"
        counts[order] = sim.recording.frame(CircuitBreaker.CallFailure).height
    assert counts == {"retry breaker": 3, "breaker retry": 1}


def test_a_pipeline_returns_what_the_call_came_to() -> None:
    sim = Simulation(seed=5)
    timeout = Timeout(sim, "api", 10)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1)
    policy = pipeline(timeout, bulkhead)
    assert run(sim, policy.call(lambda: work(1, None))) == "done"
    assert run(sim, policy.call(lambda: 42)) == 42
    assert run(sim, pipeline().call(lambda: 42)) == 42
    assert repr(policy) == "pipeline(<Timeout 'api' up>, <Bulkhead 'api' up>)"


def test_pipelines_nest_and_a_stage_may_be_a_function() -> None:
    sim = Simulation(seed=6)
    cache = Cache(sim, "prices", ttl=100)
    inner = pipeline(lambda fn: cache.call(fn, key="a"), Timeout(sim, "api", 10))
    policy = pipeline(Bulkhead(sim, "api", max_concurrent=1), inner)
    assert run(sim, policy.call(lambda: work(1, None))) == "done"
    assert cache.peek("a") is not None
    assert run(sim, policy.call(lambda: work(1, BackendError("not called")))) == "done"
    assert sim.now == 1


@pytest.mark.parametrize("stage", [42, Timeout])
def test_what_cannot_stand_around_a_call_is_the_programmers_mistake(stage: Any) -> None:
    with pytest.raises(TypeError, match="cannot stand around a call; give a service"):
        pipeline(stage)
