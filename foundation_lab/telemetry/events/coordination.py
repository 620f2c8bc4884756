"""Events of coordination sessions between agents."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import Count, Event, Label, Labels, Seconds


class Started(Event):
    """A coordination session began."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.started"

    session_id: Label
    protocol: Label
    agents: Labels


class MessageSent(Event):
    """A message left its sender."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.message_sent"

    session_id: Label
    message_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    type: Label


class MessageReceived(Event):
    """A message reached its receiver; `duration` is how long it was under way."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.message_received"

    session_id: Label
    message_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    type: Label
    duration: Seconds


class MessageDropped(Event):
    """A message was lost: by the network, by a partition, or for want of a living receiver."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.message_dropped"

    session_id: Label
    message_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    type: Label
    reason: Label


class Vote(Event):
    """An agent's vote was counted."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.vote"

    session_id: Label
    agent_id: Label
    choice: Label


class Decision(Event):
    """The outcome of a session is settled; later votes cannot change it."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.decision"

    session_id: Label
    choice: Label
    votes: Count
    electorate: Count


class Completed(Event):
    """A session ended with a result, and all its agents are idle again."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.completed"

    session_id: Label
    result: Label
    duration: Seconds


class Timeout(Event):
    """A session's time ran out; a failed follows."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.timeout"

    session_id: Label
    timeout: Seconds


class Failed(Event):
    """A session ended without a result."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.failed"

    session_id: Label
    error: Label
    duration: Seconds
