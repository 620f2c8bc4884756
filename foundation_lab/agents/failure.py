"""How a coordination session fails."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.errors import CoordinationError, TimedOut


class SessionFailed(CoordinationError):
    """A session ended without a result; `reason` is the ``error`` of its `failed` event."""

    reason: ClassVar[str] = "failed"


class SessionTimedOut(SessionFailed, TimedOut):
    """The time of a session ran out (outcome ``timeout``)."""

    reason: ClassVar[str] = "timeout"


class AgentLost(SessionFailed):
    """An agent that the protocol cannot do without takes no part any more."""

    reason: ClassVar[str] = "agent_lost"
