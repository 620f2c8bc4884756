"""What fails in the simulated world, and what is a bug: exceptions of code that is not ours."""

# lab: allow-sleep-in-file every sleep is on the virtual clock

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import simpy

from foundation_lab import (
    AdaptiveLimiter,
    AIMDLimit,
    Backend,
    Bulkhead,
    Cache,
    CircuitBreaker,
    ClientRateLimiter,
    Consumer,
    Fallback,
    HealthCheck,
    HealthMonitor,
    Hedge,
    LoadShedder,
    Queue,
    Retry,
    RetryQuota,
    Simulation,
    TimedOut,
    Timeout,
    Workload,
    constant_rate,
)
from foundation_lab.errors import FAILURES
from foundation_lab.services import async_operation, outcome_of, pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


class Declined(Exception):
    """An exception of somebody else's library."""


class Worse(Declined):
    """A special one."""


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=21, failures=Declined)


def failing(error: BaseException) -> Callable[[], Generator[Any, Any, None]]:
    """Return work that takes a second, and fails."""

    def work() -> Generator[Any, Any, None]:
        yield 1.0
        raise error

    return work


def outcomes(sim: Simulation) -> list[tuple[str, str | None]]:
    """Return how the requests ended."""
    frame = sim.recording.frame("request.finished")
    return list(frame.select("outcome", "error").unique(maintain_order=True).iter_rows())


# -- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionRefusedError("nobody listens"), "error"),
        (ConnectionResetError(), "error"),
        (TimeoutError(), "timeout"),
    ],
)
def test_what_a_network_fails_with_is_the_end_of_a_request_and_not_of_the_run(
    error: Exception, outcome: str
) -> None:
    sim = Simulation(seed=21)
    load = Workload(sim, "shop", constant_rate(1), failing(error))
    sim.run(until=10.5)
    assert load.finished == 9
    assert outcomes(sim) == [(outcome, type(error).__name__)]
    assert outcome_of(error) == outcome


def test_what_is_declared_ends_a_request_and_so_does_what_is_derived_of_it(
    sim: Simulation,
) -> None:
    load = Workload(sim, "shop", constant_rate(1), failing(Worse()))
    sim.run(until=10.5)
    assert load.finished == 9
    assert outcomes(sim) == [("error", "Worse")]
    assert sim.failures == (*FAILURES, Declined)


def test_anything_else_is_a_bug_that_ends_the_run_and_says_how_to_declare_it() -> None:
    sim = Simulation(seed=21)
    Workload(sim, "shop", constant_rate(1), failing(Declined("no")))
    with pytest.raises(Declined, match="no") as caught:
        sim.run(until=10.5)
    (note,) = caught.value.__notes__
    assert "raised in a request of 'shop' at t=2 s" in note
    assert "Simulation(failures=(Declined,))" in note
    assert outcomes(sim) == [("error", "Declined")]


def test_coroutines_fail_with_the_exceptions_of_their_library() -> None:
    sim = Simulation(seed=21, failures=httpx.HTTPError)

    async def fetch() -> None:
        async with httpx.AsyncClient() as client:
            await client.get("http://nobody:80/")

    Workload(sim, "shop", constant_rate(1), fetch)
    sim.run(until=5.5)
    assert outcomes(sim) == [("error", "ConnectError")]


def test_a_timeout_of_asyncio_is_a_timeout() -> None:
    sim = Simulation(seed=21)

    async def slow() -> None:
        async with asyncio.timeout(0.25):
            await asyncio.sleep(10)

    Workload(sim, "shop", constant_rate(1), slow)
    sim.run(until=5.5)
    assert outcomes(sim) == [("timeout", "TimeoutError")]
    assert set(sim.recording.frame("request.finished")["duration"]) == {0.25}


# -- services ------------------------------------------------------------------------------------


def test_a_breaker_counts_and_a_retry_tries_again_what_is_declared(sim: Simulation) -> None:
    breaker = CircuitBreaker(sim, "db", failure_threshold=3, reset_timeout=100)
    retry = Retry(sim, "db", max_attempts=3)
    Workload(
        sim,
        "shop",
        constant_rate(0.1),
        lambda: retry.call(lambda: breaker.call(failing(Declined()))),
    )
    sim.run(until=15)
    assert breaker.state == "open"
    assert sim.recording.frame("retry.exhausted")["final_error"].to_list() == ["Declined"]
    assert outcomes(sim) == [("error", "Declined")]


def test_a_breaker_and_a_retry_leave_alone_what_is_not() -> None:
    sim = Simulation(seed=21)
    breaker = CircuitBreaker(sim, "db", failure_threshold=1)
    retry = Retry(sim, "db", max_attempts=3)
    sim.process(retry.call(lambda: breaker.call(failing(Declined()))))
    with pytest.raises(Declined):
        sim.run()
    assert breaker.state == "closed"
    assert sim.now == 1


