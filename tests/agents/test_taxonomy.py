from __future__ import annotations

from functools import partial

from foundation_lab.agents import AgentRegistry, Coordinator, MajorityVote, Network, SignalBus
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import catalogue

FAMILIES = ("foundation.mabeam.", "foundation.signal.")


def test_every_event_of_agents_and_signals_is_really_emitted() -> None:
    sim = Simulation(seed=1)
    network = Network(sim, latency=0.1)
    registry = AgentRegistry(sim, network=network)
    for agent_id in ("a", "b", "c"):
        registry.register(agent_id, ["vote"], health_interval=5.0)
    bus = SignalBus(sim)
    bus.subscribe(registry.get("a"), "ping", lambda _signal: None)
    bus.publish("ping")
    coordinator = Coordinator(sim, registry)
    vote = MajorityVote("q", ["yes"])
    coordinator.repeat(["a", "b", "c"], vote, interval=10.0, timeout=5.0, times=2)
    sim.call_at(9.0, lambda: network.partition([["coordinator"], ["a", "b", "c"]]))
    for agent in registry:
        sim.call_at(30.0, partial(registry.unregister, agent.agent_id))
    sim.run()
    sim.check_invariants()
    wanted = {name for name in catalogue if name.startswith(FAMILIES)}
    assert len(wanted) >= 13
    assert wanted <= set(sim.recording.counts)
