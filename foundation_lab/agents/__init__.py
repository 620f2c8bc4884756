"""Agents that talk over a network and come to results together."""

from foundation_lab.agents.agent import Agent
from foundation_lab.agents.coordinator import Coordinator
from foundation_lab.agents.failure import AgentLost, SessionFailed, SessionTimedOut
from foundation_lab.agents.message import Endpoint, Message
from foundation_lab.agents.network import Network
from foundation_lab.agents.protocols import (
    Assignment,
    CoordinationProtocol,
    Decision,
    MajorityVote,
    NoMajority,
    Poll,
    decide,
    majority,
)
from foundation_lab.agents.registry import AgentRegistry
from foundation_lab.agents.session import Departure, Session, SessionStatus
from foundation_lab.agents.signals import Signal, SignalBus, Subscription
from foundation_lab.agents.state import TRANSITIONS, AgentState, check_transition

__all__ = [
    "TRANSITIONS",
    "Agent",
    "AgentLost",
    "AgentRegistry",
    "AgentState",
    "Assignment",
    "CoordinationProtocol",
    "Coordinator",
    "Decision",
    "Departure",
    "Endpoint",
    "MajorityVote",
    "Message",
    "Network",
    "NoMajority",
    "Poll",
    "Session",
    "SessionFailed",
    "SessionStatus",
    "SessionTimedOut",
    "Signal",
    "SignalBus",
    "Subscription",
    "check_transition",
    "decide",
    "majority",
]