def test_a_bulkhead_tells_the_outcome_of_a_foreign_error(sim: Simulation) -> None:
    bulkhead = Bulkhead(sim, "db", max_concurrent=1)
    Workload(sim, "shop", constant_rate(1), lambda: bulkhead.call(failing(Declined())))
    sim.run(until=3.5)
    assert set(sim.recording.frame("bulkhead.finished")["outcome"]) == {"error"}


def test_a_fallback_stands_in_and_a_cache_remembers_the_failure(sim: Simulation) -> None:
    fallback = Fallback(sim, "prices", value="old")
    cache = Cache(sim, "prices", ttl=60, negative_ttl=60)
    answers = []

    def customer() -> Generator[Any, Any, None]:
        for _ in range(3):
            call = lambda: cache.call(failing(Declined()), key="key")  # noqa: E731
            answers.append((yield from fallback.call(call)))

    sim.process(customer())
    sim.run()
    assert answers == ["old", "old", "old"]
    assert sim.now == 1


def test_a_ghost_an_attempt_of_a_hedge_and_an_operation_may_fail_with_nobody_to_see_it(
    sim: Simulation,
) -> None:
    timeout = Timeout(sim, "t", 0.5, abandon="ghost")
    hedge = Hedge(sim, "h", delay=0.25, max_attempts=2)
    attempts: Iterator[Callable[[], Any]] = iter([failing(Declined()), lambda: "won"])
    ends: list[Any] = []

    def attempt() -> Any:
        return next(attempts)()

    def customer() -> Generator[Any, Any, None]:
        try:
            yield from timeout.call(failing(Declined()))
        except TimeoutError:
            pytest.fail("that is another exception")
        except Exception as error:  # noqa: BLE001
            ends.append(type(error).__name__)
        ends.append((yield from hedge.call(attempt)))
        async_operation.start(sim, "export", failing(Declined()))
        yield 5.0

    sim.process(customer())
    sim.run()
    assert ends == ["TimedOut", "won"]


@pytest.mark.parametrize("error", [TimedOut(), TimeoutError()])
def test_a_timeout_costs_a_budget_and_a_limit_the_same_whoever_raises_it(error: Exception) -> None:
    sim = Simulation(seed=21)
    quota = RetryQuota(100, cost=5, timeout_cost=10)
    retry = Retry(sim, "db", max_attempts=2, budget=quota)
    hedge = Hedge(sim, "db", delay=60, max_attempts=2, budget=quota)
    limiter = AdaptiveLimiter(sim, "db", limit=lambda: AIMDLimit(20, least=1))

    def customer() -> Generator[Any, Any, None]:
        for service in (retry, hedge, limiter):
            with pytest.raises(type(error)):
                yield from service.call(failing(error))

    sim.process(customer())
    sim.run()
    assert quota.available == 80
    assert limiter.limit == 18


def test_a_message_whose_handler_fails_is_delivered_again(sim: Simulation) -> None:
    queue = Queue(sim, "orders", max_deliveries=3)
    Consumer(sim, "worker", queue, lambda _message: failing(Declined())())
    queue.offer("an order")
    sim.run(until=60)
    assert len(sim.recording.frame("queue.delivered")) == 3


def test_a_check_that_fails_is_unhealthy(sim: Simulation) -> None:
    monitor = HealthMonitor(sim, "monitor")
    monitor.watch("db", HealthCheck(failing(Declined()), interval=10, timeout=5))
    sim.run(until=60)
    assert monitor.status_of("db") == "unhealthy"


# -- outcomes ------------------------------------------------------------------------------------


class Late(Worse, TimeoutError):
    """One that is a timeout of Python's, too."""


class Full(Declined):
    """One that turns away."""


SAID: dict[type[Exception], str] = {Worse: "timeout", Declined: "error", Full: "rejected"}


@pytest.mark.parametrize(
    ("failures", "error", "outcome"),
    [
        (SAID, Declined(), "error"),
        (SAID, Worse(), "timeout"),
        (SAID, Full(), "rejected"),
        ({Declined: "rejected"}, Worse(), "rejected"),
        ({Declined: "error"}, Late(), "error"),  # Declined comes before TimeoutError in its order
        (Declined, Late(), "timeout"),
        ({OSError: "rejected"}, TimeoutError(), "timeout"),
        ({OSError: "rejected"}, ConnectionRefusedError(), "rejected"),
        ({TimeoutError: "error"}, TimeoutError(), "error"),
        ({Declined: "rejected"}, TimedOut(), "timeout"),
        (SAID, simpy.Interrupt(None), "cancelled"),
        (SAID, GeneratorExit(), "cancelled"),
        (SAID, None, "ok"),
    ],
    ids=str,
)
def test_the_most_special_class_says_the_outcome(
    failures: Any, error: BaseException | None, outcome: str
) -> None:
    assert Simulation(failures=failures).outcome_of(error) == outcome


