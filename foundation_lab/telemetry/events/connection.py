"""Events of `foundation_lab.services.ConnectionManager`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class PoolCreated(Event, frozen=True):
    """A pool is ready to hand out connections."""

    event_name: ClassVar[str] = "foundation.connection.pool_created"

    pool_id: Label
    size: Count
    max_overflow: Count


class ConnectionAcquired(Event, frozen=True):
    """A connection was checked out; `duration` is how long its owner waited for it."""

    event_name: ClassVar[str] = "foundation.connection.connection_acquired"

    pool_id: Label
    connection_id: Label
    duration: Seconds


class ConnectionReleased(Event, frozen=True):
    """A connection came back; `duration` is how long it was out."""

    event_name: ClassVar[str] = "foundation.connection.connection_released"

    pool_id: Label
    connection_id: Label
    duration: Seconds


class ConnectionFailed(Event, frozen=True):
    """A checkout ended without a connection, or a connection was lost while it was out."""

    event_name: ClassVar[str] = "foundation.connection.connection_failed"

    pool_id: Label
    error: Label


class Timeout(Event, frozen=True):
    """Nobody gave a connection back within the checkout timeout; a connection_failed follows."""

    event_name: ClassVar[str] = "foundation.connection.timeout"

    pool_id: Label
    duration: Seconds
    waiting: Count


class Exhausted(Event, frozen=True):
    """A checkout has to wait: every connection is out, the overflow too."""

    event_name: ClassVar[str] = "foundation.connection.exhausted"

    pool_id: Label
    active: Count
    waiting: Count


class PoolHealth(Event, frozen=True):
    """How a pool stands: connections out, connections idle, owners waiting."""

    event_name: ClassVar[str] = "foundation.connection.pool_health"

    pool_id: Label
    active: Count
    idle: Count
    waiting: Count


class Opened(Event, frozen=True):
    """A connection was opened after its pool was created; `duration` is how long that took."""

    event_name: ClassVar[str] = "foundation.connection.opened"

    pool_id: Label
    connection_id: Label
    duration: Seconds


class ConnectFailed(Event, frozen=True):
    """A connection could not be opened; `duration` is how long that took."""

    event_name: ClassVar[str] = "foundation.connection.connect_failed"

    pool_id: Label
    opened_by: Label
    duration: Seconds


class Evicted(Event, frozen=True):
    """A pool closed a connection; `age` is how long it was open."""

    event_name: ClassVar[str] = "foundation.connection.evicted"

    pool_id: Label
    connection_id: Label
    reason: Label
    age: Seconds


class LeakDetected(Event, frozen=True):
    """A connection is out for longer than the leak threshold; it stays out."""

    event_name: ClassVar[str] = "foundation.connection.leak_detected"

    pool_id: Label
    connection_id: Label
    owner: Label
    duration: Seconds


class Resized(Event, frozen=True):
    """A pool was made larger or smaller while it runs."""

    event_name: ClassVar[str] = "foundation.connection.resized"

    pool_id: Label
    size: Count
    max_overflow: Count


class Draining(Event, frozen=True):
    """A pool lends no more and waits for the connections that are out."""

    event_name: ClassVar[str] = "foundation.connection.draining"

    pool_id: Label
    active: Count
