"""What every protocol of coordination has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.agents.agent import Agent
    from foundation_lab.agents.message import Message
    from foundation_lab.agents.session import Session


class CoordinationProtocol(Protocol):
    """The rules of a session.

    One object can serve many sessions: what is learnt in a session stays in its generators and in
    the agents' `memory`.
    """

    @property
    def name(self) -> str:
        """The protocol's name."""

    def run(self, session: Session) -> Generator[Any, Any, str]:
        """Do the coordinator's part (``yield from``) and return the result."""

    def answer(self, session: Session, agent: Agent, message: Message) -> Any:
        """Do an agent's part: what it does about a message of the session."""
