"""Majority vote: a question, one vote an agent, and an absolute majority that decides."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from foundation_lab.agents.failure import SessionFailed
from foundation_lab.agents.protocols.poll import Poll, as_resend_interval
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from foundation_lab.agents.agent import Agent
    from foundation_lab.agents.message import Message
    from foundation_lab.agents.session import Session

NO_MAJORITY = "no_majority"
"""The choice of a decision that no choice can reach the quorum any more."""


class NoMajority(SessionFailed):
    """No choice can reach the quorum any more: a tie, a split, or too many agents lost."""

    reason: ClassVar[str] = NO_MAJORITY


class Decision(msgspec.Struct, frozen=True):
    """The outcome of a vote.

    Attributes:
        choice: What won; ``None`` when nothing can win any more.
        votes: How many votes the leading choice has.
        electorate: How many agents were entitled to vote.
    """

    choice: str | None
    votes: int
    electorate: int


def decide(
    votes: Mapping[str, str], electorate: int, quorum: int, *, absent: int = 0
) -> Decision | None:
    """Return the outcome of a vote as soon as no further vote can change it.

    Args:
        votes: The choice of each agent that has voted, by agent id.
        electorate: How many agents are entitled to vote.
        quorum: How many votes win: more than half of the electorate.
        absent: How many of those who have not voted cannot vote any more.

    Returns:
        The decision; ``None`` while it is still open.

    Raises:
        ValueError: The quorum is no absolute majority, or there are more votes than voters.

    >>> decide({"a": "red", "b": "red"}, electorate=3, quorum=2)
    Decision(choice='red', votes=2, electorate=3)
    >>> decide({"a": "red", "b": "blue"}, electorate=3, quorum=2) is None
    True
    >>> decide({"a": "red", "b": "blue"}, electorate=2, quorum=2)
    Decision(choice=None, votes=1, electorate=2)
    """
    check_quorum(quorum, electorate)
    remaining = electorate - len(votes) - absent
    if remaining < 0:
        message = f"{len(votes)} votes and {absent} absent of an electorate of {electorate}"
        raise ValueError(message)
    ranking = Counter(votes.values()).most_common(1)
    most = ranking[0][1] if ranking else 0
    if most >= quorum:
        return Decision(ranking[0][0], most, electorate)
    if most + remaining < quorum:
        return Decision(None, most, electorate)
    return None


def majority(electorate: int) -> int:
    """Return the least number of votes that is more than half of the electorate.

    >>> majority(4), majority(5)
    (3, 3)
    """
    return electorate // 2 + 1


def check_quorum(quorum: int, electorate: int) -> None:
    """Refuse a quorum that two choices could reach, or none.

    Raises:
        ValueError: It is not more than half of the electorate, or more than all of it.
    """
    if not majority(electorate) <= quorum <= electorate:
        message = (
            f"quorum={quorum!r} of an electorate of {electorate}; "
            f"give a number from {majority(electorate)} to {electorate}"
        )
        raise ValueError(message)


class MajorityVote:
    """The coordinator asks all agents, each votes once, an absolute majority of all decides.

    The session ends as soon as the outcome cannot change any more. Votes that come later, and
    second votes of the same agent, are passed over. Agents that are lost stay in the electorate.

    Args:
        question: What is asked.
        choices: What can be answered.
        quorum: How many votes win; by default more than half of the agents.
        weights: How likely each choice is, for votes that are drawn; equally by default.
        ballot: Returns an agent's vote, ``None`` for an abstention; without it, votes are drawn
            from a stream of each agent.
        resend_interval: Seconds after which agents that have not voted are asked again.
    """

    name: ClassVar[str] = "majority_vote"
    Vote = events.coordination.Vote
    Decision = events.coordination.Decision

    def __init__(
        self,
        question: str,
        choices: Sequence[str],
        *,
        quorum: int | None = None,
        weights: Sequence[float] | None = None,
        ballot: Callable[[Agent], str | None] | None = None,
        resend_interval: float | None = None,
    ) -> None:
        self.question = question
        self.choices = _distinct(choices)
        self.quorum = quorum
        self.weights = None if weights is None else _weights(weights, len(self.choices))
        self.ballot = ballot
        self.resend_interval = as_resend_interval(resend_interval)

    def run(self, session: Session) -> Generator[Any, Any, str]:
        """Do the coordinator's part and return the choice that won.

        Raises:
            NoMajority: Nothing can win any more.
            ValueError: The quorum does not fit the number of agents.
        """
        electorate = len(session.participants)
        quorum = majority(electorate) if self.quorum is None else self.quorum
        poll = Poll(
            session, "vote_request", "vote", self.question, resend_interval=self.resend_interval
        )
        decision = decide({}, electorate, quorum, absent=poll.absent)
        if decision is None:
            poll.ask()
        while decision is None:
            voter = yield from poll.next_answer()
            if voter is not None:
                session.sim.telemetry.emit(
                    events.coordination.Vote(session.session_id, voter, poll.answers[voter])
                )
            decision = decide(poll.answers, electorate, quorum, absent=poll.absent)
        choice = NO_MAJORITY if decision.choice is None else decision.choice
        session.sim.telemetry.emit(
            events.coordination.Decision(session.session_id, choice, decision.votes, electorate)
        )
        if decision.choice is None:
            message = (
                f"no answer to {self.question!r} can reach {quorum} of {electorate} votes; "
                f"the leading one has {decision.votes}"
            )
            raise NoMajority(message)
        return decision.choice

    def answer(
        self,
        session: Session,
        agent: Agent,
        message: Message,  # noqa: ARG002  (every protocol's)
    ) -> Generator[Any, Any, None]:
        """Do an agent's part: think, vote. Asked again, it votes as before, without thinking."""
        if "vote" not in agent.memory:
            yield from agent.think()
            if agent.session is not session:
                return
            agent.memory["vote"] = self._vote(agent)
        vote = agent.memory["vote"]
        if vote is not None:
            session.reply(agent, "vote", vote)

    def _vote(self, agent: Agent) -> str | None:
        if self.ballot is None:
            stream = agent.sim.stream(f"agent.{agent.agent_id}.vote")
            return stream.choices(self.choices, self.weights)[0]
        vote = self.ballot(agent)
        if vote is not None and vote not in self.choices:
            message = (
                f"the ballot of {agent.agent_id!r} is {vote!r}; "
                f"give one of {', '.join(self.choices)}, or None"
            )
            raise ValueError(message)
        return vote


def _distinct(choices: Sequence[str]) -> tuple[str, ...]:
    if isinstance(choices, str) or len(set(choices)) != len(choices) or len(choices) < 1:
        message = f"choices={choices!r}; give a list of different words"
        raise ValueError(message)
    if NO_MAJORITY in choices:
        message = f"choices={choices!r}; {NO_MAJORITY!r} stands for a vote without a winner"
        raise ValueError(message)
    return tuple(choices)


def _weights(weights: Sequence[float], expected: int) -> tuple[float, ...]:
    if len(weights) != expected or min(weights) < 0 or not 0 < sum(weights) < float("inf"):
        message = f"weights={weights!r}; give {expected} numbers from 0 that are not all 0"
        raise ValueError(message)
    return tuple(weights)
