from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.agents import (
    Agent,
    AgentLost,
    AgentRegistry,
    Assignment,
    Coordinator,
    MajorityVote,
    Network,
    NoMajority,
    Session,
    SessionTimedOut,
)
from foundation_lab.agents.invariants import chain_violations
from foundation_lab.errors import BackendError, CoordinationError, TimedOut, UnknownName
from foundation_lab.simulation.distributions import exponential, uniform
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.telemetry import Record

AGENTS = ["agent_1", "agent_2", "agent_3"]


def make_coordinator(
    seed: int, *, agents: list[str] | None = None, think_time: Any = 0.0, **network: Any
) -> tuple[Simulation, Coordinator]:
    sim = Simulation(seed=seed)
    registry = AgentRegistry(sim, network=Network(sim, **network))
    for agent_id in AGENTS if agents is None else agents:
        registry.register(agent_id, ["vote"], think_time=think_time)
    return sim, Coordinator(sim, registry)


def statuses(coordinator: Coordinator) -> set[str]:
    return {agent.state.value for agent in coordinator.registry}


def test_agent_coordination_completes_successfully() -> None:
    sim, coordinator = make_coordinator(1, latency=0.01, think_time=0.2)
    completed = sim.wait("coordination to complete")
    sim.telemetry.attach("wait", Session.Completed, completed.succeed, where={"result": "success"})
    coordinator.coordinate_agents(AGENTS, "test_task")
    sim.run(until=completed)
    for agent_id in AGENTS:
        assert coordinator.registry.agent_status(agent_id) == "idle"
    assert sim.now == pytest.approx(0.22)


@pytest.mark.parametrize(("timeout", "ending"), [(5.0, Session.Completed), (0.1, Session.Failed)])
def test_agents_are_busy_when_a_session_starts_and_idle_when_its_end_is_told(
    timeout: float, ending: Any
) -> None:
    sim, coordinator = make_coordinator(2, latency=0.01, think_time=0.2)
    seen: list[tuple[str, set[str]]] = []

    def look(record: Record) -> None:
        seen.append((record.name.rsplit(".", 1)[1], statuses(coordinator)))
        sim.check_invariants()

    sim.telemetry.attach_many("look", [Session.Started, ending], look, on_error="raise")
    coordinator.coordinate_agents(AGENTS, "test_task", timeout=timeout)
    sim.run()
    assert seen == [("started", {"busy"}), (ending.event_name.rsplit(".", 1)[1], {"idle"})]


def test_a_process_gets_the_result_of_a_session() -> None:
    sim, coordinator = make_coordinator(3, latency=0.5)
    session = coordinator.session(AGENTS, Assignment("dig"), timeout=5.0)

    def chair() -> Generator[Any, Any, tuple[str, float]]:
        result = yield from session.run()
        return result, sim.now

    assert sim.run(until=sim.process(chair())) == ("success", 1.0)
    assert (session.status, session.result, session.duration) == ("completed", "success", 1.0)


def test_a_session_without_answers_ends_exactly_at_its_timeout() -> None:
    sim, coordinator = make_coordinator(4, loss=1.0)
    session = coordinator.session(AGENTS, Assignment("dig"), timeout=7.5)
    with pytest.raises(SessionTimedOut, match=r"took 7\.5 s") as caught:
        sim.run(until=session.start())
    assert sim.now == 7.5
    assert isinstance(caught.value, CoordinationError)
    assert isinstance(caught.value, TimedOut)
    assert (caught.value.outcome, session.error) == ("timeout", "timeout")
    names = sim.recording.events["event"].to_list()
    timed_out, failed = (
        names.index(Session.Timeout.event_name),
        names.index(Session.Failed.event_name),
    )
    assert timed_out < failed
    assert names[timed_out + 1 : failed] == [Agent.StateChange.event_name] * 3


