"""How a call ends as its caller sees it, through any nesting of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.analytics import affected
from foundation_lab.errors import BackendError
from foundation_lab.services import (
    Backend,
    CircuitBreaker,
    ConnectionManager,
    RateLimiter,
    Retry,
    TokenBucket,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, Window, inject
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.traffic.arrivals import constant_rate, poisson, timestamps
from foundation_lab.simulation.workload import Workload, request
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process

Call = Any


def outcomes(sim: Simulation) -> list[tuple[str, str | None, float]]:
    sim.check_invariants()
    frame = sim.recording.frame(events.request.Finished)
    return frame.select("outcome", "error", "duration").rows()


def send(sim: Simulation, call: Call) -> Process:
    return sim.process(request(sim, "client", call))


class Shop:
    """A backend, and every service that can stand in front of it."""

    def __init__(self, *, service_time: float = 1.0, error_rate: float = 0.0) -> None:
        self.sim = sim = Simulation(seed=1)
        self.backend = Backend(
            sim, "db", service_time=service_time, error_rate=error_rate, queue_limit=1
        )
        self.breaker = CircuitBreaker(sim, "shop", failure_threshold=2, call_timeout=10)
        self.retry = Retry(sim, "shop", max_attempts=2, backoff=fixed_backoff(3), attempt_timeout=4)
        self.pool = ConnectionManager(sim, "shop", size=1, checkout_timeout=2)
        self.limiter = RateLimiter(sim, "shop", lambda: TokenBucket(rate=1, capacity=3))

    def through(self, *services: str) -> Call:
        """Return a call through the named services, the outermost first."""
        call: Call = self.backend.request
        for service in reversed(services):
            call = self._wrapped(getattr(self, service), call)
        return call

    @staticmethod
    def _wrapped(service: Any, call: Call) -> Call:
        return lambda: service.call(call)


NESTINGS: list[tuple[str, ...]] = [
    (),
    ("breaker",),
    ("breaker", "retry", "pool"),
    ("retry", "breaker"),
    ("limiter", "retry", "breaker", "pool"),
    ("pool", "breaker", "retry", "limiter"),
]
nestings = pytest.mark.parametrize("nesting", NESTINGS, ids=lambda n: "(".join((*n, "backend")))


@nestings
def test_a_call_that_succeeds_is_ok_and_took_the_time_of_the_backend(
    nesting: tuple[str, ...],
) -> None:
    shop = Shop()
    send(shop.sim, shop.through(*nesting))
    shop.sim.run()
    assert outcomes(shop.sim) == [("ok", None, 1.0)]


@nestings
def test_a_backend_that_fails_makes_an_error(nesting: tuple[str, ...]) -> None:
    shop = Shop(error_rate=1)
    send(shop.sim, shop.through(*nesting))
    shop.sim.run()
    attempts = 2 if "retry" in nesting else 1
    latency = attempts * 1 + (attempts - 1) * 3
    assert outcomes(shop.sim) == [("error", "BackendError", float(latency))]


@nestings
def test_an_interrupt_cancels_the_call_and_everything_in_it(nesting: tuple[str, ...]) -> None:
    shop = Shop()
    process = send(shop.sim, shop.through(*nesting))
    shop.sim.run(until=0.5)
    process.interrupt()
    shop.sim.run()
    assert outcomes(shop.sim) == [("cancelled", "Interrupt", 0.5)]
    assert process.value == "cancelled"
    assert shop.sim.now == 0.5
    assert (shop.backend.serving, shop.pool.active) == (0, 0)
    assert (shop.breaker.in_flight, shop.retry.in_flight) == (0, 0)


@nestings
def test_a_bug_ends_the_run_through_every_nesting(nesting: tuple[str, ...]) -> None:
    shop = Shop()

    def buggy() -> Generator[Any, Any, None]:
        yield from shop.sim.sleep(0.5)
        message = "a bug in the model"
        raise ValueError(message)

    call: Call = buggy
    for service in reversed(nesting):
        call = Shop._wrapped(getattr(shop, service), call)
    send(shop.sim, call)
    with pytest.raises(ValueError, match="a bug in the model"):
        shop.sim.run()
    assert shop.retry.in_flight == shop.breaker.in_flight == shop.pool.active == 0


@pytest.mark.parametrize(
    ("nesting", "ended"),
    [
        (("breaker",), ("timeout", "TimedOut", 10.0)),
        (("retry",), ("timeout", "TimedOut", 4.0 + 3.0 + 4.0)),
        (("breaker", "retry"), ("timeout", "TimedOut", 10.0)),  # in the second attempt
        (("retry", "breaker"), ("timeout", "TimedOut", 11.0)),
        (("breaker", "retry", "pool"), ("timeout", "TimedOut", 10.0)),
    ],
    ids=str,
)
def test_a_slow_backend_makes_a_timeout_at_exactly_its_limit(
    nesting: tuple[str, ...], ended: tuple[str, str, float]
) -> None:
    shop = Shop(service_time=100)
    send(shop.sim, shop.through(*nesting))
    shop.sim.run(until=50)
    assert outcomes(shop.sim) == [ended]
    assert (shop.backend.serving, shop.pool.active) == (0, 0)


def test_a_pool_without_a_free_connection_makes_a_timeout() -> None:
    shop = Shop(service_time=5)
    for _ in range(2):
        send(shop.sim, shop.through("pool"))
    shop.sim.run()
    assert outcomes(shop.sim) == [("timeout", "CheckoutTimeout", 2.0), ("ok", None, 5.0)]


def test_what_is_turned_away_is_rejected_at_once() -> None:
    shop = Shop()
    for _ in range(4):
        send(shop.sim, shop.through("limiter"))  # 3 permits; the line of the backend takes 1
    shop.sim.run()
    assert outcomes(shop.sim) == [
        ("rejected", "QueueFull", 0.0),
        ("rejected", "RateLimited", 0.0),
        ("ok", None, 1.0),
        ("ok", None, 2.0),
    ]


def test_an_open_breaker_rejects() -> None:
    shop = Shop()
    shop.breaker.trip()
    send(shop.sim, shop.through("breaker", "retry"))
    shop.sim.run(until=1)
    assert outcomes(shop.sim) == [("rejected", "CircuitOpen", 0.0)]


def test_a_backend_that_is_down_makes_an_error() -> None:
    shop = Shop()
    shop.backend.kill()
    send(shop.sim, shop.backend.request)
    shop.sim.run()
    assert outcomes(shop.sim) == [("error", "ServiceDown", 0.0)]


@pytest.mark.parametrize(
    "make", [lambda sim: 1, lambda sim: sim.timeout(0)], ids=["value", "event"]
)
def test_a_call_may_return_a_plain_value_or_an_event(make: Callable[[Simulation], Any]) -> None:
    sim = Simulation(seed=2)
    send(sim, lambda: make(sim))
    sim.run()
    assert outcomes(sim) == [("ok", None, 0.0)]


def test_a_process_that_is_called_is_interrupted_with_its_caller() -> None:
    sim = Simulation(seed=3)
    seen: list[float] = []

    def inner() -> Generator[Any, Any, None]:
        try:
            yield from sim.sleep(100)
        except simpy.Interrupt:
            seen.append(sim.now)
            raise

    process = send(sim, lambda: sim.process(inner()))
    sim.run(until=2)
    process.interrupt()
    sim.run()
    assert seen == [2.0]
    assert sim.now == 2
    assert outcomes(sim) == [("cancelled", "Interrupt", 2.0)]


def test_a_failed_process_that_is_called_fails_the_call() -> None:
    sim = Simulation(seed=4)

    def inner() -> Generator[Any, Any, None]:
        yield from sim.sleep(1)
        raise BackendError

    send(sim, lambda: sim.process(inner()))
    sim.run()
    assert outcomes(sim) == [("error", "BackendError", 1.0)]


def test_a_caller_that_is_thrown_away_leaves_the_called_process_alone() -> None:
    sim = Simulation(seed=5)
    seen: list[str] = []

    def inner() -> Generator[Any, Any, None]:
        try:
            yield from sim.sleep(100)
        except simpy.Interrupt:
            seen.append("interrupted")

    calling = invoke(lambda: sim.process(inner()))
    next(calling)
    sim.run(until=1)
    calling.close()
    assert seen == []


def test_each_request_of_a_workload_is_a_process_with_a_correlation_id_of_its_own() -> None:
    sim = Simulation(seed=6)
    backend = Backend(sim, "db", service_time=0.3, concurrency=2)
    Workload(sim, "shopper", constant_rate(5), backend.request, node="eu-1")
    sim.run(until=2)
    started = sim.recording.frame(events.request.Started)
    assert started["time"].to_list() == [k / 5 for k in range(1, 10)]
    assert set(started["node"]) == {"eu-1"}
    assert started["correlation_id"].n_unique() == started.height
    served = sim.recording.frame(Backend.Served)
    assert set(served["correlation_id"]) <= set(started["correlation_id"])
    assert started["cause"].null_count() == started.height


def test_a_request_by_hand_has_a_correlation_id_of_its_own_unless_its_process_has_one() -> None:
    sim = Simulation(seed=6)
    db = Backend(sim, "db", service_time=1)

    def clients() -> Generator[Any, Any, None]:
        yield from request(sim, "first", db.request)
        yield from request(sim, "second", db.request)
        assert sim.telemetry.running.context.correlation_id is None
        with sim.telemetry.context(correlation_id="mine"):
            yield from request(sim, "third", db.request)

    inject(sim, db, ErrorRate(rate=1), when=Window(start=1.5, duration=1))
    sim.run(sim.process(clients()))
    finished = sim.recording.frame(events.request.Finished)
    first, second, third = finished["correlation_id"].to_list()
    assert third == "mine"
    assert None not in {first, second}
    assert first != second
    struck = affected(finished, sim.recording.frame("fault.struck"), "error_rate:db:1.5")
    assert struck["client"].to_list() == ["second"]
    assert sim.recording.frame(events.request.Started)["correlation_id"].to_list() == [
        first,
        second,
        third,
    ]


def test_a_workload_of_finite_arrivals_ends() -> None:
    sim = Simulation(seed=7)
    Workload(sim, "shopper", timestamps([3.0, 1.0, 1.0]), lambda: sim.timeout(1))
    sim.run_to_completion()
    finished = sim.recording.frame(events.request.Finished)
    assert finished["time"].to_list() == [2.0, 2.0, 4.0]


def test_open_loop_arrivals_do_not_wait_for_answers() -> None:
    sim = Simulation(seed=8)
    backend = Backend(sim, "db", service_time=100)
    Workload(sim, "shopper", constant_rate(1), backend.request)
    sim.run(until=10.5)
    assert (backend.serving, backend.waiting) == (1, 9)
    sim.check_invariants()


def test_a_bug_in_a_workloads_call_ends_the_run() -> None:
    sim = Simulation(seed=9)

    def call() -> None:
        message = "a bug"
        raise TypeError(message)

    Workload(sim, "shopper", constant_rate(1), call)
    with pytest.raises(TypeError, match="a bug"):
        sim.run(until=5)
    assert sim.now == 1


def test_every_request_that_started_has_finished_or_is_in_flight() -> None:
    sim = Simulation(seed=10)
    backend = Backend(sim, "db", service_time=0.7, queue_limit=3, error_rate=0.3)
    breaker = CircuitBreaker(sim, "shop", failure_threshold=3, reset_timeout=2, call_timeout=1.5)
    Workload(sim, "shopper", constant_rate(3), lambda: breaker.call(backend.request))
    sim.call_at(20, backend.kill)
    sim.call_at(25, backend.restart)
    sim.run(until=60)
    sim.check_invariants()
    started = sim.recording.frame(events.request.Started).height
    finished = sim.recording.frame(events.request.Finished)
    assert started - finished.height == breaker.in_flight
    assert set(finished["outcome"]) == {"ok", "error", "timeout", "rejected"}


def test_a_service_that_goes_down_in_the_middle_of_a_call_ends_it() -> None:
    shop = Shop(service_time=5)
    process = send(shop.sim, shop.through("pool"))
    shop.sim.call_at(2, shop.pool.kill)
    shop.sim.run()
    assert outcomes(shop.sim) == [("error", "ConnectionLost", 2.0)]
    assert process.value == "error"


def test_two_workloads_of_one_name_are_refused_because_they_would_share_a_stream() -> None:
    sim = Simulation(seed=1)
    Workload(sim, "shop", poisson(1.0), lambda: None)
    with pytest.raises(ValueError, match="a workload called 'shop' already"):
        Workload(sim, "shop", poisson(1.0), lambda: None)


def test_a_bug_in_a_request_says_whose_request_it_was_and_what_failures_are() -> None:
    sim = Simulation(seed=8)

    def broken() -> None:
        raise OSError("refused")

    sim.process(request(sim, "shop", broken))
    with pytest.raises(OSError, match="refused") as caught:
        sim.run()
    (note,) = caught.value.__notes__
    assert "a request of 'shop' at t=0 s" in note
    assert "raises a ServiceError" in note
