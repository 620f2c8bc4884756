"""Events of the agents' signal bus (`foundation_lab.agents.SignalBus`)."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Processed(Event, frozen=True):
    """Every subscriber of a signal has handled it; `duration` counts from its publication."""

    event_name: ClassVar[str] = "foundation.signal.processed"

    signal: Label
    signal_id: Label
    subscribers: Count
    duration: Seconds