@pytest.mark.parametrize(
    ("timeout", "status", "events"),
    [(5.0, "completed", {"state_change", "completed"}),
     (0.1, "failed", {"timeout", "state_change", "failed"})],
)  # fmt: skip
def test_whoever_hears_of_the_end_of_a_session_finds_it_over(
    timeout: float, status: str, events: set[str]
) -> None:
    sim, coordinator = make_coordinator(26, latency=0.01, think_time=0.2)
    session = coordinator.session(AGENTS, Assignment("dig"), timeout=timeout)
    seen: dict[str, tuple[str, float | None, int]] = {}

    def look(record: Record) -> None:
        if record.get("to") != "busy" and session.status != "new":
            seen[record.name.rsplit(".", 1)[1]] = (
                session.status,
                session.duration,
                len(coordinator.sessions),
            )
            sim.check_invariants()

    endings: list[Any] = [Session.Timeout, Session.Completed, Session.Failed, Agent.StateChange]
    sim.telemetry.attach_many("look", endings, look, on_error="raise")
    session.start()
    sim.run()
    assert seen == dict.fromkeys(events, (status, session.duration, 0))
    assert session.duration is not None


def test_an_agent_killed_when_the_end_of_its_session_is_told_was_not_lost_to_it() -> None:
    sim, coordinator = make_coordinator(27, think_time=1.0)
    session = coordinator.coordinate(AGENTS, Assignment("dig"), timeout=0.5)
    agent = coordinator.registry.get("agent_3")
    sim.telemetry.attach(
        "kill", Session.Timeout, lambda _record: agent.kill("late"), on_error="raise"
    )
    sim.run()
    assert (session.error, session.lost, session.engaged) == ("timeout", {}, [])
    assert [a.state.value for a in coordinator.registry] == ["idle", "idle", "failed"]
    sim.check_invariants()


def test_an_answer_at_the_very_instant_of_the_timeout_is_too_late() -> None:
    sim, coordinator = make_coordinator(5, latency=0.5)
    session = coordinator.coordinate(AGENTS, Assignment("dig"), timeout=1.0)
    sim.run()
    assert (session.error, session.duration) == ("timeout", 1.0)
    reasons = sim.recording.frame(Network.MessageDropped)["reason"].to_list()
    assert reasons == ["session_over"] * 3
    sim.check_invariants()


def test_every_event_of_a_session_has_its_correlation_id() -> None:
    sim, coordinator = make_coordinator(6, latency=uniform(0.1, 0.2), think_time=exponential(0.1))
    one = coordinator.coordinate(AGENTS[:2], MajorityVote("q", ["yes"]), timeout=9.0)
    two = coordinator.coordinate(AGENTS[2:], MajorityVote("q", ["yes"]), timeout=9.0)
    sim.run()
    frame = sim.recording.wide("mabeam.coordination")
    for session in (one, two):
        rows = frame.filter(frame["session_id"] == session.session_id)
        assert rows["correlation_id"].unique().to_list() == [session.correlation_id]
        assert {name.rsplit(".", 1)[1] for name in rows["event"]} == {
            "started", "message_sent", "message_received", "vote", "decision", "completed",
        }  # fmt: skip
    changes = sim.recording.frame(Agent.StateChange)
    in_session = changes.filter(changes["to"] == "busy")["correlation_id"].to_list()
    assert in_session == [one.correlation_id, one.correlation_id, two.correlation_id]
    assert one.correlation_id != two.correlation_id


def test_causes_lead_from_the_decision_back_to_the_start_of_the_session() -> None:
    sim, coordinator = make_coordinator(7, latency=0.1, think_time=0.1)
    coordinator.coordinate(AGENTS, MajorityVote("q", ["yes"]), timeout=9.0)
    sim.run()
    events = sim.recording.events
    names = dict(zip(events["sequence"], events["event"], strict=True))
    causes = dict(zip(events["sequence"], events["cause"], strict=True))
    step = next(s for s, name in names.items() if name.endswith(".decision"))
    chain = []
    while not names[step].endswith(".started"):
        chain.append(names[step].rsplit(".", 1)[1])
        step = causes[step]
    assert chain[:6] == [
        "decision", "vote", "message_received", "message_sent", "message_received", "message_sent",
    ]  # fmt: skip
    received = sim.recording.frame(Network.MessageReceived)
    sent = sim.recording.frame(Network.MessageSent)
    of = dict(zip(sent["message_id"], sent["sequence"], strict=True))
    assert received["cause"].to_list() == [of[m] for m in received["message_id"]]


