from __future__ import annotations

import pytest

from foundation_lab.agents import Agent, AgentRegistry, Network
from foundation_lab.errors import UnknownName
from foundation_lab.services.service import Health
from foundation_lab.simulation.engine import Simulation


def test_agents_are_found_by_capability_in_order_of_registration() -> None:
    registry = AgentRegistry(Simulation(seed=1))
    registry.register("zoe", ["plan", "vote"])
    registry.register("adam", ["vote"])
    registry.register("mia", ["plan"])
    assert [a.agent_id for a in registry.with_capability("vote")] == ["zoe", "adam"]
    assert [a.agent_id for a in registry.with_capability("vote", "plan")] == ["zoe"]
    assert registry.with_capability("fly") == []
    assert [a.agent_id for a in registry] == ["zoe", "adam", "mia"]


def test_status_and_health_are_told_by_id() -> None:
    registry = AgentRegistry(Simulation(seed=2))
    registry.register("a")
    registry.register("b", start=False)
    assert registry.agent_status("a") == "idle"
    assert registry.agent_health("a") is Health.HEALTHY
    assert registry.agent_status("b") == "registered"
    assert registry.agent_health("b") is Health.UNKNOWN
    assert registry.status == "1 idle, 1 registered"


def test_an_id_is_taken_only_once() -> None:
    registry = AgentRegistry(Simulation(seed=3))
    registry.register("a")
    with pytest.raises(ValueError, match="'a' is registered already; unregister it first"):
        registry.register("a")
    assert len(registry) == 1


@pytest.mark.parametrize("call", ["get", "find", "agent_status", "agent_health", "unregister"])
def test_an_unknown_id_is_an_error_with_the_nearest(call: str) -> None:
    registry = AgentRegistry(Simulation(seed=4))
    registry.register("agent_1")
    with pytest.raises(UnknownName, match="unknown agent 'agnt_1'; did you mean 'agent_1'"):
        getattr(registry, call)("agnt_1")


def test_one_word_is_no_list_of_capabilities() -> None:
    registry = AgentRegistry(Simulation(seed=5))
    with pytest.raises(TypeError, match="give a list of words"):
        registry.register("a", "vote")


def test_unregistering_ends_the_agent_before_it_is_told() -> None:
    sim = Simulation(seed=6)
    registry = AgentRegistry(sim, network=Network(sim))
    agent = registry.register("a", ["vote"])
    seen: list[tuple[bool, str]] = []
    sim.telemetry.attach(
        "look", Agent.Unregistered, lambda _r: seen.append(("a" in registry, agent.state.value))
    )
    registry.unregister("a", "retired")
    assert seen == [(False, "unregistered")]
    assert sim.recording.frame(Agent.Unregistered)["reason"].to_list() == ["retired"]
    assert [to for _, to in agent.history][-3:] == ["stopping", "stopped", "unregistered"]


def test_messages_under_way_to_an_unregistered_agent_are_dropped() -> None:
    sim = Simulation(seed=7)
    registry = AgentRegistry(sim, network=Network(sim, latency=1.0))
    registry.register("a")
    registry.register("b").send("a", "hello")
    registry.unregister("a")
    sim.run()
    dropped = sim.recording.frame(Network.MessageDropped)
    assert dropped.select("time", "reason").rows() == [(1.0, "receiver_unregistered")]
    sim.check_invariants()


def test_an_id_can_be_registered_anew() -> None:
    sim = Simulation(seed=8)
    registry = AgentRegistry(sim, network=Network(sim))
    first = registry.register("a")
    registry.unregister("a")
    assert registry.find("a") is None
    second = registry.register("a")
    assert second is not first
    assert registry.find("a") is second
    sim.check_invariants()
