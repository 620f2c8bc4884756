"""What a client sees through a chain of services: its latency, its outcome, and nobody else's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, ServiceDown
from foundation_lab.services import (
    CircuitBreaker,
    CountWindow,
    FixedWindow,
    RateLimiter,
    Retry,
    SlidingWindow,
    State,
    TimeWindow,
    TokenBucket,
    fixed_backoff,
    pipeline,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workload import request
from foundation_lab.telemetry import events
from tests.services.breakers import calls, fail, later, play, succeed, taking
from tests.services.test_policy import WRAPPERS, work

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.process import Process


@settings(max_examples=150)
@given(
    nesting=st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=4),
    sent=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0]),  # when
            st.sampled_from([0.5, 1.0, 1.5, 4.0]),  # how long: never at once
            st.sampled_from([None, None, BackendError("no")]),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_a_latency_is_the_time_between_both_events_and_0_only_for_what_was_turned_away(
    nesting: list[str], sent: list[tuple[float, float, BackendError | None]]
) -> None:
    sim = Simulation(seed=1)
    policy = pipeline(*(WRAPPERS[name](sim, f"{k}") for k, name in enumerate(nesting)))
    for at, duration, error in sent:
        call = request(sim, "shop", lambda d=duration, e=error: policy.call(lambda: work(d, e)))  # type: ignore[misc]
        sim.call_at(at, lambda call=call: sim.process(call))  # type: ignore[misc]
    sim.run(until=200)
    started = sim.recording.frame(events.request.Started)["time"].to_list()
    finished = sim.recording.frame(events.request.Finished)
    assert len(started) == finished.height == len(sent)
    began = [end - took for end, took in finished.select("time", "duration").rows()]
    assert sorted(began) == sorted(started)
    kept = {"cache", "fallback"} & set(nesting)  # these may answer at once, too
    for outcome, took in finished.select("outcome", "duration").rows():
        assert took > 0 or outcome == "rejected" or kept


def test_a_request_that_fails_is_the_only_one_that_does() -> None:
    sim = Simulation(seed=2)
    breaker = CircuitBreaker(sim, "db", failure_threshold=3)
    retry = Retry(sim, "db", max_attempts=2, backoff=fixed_backoff(1))
    policy = pipeline(retry, breaker)
    plans: list[tuple[float, BackendError | None]] = [
        (3.0, None),
        (2.0, BackendError("a disk")),
        (9.0, None),
    ]
    for duration, error in plans:
        call = request(sim, "shop", lambda d=duration, e=error: policy.call(lambda: work(d, e)))  # type: ignore[misc]
        sim.process(call)
    sim.run()
    finished = sim.recording.frame(events.request.Finished)
    assert finished.select("outcome", "error", "duration").rows() == [
        ("ok", None, 3.0),
        ("error", "BackendError", 5.0),
        ("ok", None, 9.0),
    ]
    assert breaker.state is State.CLOSED


# -- a probe that ends together with something else ----------------------------------------------


def ignored() -> None:
    raise ServiceDown


def interrupt(sim: Simulation, _breaker: CircuitBreaker, probe: Process) -> None:
    sim.call_at(15, lambda: probe.interrupt() if probe.is_alive else None)


def crash(sim: Simulation, breaker: CircuitBreaker, _probe: Process) -> None:
    sim.call_at(15, breaker.kill)
    sim.call_at(15, breaker.restart)


def nothing(_sim: Simulation, _breaker: CircuitBreaker, _probe: Process) -> None:
    pass


PROBES: dict[str, tuple[Callable[[], Any], float]] = {
    "ok": (succeed, 99),
    "BackendError": (fail, 99),
    "ServiceDown": (ignored, 99),
    "TimedOut": (succeed, 5),
}
"""How the probe from 10 to 15 ends: what it does at 15, and the time that it may take."""


@pytest.mark.parametrize("max_wait", [None, 5.0], ids=["patient", "with a longest wait"])
@pytest.mark.parametrize("meanwhile", [nothing, interrupt, crash])
@pytest.mark.parametrize("end", PROBES)
@pytest.mark.parametrize("first", ["the probe", "the other"])
def test_half_open_neither_hangs_nor_leaks_whatever_comes_at_the_same_instant(
    first: str,
    end: str,
    meanwhile: Callable[[Simulation, CircuitBreaker, Process], None],
    max_wait: float | None,
) -> None:
    sim = Simulation(seed=3)
    then, limit = PROBES[end]
    breaker = CircuitBreaker(
        sim,
        "db",
        reset_timeout=10,
        half_open_max_wait=max_wait,
        call_timeout=limit,
        ignore=(ServiceDown,),
    )
    breaker.trip()
    probe = later(sim, 10, breaker, taking(sim, 5, then))
    if first == "the other":
        meanwhile(sim, breaker, probe)
    sim.run(until=10.5)
    assert breaker.in_flight == 1
    if first == "the probe":
        meanwhile(sim, breaker, probe)
    sim.run(until=16)
    assert not probe.is_alive
    assert probe.value == end or (probe.value == "Interrupt" and meanwhile is interrupt)
    assert breaker.in_flight == 0
    sim.check_invariants()
    sim.run(until=26)
    if breaker.state is not State.CLOSED:
        assert calls(sim, breaker, succeed) == ["ok"]
    assert breaker.state is State.CLOSED
    sim.check_invariants()


# -- virtual time --------------------------------------------------------------------------------


def no_clock() -> float:
    raise AssertionError("somebody looked at the clock on the wall")


@pytest.mark.parametrize("start", [0.0, 1e6, 86_400.0 * 365])
def test_windows_know_virtual_time_only(start: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("time", "monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, no_clock)
    sim = Simulation(seed=4)
    if start:
        sim.run(until=start)
    limits: dict[str, Callable[[], Any]] = {
        "bucket": lambda: TokenBucket(rate=1, capacity=1),
        "fixed": lambda: FixedWindow(limit=1, window=1),
        "sliding": lambda: SlidingWindow(limit=1, window=1),
    }
    limiters = [RateLimiter(sim, name, limit) for name, limit in limits.items()]
    for limiter in limiters:
        assert [limiter.allow(), limiter.allow()] == [True, False]
        assert limiter.retry_after() == 1
    breaker = CircuitBreaker(sim, "db", counting=TimeWindow(1, failure_rate=0.9, minimum_calls=2))
    play(sim, breaker, "SF")
    assert breaker.failure_rate() == 0.5
    sim.run(until=start + 1)
    assert breaker.failure_rate() == -1
    assert all(limiter.allow() for limiter in limiters)


def test_a_count_window_knows_no_time_at_all() -> None:
    sim = Simulation(seed=5)
    breaker = CircuitBreaker(sim, "db", counting=CountWindow(2, failure_rate=0.9))
    play(sim, breaker, "SF")
    sim.run(until=1e9)
    assert breaker.failure_rate() == 0.5
