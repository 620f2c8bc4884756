"""Events of agents' lives."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import Details, Event, Flag, Label, Labels


class Registered(Event, frozen=True):
    """An agent became known to the registry."""

    event_name: ClassVar[str] = "foundation.mabeam.agent.registered"

    agent_id: Label
    capabilities: Labels


class Unregistered(Event, frozen=True):
    """An agent is no longer known to the registry."""

    event_name: ClassVar[str] = "foundation.mabeam.agent.unregistered"

    agent_id: Label
    reason: Label


class HealthCheck(Event, frozen=True):
    """An agent said how it is."""

    event_name: ClassVar[str] = "foundation.mabeam.agent.health_check"

    agent_id: Label
    healthy: Flag
    health: Label
    metrics: Details


class StateChange(Event, frozen=True):
    """An agent went from one state of its life to another."""

    event_name: ClassVar[str] = "foundation.mabeam.agent.state_change"

    agent_id: Label
    from_: Label = msgspec.field(name="from")
    to: Label
    reason: Label
