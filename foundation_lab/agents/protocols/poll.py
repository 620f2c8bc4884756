"""A question to all agents of a session, asked again until they have answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.agents.message import Message
from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.agents.session import Session


class Poll:
    """Asks the agents of a session and collects their first answers.

    Args:
        session: The session.
        request: The type of the request message.
        reply: The type of the answers.
        body: What the request says.
        resend_interval: Seconds after which those who have not answered are asked again, and
            again; a lost message is never made good without it.

    Attributes:
        answers: The body of each agent's first answer, by agent id, in order of arrival.
    """

    def __init__(
        self,
        session: Session,
        request: str,
        reply: str,
        body: Any,
        *,
        resend_interval: float | None,
    ) -> None:
        self.session = session
        self.request = request
        self.reply = reply
        self.body = body
        self.resend_interval = resend_interval
        self.answers: dict[str, Any] = {}
        self._asked_at = 0.0

    @property
    def outstanding(self) -> list[str]:
        """The agents that take part and have not answered, in order."""
        return [a for a in self.session.present if a not in self.answers]

    @property
    def absent(self) -> int:
        """How many agents take no part any more and have not answered."""
        return sum(agent_id not in self.answers for agent_id in self.session.lost)

    def ask(self) -> None:
        """Ask everybody who has not answered."""
        self._asked_at = self.session.sim.now
        for agent_id in self.outstanding:
            self.session.ask(agent_id, self.request, self.body)

    def next_answer(self) -> Generator[Any, Any, str | None]:
        """Wait for the next first answer (``yield from``), asking again when it is time.

        Second answers of the same agent and messages of other types are passed over.

        Returns:
            The id of the agent that answered; ``None`` when an agent was lost instead.
        """
        while True:
            until = None if self.resend_interval is None else self._asked_at + self.resend_interval
            item = yield from self.session.next(until)
            if item is None:
                self.ask()
            elif not isinstance(item, Message):
                return None
            elif item.type == self.reply and item.sender not in self.answers:
                self.answers[item.sender] = item.body
                return item.sender


def as_resend_interval(value: float | None) -> float | None:
    """Return `value` if it is a number of seconds above zero, or ``None``.

    Raises:
        ValueError: It is neither.
    """
    return None if value is None else positive("resend_interval", value)
