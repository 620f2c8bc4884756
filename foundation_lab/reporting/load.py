"""Load: how balancers spread it, and what shedders and adaptive limits let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.reporting.levels import time_average
from foundation_lab.reporting.spans import horizon
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class Balancer(msgspec.Struct, frozen=True):
    """A load balancer.

    Attributes:
        name: The balancer.
        picked: How many requests it sent to a host.
        rejected: How many it turned away.
        ejected: How often a host left the rotation.
        panics: How often so many had left that all were picked.
        hosts: The share of the requests that each host got, the first host picked first.
    """

    name: str
    picked: int
    rejected: int
    ejected: int
    panics: int
    hosts: dict[str, float]


class Shedder(msgspec.Struct, frozen=True):
    """Who sheds load: a load shedder, or the line of a backend.

    Attributes:
        name: The shedder, or the backend.
        admitted: How many calls a shedder let through; a line does not tell.
        rejected: How many it turned away at their arrival.
        expired: How many it sent out of the line.
        abandoned: How many left a shedder's line themselves.
        reasons: How many were rejected or expired for which reason.
        wait: How long the admitted ones waited.
    """

    name: str
    admitted: int
    rejected: int
    expired: int
    abandoned: int
    reasons: dict[str, int]
    wait: Latency


class AdaptiveLimit(msgspec.Struct, frozen=True):
    """An adaptive limiter.

    Attributes:
        name: The limiter.
        permitted: How many calls got a place.
        rejected: How many did not.
        changed: How often the limit changed.
        lowest: The smallest limit that was seen.
        mean: The limit on average over time, from the first call on.
        highest: The largest.
        last: The limit at the end.
        wait: How long the permitted ones waited.
    """

    name: str
    permitted: int
    rejected: int
    changed: int
    lowest: int | None
    mean: float | None
    highest: int | None
    last: int | None
    wait: Latency


def balancers(recording: Recording, tally: Tally) -> tuple[Balancer, ...]:
    """Return what every load balancer did, in order of its first event."""
    e = events.load_balancer
    panics = recording.frame(e.PanicChanged).filter(pl.col("panic"))
    began = dict(panics.group_by("service_id").len().iter_rows())
    picks = recording.frame(e.Picked).group_by("service_id", "host", maintain_order=True).len()
    hosts: dict[str, dict[str, float]] = {}
    for name, host, count in picks.iter_rows():
        hosts.setdefault(name, {})[host] = count / tally.count(name, e.Picked)
    return tuple(
        Balancer(
            name=name,
            picked=tally.count(name, e.Picked),
            rejected=tally.count(name, e.Rejected),
            ejected=tally.count(name, e.Ejected),
            panics=began.get(name, 0),
            hosts=hosts.get(name, {}),
        )
        for name in tally.subjects("load_balancer")
    )


def shedders(recording: Recording, tally: Tally) -> tuple[Shedder, ...]:
    """Return what everybody did who sheds load, in order of the first event."""
    e = events.load_shed
    shed = pl.concat(
        recording.frame(event).select("sequence", "service_id", "reason")
        for event in (e.Rejected, e.Expired)
    )
    counted = shed.sort("sequence").group_by("service_id", "reason", maintain_order=True).len()
    reasons: dict[str, dict[str, int]] = {}
    for name, reason, count in counted.iter_rows():
        reasons.setdefault(name, {})[reason] = count
    wait = latencies(recording.frame(e.Admitted), "service_id", "wait")
    return tuple(
        Shedder(
            name=name,
            admitted=tally.count(name, e.Admitted),
            rejected=tally.count(name, e.Rejected),
            expired=tally.count(name, e.Expired),
            abandoned=tally.count(name, e.Abandoned),
            reasons=reasons.get(name, {}),
            wait=wait.get(name, Latency()),
        )
        for name in tally.subjects("load_shed")
    )


def adaptive_limits(recording: Recording, tally: Tally) -> tuple[AdaptiveLimit, ...]:
    """Return how every adaptive limit went, in order of its first event."""
    e = events.adaptive_limit
    _, until = horizon(recording)
    told = pl.concat(
        recording.frame(event).select("sequence", "service_id", "time", level="limit")
        for event in (e.Permitted, e.Changed)
    ).sort("sequence")
    wait = latencies(recording.frame(e.Permitted), "service_id", "wait")

    def limit(name: str) -> AdaptiveLimit:
        own = told.filter(pl.col("service_id") == name)
        levels = own["level"].to_list()
        return AdaptiveLimit(
            name=name,
            permitted=tally.count(name, e.Permitted),
            rejected=tally.count(name, e.Rejected),
            changed=tally.count(name, e.Changed),
            lowest=min(levels, default=None),
            mean=time_average(own, until),
            highest=max(levels, default=None),
            last=levels[-1] if levels else None,
            wait=wait.get(name, Latency()),
        )

    return tuple(limit(name) for name in tally.subjects("adaptive_limit"))
