from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.agents import (
    AgentRegistry,
    Coordinator,
    MajorityVote,
    Network,
    Session,
    decide,
    majority,
)
from foundation_lab.simulation.distributions import Distribution, exponential
from foundation_lab.simulation.engine import Simulation

CHOICES = ("red", "green", "blue")


@st.composite
def open_votes(draw: st.DrawFn) -> tuple[dict[str, str], int, int, int]:
    electorate = draw(st.integers(1, 6))
    cast = draw(st.lists(st.sampled_from(CHOICES), max_size=electorate))
    absent = draw(st.integers(0, electorate - len(cast)))
    quorum = draw(st.integers(majority(electorate), electorate))
    return {f"a{k}": choice for k, choice in enumerate(cast)}, electorate, quorum, absent


def winner(votes: list[str], quorum: int) -> str | None:
    return next((c for c, n in Counter(votes).items() if n >= quorum), None)


@given(open_votes())
def test_a_vote_is_decided_exactly_when_all_ways_to_go_on_have_one_winner(
    case: tuple[dict[str, str], int, int, int],
) -> None:
    votes, electorate, quorum, absent = case
    remaining = electorate - len(votes) - absent
    outcomes = {
        winner([*votes.values(), *more], quorum)
        for left in range(remaining + 1)
        for more in product(CHOICES, repeat=left)
    }
    decision = decide(votes, electorate, quorum, absent=absent)
    assert (decision is not None) == (len(outcomes) == 1)
    if decision is not None:
        assert {decision.choice} == outcomes
        assert decision.votes == max(Counter(votes.values()).values(), default=0)


@given(open_votes(), st.sampled_from(CHOICES))
def test_a_decision_stands_whatever_is_voted_later(
    case: tuple[dict[str, str], int, int, int], late: str
) -> None:
    votes, electorate, quorum, absent = case
    decision = decide(votes, electorate, quorum, absent=absent)
    if decision is not None and len(votes) + absent < electorate:
        later = decide({**votes, "late": late}, electorate, quorum, absent=absent)
        assert later is not None
        assert later.choice == decision.choice


@pytest.mark.parametrize("quorum", [0, 2, 5])
def test_a_quorum_is_an_absolute_majority(quorum: int) -> None:
    with pytest.raises(ValueError, match=f"quorum={quorum} of an electorate of 4; .* from 3 to 4"):
        decide({}, 4, quorum)


def test_more_votes_than_voters_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 votes and 1 absent of an electorate of 2"):
        decide({"a": "red", "b": "red"}, 2, 2, absent=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"choices": []}, "different words"),
        ({"choices": "yes"}, "different words"),
        ({"choices": ["yes", "yes"]}, "different words"),
        ({"choices": ["yes", "no_majority"]}, "stands for a vote without a winner"),
        ({"choices": ["yes"], "weights": [1, 2]}, "give 1 numbers"),
        ({"choices": ["yes"], "weights": [0]}, "not all 0"),
        ({"choices": ["yes"], "resend_interval": 0}, "resend_interval=0"),
    ],
    ids=str,
)
def test_arguments_that_make_no_vote_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MajorityVote("q", **arguments)


# -- over the network --------------------------------------------------------------------------


def hold(
    seed: int,
    opinions: dict[str, str | None],
    *,
    think: dict[str, float | Distribution] | None = None,
    timeout: float = 10.0,
    quorum: int | None = None,
    resend_interval: float | None = None,
    **network: Any,
) -> tuple[Simulation, Coordinator, Session]:
    sim = Simulation(seed=seed)
    registry = AgentRegistry(sim, network=Network(sim, **network))
    for agent_id in opinions:
        registry.register(agent_id, think_time=(think or {}).get(agent_id, 0.0))
    coordinator = Coordinator(sim, registry)
    vote = MajorityVote(
        "which?",
        CHOICES,
        quorum=quorum,
        ballot=lambda agent: opinions[agent.agent_id],
        resend_interval=resend_interval,
    )
    return sim, coordinator, coordinator.coordinate(opinions, vote, timeout=timeout)


def test_the_choice_of_more_than_half_wins() -> None:
    sim, _, session = hold(1, {"a": "red", "b": "blue", "c": "red"}, latency=0.1)
    sim.run()
    assert (session.status, session.result) == ("completed", "red")
    [decision] = sim.recording.frame(MajorityVote.Decision).rows(named=True)
    assert (decision["choice"], decision["votes"], decision["electorate"]) == ("red", 2, 3)
    votes = sim.recording.frame(MajorityVote.Vote).select("agent_id", "choice").rows()
    assert votes == [("a", "red"), ("b", "blue"), ("c", "red")]