def test_an_agent_killed_during_a_session_is_told_to_the_protocol() -> None:
    sim, coordinator = make_coordinator(8, latency=0.1, think_time=1.0)
    session = coordinator.session(AGENTS, Assignment("dig"), timeout=9.0)
    sim.call_at(0.5, lambda: coordinator.registry.get("agent_2").kill("power_cut"))
    with pytest.raises(AgentLost, match="agent_2 cannot do 'dig'"):
        sim.run(until=session.start())
    assert sim.now == 0.5
    assert session.lost == {"agent_2": "power_cut"}
    assert session.present == ["agent_1", "agent_3"]
    assert [a.state.value for a in coordinator.registry] == ["idle", "failed", "idle"]
    sim.run()
    sim.check_invariants()


def test_what_agents_think_about_for_a_session_is_given_up_when_it_ends() -> None:
    sim, coordinator = make_coordinator(9, think_time=10.0)
    coordinator.coordinate(AGENTS, Assignment("first"), timeout=1.0)
    sim.run(until=2)
    again = coordinator.coordinate(AGENTS, Assignment("second"), timeout=20.0)
    sim.run()
    assert (again.result, again.duration) == ("success", 10.0)


def test_an_agent_that_stops_finishes_its_session_first() -> None:
    sim, coordinator = make_coordinator(10, think_time=1.0)
    session = coordinator.coordinate(AGENTS, Assignment("dig"), timeout=9.0)
    sim.call_at(0.5, lambda: coordinator.registry.get("agent_1").stop())
    sim.run()
    assert session.result == "success"
    assert coordinator.registry.agent_status("agent_1") == "stopped"


def test_an_agent_paused_in_a_session_answers_when_it_resumes() -> None:
    sim, coordinator = make_coordinator(11, think_time=1.0)
    agent = coordinator.registry.get("agent_1")
    session = coordinator.coordinate(AGENTS, Assignment("dig"), timeout=9.0)
    sim.call_at(0.5, agent.pause)
    sim.call_at(4.0, agent.resume)
    sim.run()
    assert session.duration == 4.0
    assert agent.state == "idle"


def test_an_agent_paused_when_its_session_ends_stays_paused() -> None:
    sim, coordinator = make_coordinator(12, think_time=1.0)
    agent = coordinator.registry.get("agent_1")
    coordinator.coordinate(AGENTS, Assignment("dig"), timeout=2.0)
    sim.call_at(0.5, agent.pause)
    sim.run()
    sim.check_invariants()
    assert (agent.state, agent.session) == ("paused", None)
    agent.resume()
    assert agent.state == "idle"


def test_an_agent_that_is_busy_or_gone_takes_no_part_in_another_session() -> None:
    sim, coordinator = make_coordinator(13, think_time=1.0)
    coordinator.registry.unregister("agent_3")
    coordinator.coordinate(AGENTS[:1], Assignment("long"), timeout=9.0)
    second = coordinator.coordinate(AGENTS, Assignment("short"), timeout=9.0)
    sim.run()
    assert second.lost == {"agent_1": "busy", "agent_3": "unregistered"}
    assert second.error == "agent_lost"
    rows = sim.recording.frame(Agent.StateChange).rows(named=True)
    chain = [(row["from"], row["to"]) for row in rows if row["agent_id"] == "agent_1"]
    assert chain_violations("agent_1", chain, "idle") == []


def test_an_interrupted_session_frees_its_agents() -> None:
    sim, coordinator = make_coordinator(14, think_time=1.0)
    session = coordinator.session(AGENTS, Assignment("dig"), timeout=9.0)
    process = session.start()
    sim.call_at(0.5, lambda: process.interrupt("enough"))
    with pytest.raises(simpy.Interrupt):
        sim.run(until=process)
    assert (session.error, statuses(coordinator)) == ("cancelled", {"idle"})
    assert sim.recording.frame(Session.Failed)["error"].to_list() == ["cancelled"]


