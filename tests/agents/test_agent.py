from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.agents import Agent, AgentRegistry, Message, Network
from foundation_lab.agents.invariants import chain_violations
from foundation_lab.errors import BackendError, ServiceDown
from foundation_lab.services.service import Health
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator


def make_registry(seed: int = 1, latency: float = 0.0) -> tuple[Simulation, AgentRegistry]:
    sim = Simulation(seed=seed)
    return sim, AgentRegistry(sim, network=Network(sim, latency=latency))


def changes(sim: Simulation, agent_id: str) -> list[tuple[str, str]]:
    rows = sim.recording.frame(Agent.StateChange).rows(named=True)
    return [(row["from"], row["to"]) for row in rows if row["agent_id"] == agent_id]


def worker(log: list[tuple[float, str]]) -> Any:
    def behave(agent: Agent, message: Message) -> Generator[Any, Any, None]:
        yield from agent.think()
        log.append((agent.sim.now, message.type))

    return behave


def test_an_agent_is_idle_after_its_startup_time() -> None:
    sim, registry = make_registry(seed=1)
    agent = registry.register("a", startup_time=2.0)
    assert agent.state == "starting"
    sim.run(until=1.9)
    assert agent.state == "starting"
    sim.run(until=2.1)
    assert (agent.state, agent.health) == ("idle", Health.HEALTHY)
    frame = sim.recording.frame(Agent.StateChange)
    assert frame["time"].to_list() == [0.0, 2.0]
    assert frame["cause"].to_list()[1] == frame["sequence"].to_list()[0]


@pytest.mark.parametrize("call", ["stop", "kill"])
def test_a_start_that_was_cut_short_does_not_come_through_later(call: str) -> None:
    sim, registry = make_registry(seed=20)
    agent = registry.register("a", startup_time=2.0)
    sim.call_at(1.0, getattr(agent, call))
    sim.call_at(1.5, agent.start)
    sim.run(until=3.0)
    assert agent.state == "starting"
    sim.run()
    assert (agent.state, sim.now) == ("idle", 3.5)


def test_messages_are_handled_one_after_the_other_in_the_think_time() -> None:
    sim, registry = make_registry(seed=2, latency=0.5)
    log: list[tuple[float, str]] = []
    registry.register("a", behaviour=worker(log), think_time=1.0)
    sender = registry.register("b")
    sender.send("a", "first")
    sender.send("a", "second")
    sim.run()
    assert log == [(1.5, "first"), (2.5, "second")]


def test_a_paused_agent_holds_its_messages_back_until_it_resumes() -> None:
    sim, registry = make_registry(seed=3)
    log: list[tuple[float, str]] = []
    agent = registry.register("a", behaviour=worker(log))
    sender = registry.register("b")
    agent.pause()
    sender.send("a", "hello")
    sim.run(until=3)
    assert (log, agent.mailbox_size) == ([], 1)
    agent.resume()
    sim.run()
    assert (log, agent.mailbox_size) == ([(3.0, "hello")], 0)


def test_what_a_paused_agent_thinks_about_waits_for_it() -> None:
    sim, registry = make_registry(seed=4)
    log: list[tuple[float, str]] = []
    agent = registry.register("a", behaviour=worker(log), think_time=1.0)
    registry.register("b").send("a", "hello")
    sim.call_at(0.5, agent.pause)
    sim.call_at(5.0, agent.resume)
    sim.run()
    assert log == [(5.0, "hello")]


def test_messages_to_a_suspended_agent_are_dropped() -> None:
    sim, registry = make_registry(seed=5)
    agent = registry.register("a")
    agent.suspend()
    registry.register("b").send("a", "hello")
    sim.run()
    assert sim.recording.frame(Network.MessageDropped)["reason"].to_list() == ["receiver_suspended"]
    agent.resume()
    assert agent.state == "idle"


def test_stopping_finishes_the_message_at_hand() -> None:
    sim, registry = make_registry(seed=6)
    log: list[tuple[float, str]] = []
    agent = registry.register("a", behaviour=worker(log), think_time=2.0)
    sender = registry.register("b")
    sender.send("a", "first")
    sender.send("a", "second")
    sim.call_at(1.0, agent.stop)
    sim.run(until=1.5)
    assert agent.state == "stopping"
    sim.run()
    assert (log, agent.state, agent.health) == ([(2.0, "first")], "stopped", Health.UNKNOWN)


def test_an_agent_that_has_stopped_can_start_again() -> None:
    sim, registry = make_registry(seed=7)
    log: list[tuple[float, str]] = []
    agent = registry.register("a", behaviour=worker(log))
    agent.stop()
    agent.start()
    registry.register("b").send("a", "hello")
    sim.run()
    assert log == [(0.0, "hello")]
    assert chain_violations("a", changes(sim, "a"), "idle") == []


