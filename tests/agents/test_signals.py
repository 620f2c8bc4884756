from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.agents import AgentRegistry, Signal, SignalBus
from foundation_lab.errors import BackendError, UnknownName
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator


def nothing(_signal: Signal) -> None:
    pass


def test_a_signal_is_processed_when_its_last_subscriber_has_handled_it() -> None:
    sim = Simulation(seed=1)
    bus = SignalBus(sim, latency=0.5)
    log: list[tuple[str, float]] = []

    def handler(name: str, seconds: float) -> Any:
        def handle(_signal: Signal) -> Generator[Any, Any, None]:
            yield sim.timeout(seconds)
            log.append((name, sim.now))

        return handle

    bus.subscribe("slow", "order.placed", handler("slow", 3.0))
    bus.subscribe("fast", "order", handler("fast", 1.0))
    bus.subscribe("deaf", "stock", handler("deaf", 1.0))
    with sim.telemetry.context(correlation_id="c0ffee"):
        signal = bus.publish("order.placed", {"id": 7})
    assert bus.status == "1 in flight"
    assert sim.run(until=signal.processed) is signal
    assert log == [("fast", 1.5), ("slow", 3.5)]
    [row] = sim.recording.frame(SignalBus.Processed).rows(named=True)
    assert (row["time"], row["duration"], row["subscribers"]) == (3.5, 3.5, 2)
    assert (row["signal"], row["signal_id"]) == ("order.placed", "signals-1")
    assert (row["correlation_id"], row["process"]) == ("c0ffee", "slow")
    sim.check_invariants()


def test_whoever_reacts_to_a_processed_signal_finds_it_processed() -> None:
    sim = Simulation(seed=2)
    bus = SignalBus(sim)
    bus.subscribe("a", "*", nothing)
    seen: list[str] = []
    sim.telemetry.attach("look", SignalBus.Processed, lambda _r: seen.append(bus.status))
    bus.publish("ping")
    sim.run()
    assert seen == ["0 in flight"]


def test_a_signal_that_nobody_hears_is_processed_at_once() -> None:
    sim = Simulation(seed=3)
    signal = SignalBus(sim, latency=1.0).publish("ping")
    sim.run()
    assert signal.processed.value is signal
    [row] = sim.recording.frame(SignalBus.Processed).rows(named=True)
    assert (row["duration"], row["subscribers"]) == (0.0, 0)


def test_a_failing_subscriber_keeps_no_signal_from_being_processed() -> None:
    sim = Simulation(seed=4)
    bus = SignalBus(sim)

    def fail(_signal: Signal) -> None:
        message = "no"
        raise BackendError(message)

    bus.subscribe("bad", "ping", fail)
    bus.subscribe("good", "ping", nothing)
    signal = bus.publish("ping")
    sim.run(until=signal.processed)
    assert signal.failures == {"bad": "BackendError"}


def test_an_interrupted_subscriber_keeps_no_signal_in_flight() -> None:
    sim = Simulation(seed=9)
    bus = SignalBus(sim)
    bus.subscribe("patient", "ping", lambda _signal: sim.sleep(9.0))
    bus.subscribe("other", "ping", nothing)
    work = sim.process(sim.sleep(9.0), name="work")
    bus.subscribe("cancelled", "ping", lambda _signal: work)
    signal = bus.publish("ping")
    sim.call_at(0.5, lambda: work.interrupt("enough"))
    sim.run(until=1.0)
    assert (signal.pending, signal.failures) == (["patient"], {"cancelled": "cancelled"})
    sim.run(until=signal.processed)
    assert (sim.now, bus.status) == (9.0, "0 in flight")
    sim.check_invariants()


def test_a_bug_of_a_subscriber_comes_through() -> None:
    sim = Simulation(seed=5)
    bus = SignalBus(sim)
    bus.subscribe("bad", "ping", lambda signal: signal.no_such_field)  # type: ignore[attr-defined]
    bus.publish("ping")
    with pytest.raises(AttributeError):
        sim.run()


def test_a_signal_passes_over_an_agent_that_does_not_run() -> None:
    sim = Simulation(seed=6)
    bus = SignalBus(sim, latency=1.0)
    agent = AgentRegistry(sim).register("a", node="rack-7")
    heard: list[float] = []
    bus.subscribe(agent, "ping", lambda _signal: heard.append(sim.now))
    first = bus.publish("ping")
    sim.run(until=first.processed)
    agent.kill()
    second = bus.publish("ping")
    sim.run(until=second.processed)
    assert heard == [1.0]
    assert (first.failures, second.failures) == ({}, {"a": "receiver_failed"})
    assert set(sim.recording.frame(SignalBus.Processed)["node"]) == {"rack-7"}


def test_subscriptions_are_unique_and_can_be_ended() -> None:
    sim = Simulation(seed=7)
    bus = SignalBus(sim)
    bus.subscribe("alice", "ping", nothing)
    with pytest.raises(ValueError, match="unsubscribe it first"):
        bus.subscribe("alice", "pong", nothing)
    with pytest.raises(UnknownName, match="did you mean 'alice'"):
        bus.unsubscribe("alcie")
    bus.unsubscribe("alice")
    assert bus.publish("ping").subscribers == ()


def test_another_subscriber_does_not_shift_the_latency_of_the_first() -> None:
    def arrival(*, crowded: bool) -> float:
        sim = Simulation(seed=8)
        bus = SignalBus(sim, latency=exponential(1.0))
        heard: list[float] = []
        if crowded:
            bus.subscribe("b", "ping", nothing)
        bus.subscribe("a", "ping", lambda _signal: heard.append(sim.now))
        bus.publish("ping")
        sim.run()
        return heard[0]

    assert arrival(crowded=False) == arrival(crowded=True)
