"""Protocols of coordination: one module each."""

from foundation_lab.agents.protocols.assignment import Assignment
from foundation_lab.agents.protocols.majority_vote import (
    Decision,
    MajorityVote,
    NoMajority,
    decide,
    majority,
)
from foundation_lab.agents.protocols.poll import Poll
from foundation_lab.agents.protocols.protocol import CoordinationProtocol

__all__ = [
    "Assignment",
    "CoordinationProtocol",
    "Decision",
    "MajorityVote",
    "NoMajority",
    "Poll",
    "decide",
    "majority",
]
