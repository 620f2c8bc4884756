"""Series over time: what charts draw, cut into windows of their time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.analytics import tumbling
from foundation_lab.reporting.latency import QUANTILES
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.timeline import Timeline


def finished_by(recording: Recording, client: str | None) -> pl.DataFrame:
    """Return the finished requests of a client, everybody's for ``None``."""
    finished = recording.frame(events.request.Finished)
    return finished if client is None else finished.filter(pl.col("client") == client)


def windows_of(
    frame: pl.DataFrame, timeline: Timeline, width: float, column: str | None = None
) -> pl.DataFrame:
    """Return tumbling windows over the whole recording; the last one includes its end."""
    begin, end = timeline.begin, timeline.begin + timeline.span
    last = end - min(width, timeline.span) * 1e-6
    inside = frame.with_columns(time=pl.min_horizontal("time", pl.lit(last)))
    return tumbling(inside, width, column, start=begin, end=end, q=QUANTILES)