def test_a_session_that_fails_stops_no_run_when_nobody_waits_for_it() -> None:
    sim, coordinator = make_coordinator(15)
    session = coordinator.coordinate(
        AGENTS[:2],
        MajorityVote(
            "q", ["yes", "no"], ballot=lambda agent: "yes" if agent.agent_id == "agent_1" else "no"
        ),
        timeout=9.0,
    )
    sim.run_to_completion()
    assert session.error == NoMajority.reason == "no_majority"


def test_sessions_are_repeated_at_their_interval_and_when_they_take_longer_at_once() -> None:
    sim, coordinator = make_coordinator(16, think_time=1.0)
    process = coordinator.repeat(AGENTS, Assignment("dig"), interval=5.0, timeout=9.0, times=3)
    assert sim.run(until=process) == 3
    assert sim.recording.frame(Session.Started)["time"].to_list() == [0.0, 5.0, 10.0]
    ids = sim.recording.frame(Session.Started)["session_id"].to_list()
    assert ids == [f"coordinator-assignment-{k}" for k in (1, 2, 3)]
    slow, slow_coordinator = make_coordinator(16, think_time=3.0)
    slow_coordinator.repeat(AGENTS, Assignment("dig"), interval=2.0, timeout=9.0, times=3)
    slow.run()
    assert slow.recording.frame(Session.Started)["time"].to_list() == [0.0, 3.0, 6.0]


def test_repeated_sessions_go_on_after_failures() -> None:
    sim, coordinator = make_coordinator(17, loss=0.3, latency=0.01)
    process = coordinator.repeat(AGENTS, Assignment("dig"), interval=5.0, timeout=1.0, times=20)
    completed = sim.run(until=process)
    counts = sim.recording.counts
    assert counts[Session.Completed.event_name] == completed
    assert 0 < completed < 20
    assert counts[Session.Failed.event_name] == 20 - completed


def test_the_same_seed_gives_the_same_recording_and_another_seed_another() -> None:
    def digest(seed: int) -> str:
        sim, coordinator = make_coordinator(
            seed, latency=exponential(0.05), loss=0.1, think_time=exponential(0.2)
        )
        vote = MajorityVote("q", ["yes", "no"], resend_interval=0.5)
        coordinator.repeat(AGENTS, vote, interval=3.0, timeout=2.0, times=10)
        sim.run()
        sim.check_invariants()
        return sim.recording.digest

    assert digest(18) == digest(18) != digest(19)


def test_sessions_go_the_same_way_with_telemetry_off() -> None:
    def ends(*, telemetry: bool) -> tuple[float, int]:
        sim, coordinator = make_coordinator(20, latency=exponential(0.1), loss=0.2)
        if not telemetry:
            sim.telemetry.disable()
        vote = MajorityVote("q", ["yes", "no"], resend_interval=0.5)
        completed = sim.run(
            until=coordinator.repeat(AGENTS, vote, interval=0.1, timeout=2.0, times=20)
        )
        return sim.now, completed

    assert ends(telemetry=True) == ends(telemetry=False)


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("inf"), float("nan"), None])
def test_a_session_needs_a_timeout(timeout: Any) -> None:
    _, coordinator = make_coordinator(21)
    with pytest.raises(ValueError, match="timeout="):
        coordinator.session(AGENTS, Assignment("dig"), timeout=timeout)


def test_participants_are_known_and_different() -> None:
    _, coordinator = make_coordinator(22)
    with pytest.raises(UnknownName, match="did you mean 'agent_"):
        coordinator.session(["agent_9"], Assignment("dig"), timeout=1.0)
    with pytest.raises(ValueError, match="agent_1 cannot take part twice"):
        coordinator.session(["agent_1", "agent_1"], Assignment("dig"), timeout=1.0)
    with pytest.raises(ValueError, match="at least one agent"):
        coordinator.session([], Assignment("dig"), timeout=1.0)


