"""Events of `foundation_lab.services.OutlierDetector`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Ejected(Event, frozen=True):
    """A host was taken out of rotation; `duration` is the least time that it stays out."""

    event_name: ClassVar[str] = "foundation.outlier_detector.ejected"

    service_id: Label
    host: Label
    reason: Label
    duration: Seconds
    ejected: Count


class Spared(Event, frozen=True):
    """A host is an outlier, but as many hosts as may be are out of rotation already."""

    event_name: ClassVar[str] = "foundation.outlier_detector.spared"

    service_id: Label
    host: Label
    reason: Label
    ejected: Count


class Returned(Event, frozen=True):
    """A host came back into rotation after `duration` seconds."""

    event_name: ClassVar[str] = "foundation.outlier_detector.returned"

    service_id: Label
    host: Label
    duration: Seconds
    ejected: Count
