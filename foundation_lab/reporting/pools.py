"""Pools: how far the connections of each connection manager were used, and who waited for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.reporting.levels import (
    active_connections,
    capacities,
    time_average,
    waiting_owners,
)
from foundation_lab.reporting.spans import horizon
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class Pool(msgspec.Struct, frozen=True):
    """A pool of connections.

    Attributes:
        name: The pool.
        capacity: How many connections can be out: size + overflow; ``None`` when the recording
            does not have the pool's creation.
        acquired: How many checkouts got a connection.
        failed: How many checkouts ended without one, or connections were lost while out.
        timeouts: How many checkouts waited in vain.
        active: How many connections are out at the end.
        peak_active: How many were out at most.
        mean_active: How many were out on average, from the pool's creation on.
        utilisation: `mean_active` as a share of `capacity`.
        waited: How many of the acquired connections were waited for.
        peak_waiting: How many owners waited at most, those left out who still wait at the end.
        wait: How long the owners of acquired connections waited, those included who did not.
        held: How long the connections were out that came back.
    """

    name: str
    capacity: int | None
    acquired: int
    failed: int
    timeouts: int
    active: int
    peak_active: int
    mean_active: float | None
    utilisation: float | None
    waited: int
    peak_waiting: int
    wait: Latency
    held: Latency


def pools(recording: Recording, tally: Tally) -> tuple[Pool, ...]:
    """Return how every pool was used, in order of its creation."""
    e = events.connection
    _, until = horizon(recording)
    capacity = capacities(recording)
    active, waiting = active_connections(recording), waiting_owners(recording)
    acquired = recording.frame(e.ConnectionAcquired)
    waited = acquired.filter(pl.col("duration") > 0).group_by("pool_id").len()
    waits = dict(waited.iter_rows())
    wait = latencies(acquired, "pool_id")
    held = latencies(recording.frame(e.ConnectionReleased), "pool_id")

    def pool(name: str) -> Pool:
        own = active.filter(pl.col("pool_id") == name)
        line = waiting.filter(pl.col("pool_id") == name)
        mean = time_average(own, until)
        places = capacity.get(name)
        return Pool(
            name=name,
            capacity=places,
            acquired=tally.count(name, e.ConnectionAcquired),
            failed=tally.count(name, e.ConnectionFailed),
            timeouts=tally.count(name, e.Timeout),
            active=own["level"][-1] if own.height else 0,
            peak_active=_peak(own),
            mean_active=mean,
            utilisation=mean / places if mean is not None and places else None,
            waited=waits.get(name, 0),
            peak_waiting=_peak(line),
            wait=wait.get(name, Latency()),
            held=held.get(name, Latency()),
        )

    return tuple(pool(name) for name in tally.subjects("connection"))


def _peak(levels: pl.DataFrame) -> int:
    return int(levels.select(pl.col("level").max().fill_null(0)).item())
