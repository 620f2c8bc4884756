"""Charts of a recording, as plotly figures.

Each function takes a recording and returns a `plotly.graph_objects.Figure` that stands on its own,
in a notebook as on a page. A recording without such data gives a figure that says so. All of them
share these rules:

- Time is virtual, in a unit that suits the recording, or the wall clock where `wall_clock` is set
  and the recording says which instant virtual 0 stands for.
- Series are cut into windows whose width is 1, 2 or 5 times a power of ten, such that there are 48
  to 120 of them; `width` gives another one, in seconds.
- A trace has at most 2 000 points and a figure 20 000; the subtitle says what was left out.
- Faults are bands behind the panels, alerts are marks on their upper edge.

Import this module where it is used: plotly takes half a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import polars as pl

from foundation_lab.reporting.bars import breakers, incidents
from foundation_lab.reporting.canvas import Canvas
from foundation_lab.reporting.clients import OUTCOMES
from foundation_lab.reporting.comparison import comparison
from foundation_lab.reporting.latency import QUANTILES
from foundation_lab.reporting.levels import (
    active_connections,
    capacities,
    running_sessions,
    waiting_owners,
)
from foundation_lab.reporting.palette import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    OUTCOME_COLOURS,
    PERCENTILE_COLOURS,
    RED,
    SERIES_COLOURS,
)
from foundation_lab.reporting.series import finished_by, windows_of
from foundation_lab.reporting.style import label, nothing
from foundation_lab.reporting.units import duration_text, unit_of
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording

__all__ = [
    "breakers",
    "comparison",
    "coordination",
    "event_rates",
    "incidents",
    "latency",
    "pools",
    "throughput",
]

MOST_POOLS = 4
"""How many pools have panels."""

MOST_FAMILIES = 10
"""How many lines a chart of families of events has."""


def latency(
    recording: Recording,
    *,
    client: str | None = None,
    width: float | None = None,
    wall_clock: bool = False,
) -> go.Figure:
    """Return the latency of finished requests over time: p50, p95 and p99 in each window.

    Args:
        recording: The recording.
        client: Whose requests; everybody's by default.
        width: Length of a window in seconds.
        wall_clock: Whether the axis shows the wall clock.

    Raises:
        ValueError: The width makes no windows or too many, or there is no wall clock.
    """
    title = "Latency of requests" if client is None else f"Latency of requests: {label(client)}"
    finished = finished_by(recording, client)
    if finished.is_empty():
        return nothing(title, "No request finished in this recording.")
    canvas = Canvas(recording, title, wall_clock=wall_clock)
    width = canvas.timeline.window(width)
    windows = windows_of(finished, canvas.timeline, width, "duration")
    middle = canvas.timeline.at(((windows["start"] + windows["end"]) / 2).to_numpy())
    names = [f"p{round(100 * q)}" for q in QUANTILES]
    longest = windows.select(pl.max_horizontal(pl.col(names).max())).item()
    unit = unit_of(longest)
    for name, dash in zip(names, ("solid", "dash", "dot"), strict=True):
        canvas.add(
            go.Scatter(
                x=middle,
                y=(windows[name] / unit.seconds).to_numpy(),
                name=name,
                mode="lines+markers",
                line={"color": PERCENTILE_COLOURS[name], "width": 2, "dash": dash},
                marker={"size": 4},
                hovertemplate=f"{name} %{{y:.4~g}} {unit.symbol}<extra></extra>",
            )
        )
    canvas.notes.append(f"percentiles of all outcomes, in windows of {duration_text(width)}")
    canvas.figure.update_yaxes(title_text=f"latency ({unit.symbol})", rangemode="tozero")
    return canvas.finish(hovermode="x unified")


def throughput(
    recording: Recording,
    *,
    client: str | None = None,
    width: float | None = None,
    wall_clock: bool = False,
) -> go.Figure:
    """Return finished requests per second over time, stacked by outcome; arguments as `latency`."""
    title = "Finished requests" if client is None else f"Finished requests: {label(client)}"
    finished = finished_by(recording, client)
    if finished.is_empty():
        return nothing(title, "No request finished in this recording.")
    canvas = Canvas(recording, title, wall_clock=wall_clock)
    width = canvas.timeline.window(width)
    found = finished["outcome"].unique().to_list()
    for outcome in (o for o in OUTCOMES if o in found):
        windows = windows_of(finished.filter(pl.col("outcome") == outcome), canvas.timeline, width)
        length = windows["end"] - windows["start"]
        canvas.add(
            go.Bar(
                x=canvas.timeline.at((windows["start"] + length / 2).to_numpy()),
                y=windows["rate"].to_numpy(),
                width=canvas.timeline.length(length.to_numpy()),
                name=outcome,
                marker={"color": OUTCOME_COLOURS[outcome], "line": {"width": 0}},
                hovertemplate=f"{outcome} %{{y:.4~g}} a second<extra></extra>",
            )
        )
    canvas.notes.append(f"by outcome, in windows of {duration_text(width)}")
    canvas.figure.update_yaxes(title_text="requests a second", rangemode="tozero")
    return canvas.finish(hovermode="x unified", bargap=0)


def pools(recording: Recording, *, wall_clock: bool = False) -> go.Figure:
    """Return how many connections of each pool were out over time, against its capacity.

    Where owners had to wait, how many did stands below. Of more than 4 pools, those with the most
    checkouts are shown.
    """
    title = "Connections in use"
    active, waiting = active_connections(recording), waiting_owners(recording)
    if active.is_empty():
        return nothing(title, "There is no connection pool in this recording.")
    by_use = active.group_by("pool_id", maintain_order=True).len()
    names = by_use.sort("len", descending=True, maintain_order=True)["pool_id"].to_list()
    shown = sorted(names[:MOST_POOLS])
    queued = set(waiting["pool_id"].to_list())
    headings = {name: [name, f"waiting for {name}"] if name in queued else [name] for name in shown}
    canvas = Canvas(
        recording,
        title,
        wall_clock=wall_clock,
        panels=[heading for name in shown for heading in headings[name]],
        series=2 * len(shown),
        panel_height=150,
    )
    if len(shown) < len(names):
        canvas.notes.append(f"the {len(shown)} busiest of {len(names)} pools")
    capacity = capacities(recording)
    panel = 0
    for name in shown:
        own = active.filter(pl.col("pool_id") == name)
        canvas.steps("in use", own, panel=panel, fill="tozeroy", color=BLUE, width=1)
        if name in capacity:
            ends = own["time"][0], canvas.timeline.end
            canvas.add(
                go.Scatter(
                    x=canvas.timeline.at(ends),
                    y=np.array([capacity[name]] * 2),
                    name="capacity",
                    mode="lines",
                    line={"color": BLACK, "width": 2, "dash": "dash"},
                ),
                panel,
            )
        if name in queued:
            line = waiting.filter(pl.col("pool_id") == name)
            canvas.steps("waiting", line, panel=panel + 1, fill="tozeroy", color=ORANGE, width=1)
        panel += len(headings[name])
    canvas.figure.update_yaxes(rangemode="tozero")
    return canvas.finish(hovermode="x unified")


def event_rates(
    recording: Recording, *, width: float | None = None, wall_clock: bool = False
) -> go.Figure:
    """Return events per second over time, a line for each family of events.

    A family is what a name has between ``foundation.`` and its last word. Of more than
    10 families, the 9 largest have a line of their own, and the others share one.
    """
    title = "Events by family"
    family = (
        pl.col("event").str.strip_prefix("foundation.").str.replace(r"\.[^.]*$", "").alias("family")
    )
    stamped = recording.lazy().select("time", family).collect()
    if stamped.is_empty():
        return nothing(title, "There is no event in this recording.")
    sizes = stamped.group_by("family").len().sort(["len", "family"], descending=[True, False])
    alone = MOST_FAMILIES if sizes.height <= MOST_FAMILIES else MOST_FAMILIES - 1
    largest = sizes["family"].head(alone).to_list()
    canvas = Canvas(recording, title, wall_clock=wall_clock)
    width = canvas.timeline.window(width)
    groups = [(name, pl.col("family") == name) for name in largest]
    if sizes.height > len(largest):
        others = f"{sizes.height - len(largest)} others"
        groups.append((others, ~pl.col("family").is_in(largest)))
    for (name, belongs), colour in zip(groups, SERIES_COLOURS, strict=False):
        windows = windows_of(stamped.filter(belongs), canvas.timeline, width)
        middle = (windows["start"] + windows["end"]) / 2
        canvas.add(
            go.Scatter(
                x=canvas.timeline.at(middle.to_numpy()),
                y=windows["rate"].to_numpy(),
                name=label(name),
                mode="lines",
                line={"color": colour, "width": 1.5},
            )
        )
    canvas.notes.append(f"in windows of {duration_text(width)}")
    canvas.figure.update_yaxes(title_text="events a second", rangemode="tozero")
    return canvas.finish(hovermode="x unified")


def coordination(
    recording: Recording, *, width: float | None = None, wall_clock: bool = False
) -> go.Figure:
    """Return the messages between agents per second, and how many sessions ran at a time."""
    title = "Coordination of agents"
    e = events.coordination
    kinds = (
        ("sent", recording.frame(e.MessageSent), BLUE, "solid"),
        ("received", recording.frame(e.MessageReceived), GREEN, "dash"),
        ("dropped", recording.frame(e.MessageDropped), RED, "dot"),
    )
    running = running_sessions(recording)
    if running.is_empty() and all(frame.is_empty() for _, frame, _, _ in kinds):
        return nothing(title, "No agents coordinated in this recording.")
    panels = ["messages a second", "sessions running"]
    canvas = Canvas(recording, title, wall_clock=wall_clock, panels=panels, panel_height=160)
    width = canvas.timeline.window(width)
    for name, frame, colour, dash in kinds:
        if frame.is_empty():
            continue
        windows = windows_of(frame, canvas.timeline, width)
        middle = (windows["start"] + windows["end"]) / 2
        canvas.add(
            go.Scatter(
                x=canvas.timeline.at(middle.to_numpy()),
                y=windows["rate"].to_numpy(),
                name=name,
                mode="lines",
                line={"color": colour, "width": 1.5, "dash": dash},
            )
        )
    if running.height:
        canvas.steps("running", running, panel=1, fill="tozeroy", color=ORANGE, width=1.5)
    canvas.notes.append(f"messages in windows of {duration_text(width)}")
    canvas.figure.update_yaxes(rangemode="tozero")
    return canvas.finish(hovermode="x unified")
