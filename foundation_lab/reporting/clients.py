"""Clients: what became of the requests that a workload sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.reporting.spans import horizon
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording

OUTCOMES = ("ok", "error", "timeout", "rejected", "cancelled")
"""How a request can end, in the order in which reports name them."""


class Client(msgspec.Struct, frozen=True):
    """The requests of one client, as it saw them.

    Attributes:
        name: The client.
        started: How many requests it sent.
        finished: How many of them ended.
        in_flight: How many had not ended when the recording did: started - finished; 0 in a
            recording that has no starts.
        ok: How many came back well.
        error: How many failed.
        timeout: How many took too long.
        rejected: How many were turned away.
        cancelled: How many were given up.
        success: `ok` as a share of `finished`; ``None`` when none finished.
        throughput: Finished requests per second of the recording; ``None`` when it lasts no time.
        latency: How long the finished ones took, whatever their outcome.
    """

    name: str
    started: int
    finished: int
    in_flight: int
    ok: int
    error: int
    timeout: int
    rejected: int
    cancelled: int
    success: float | None
    throughput: float | None
    latency: Latency


def clients(recording: Recording) -> tuple[Client, ...]:
    """Return the requests of every client, in order of its first request."""
    started = recording.frame(events.request.Started)
    finished = recording.frame(events.request.Finished)
    return _clients(started, finished, _seconds(recording))


def total(recording: Recording) -> Client:
    """Return the requests of all clients together, under the name ``all``."""
    everybody = pl.lit("all").alias("client")
    started = recording.frame(events.request.Started).with_columns(everybody)
    finished = recording.frame(events.request.Finished).with_columns(everybody)
    found = _clients(started, finished, _seconds(recording))
    return found[0] if found else _client("all", 0, {}, Latency(), _seconds(recording))


def _seconds(recording: Recording) -> float:
    begin, end = horizon(recording)
    return end - begin


def _clients(started: pl.DataFrame, finished: pl.DataFrame, seconds: float) -> tuple[Client, ...]:
    sent = dict(started.group_by("client", maintain_order=True).len().iter_rows())
    outcomes = finished.group_by("client", maintain_order=True).agg(
        pl.len().alias("finished"),
        *[(pl.col("outcome") == outcome).sum().alias(outcome) for outcome in OUTCOMES],
    )
    ended = {row.pop("client"): row for row in outcomes.iter_rows(named=True)}
    latency = latencies(finished, "client")
    return tuple(
        _client(name, sent.get(name, 0), ended.get(name, {}), latency.get(name, Latency()), seconds)
        for name in dict.fromkeys((*sent, *ended))
    )


def _client(
    name: str, started: int, ended: dict[str, int], latency: Latency, seconds: float
) -> Client:
    finished = ended.get("finished", 0)
    counts = {outcome: ended.get(outcome, 0) for outcome in OUTCOMES}
    return Client(
        name=name,
        started=started,
        finished=finished,
        in_flight=max(0, started - finished),
        **counts,
        success=counts["ok"] / finished if finished else None,
        throughput=finished / seconds if seconds > 0 else None,
        latency=latency,
    )