def test_a_session_is_held_once_and_its_id_is_its_own() -> None:
    sim, coordinator = make_coordinator(23, think_time=1.0)
    session = coordinator.session(AGENTS[:1], Assignment("dig"), timeout=5.0, session_id="s")
    twin = coordinator.session(AGENTS[1:], Assignment("dig"), timeout=5.0, session_id="s")
    process, other = session.start(), twin.start()
    with pytest.raises(ValueError, match="a session 's' runs already"):
        sim.run(until=other)
    assert sim.run(until=process) == "success"
    with pytest.raises(RuntimeError, match="session 's' is completed; make a new one"):
        next(session.run())


def test_an_agent_is_engaged_in_one_session_at_a_time() -> None:
    sim, coordinator = make_coordinator(25, think_time=1.0)
    coordinator.coordinate(AGENTS, Assignment("dig"), timeout=9.0)
    other = coordinator.session(AGENTS, Assignment("fill"), timeout=9.0)
    sim.run(until=0.5)
    with pytest.raises(ValueError, match="agent 'agent_1' is busy; only an idle one is free"):
        coordinator.registry.get("agent_1").engage(other)


def test_an_agent_unregistered_during_a_session_is_lost_to_it() -> None:
    sim, coordinator = make_coordinator(26, think_time=1.0)
    session = coordinator.coordinate(AGENTS, MajorityVote("q", ["yes"], quorum=3), timeout=9.0)
    sim.call_at(0.5, lambda: coordinator.registry.unregister("agent_3", "retired"))
    sim.run()
    sim.check_invariants()
    assert session.lost == {"agent_3": "retired"}
    assert (session.error, session.duration) == ("no_majority", 0.5)


def test_a_simulation_can_be_dropped_in_the_middle_of_a_session() -> None:
    sim, coordinator = make_coordinator(27, think_time=1.0)
    coordinator.coordinate(AGENTS, Assignment("dig"), timeout=9.0)
    sim.run(until=0.5)
    del sim, coordinator
    gc.collect()  # an error in here would be raised as a warning


def test_a_coordinator_needs_a_network() -> None:
    sim = Simulation(seed=24)
    with pytest.raises(ValueError, match="registry 'agents' has no network"):
        Coordinator(sim, AgentRegistry(sim))


# -- protocols that fail in another way ------------------------------------------------------------


class Unreachable(Exception):
    """An exception of a library."""


class Broken:
    """A protocol that fails before it has a result."""

    name = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, session: Session) -> Generator[Any, Any, str]:
        yield session.sim.timeout(1.0)
        raise self.error

    def answer(self, session: Session, agent: Agent, message: Any) -> None:
        """Nobody is asked."""


@pytest.mark.parametrize("error", [BackendError(), ConnectionResetError(), Unreachable()])
def test_any_failure_fails_a_session_and_neither_the_run_nor_the_next_session(
    error: Exception,
) -> None:
    sim = Simulation(seed=31, failures=Unreachable)
    registry = AgentRegistry(sim, network=Network(sim, "network"))
    registry.register("a", ["vote"])
    coordinator = Coordinator(sim, registry)
    session = coordinator.session(["a"], Broken(error), timeout=5)
    session.start()
    sim.run()
    assert (session.status, session.error) == ("failed", type(error).__name__)
    repeated = coordinator.repeat(["a"], Broken(error), interval=2, timeout=5, times=3)
    assert sim.run(until=repeated) == 0
    assert len(sim.recording.frame(Session.Failed)) == 4
    sim.check_invariants()


def test_a_bug_in_a_protocol_is_not_lost_with_its_session() -> None:
    sim = Simulation(seed=32)
    registry = AgentRegistry(sim, network=Network(sim, "network"))
    registry.register("a", ["vote"])
    session = Coordinator(sim, registry).session(["a"], Broken(KeyError("typo")), timeout=5)
    session.start()
    with pytest.raises(KeyError, match="typo"):
        sim.run()
    assert session.status == "failed"
