"""Events of coordination sessions between agents."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import Count, Event, Label, Labels, Seconds


class Started(Event, frozen=True):
    """A coordination session began."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.started"

    session_id: Label
    protocol: Label
    agents: Labels


class MessageSent(Event, frozen=True):
    """A message left its sender."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.message_sent"

    session_id: Label
    message_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    type: Label


class MessageReceived(Event, frozen=True):
    """A message reached its receiver; `duration` is how long it was under way."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.message_received"

    session_id: Label
    message_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    type: Label
    duration: Seconds


class MessageDropped(Event, frozen=True):
    """A message was lost: by the network, by a partition, or for want of a living receiver."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.message_dropped"

    session_id: Label
    message_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    type: Label
    reason: Label


class Vote(Event, frozen=True):
    """An agent's vote was counted."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.vote"

    session_id: Label
    agent_id: Label
    choice: Label


class Decision(Event, frozen=True):
    """The outcome of a session is settled; later votes cannot change it."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.decision"

    session_id: Label
    choice: Label
    votes: Count
    electorate: Count


class Completed(Event, frozen=True):
    """A session ended with a result, and all its agents are idle again."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.completed"

    session_id: Label
    result: Label
    duration: Seconds


class Timeout(Event, frozen=True):
    """A session's time ran out; a failed follows."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.timeout"

    session_id: Label
    timeout: Seconds


class Failed(Event, frozen=True):
    """A session ended without a result."""

    event_name: ClassVar[str] = "foundation.mabeam.coordination.failed"

    session_id: Label
    error: Label
    duration: Seconds
