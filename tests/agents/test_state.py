from __future__ import annotations

import re
from itertools import product

import pytest

from foundation_lab.agents import TRANSITIONS, AgentState, check_transition


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(AgentState)
    assert len(AgentState) == 10


def test_an_agent_that_runs_can_always_fail_and_always_stop() -> None:
    for state in ("starting", "idle", "busy", "paused", "suspended"):
        assert {AgentState.FAILED, AgentState.STOPPING} <= set(TRANSITIONS[AgentState(state)])


def test_every_state_but_the_last_leads_to_the_last() -> None:
    reached = {AgentState.UNREGISTERED}
    while more := {s for s, to in TRANSITIONS.items() if reached & set(to)} - reached:
        reached |= more
    assert reached == set(AgentState)
    assert TRANSITIONS[AgentState.UNREGISTERED] == ()


@pytest.mark.parametrize(("before", "after"), [(b, a) for b, a in product(AgentState, AgentState)])
def test_a_transition_outside_of_the_table_names_both_states_and_what_is_legal(
    before: AgentState, after: AgentState
) -> None:
    if after in TRANSITIONS[before]:
        check_transition("a", before, after)
        return
    legal = ", ".join(TRANSITIONS[before]) or "nothing any more"
    message = f"agent 'a' cannot go from {before} to {after}; from {before} it can go to: {legal}"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_transition("a", before, after)
