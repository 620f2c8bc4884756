"""Queues: what became of the messages of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class Queue(msgspec.Struct, frozen=True):
    """A message queue.

    Attributes:
        name: The queue.
        published: How many messages it took.
        full: How often it was full when one came.
        delivered: How many deliveries there were.
        redelivered: How many messages came back to be delivered again.
        acknowledged: How many messages were done with.
        dead_lettered: How many went to a queue of dead letters.
        dropped: How many are gone for good.
        redriven: How many dead letters went back to where they came from.
        depth: How many it keeps at the end, if its beginning was recorded.
        peak_depth: The most that it kept right after one was published.
        age: How long after their publication messages were acknowledged.
    """

    name: str
    published: int
    full: int
    delivered: int
    redelivered: int
    acknowledged: int
    dead_lettered: int
    dropped: int
    redriven: int
    depth: int
    peak_depth: int
    age: Latency


def queues(recording: Recording, tally: Tally) -> tuple[Queue, ...]:
    """Return what became of the messages of every queue, in order of its first event."""
    e = events.queue
    deepest = recording.frame(e.Published).group_by("service_id")
    peaks = dict(deepest.agg(peak="depth").select("service_id", "peak").iter_rows())
    age = latencies(recording.frame(e.Acknowledged), "service_id", "age")

    def queue(name: str) -> Queue:
        published = tally.count(name, e.Published)
        ended = tally.count(name, e.Acknowledged, e.DeadLettered, e.Dropped, e.Redriven)
        return Queue(
            name=name,
            published=published,
            full=tally.count(name, e.Full),
            delivered=tally.count(name, e.Delivered),
            redelivered=tally.count(name, e.Redelivered),
            acknowledged=tally.count(name, e.Acknowledged),
            dead_lettered=tally.count(name, e.DeadLettered),
            dropped=tally.count(name, e.Dropped),
            redriven=tally.count(name, e.Redriven),
            depth=max(0, published - ended),
            peak_depth=max(peaks.get(name, [0])),
            age=age.get(name, Latency()),
        )

    return tuple(queue(name) for name in tally.subjects("queue"))
