"""Events of network links: the network between two services."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Event, Label, Seconds


class Delivered(Event, frozen=True):
    """A message went over a link, one way, in `duration` seconds."""

    event_name: ClassVar[str] = "foundation.network_link.delivered"

    service_id: Label
    direction: Label
    duration: Seconds


class Lost(Event, frozen=True):
    """A link lost a message, as it does now and then without a fault."""

    event_name: ClassVar[str] = "foundation.network_link.lost"

    service_id: Label
    direction: Label
