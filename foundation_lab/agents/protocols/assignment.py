"""Assignment: every agent does its part of a task and reports; all must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.agents.failure import AgentLost
from foundation_lab.agents.protocols.poll import Poll, as_resend_interval

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.agents.agent import Agent
    from foundation_lab.agents.message import Message
    from foundation_lab.agents.session import Session

SUCCESS = "success"
"""The result of an assignment that everybody has done."""


class Assignment:
    """Gives every agent a task; completed with ``success`` when all have reported it done.

    An agent works on the task for its think time. When an agent is lost before it has reported,
    the session fails with ``agent_lost``.

    Args:
        task: What is to be done, in words.
        resend_interval: Seconds after which agents that have not reported are told again.
    """

    name: ClassVar[str] = "assignment"

    def __init__(self, task: str, *, resend_interval: float | None = None) -> None:
        self.task = task
        self.resend_interval = as_resend_interval(resend_interval)

    def run(self, session: Session) -> Generator[Any, Any, str]:
        """Do the coordinator's part.

        Raises:
            AgentLost: An agent took no part any more before it had reported.
        """
        poll = Poll(session, "task", "done", self.task, resend_interval=self.resend_interval)
        poll.ask()
        while len(poll.answers) < len(session.participants):
            if poll.absent:
                lost = [a for a in session.lost if a not in poll.answers]
                message = f"{', '.join(lost)} cannot do {self.task!r}"
                raise AgentLost(message)
            yield from poll.next_answer()
        return SUCCESS

    def answer(self, session: Session, agent: Agent, message: Message) -> Generator[Any, Any, None]:
        """Do an agent's part: work, then report. A task that is done is only reported again."""
        if "done" not in agent.memory:
            yield from agent.think()
            if agent.session is not session:
                return
            agent.memory["done"] = True
        session.reply(agent, "done", message.body)