def test_a_killed_agent_loses_its_mailbox_and_what_it_was_doing() -> None:
    sim, registry = make_registry(seed=8)
    log: list[tuple[float, str]] = []
    agent = registry.register("a", behaviour=worker(log), think_time=2.0)
    sender = registry.register("b")
    sender.send("a", "first")
    sender.send("a", "second")
    sim.call_at(1.0, lambda: agent.kill("power_cut"))
    sim.call_at(1.5, agent.start)
    sim.call_at(1.5, lambda: sender.send("a", "third"))
    sim.run()
    assert log == [(3.5, "third")]
    reasons = sim.recording.frame(Agent.StateChange).rows(named=True)
    assert [r["reason"] for r in reasons if r["to"] == "failed"] == ["power_cut"]


def test_an_agent_may_kill_itself() -> None:
    sim, registry = make_registry(seed=9)

    def behave(agent: Agent, message: Message) -> None:
        agent.kill("despair")

    agent = registry.register("a", behaviour=behave)
    sender = registry.register("b")
    sender.send("a", "first")
    sim.run()
    assert agent.state == "failed"
    assert [process.name for process in sim.living()] == ["b"]
    agent.start()
    sender.send("a", "second")
    sim.run()
    assert [to for _, to in changes(sim, "a")].count("failed") == 2


def test_a_killed_agent_that_had_not_begun_to_work_leaves_no_error() -> None:
    sim, registry = make_registry(seed=10)
    agent = registry.register("a")
    agent.kill()
    agent.kill()
    sim.run()
    assert (agent.state, agent.health) == ("failed", Health.UNHEALTHY)


def test_a_service_error_of_a_handler_fails_the_agent_under_its_name() -> None:
    sim, registry = make_registry(seed=11)

    def behave(agent: Agent, message: Message) -> None:
        raise BackendError(message.type)

    agent = registry.register("a", behaviour=behave)
    registry.register("b").send("a", "hello")
    sim.run()
    assert agent.state == "failed"
    assert sim.recording.frame(Agent.StateChange)["reason"].to_list()[-1] == "BackendError"


def test_a_bug_in_a_handler_comes_through() -> None:
    sim, registry = make_registry(seed=12)
    registry.register("a", behaviour=lambda _agent, message: 1 / len(message.body))
    registry.register("b").send("a", "hello", "")
    with pytest.raises(ZeroDivisionError):
        sim.run()


def test_an_agent_that_does_not_run_sends_nothing() -> None:
    _, registry = make_registry(seed=13)
    agent = registry.register("a", start=False)
    with pytest.raises(ServiceDown, match="'a' is registered and sends nothing"):
        agent.send("a", "hello")


def test_an_agent_without_a_network_cannot_send() -> None:
    agent = AgentRegistry(Simulation(seed=14)).register("a")
    with pytest.raises(ValueError, match="has no network"):
        agent.send("b", "hello")


@pytest.mark.parametrize(
    ("call", "state"),
    [("resume", "idle"), ("start", "idle"), ("pause", "registered"), ("suspend", "registered")],
)
def test_what_is_not_legal_in_a_state_says_so(call: str, state: str) -> None:
    _, registry = make_registry(seed=15)
    agent = registry.register("a", start=state == "idle")
    with pytest.raises(ValueError, match=state):
        getattr(agent, call)()
    assert agent.state == state


def test_health_is_asked_for_at_every_interval_and_apart_from_the_state() -> None:
    sim, registry = make_registry(seed=16)
    answers = iter([Health.DEGRADED, Health.HEALTHY])
    agent = registry.register("a", health_interval=10.0, probe=lambda _agent: next(answers))
    sim.call_at(25.0, agent.kill)
    sim.run(until=35)
    rows = sim.recording.frame(Agent.HealthCheck).rows(named=True)
    assert [(row["time"], row["health"], row["healthy"]) for row in rows] == [
        (10.0, "degraded", False),
        (20.0, "healthy", True),
        (30.0, "unhealthy", False),
    ]


def test_health_checks_end_with_the_registration() -> None:
    sim, registry = make_registry(seed=17)
    registry.register("a", health_interval=10.0)
    sim.call_at(15.0, lambda: registry.unregister("a"))
    sim.run()
    assert sim.recording.frame(Agent.HealthCheck)["time"].to_list() == [10.0]


def test_an_agent_emits_on_its_own_node() -> None:
    sim, registry = make_registry(seed=18)
    log: list[tuple[float, str]] = []
    registry.register("a", behaviour=worker(log), node="rack-7")
    registry.register("b").send("a", "hello")
    sim.run()
    assert set(sim.recording.frame(Network.MessageReceived)["node"]) == {"rack-7"}
    nodes = sim.recording.frame(Agent.StateChange).select("agent_id", "node").unique().rows()
    assert sorted(nodes) == [("a", "rack-7"), ("b", "lab")]


def test_another_agents_thinking_does_not_shift_ones_own() -> None:
    def times_of_a(*, crowded: bool) -> list[tuple[float, str]]:
        sim, registry = make_registry(seed=19)
        log: list[tuple[float, str]] = []
        sender = registry.register("s")
        if crowded:
            registry.register("b", behaviour=worker([]), think_time=exponential(1.0))
            sender.send("b", "hello")
        registry.register("a", behaviour=worker(log), think_time=exponential(1.0))
        sender.send("a", "first")
        sender.send("a", "second")
        sim.run()
        return log

    assert times_of_a(crowded=False) == times_of_a(crowded=True)
