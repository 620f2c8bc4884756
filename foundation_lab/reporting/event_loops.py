"""Event loops: how busy each was, and how long bursts that were ready waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.reporting.spans import horizon
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class EventLoop(msgspec.Struct, frozen=True):
    """An event loop.

    Attributes:
        name: The loop.
        served: How many requests left it, well or not.
        failed: How many of them failed.
        rejected: How many it turned away.
        abandoned: How many their callers gave up.
        lagged: How many bursts began late, by the loop's threshold.
        mean_busy: Threads that computed on average for the served ones.
        cpu: How long each of them computed.
        io: How long it waited for something else.
        lag: How long it was ready and waited for the loop.
    """

    name: str
    served: int
    failed: int
    rejected: int
    abandoned: int
    lagged: int
    mean_busy: float | None
    cpu: Latency
    io: Latency
    lag: Latency


def event_loops(recording: Recording, tally: Tally) -> tuple[EventLoop, ...]:
    """Return what every event loop did, in order of its first event."""
    e = events.event_loop
    served = recording.frame(e.Served)
    begin, end = horizon(recording)
    failed = served.filter(pl.col("outcome") != "ok").group_by("service_id").len()
    failures = dict(failed.iter_rows())
    cpu, io, lag = (latencies(served, "service_id", stage) for stage in ("cpu", "io", "lag"))
    busy = dict(served.group_by("service_id").agg(pl.col("cpu").sum()).iter_rows())
    return tuple(
        EventLoop(
            name=name,
            served=tally.count(name, e.Served),
            failed=failures.get(name, 0),
            rejected=tally.count(name, e.Rejected),
            abandoned=tally.count(name, e.Abandoned),
            lagged=tally.count(name, e.Lagged),
            mean_busy=busy.get(name, 0.0) / (end - begin) if end > begin else None,
            cpu=cpu.get(name, Latency()),
            io=io.get(name, Latency()),
            lag=lag.get(name, Latency()),
        )
        for name in tally.subjects("event_loop")
    )
