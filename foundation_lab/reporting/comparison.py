"""The comparison: what became of the requests in several runs, in one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go
import polars as pl

from foundation_lab.reporting.canvas import Canvas
from foundation_lab.reporting.palette import SERIES_COLOURS
from foundation_lab.reporting.series import finished_by, windows_of
from foundation_lab.reporting.style import label, nothing
from foundation_lab.reporting.units import duration_text, unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.timeline import Timeline

MOST_RUNS = len(SERIES_COLOURS)
"""How many runs can be told apart in a figure."""


def comparison(
    recordings: Mapping[str, Recording],
    *,
    client: str | None = None,
    width: float | None = None,
    title: str = "Requests in several runs",
) -> go.Figure:
    """Return goodput and latency over time, a line for each run.

    The upper panel has the requests a second that ended well, the lower one the 99th percentile of
    the latency of all that ended. The time axis and the faults are those of the first run.

    Args:
        recordings: The runs, by what they are called in the figure.
        client: Whose requests; everybody's by default.
        width: Length of a window in seconds.
        title: What stands above it.

    Raises:
        ValueError: There is no run, or more of them than can be told apart; or the width makes no
            windows or too many.
    """
    if not 1 <= len(recordings) <= MOST_RUNS:
        message = f"{len(recordings)} recordings; give 1 to {MOST_RUNS}"
        raise ValueError(message)
    finished = {name: finished_by(each, client) for name, each in recordings.items()}
    if all(frame.is_empty() for frame in finished.values()):
        return nothing(title, "No request finished in these recordings.")
    panels = ["ended well, a second", "p99 of the latency"]
    first = next(iter(recordings.values()))
    canvas = Canvas(first, title, panels=panels, panel_height=190, series=2 * len(finished))
    width = canvas.timeline.window(width)
    windows = {name: _windows(frame, canvas.timeline, width) for name, frame in finished.items()}
    longest = pl.concat(frame["p99"] for frame in windows.values()).max()
    unit = unit_of(longest if isinstance(longest, float) else 0.0)
    for (name, frame), colour in zip(windows.items(), SERIES_COLOURS, strict=False):
        middle = canvas.timeline.at(((frame["start"] + frame["end"]) / 2).to_numpy())
        for panel, values in enumerate((frame["good"], frame["p99"] / unit.seconds)):
            sizes = _sizes(values)
            canvas.add(
                go.Scatter(
                    x=middle,
                    y=values.to_numpy(),
                    name=label(name),
                    mode="lines+markers" if any(sizes) else "lines",
                    line={"color": colour, "width": 2},
                    marker={
                        "color": colour,
                        "size": sizes,
                        "opacity": 1,  # a list of sizes would make them paler,
                        "line": {"width": 0},  # with a rim that cuts the line in the legend
                    },
                ),
                panel,
            )
    canvas.notes.append(f"in windows of {duration_text(width)}; faults of the first run")
    canvas.figure.update_yaxes(rangemode="tozero")
    canvas.figure.update_yaxes(title_text=unit.symbol, row=2)
    return canvas.finish(hovermode="x unified")


def _windows(finished: pl.DataFrame, timeline: Timeline, width: float) -> pl.DataFrame:
    """Return the rate of good ends and the p99 of all in windows of the figure's time axis."""
    good = windows_of(finished.filter(pl.col("outcome") == "ok"), timeline, width)
    return windows_of(finished, timeline, width, "duration").with_columns(good=good["rate"])


def _sizes(values: pl.Series) -> list[int]:
    """Return the size of each marker: only a value between two gaps needs one to be seen."""
    known = values.is_not_null()
    beside = known.shift(1, fill_value=False) | known.shift(-1, fill_value=False)
    return [6 if alone else 0 for alone in known & ~beside]
