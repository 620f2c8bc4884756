"""The laws that agents and networks keep, as pure functions that name what is broken."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from foundation_lab.agents.state import TRANSITIONS, AgentState

if TYPE_CHECKING:
    from collections.abc import Sequence


def chain_violations(
    agent_id: str, changes: Sequence[tuple[str, str]], present: str | None = None
) -> list[str]:
    """Return what is wrong with an agent's changes of state.

    Args:
        agent_id: The agent.
        changes: ``(from, to)`` of consecutive changes, the oldest first; also as recorded.
        present: The state that the last change must have led to, if known.

    Returns:
        One sentence for every change that is illegal, does not begin where its predecessor ended,
        or leads elsewhere than to the present state.

    >>> chain_violations("a", [("registered", "starting"), ("starting", "idle")], "idle")
    []
    >>> chain_violations("a", [("idle", "busy"), ("paused", "idle")])
    ['a went to busy, but its next change is from paused']
    """
    broken = [
        f"{agent_id} went from {before} to {after}, which is not legal"
        for before, after in changes
        if after not in TRANSITIONS[AgentState(before)]
    ]
    broken += [
        f"{agent_id} went to {first[1]}, but its next change is from {second[0]}"
        for first, second in pairwise(changes)
        if first[1] != second[0]
    ]
    if present is not None and changes and changes[-1][1] != present:
        broken.append(f"{agent_id} is {present}, but its last change was to {changes[-1][1]}")
    return broken


def conservation_violations(sent: int, received: int, dropped: int, in_flight: int) -> list[str]:
    """Return what is wrong with the count of messages: sent = received + dropped + in flight.

    >>> conservation_violations(sent=5, received=3, dropped=1, in_flight=1)
    []
    >>> conservation_violations(sent=5, received=3, dropped=1, in_flight=0)
    ['5 messages sent, but 3 received + 1 dropped + 0 in flight = 4']
    """
    total = received + dropped + in_flight
    if sent == total:
        return []
    parts = f"{received} received + {dropped} dropped + {in_flight} in flight"
    return [f"{sent} messages sent, but {parts} = {total}"]


def engagement_violations(
    agent_id: str, state: AgentState, *, engaged: bool, running: bool
) -> list[str]:
    """Return what is wrong between an agent's state and its session.

    Args:
        agent_id: The agent.
        state: The state it is in.
        engaged: Whether it takes part in a session.
        running: Whether that session runs, or has just ended and is about to free the agent.

    >>> engagement_violations("a", AgentState.BUSY, engaged=False, running=False)
    ['a is busy without a session']
    """
    broken = []
    if state is AgentState.BUSY and not engaged:
        broken.append(f"{agent_id} is busy without a session")
    if engaged and not running:
        broken.append(f"{agent_id} is engaged in a session that does not run")
    if engaged and state not in _MAY_BE_ENGAGED:
        broken.append(f"{agent_id} is {state.value} but engaged in a session")
    return broken


_MAY_BE_ENGAGED = frozenset(
    {AgentState.BUSY, AgentState.PAUSED, AgentState.SUSPENDED, AgentState.STOPPING}
)
