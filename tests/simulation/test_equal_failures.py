"""Who raises a failure makes no difference: random worlds come to the same events with each type.

Each world is drawn from its seed alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab.errors import BackendError, TimedOut
from foundation_lab.services import (
    AdaptiveLimiter,
    AIMDLimit,
    Bulkhead,
    Cache,
    CircuitBreaker,
    ClientRateLimiter,
    Consumer,
    Fallback,
    HealthCheck,
    HealthMonitor,
    Hedge,
    LoadBalancer,
    LoadShedder,
    NetworkLink,
    OutlierDetector,
    Queue,
    Retry,
    RetryQuota,
    ThrottleTokens,
    Timeout,
    async_operation,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Declined(Exception):
    """An exception of a library."""


def wrappers(sim: Simulation, pick: Callable[[str], str]) -> list[Callable[..., Any]]:
    """Return the `call` of every service that counts, tries again, or judges failures."""
    cache = Cache(sim, "cache", ttl=1, negative_ttl=0.5)
    return [
        Retry(sim, "quota", max_attempts=3, budget=RetryQuota(60)).call,
        Retry(sim, "tokens", attempt_timeout=1.0, budget=ThrottleTokens(10)).call,
        CircuitBreaker(sim, "breaker", failure_threshold=2, reset_timeout=1).call,
        Fallback(sim, "fallback", value="old").call,
        Hedge(sim, "hedge", delay=0.2, max_attempts=3, budget=RetryQuota(60)).call,
        Timeout(sim, "timeout", 1.0).call,
        Timeout(sim, "ghost", 1.0, abandon="ghost").call,
        Bulkhead(sim, "bulkhead", max_concurrent=2, max_wait=1.0).call,
        lambda fn: cache.call(fn, key=pick("abc")),
        AdaptiveLimiter(sim, "limiter", limit=lambda: AIMDLimit(10, least=1)).call,
        ClientRateLimiter(sim, "rate").call,
        LoadShedder(sim, "shedder", max_concurrent=2).call,
        NetworkLink(sim, "link", latency=0.05).call,
    ]


def events(seed: int, error: type[Exception]) -> pl.DataFrame:
    """Return what happens in a world whose work fails with an error, which is called ``E``."""
    sim = Simulation(seed=seed, failures=Declined)
    dice = sim.stream("dice")

    def work(**_facts: Any) -> Generator[Any, Any, bool]:
        time, fails = (0.0, 0.1, 0.5, 2.0)[dice.randrange(4)], dice.random() < 0.5
        yield time
        if fails:
            raise error
        return True

    around = wrappers(sim, lambda options: options[dice.randrange(len(options))])
    outliers = OutlierDetector(sim, "outliers", [], consecutive_failures=2, interval=2)
    balancer = LoadBalancer(sim, "balancer", {"a": work, "b": work}, outliers=outliers)

    def call() -> Any:
        fn = work if dice.random() < 0.5 else balancer.request
        for wrapper in dice.sample(around, dice.randrange(1, 6)):
            fn = partial(wrapper, fn)
        return fn()

    Workload(sim, "users", poisson(5), call)
    HealthMonitor(sim, "monitor").watch("db", HealthCheck(work, interval=1, timeout=1))
    queue = Queue(sim, "queue", max_deliveries=2)
    Consumer(sim, "consumer", queue, lambda _message: work(), concurrency=2)

    def others() -> Generator[Any, Any, None]:
        while True:
            yield 0.7
            queue.offer("a message")
            async_operation.start(sim, "export", work)

    sim.process(others())
    sim.run(until=15)
    sim.check_invariants()
    names = {error.__name__: "E", "TimedOut": "E"}
    return sim.recording.wide().with_columns(pl.col(pl.String).replace(names))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(BackendError, Declined), (BackendError, ConnectionResetError), (TimedOut, TimeoutError)],
)
@pytest.mark.parametrize("seed", range(4))
def test_a_failure_leads_to_the_same_events_whoever_raises_it(
    seed: int, ours: type[Exception], theirs: type[Exception]
) -> None:
    assert events(seed, ours).equals(events(seed, theirs))
