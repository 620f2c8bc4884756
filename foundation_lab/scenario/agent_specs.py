"""Agents in a scenario file: who there is, the network between them, and the sessions they hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from foundation_lab.scenario.duration_specs import Duration
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section, Share, Whole

NO_MAJORITY = "no_majority"
"""What the protocol calls a vote without a winner."""


class NetworkSpec(Section):
    """What messages between agents go through."""

    latency: Duration = 0.0
    """Seconds that a message is under way: a number, or a distribution."""
    loss: Share = 0.0
    """The chance that a message is lost."""
    fifo: bool = False
    """Whether messages of one link arrive in the order in which they were sent."""


class MajorityVoteSpec(Section):
    """Every agent votes once; an absolute majority decides, as early as it is certain."""

    kind: Literal["majority_vote"]
    question: Annotated[str, Field(min_length=1)]
    """What is asked."""
    choices: Annotated[list[Name], Field(min_length=2)]
    """What can be answered."""
    weights: list[NotNegative] | None = None
    """How likely each choice is; equally without it."""
    quorum: Whole | None = None
    """How many votes win; more than half of the agents without it."""
    resend_interval: Positive | None = None
    """Seconds after which agents that have not voted are asked again."""

    @field_validator("choices")
    @classmethod
    def _all_different(cls, choices: list[str]) -> list[str]:
        twice = [choice for choice in choices if choices.count(choice) > 1]
        if twice:
            message = f"the choice {twice[0]!r} is there twice; give different ones"
            raise ValueError(message)
        if NO_MAJORITY in choices:
            message = f"{NO_MAJORITY!r} stands for a vote without a winner; choose another word"
            raise ValueError(message)
        return choices

    @model_validator(mode="after")
    def _one_weight_each(self) -> MajorityVoteSpec:
        if self.weights is not None and len(self.weights) != len(self.choices):
            message = f"{len(self.weights)} weights for {len(self.choices)} choices; give one each"
            raise ValueError(message)
        if self.weights is not None and not any(self.weights):
            message = "all weights are 0; give at least one above 0"
            raise ValueError(message)
        return self


class AssignmentSpec(Section):
    """Every agent is given a task, and reports when it is done."""

    kind: Literal["assignment"]
    task: Annotated[str, Field(min_length=1)]
    """What is to be done."""
    resend_interval: Positive | None = None
    """Seconds after which agents that have not reported are told again."""


class SessionsSpec(Section):
    """Coordination sessions of all agents, again and again."""

    protocol: Annotated[MajorityVoteSpec | AssignmentSpec, Field(discriminator="kind")]
    """The rules."""
    interval: Positive
    """Seconds from the start of one session to the start of the next."""
    timeout: Positive
    """Seconds after which a session fails."""
    times: Whole | None = None
    """How many sessions; to the horizon without it."""


class AgentsSpec(Section):
    """Agents that coordinate."""

    members: Annotated[list[Name], Field(min_length=1)]
    """The ids of the agents."""
    capabilities: list[Name] = Field(default_factory=list)
    """What each of them can do."""
    think_time: Duration = 0.0
    """Seconds that an agent thinks about a message: a number, or a distribution."""
    health_interval: Positive | None = None
    """Seconds between two health checks; none without it."""
    network: NetworkSpec = NetworkSpec()
    """What their messages go through."""
    sessions: SessionsSpec
    """What they hold."""
