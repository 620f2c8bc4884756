"""Sessions: how agents coordinated, protocol by protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.telemetry.event import Event

NO_PROTOCOL = "(unknown)"
"""What sessions are filed under whose start is not in the recording."""


class Protocol(msgspec.Struct, frozen=True):
    """All sessions of one protocol.

    Attributes:
        protocol: The protocol.
        started: How many sessions began.
        completed: How many ended with a result.
        failed: How many ended without one.
        running: How many had not ended when the recording did.
        timeouts: How many ran out of time.
        sent: Messages that left their sender.
        received: Messages that reached their receiver.
        dropped: Messages that were lost.
        votes: Votes that were counted.
        results: How often each result came about.
        duration: How long the sessions took that ended, with a result or without.
        message: How long the received messages were under way.
    """

    protocol: str
    started: int
    completed: int
    failed: int
    running: int
    timeouts: int
    sent: int
    received: int
    dropped: int
    votes: int
    results: dict[str, int]
    duration: Latency
    message: Latency


def protocols(recording: Recording) -> tuple[Protocol, ...]:
    """Return the sessions of every protocol, in order of its first session."""
    names = _names(recording)
    of = {event: _with_protocol(recording, event, names) for event in _EVENTS}
    counts = {
        event: dict(frame.group_by("protocol").len().iter_rows()) for event, frame in of.items()
    }
    ended = pl.concat(of[e].select("protocol", "duration") for e in (_C.Completed, _C.Failed))
    durations = latencies(ended, "protocol")
    messages = latencies(of[_C.MessageReceived], "protocol")
    known = dict.fromkeys(name for frame in of.values() for name in frame["protocol"].to_list())

    def protocol(name: str) -> Protocol:
        def count(event: type[Event]) -> int:
            return int(counts[event].get(name, 0))

        results = of[_C.Completed].filter(pl.col("protocol") == name)
        return Protocol(
            protocol=name,
            started=count(_C.Started),
            completed=count(_C.Completed),
            failed=count(_C.Failed),
            running=max(0, count(_C.Started) - count(_C.Completed) - count(_C.Failed)),
            timeouts=count(_C.Timeout),
            sent=count(_C.MessageSent),
            received=count(_C.MessageReceived),
            dropped=count(_C.MessageDropped),
            votes=count(_C.Vote),
            results=dict(sorted(results.group_by("result").len().iter_rows())),
            duration=durations.get(name, Latency()),
            message=messages.get(name, Latency()),
        )

    return tuple(protocol(name) for name in known)


_C = events.coordination
_EVENTS: tuple[type[Event], ...] = (
    _C.Started,
    _C.Completed,
    _C.Failed,
    _C.Timeout,
    _C.MessageSent,
    _C.MessageReceived,
    _C.MessageDropped,
    _C.Vote,
)


def _names(recording: Recording) -> pl.DataFrame:
    started = recording.frame(_C.Started).select("session_id", "protocol")
    return started.unique("session_id", keep="first", maintain_order=True)


def _with_protocol(recording: Recording, event: type[Event], names: pl.DataFrame) -> pl.DataFrame:
    frame = recording.frame(event)
    if "protocol" in frame.columns:
        return frame
    return frame.join(names, on="session_id", how="left", maintain_order="left").with_columns(
        pl.col("protocol").fill_null(NO_PROTOCOL)
    )
