"""Events of `foundation_lab.services.ReplicaSet`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Scaled(Event, frozen=True):
    """A replica set is to have another number of replicas."""

    event_name: ClassVar[str] = "foundation.replica.scaled"

    service_id: Label
    from_: Count = msgspec.field(name="from")
    to: Count
    reason: Label


class Started(Event, frozen=True):
    """A replica was started and is not ready yet: a new one, or one that crashed (``restart``)."""

    event_name: ClassVar[str] = "foundation.replica.started"

    service_id: Label
    replica: Label
    generation: Count
    reason: Label


class Ready(Event, frozen=True):
    """A replica takes requests, `duration` seconds after it was started."""

    event_name: ClassVar[str] = "foundation.replica.ready"

    service_id: Label
    replica: Label
    generation: Count
    duration: Seconds
    ready: Count


class Draining(Event, frozen=True):
    """A replica gets no more requests and finishes the `active` ones that it has."""

    event_name: ClassVar[str] = "foundation.replica.draining"

    service_id: Label
    replica: Label
    generation: Count
    active: Count


class Stopped(Event, frozen=True):
    """A replica is gone: ``drained``, its grace period over, ``crashed``, never ready, ..."""

    event_name: ClassVar[str] = "foundation.replica.stopped"

    service_id: Label
    replica: Label
    generation: Count
    reason: Label


class DeployStarted(Event, frozen=True):
    """The replicas are to be replaced by those of a new generation."""

    event_name: ClassVar[str] = "foundation.replica.deploy_started"

    service_id: Label
    generation: Count
    replicas: Count


class DeployFinished(Event, frozen=True):
    """A deploy ended: ``complete``, ``superseded`` by the next one, or ``cancelled`` by an exit."""

    event_name: ClassVar[str] = "foundation.replica.deploy_finished"

    service_id: Label
    generation: Count
    reason: Label
    duration: Seconds
