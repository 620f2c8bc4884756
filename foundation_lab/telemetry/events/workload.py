"""Events of the workloads themselves: their users, their sessions, and what they are set to.

The requests that they send are the family `request`.
"""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Ratio, Seconds


class LoadChanged(Event, frozen=True):
    """A workload was set to `factor` times its own load; 0 pauses it."""

    event_name: ClassVar[str] = "foundation.workload.load_changed"

    client: Label
    factor: Ratio


class UsersChanged(Event, frozen=True):
    """A closed loop has `users` now; `leaving` others still wait for the answer to their last."""

    event_name: ClassVar[str] = "foundation.workload.users_changed"

    client: Label
    users: Count
    leaving: Count


class SessionStarted(Event, frozen=True):
    """A user came; `steps` are planned."""

    event_name: ClassVar[str] = "foundation.workload.session_started"

    client: Label
    session_id: Label
    steps: Count


class SessionStep(Event, frozen=True):
    """The request that follows, of the same correlation id, is this step of the session, from 1."""

    event_name: ClassVar[str] = "foundation.workload.session_step"

    client: Label
    session_id: Label
    step: Count
    page: Label


class SessionFinished(Event, frozen=True):
    """A session ended as completed, abandoned or cancelled, after so many steps that went well."""

    event_name: ClassVar[str] = "foundation.workload.session_finished"

    client: Label
    session_id: Label
    outcome: Label
    steps: Count
    failures: Count
    duration: Seconds