def test_a_decision_does_not_wait_for_the_slowest_vote() -> None:
    think: dict[str, float | Distribution] = {"a": 1.0, "b": 2.0, "c": 9.0}
    sim, coordinator, session = hold(2, dict.fromkeys("abc", "red"), think=think)
    sim.run()
    assert (session.result, session.duration) == ("red", 2.0)
    assert sim.recording.frame(MajorityVote.Vote)["agent_id"].to_list() == ["a", "b"]
    assert sim.now == 2.0
    assert {a.state.value for a in coordinator.registry} == {"idle"}


def test_a_vote_under_way_when_the_decision_falls_is_dropped() -> None:
    think: dict[str, float | Distribution] = {"c": 0.5}
    sim, _, session = hold(3, dict.fromkeys("abc", "red"), think=think, latency=1.0)
    sim.run()
    assert session.duration == 2.0
    assert sim.recording.frame(Network.MessageDropped)["reason"].to_list() == ["session_over"]


def test_a_tie_fails_as_soon_as_it_cannot_be_broken() -> None:
    think: dict[str, float | Distribution] = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    opinions: dict[str, str | None] = {"a": "red", "b": "blue", "c": "blue", "d": "red"}
    sim, _, session = hold(4, opinions, think=think)
    sim.run()
    assert (session.status, session.error, session.duration) == ("failed", "no_majority", 4.0)
    [decision] = sim.recording.frame(MajorityVote.Decision).rows(named=True)
    assert (decision["choice"], decision["votes"]) == ("no_majority", 2)


def test_an_outcome_that_cannot_be_reached_any_more_is_not_waited_for() -> None:
    think: dict[str, float | Distribution] = {"a": 1.0, "b": 2.0, "c": 3.0}
    opinions: dict[str, str | None] = {"a": "red", "b": "blue", "c": "red"}
    sim, _, session = hold(5, opinions, think=think, quorum=3)
    sim.run()
    assert (session.error, session.duration) == ("no_majority", 2.0)


def test_abstentions_leave_the_vote_open_until_the_timeout() -> None:
    sim, _, session = hold(6, {"a": "red", "b": None, "c": None}, timeout=4.0)
    sim.run()
    assert (session.error, session.duration) == ("timeout", 4.0)


def test_lost_requests_end_a_vote_exactly_at_its_timeout() -> None:
    sim, coordinator, session = hold(7, dict.fromkeys("abc", "red"), loss=1.0, timeout=4.0)
    sim.run()
    assert (session.error, session.duration, sim.now) == ("timeout", 4.0, 4.0)
    assert {a.state.value for a in coordinator.registry} == {"idle"}


def test_asking_again_makes_lost_messages_good() -> None:
    sim, _, session = hold(
        8, dict.fromkeys("abcde", "red"), loss=0.5, latency=0.1, resend_interval=1.0, timeout=99.0
    )
    sim.run()
    assert session.result == "red"
    assert session.duration is not None
    assert session.duration > 1.0
    sent = sim.recording.frame(Network.MessageSent)
    assert set(sent.filter(sent["from"] == "coordinator")["time"].round(9)) > {0.0, 1.0}


def test_a_second_vote_of_an_agent_that_was_asked_again_does_not_count() -> None:
    sim, _, session = hold(
        9,
        {"a": "red", "b": "red", "c": "blue", "d": "blue", "e": "red"},
        think={"e": 20.0},
        latency=3.0,
        resend_interval=2.0,
        timeout=99.0,
    )
    sim.run(until=16)
    received = sim.recording.frame(Network.MessageReceived)
    assert received.filter(received["from"] == "a").height > 1
    assert sorted(sim.recording.frame(MajorityVote.Vote)["agent_id"]) == ["a", "b", "c", "d"]
    sim.run()
    assert session.result == "red"


def test_an_agent_that_votes_twice_votes_the_same() -> None:
    sim = Simulation(seed=10)
    registry = AgentRegistry(sim, network=Network(sim, latency=3.0))
    asked = Counter[str]()

    def ballot(agent: Any) -> str:
        asked[agent.agent_id] += 1
        return "red"

    registry.register("a")
    vote = MajorityVote("q", CHOICES, ballot=ballot, resend_interval=1.0)
    session = Coordinator(sim, registry).coordinate(["a"], vote, timeout=20.0)
    sim.run()
    assert session.result == "red"
    assert asked == {"a": 1}


