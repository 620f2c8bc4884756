from __future__ import annotations

import pytest

from foundation_lab.agents import AgentRegistry, AgentState, Coordinator, Network
from foundation_lab.agents.invariants import chain_violations, engagement_violations
from foundation_lab.errors import InvariantError
from foundation_lab.simulation.engine import Simulation


def test_illegal_and_broken_chains_are_named() -> None:
    assert chain_violations("a", [("idle", "unregistered")]) == [
        "a went from idle to unregistered, which is not legal"
    ]
    assert chain_violations("a", [("idle", "busy"), ("busy", "idle")], "busy") == [
        "a is busy, but its last change was to idle"
    ]


@pytest.mark.parametrize(
    ("state", "session", "broken"),
    [
        ("busy", "runs", []),
        ("paused", "runs", []),
        ("idle", "none", []),
        ("busy", "none", ["a is busy without a session"]),
        ("busy", "over", ["a is engaged in a session that does not run"]),
        ("idle", "runs", ["a is idle but engaged in a session"]),
    ],
)
def test_an_agent_is_busy_in_a_session_and_only_there(
    state: str, session: str, broken: list[str]
) -> None:
    found = engagement_violations(
        "a", AgentState(state), engaged=session != "none", running=session == "runs"
    )
    assert found == broken


def test_a_simulation_notices_an_agent_that_is_busy_without_a_session() -> None:
    sim = Simulation(seed=1)
    registry = AgentRegistry(sim, network=Network(sim))
    Coordinator(sim, registry)
    agent = registry.register("a")
    sim.check_invariants()
    agent.state = AgentState.BUSY
    with pytest.raises(InvariantError, match="agent_registry 'agents': a is busy, but its last"):
        sim.check_invariants()
    with pytest.raises(InvariantError, match="a is busy without a session"):
        sim.check_invariants()
