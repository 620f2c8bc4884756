"""The states of an agent's life, and which of them may follow which."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class AgentState(StrEnum):
    """Where an agent is in its life. Its health is another matter."""

    REGISTERED = "registered"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    UNREGISTERED = "unregistered"


_S = AgentState

TRANSITIONS: Mapping[AgentState, tuple[AgentState, ...]] = {
    _S.REGISTERED: (_S.STARTING, _S.UNREGISTERED),
    _S.STARTING: (_S.IDLE, _S.STOPPING, _S.FAILED),
    _S.IDLE: (_S.BUSY, _S.PAUSED, _S.SUSPENDED, _S.STOPPING, _S.FAILED),
    _S.BUSY: (_S.IDLE, _S.PAUSED, _S.SUSPENDED, _S.STOPPING, _S.FAILED),
    _S.PAUSED: (_S.IDLE, _S.BUSY, _S.SUSPENDED, _S.STOPPING, _S.FAILED),
    _S.SUSPENDED: (_S.IDLE, _S.BUSY, _S.STOPPING, _S.FAILED),
    _S.STOPPING: (_S.STOPPED, _S.FAILED),
    _S.STOPPED: (_S.STARTING, _S.UNREGISTERED),
    _S.FAILED: (_S.STARTING, _S.UNREGISTERED),
    _S.UNREGISTERED: (),
}
"""The states that may follow each state."""

ALIVE = frozenset(
    {_S.STARTING, _S.IDLE, _S.BUSY, _S.PAUSED, _S.SUSPENDED, _S.STOPPING},
)
"""The states of an agent that runs, even if it does nothing at the moment."""

WORKING = frozenset({_S.IDLE, _S.BUSY, _S.STOPPING})
"""The states in which an agent takes messages out of its mailbox."""


def check_transition(agent_id: str, before: AgentState, after: AgentState) -> None:
    """Refuse a change of state that is not in the table.

    Raises:
        ValueError: It is not; the message names both states and what would be legal.
    """
    legal = TRANSITIONS[before]
    if after not in legal:
        choice = ", ".join(state.value for state in legal) if legal else "nothing any more"
        message = (
            f"agent {agent_id!r} cannot go from {before.value} to {after.value}; "
            f"from {before.value} it can go to: {choice}"
        )
        raise ValueError(message)
