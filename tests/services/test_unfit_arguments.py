"""What cannot do what it is for is refused where it is given, not when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab import (
    AdaptiveLimiter,
    AIMDLimit,
    Autoscaler,
    Backend,
    CircuitBreaker,
    ClosedLoop,
    CoDel,
    Consumer,
    ControlledDelay,
    CountWindow,
    EventLoop,
    Fallback,
    Fifo,
    HealthMonitor,
    Once,
    Outage,
    Queue,
    RateLimiter,
    Retry,
    Sessions,
    Simulation,
    Supervisor,
    TimeWindow,
    TokenBucket,
    TraceReplay,
    WindowBudget,
    WindowedLimit,
    Workload,
    constant_rate,
    exponential_backoff,
    inject,
)

if TYPE_CHECKING:
    from collections.abc import Callable

UNFIT: list[tuple[Callable[[Simulation, Any], object], Any, str]] = [
    (lambda sim, it: CircuitBreaker(sim, "x", counting=it), "window", "counting='window'; give a"),
    (lambda sim, it: CircuitBreaker(sim, "x", counting=it), TimeWindow, "counting=<class"),
    (
        lambda sim, it: CircuitBreaker(sim, "x", ignore=it),
        ["oops"],
        "ignore=['oops']; give an exce",
    ),
    (lambda sim, it: Retry(sim, "x", never_on=it), 5, "never_on=5; give an exception type"),
    (
        lambda sim, it: Retry(sim, "x", retry_on=it),
        [OSError],
        "; give an exception type, a tuple of them, or a predicate on the exception",
    ),
    (lambda sim, it: Retry(sim, "x", backoff=it), 0.5, "backoff=0.5; give fixed_backoff(seconds)"),
    (lambda sim, it: Retry(sim, "x", backoff=it), exponential_backoff, "backoff=<function"),
    (lambda sim, it: Retry(sim, "x", budget=it), WindowBudget, "budget=<class"),
    (lambda sim, it: RateLimiter(sim, "x", it), TokenBucket(1, 1), "; give a function that makes"),
    (lambda sim, it: AdaptiveLimiter(sim, "x", it), AIMDLimit(), "; give a function that makes"),
    (lambda sim, it: AdaptiveLimiter(sim, "x", it), lambda: 5, "limit()=5; give a function that"),
    (lambda _sim, it: WindowedLimit(it), 5, "inner=5; give a limit that learns"),
    (lambda _sim, it: WindowedLimit(it), AIMDLimit, "inner=<class"),
    (lambda _sim, it: ControlledDelay(order=it), 5, "order=5; give a line, such as Lifo()"),
    (lambda _sim, it: CoDel(order=it), Fifo, "order=<class"),
    (lambda sim, it: Fallback(sim, "x", function=it), 5, "function=5; give a function of the"),
    (lambda sim, it: Fallback(sim, "x", call=it), 5, "call=5; give a function"),
    (lambda sim, it: Backend(sim, "x", service_time=it), "fast", "'fast' is no duration; give sec"),
    (lambda sim, it: Backend(sim, "x", service_time=it), lambda: 3, "is no duration; give seconds"),
    (lambda sim, it: Backend(sim, "x", service_time=1, line=it), "lifo", "line='lifo'; give one"),
    (lambda sim, it: Backend(sim, "x", service_time=1, line=it), Fifo, "line=<class"),
    (lambda sim, it: Supervisor(sim, "x", [it]), 5, "child 5 of supervisor 'x' is no service"),
    (lambda sim, it: Workload(sim, "x", it, int), 5, "arrivals=5; give poisson(rate)"),
    (lambda sim, it: Workload(sim, "x", it, int), constant_rate, "arrivals=<function"),
    (lambda sim, it: Workload(sim, "x", constant_rate(1), it), 5, "call=5; give a function"),
    (lambda sim, it: ClosedLoop(sim, "x", users=1, think_time=1, call=it), 5, "call=5; give a fun"),
    (lambda sim, it: TraceReplay(sim, "x", [{"time": 1}], it), 5, "call=5; give a function"),
    (lambda sim, it: Sessions(sim, "x", constant_rate(1), [("home", it)]), 5, "call=5; give a fun"),
    (lambda sim, it: Consumer(sim, "x", Queue(sim, "q"), it), 5, "handler=5; give a function of a"),
    (lambda sim, it: Autoscaler(sim, "x", it, target=1), 5, "replicas=5; give a ReplicaSet"),
    (lambda sim, it: EventLoop(sim, "x", steps=it), 5, "steps=5; give Cpu(seconds) and Io(seconds"),
    (
        lambda sim, it: HealthMonitor(sim, "x").watch("shop", lambda: True, depends_on=it),
        "db",
        "depends_on='db'; give a list of names",
    ),
    (lambda sim, it: inject(sim, it, Outage()), "db", "target='db'; give the service itself"),
    (lambda sim, it: inject(sim, [it], Outage()), "db", "target='db'; give the service itself"),
    (
        lambda sim, it: inject(sim, Backend(sim, "x", service_time=1), Outage(), when=it),
        5,
        "when=5; give Once",
    ),
    (
        lambda sim, it: inject(sim, Backend(sim, "x", service_time=1), it, when=Once(at=1)),
        Outage,
        "is no fault; give",
    ),
]


@pytest.mark.parametrize(("make", "unfit", "message"), UNFIT, ids=range(len(UNFIT)))
def test_it_is_refused_with_its_name_and_what_to_give(
    make: Callable[[Simulation, Any], object], unfit: Any, message: str
) -> None:
    with pytest.raises(TypeError) as refused:
        make(Simulation(seed=1), unfit)
    assert message in str(refused.value)


def test_a_generator_is_told_apart_from_the_function_that_makes_it() -> None:
    sim = Simulation(seed=1)
    db = Backend(sim, "db", service_time=1)
    with pytest.raises(TypeError, match="give the function itself, without calling it"):
        Workload(sim, "web", constant_rate(1), db.request())  # type: ignore[arg-type]


def test_one_exception_type_alone_may_be_ignored() -> None:
    sim = Simulation(seed=1)
    CircuitBreaker(sim, "x", ignore=KeyError)
    Retry(sim, "x", never_on=KeyError)


def test_a_window_is_that_of_one_breaker() -> None:
    sim = Simulation(seed=1)
    window = CountWindow(10)
    CircuitBreaker(sim, "first", counting=window)
    with pytest.raises(ValueError, match="counts for 'first' already; give each its own"):
        CircuitBreaker(sim, "second", counting=window)
