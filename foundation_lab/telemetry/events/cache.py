"""Events of `foundation_lab.services.Cache`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Flag, Label, Seconds


class Hit(Event, frozen=True):
    """A key was there, put `age` seconds ago; a `negative` one is an error that was kept."""

    event_name: ClassVar[str] = "foundation.cache.hit"

    service_id: Label
    key: Label
    age: Seconds
    negative: Flag


class Miss(Event, frozen=True):
    """A key was not there; when `joined`, somebody loads it already and the call waits for that."""

    event_name: ClassVar[str] = "foundation.cache.miss"

    service_id: Label
    key: Label
    joined: Flag


class Put(Event, frozen=True):
    """A key was put for `ttl` seconds; the cache holds `size` keys now."""

    event_name: ClassVar[str] = "foundation.cache.put"

    service_id: Label
    key: Label
    ttl: Seconds
    size: Count
    negative: Flag


class Evicted(Event, frozen=True):
    """A key was taken out, because it was ``expired``, ``invalidated`` or the ``least_used``."""

    event_name: ClassVar[str] = "foundation.cache.evicted"

    service_id: Label
    key: Label
    reason: Label
    age: Seconds