def test_with_outcomes_the_same_types_are_failures() -> None:
    assert Simulation(failures=SAID).failures == (*FAILURES, Worse, Declined, Full)


def test_one_world_says_nothing_of_another() -> None:
    Simulation(failures=SAID)
    assert Simulation(failures=Declined).outcome_of(Worse()) == outcome_of(Worse()) == "error"


def test_whoever_tells_an_outcome_tells_the_declared_one() -> None:
    sim = Simulation(seed=21, failures=SAID)
    shell = pipeline(
        Fallback(sim, "f", on=LookupError, value=None),
        Timeout(sim, "t", 9.0),
        Bulkhead(sim, "b", max_concurrent=1),
        LoadShedder(sim, "s", max_concurrent=1),
    )
    Workload(sim, "shop", constant_rate(0.1), lambda: shell.call(failing(Worse())))
    sim.run(until=12)
    ends = ("request", "timeout", "bulkhead", "load_shed")
    told = [set(sim.recording.frame(f"{end}.finished")["outcome"]) for end in ends]
    assert told == [{"timeout"}] * 4
    assert set(sim.recording.frame("fallback.passed")["outcome"]) == {"timeout"}


@pytest.mark.parametrize(("error", "drops"), [(Declined, 0), (Worse, 1), (Full, 1)])
def test_a_limiter_takes_declared_timeouts_and_rejections_for_drops(
    error: type[Exception], drops: int
) -> None:
    sim = Simulation(seed=21, failures=SAID)
    limiter = AdaptiveLimiter(sim, "db", limit=lambda: AIMDLimit(20, least=1))
    Workload(sim, "shop", constant_rate(0.5), lambda: limiter.call(failing(error())))
    sim.run(until=3.5)
    assert limiter.limit == 20 - 2 * drops


@pytest.mark.parametrize(("error", "refuses"), [(Declined, False), (Worse, False), (Full, True)])
def test_a_client_takes_a_declared_rejection_for_a_refusal(
    error: type[Exception], *, refuses: bool
) -> None:
    sim = Simulation(seed=21, failures=SAID)
    limiter = ClientRateLimiter(sim, "db")
    Workload(sim, "shop", constant_rate(0.5), lambda: limiter.call(failing(error())))
    sim.run(until=3.5)
    assert limiter.enabled is refuses


@pytest.mark.parametrize(("error", "cost"), [(Declined, 5), (Worse, 10)])
def test_a_retry_and_a_hedge_pay_for_a_declared_timeout_as_for_ours(
    error: type[Exception], cost: int
) -> None:
    sim = Simulation(seed=21, failures=SAID)
    quota = RetryQuota(100, cost=5, timeout_cost=10)
    services = (
        Retry(sim, "db", max_attempts=2, budget=quota),
        Hedge(sim, "db", delay=60, max_attempts=2, budget=quota),
    )

    def customer() -> Generator[Any, Any, None]:
        for service in services:
            with pytest.raises(error):
                yield from service.call(failing(error()))

    sim.process(customer())
    sim.run()
    assert quota.available == 100 - 2 * cost


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({Declined: "ok"}, ValueError, "{Declined: 'ok'}: what is ok is no failure; give 'error'"),
        ({Declined: "cancelled"}, ValueError, "an interrupt cancels, and nobody counts it"),
        ({Declined: "time_out"}, ValueError, "did you mean 'timeout'?; give 'error', 'timeout'"),
        ({Declined: None}, ValueError, "there is no such outcome; give 'error', 'timeout'"),
        ({TimedOut: "error"}, TypeError, "a ServiceError is a failure anyway, and says its"),
        ({Exception: "error"}, TypeError, "covers interrupts"),
        ({"Declined": "error"}, TypeError, "or a dict from types to outcomes"),
    ],
    ids=str,
)
def test_outcomes_that_cannot_be_are_refused(
    wrong: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        Simulation(failures=wrong)


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [Exception, (ValueError, Exception)])
def test_failures_that_cover_interrupts_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="covers interrupts, which are no failures; name the types"):
        Simulation(failures=wrong)


@pytest.mark.parametrize("wrong", [KeyboardInterrupt, Declined(), "Declined", [Declined]])
def test_failures_that_are_no_types_of_exceptions_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="give exception types"):
        Simulation(failures=wrong)


def test_a_service_of_ones_own_that_cannot_start_is_down(sim: Simulation) -> None:
    class Fussy(Backend):
        def on_restart(self) -> None:
            raise Declined

    fussy = Fussy(sim, "db", service_time=1.0)
    fussy.kill("crashed")
    with pytest.raises(Declined):
        fussy.restart()
    assert not fussy.up
