"""Events of `foundation_lab.services.LoadBalancer`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Flag, Label, Seconds


class Picked(Event, frozen=True):
    """A request goes to a host, which has `active` requests now, this one among them."""

    event_name: ClassVar[str] = "foundation.load_balancer.picked"

    service_id: Label
    host: Label
    active: Count


class Rejected(Event, frozen=True):
    """A request was turned away: there is ``no_host`` to pick, or the balancer is ``down``."""

    event_name: ClassVar[str] = "foundation.load_balancer.rejected"

    service_id: Label
    reason: Label


class Ejected(Event, frozen=True):
    """A host is no longer picked, by ``outlier`` detection or ``health`` checks; so many are."""

    event_name: ClassVar[str] = "foundation.load_balancer.ejected"

    service_id: Label
    host: Label
    reason: Label
    in_rotation: Count


class Readmitted(Event, frozen=True):
    """A host is picked again after `duration` seconds; `reason` is what it was ejected for last."""

    event_name: ClassVar[str] = "foundation.load_balancer.readmitted"

    service_id: Label
    host: Label
    reason: Label
    duration: Seconds
    in_rotation: Count


class PanicChanged(Event, frozen=True):
    """Too few hosts are in rotation, so that all are picked; or enough are again."""

    event_name: ClassVar[str] = "foundation.load_balancer.panic_changed"

    service_id: Label
    panic: Flag
    in_rotation: Count
    hosts: Count


class HostsChanged(Event, frozen=True):
    """A host was ``added`` or ``removed``, or got another weight (``weighed``)."""

    event_name: ClassVar[str] = "foundation.load_balancer.hosts_changed"

    service_id: Label
    host: Label
    change: Label
    hosts: Count
