"""The examples that the project began with, on the virtual clock and without a sleep.

Each waits for the event that tells, and then finds the state that it tells of.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab import testing
from foundation_lab.agents import AgentRegistry, Coordinator, Network, SignalBus
from foundation_lab.errors import BackendError, CircuitOpen, ServiceError
from foundation_lab.services import (
    CircuitBreaker,
    ConnectionManager,
    RateLimiter,
    Retry,
    State,
    Supervisor,
    TokenBucket,
    async_operation,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import (
    assert_event,
    assert_sequence,
    assert_telemetry_any,
    assert_telemetry_event,
    assert_telemetry_sequence,
    bind,
    capture_events,
    capture_telemetry,
    refute_event,
    refute_telemetry_event,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def fail() -> None:
    message = "persistent failure"
    raise BackendError(message)


def calling(
    service: CircuitBreaker | Retry, function: Callable[[], Any], times: int = 1
) -> Generator[Any, Any, list[str]]:
    """Call so many times, one after the other; return the names of the errors."""
    errors = []
    for _ in range(times):
        try:
            yield from service.call(function)
        except ServiceError as error:
            errors.append(type(error).__name__)
    return errors


def test_circuit_breaker_opens_on_failure() -> None:
    sim = Simulation(seed=1)
    breaker = CircuitBreaker(sim, "test_service", failure_threshold=1)
    with assert_telemetry_event(
        sim,
        ("foundation", "circuit_breaker", "state_change"),
        {"service_id": "test_service", "to": "open"},
    ):
        sim.process(calling(breaker, fail))
    assert breaker.state is State.OPEN


def test_circuit_breaker_failure_threshold() -> None:
    sim = Simulation(seed=2)
    breaker = CircuitBreaker(sim, "test_service", failure_threshold=3)
    with refute_event(sim, CircuitBreaker.StateChange):
        sim.process(calling(breaker, fail, times=2))
    with assert_event(sim, CircuitBreaker.StateChange, service_id="test_service", to="open"):
        sim.process(calling(breaker, fail))
    assert breaker.state is State.OPEN


def test_connection_manager_recovers_from_crash() -> None:
    sim = Simulation(seed=3)
    manager = ConnectionManager(sim, "connections", size=2)
    Supervisor(sim, "root", [manager], restart_delay=0.5)
    former = manager.pid
    with assert_event(sim, ConnectionManager.Restarted, service="connections") as restarted:
        manager.kill()
    assert restarted.record["restart_count"] == 1
    assert manager.up
    assert manager.pid not in ("", former)
    sim.check_invariants()


def test_agent_coordination_completes_successfully() -> None:
    sim = Simulation(seed=4)
    registry = AgentRegistry(sim, network=Network(sim, latency=0.05))
    agents = ["agent_1", "agent_2", "agent_3"]
    for agent in agents:
        registry.register(agent, ["work"], think_time=0.2)
    coordinator = Coordinator(sim, registry)
    with assert_event(sim, "mabeam.coordination.completed", result="success"):
        coordinator.coordinate_agents(agents, "test_task")
    for agent in agents:
        assert registry.agent_status(agent) == "idle"
    sim.check_invariants()


def test_retry_service_exhausts_attempts_then_circuit_breaker_opens() -> None:
    sim = Simulation(seed=5)
    breaker = CircuitBreaker(sim, "flaky_service", failure_threshold=1)
    retry = Retry(sim, "flaky_service", max_attempts=3, backoff=fixed_backoff(0.1))
    with assert_sequence(
        sim,
        [
            (Retry.Exhausted, {"total_attempts": 3}),
            (CircuitBreaker.StateChange, {"to": "open"}),
        ],
    ):
        sim.process(calling(breaker, lambda: retry.call(fail)))
    assert breaker.state is State.OPEN
    assert sim.recording.frame(CircuitBreaker.CallFailure).height == 1


@pytest.mark.parametrize(("threshold", "rejected"), [(1, 2), (2, 1), (3, 0)])
def test_with_the_retry_outside_the_breaker_opens_before_the_attempts_are_exhausted(
    threshold: int, rejected: int
) -> None:
    sim = Simulation(seed=6)
    breaker = CircuitBreaker(sim, "flaky_service", failure_threshold=threshold)
    retry = Retry(sim, "flaky_service", max_attempts=3, backoff=fixed_backoff(0.1))
    last = "CircuitOpen" if rejected else "BackendError"
    with assert_sequence(
        sim,
        [
            (CircuitBreaker.StateChange, {"to": "open"}),
            (Retry.AttemptFailure, {"attempt": threshold, "error": "BackendError"}),
            (Retry.Exhausted, {"total_attempts": 3, "final_error": last}),
        ],
    ):
        caller = sim.process(calling(retry, lambda: breaker.call(fail)))
    sim.run(caller)
    assert caller.value == [last]
    assert breaker.state is State.OPEN
    assert sim.recording.frame(CircuitBreaker.CallRejected).height == rejected
    assert issubclass(CircuitOpen, ServiceError)  # which is why it was tried again


def test_an_asynchronous_operation_tells_when_it_is_done() -> None:
    sim = Simulation(seed=7)
    with assert_event(sim, "async.completed", operation="import") as completed:
        operation = async_operation.start(sim, "import", lambda: sim.sleep(0.1))
    assert completed.record.time == 0.1
    assert operation.triggered


def test_a_signal_tells_when_it_is_processed() -> None:
    sim = Simulation(seed=8)
    registry = AgentRegistry(sim)
    registry.register("agent_1", ["work"])
    bus = SignalBus(sim)
    received: list[object] = []
    bus.subscribe(registry.get("agent_1"), "ping", received.append)
    with assert_event(sim, "signal.processed"):
        bus.publish("ping")
    assert len(received) == 1


def test_an_external_system_is_waited_for_by_its_state_and_not_by_a_sleep() -> None:
    sim = Simulation(seed=12)
    status = {"api": "starting"}

    def api() -> Generator[Any, Any, None]:
        yield sim.timeout(0.1)
        status["api"] = "ready"

    sim.process(api())
    assert wait_for(sim, lambda: status["api"] == "ready")
    assert sim.now == 0.1


def test_any_of_several_events_is_enough() -> None:
    sim = Simulation(seed=13)
    breaker = CircuitBreaker(sim, "test_service", failure_threshold=2)
    with assert_telemetry_any(
        sim,
        [
            (("foundation", "circuit_breaker", "state_change"), {"to": "open"}),
            ("foundation", "circuit_breaker", "call_success"),
        ],
    ) as first:
        sim.process(calling(breaker, lambda: None))
    assert first.record.name == "foundation.circuit_breaker.call_success"


def test_the_seeds_names_do_what_their_shorter_ones_do() -> None:
    sim = Simulation(seed=14)
    breaker = CircuitBreaker(sim, "test_service", failure_threshold=3)
    change = ("foundation", "circuit_breaker", "state_change")
    service_id = "test_service"
    with refute_telemetry_event(sim, change), capture_telemetry(sim, change) as captured:
        sim.process(calling(breaker, fail, times=2))
    assert len(captured) == 0
    with assert_telemetry_sequence(
        sim,
        [
            (("foundation", "circuit_breaker", "call_failure"), {"service_id": bind("service")}),
            (change, {"service_id": bind("service"), "to": "open"}),
        ],
        causal=True,
    ) as opened:
        sim.process(calling(breaker, fail))
    assert opened.bound == {"service": service_id}


def test_every_wait_of_the_seed_is_there_with_five_seconds_as_its_default() -> None:
    waits = {name for name in testing.__all__ if name.startswith("wait_for_")}
    assert waits == {
        "wait_for_service_ready",
        "wait_for_service_health",
        "wait_for_process_restart",
        "wait_for_agent_registration",
        "wait_for_coordination_completion",
        "wait_for_resource_cleanup",
        "wait_for_connection_pool_ready",
        "wait_for_metric_threshold",
        "wait_for_health_improvement",
    }
    for name in (*waits, "wait_for"):
        assert signature(getattr(testing, name)).parameters["within"].default == 5.0


def test_telemetry_events_are_emitted_correctly() -> None:
    sim = Simulation(seed=9)
    with capture_events(sim, "foundation.test.event") as captured:
        sim.telemetry.emit(("foundation", "test", "event"), metadata={"data": "test"})
    assert [record["data"] for record in captured.records] == ["test"]


@pytest.mark.parametrize("switch_off", ["disable", "detach_all"])
def test_the_system_works_without_telemetry(switch_off: str) -> None:
    sim = Simulation(seed=10)
    sim.telemetry.disable()
    getattr(sim.telemetry, switch_off)()
    breaker = CircuitBreaker(sim, "test_service", failure_threshold=1)
    sim.process(calling(breaker, fail))
    assert wait_for(sim, lambda: breaker.state is State.OPEN, 1.0)
    assert len(sim.recording) == 0


def test_rate_limiter_resets_after_its_interval() -> None:
    sim = Simulation(seed=11)
    limiter = RateLimiter(sim, "bucket", lambda: TokenBucket(rate=1, capacity=1))
    assert limiter.allow()
    assert not limiter.allow()
    sim.run(until=1)
    assert limiter.allow()