def test_a_partition_keeps_votes_out_until_it_heals() -> None:
    sim, coordinator, session = hold(
        11, dict.fromkeys("abc", "red"), latency=0.1, resend_interval=1.0
    )
    coordinator.network.partition([["coordinator", "a"], ["b", "c"]])
    sim.call_at(3.5, coordinator.network.heal)
    sim.run()
    assert session.result == "red"
    assert session.duration == pytest.approx(4.2)
    dropped = sim.recording.frame(Network.MessageDropped)
    assert set(dropped["reason"]) == {"partition"}
    assert dropped.height == 8


def test_a_killed_agent_stays_in_the_electorate() -> None:
    think: dict[str, float | Distribution] = {"b": 5.0, "c": 5.0}
    opinions: dict[str, str | None] = dict.fromkeys("abc", "red")
    sim, coordinator, session = hold(12, opinions, think=think)
    sim.call_at(1.0, coordinator.registry.get("b").kill)
    sim.run()
    assert (session.result, session.duration) == ("red", 5.0)
    sim, coordinator, session = hold(12, opinions, think=think)
    sim.call_at(1.0, coordinator.registry.get("b").kill)
    sim.call_at(2.0, coordinator.registry.get("c").kill)
    sim.run()
    assert (session.error, session.duration) == ("no_majority", 2.0)
    assert list(session.lost) == ["b", "c"]


def test_a_vote_that_was_cast_counts_although_its_agent_dies() -> None:
    think: dict[str, float | Distribution] = {"b": 5.0, "c": 9.0}
    sim, coordinator, session = hold(13, dict.fromkeys("abc", "red"), think=think)
    sim.call_at(1.0, coordinator.registry.get("a").kill)
    sim.run()
    assert (session.result, session.duration) == ("red", 5.0)


def test_a_quorum_that_does_not_fit_the_agents_comes_through() -> None:
    sim, _, session = hold(14, dict.fromkeys("abc", "red"), quorum=1)
    assert session.process is not None
    with pytest.raises(ValueError, match="quorum=1 of an electorate of 3"):
        sim.run(until=session.process)


def test_a_ballot_outside_of_the_choices_comes_through() -> None:
    sim, _, _ = hold(15, {"a": "purple"})
    with pytest.raises(ValueError, match="the ballot of 'a' is 'purple'; give one of red, green"):
        sim.run()


def test_drawn_votes_follow_their_weights() -> None:
    sim = Simulation(seed=16)
    registry = AgentRegistry(sim, network=Network(sim))
    registry.register("a")
    coordinator = Coordinator(sim, registry)
    vote = MajorityVote("q", ["yes", "no"], weights=[3, 1])
    coordinator.repeat(["a"], vote, interval=1.0, timeout=0.5, times=400)
    sim.run()
    counts = Counter(sim.recording.frame(MajorityVote.Vote)["choice"])
    assert counts["yes"] + counts["no"] == 400
    assert 270 <= counts["yes"] <= 330  # 300, give or take 3.5 standard deviations


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), loss=st.floats(0, 0.9), agents=st.integers(1, 7))
def test_every_vote_ends_in_time_with_its_laws_kept(seed: int, loss: float, agents: int) -> None:
    sim = Simulation(seed=seed)
    registry = AgentRegistry(sim, network=Network(sim, latency=exponential(0.2), loss=loss))
    ids = [f"a{k}" for k in range(agents)]
    for agent_id in ids:
        registry.register(agent_id, think_time=exponential(0.5))
    coordinator = Coordinator(sim, registry)
    vote = MajorityVote("q", ["yes", "no"], resend_interval=0.7)
    session = coordinator.coordinate(ids, vote, timeout=5.0)
    sim.telemetry.attach("laws", "**", lambda _r: sim.check_invariants(), on_error="raise")
    sim.run()
    sim.check_invariants()
    assert session.duration is not None
    assert session.duration <= 5.0
    assert (session.error == "timeout") == (session.duration == 5.0)
    decisions = sim.recording.frame(MajorityVote.Decision).height
    assert decisions == (session.error != "timeout")
    if session.result is not None:
        counts = Counter(sim.recording.frame(MajorityVote.Vote)["choice"])
        assert counts[session.result] == majority(agents)
