"""Services: the register of what served in a recording, and how long each was down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.spans import down_spans
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally

FAMILIES = {
    "adaptive_limiter": "adaptive_limit",
    "client_rate_limiter": "client_rate",
    "connection_manager": "connection",
    "health_monitor": "health",
    "load_shedder": "load_shed",
    "replica_set": "replica",
    "resource_manager": "resource",
}
"""The family of events of a kind of service, where it is not called like the kind."""


class Service(msgspec.Struct, frozen=True):
    """A service.

    Attributes:
        name: The service.
        kind: What it is: ``backend``, ``circuit_breaker``, ...
        pid: Its last incarnation.
        status: ``up`` or ``down`` at the end.
        restarts: How often it was restarted.
        down_seconds: How long it was down.
        health: What its last health check said, if it had one.
        events: How often it emitted each event. Of services that share a name, each has the events
            of its own kind, and those that belong to no kind.
    """

    name: str
    kind: str
    pid: str
    status: str
    restarts: int
    down_seconds: float
    health: str | None
    events: dict[str, int]


def services(recording: Recording, tally: Tally) -> tuple[Service, ...]:
    """Return every service that said that it started, in order of its start."""
    key = ["service", "kind"]
    started = recording.frame(events.service.Started).group_by(key, maintain_order=True)
    restarted = recording.frame(events.service.Restarted).group_by(key)
    health = recording.frame(events.service.HealthCheck).group_by(key)
    down = down_spans(recording).group_by(key, maintain_order=True)
    table = (
        started.agg(pid=pl.col("pid").last())
        .join(
            restarted.agg(restarts=pl.len(), again=pl.col("pid").last()),
            on=key,
            how="left",
            maintain_order="left",
        )
        .join(health.agg(health=pl.col("status").last()), on=key, how="left", maintain_order="left")
        .join(
            down.agg(down_seconds=pl.col("duration").sum(), down=pl.col("open").any()),
            on=key,
            how="left",
            maintain_order="left",
        )
    )
    own = _own_events(recording)
    kinds: dict[str, list[str]] = {}
    for name, kind in table.select(key).iter_rows():
        kinds.setdefault(name, []).append(kind)
    return tuple(
        Service(
            name=row["service"],
            kind=row["kind"],
            pid=row["pid"] if row["again"] is None else row["again"],
            status="down" if row["down"] else "up",
            restarts=row["restarts"] or 0,
            down_seconds=row["down_seconds"] or 0.0,
            health=row["health"],
            events=dict(
                sorted(
                    {
                        **of_kind(tally.events(row["service"]), row["kind"], kinds[row["service"]]),
                        **own.get((row["service"], row["kind"]), {}),
                    }.items()
                )
            ),
        )
        for row in table.iter_rows(named=True)
    )


def of_kind(counts: dict[str, int], kind: str, kinds: list[str]) -> dict[str, int]:
    """Return the counts without the service's own events, and without those of its namesakes."""
    others = {f"foundation.{FAMILIES.get(k, k)}." for k in kinds if k != kind}
    foreign = ("foundation.service.", *sorted(others))
    return {event: count for event, count in counts.items() if not event.startswith(foreign)}


def _own_events(recording: Recording) -> dict[tuple[str, str], dict[str, int]]:
    """Return how often each service emitted each ``foundation.service.*`` event.

    These name the kind beside the name.
    """
    found: dict[tuple[str, str], dict[str, int]] = {}
    for event in (
        events.service.Started,
        events.service.Stopped,
        events.service.Restarted,
        events.service.HealthCheck,
    ):
        counted = recording.frame(event).group_by("service", "kind").len()
        for name, kind, count in counted.iter_rows():
            found.setdefault((name, kind), {})[event.event_name] = count
    return found
