"""Events of `foundation_lab.services.Autoscaler`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import Count, Event, Label, Ratio


class Evaluated(Event, frozen=True):
    """An autoscaler looked at its metric; it recommends `recommended` and settles for `desired`."""

    event_name: ClassVar[str] = "foundation.autoscaler.evaluated"

    service_id: Label
    metric: Ratio
    replicas: Count
    ready: Count
    recommended: Count
    desired: Count
    limited_by: Label


class Scaled(Event, frozen=True):
    """An autoscaler changed the number of replicas, because the metric was what it was."""

    event_name: ClassVar[str] = "foundation.autoscaler.scaled"

    service_id: Label
    from_: Count = msgspec.field(name="from")
    to: Count
    metric: Ratio
    reason: Label
