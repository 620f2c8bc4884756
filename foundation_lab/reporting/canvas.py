"""The canvas: what every chart has in common.

A canvas has a time axis, one or more panels above each other, the faults as bands behind them, the
alerts as marks on their upper edge, and a subtitle that says what was left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from foundation_lab.reporting.palette import (
    ALERT_COLOUR,
    BLACK,
    FAULT_COLOUR,
    RESOLVED_COLOUR,
)
from foundation_lab.reporting.spans import alert_spans, fault_spans, joined
from foundation_lab.reporting.style import base_layout, label
from foundation_lab.reporting.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.recording.recording import Recording

MOST_POINTS = 2_000
"""How many points a trace can have."""

MOST_POINTS_IN_ALL = 20_000
"""How many points a figure can have."""

MANY_BANDS = 60
"""How many faults are drawn behind a chart as they are; of more, neighbours are drawn as one."""

MOST_BANDS = 240
"""How many bands there are behind a chart, the longest first, and how many fit beside each other.

Occurrences of one fault with less than this part of the time axis between them make one band.
"""

MOST_MARKS = 500
"""How many alerts are marked on a chart."""


class Canvas:
    """A figure in the making.

    Args:
        recording: The recording.
        title: What the chart shows.
        wall_clock: Whether the axis shows the wall clock instead of virtual time.
        panels: The headings of the panels; one panel without a heading by default.
        series: About how many traces with a point for each event there will be.
        panel_height: The height of a panel, in pixels.
    """

    def __init__(
        self,
        recording: Recording,
        title: str,
        *,
        wall_clock: bool = False,
        panels: Sequence[str] = ("",),
        series: int = 1,
        panel_height: int = 260,
    ) -> None:
        self.timeline = Timeline(recording, wall_clock=wall_clock)
        self.notes: list[str] = []
        self._recording = recording
        self._title = title
        self._panels = len(panels)
        self._limit = min(MOST_POINTS, MOST_POINTS_IN_ALL // max(1, series))
        self._height = panel_height * self._panels + _MARGINS
        self._in_legend: set[str] = set()
        self.figure = make_subplots(
            rows=self._panels,
            cols=1,
            shared_xaxes=True,
            vertical_spacing=min(0.12, 40 / self._height),
            subplot_titles=[label(heading) for heading in panels] if any(panels) else None,
        )

    def add(self, trace: Any, panel: int = 0) -> None:
        """Add a trace to a panel; a name stands in the legend once."""
        if trace.name is not None:
            trace.legendgroup = trace.name
            trace.showlegend = trace.name not in self._in_legend
            self._in_legend.add(trace.name)
        self.figure.add_trace(trace, row=panel + 1, col=1)

    def steps(
        self,
        name: str,
        levels: pl.DataFrame,
        *,
        panel: int = 0,
        fill: str | None = None,
        **line: Any,
    ) -> None:
        """Add a step function: `time` (s) and `level`, each level lasting until the next.

        It goes on to the end of the recording. Where there are too many points, those are kept
        that show its shape best.
        """
        until = self.timeline.end
        times = np.append(levels["time"].to_numpy(), until).astype(np.float64)
        values = np.append(levels["level"].to_numpy(), levels["level"][-1]).astype(np.float64)
        kept = self._kept(times, values)
        self.add(
            go.Scatter(
                x=self.timeline.at(times[kept]),
                y=values[kept],
                name=name,
                mode="lines",
                line={"shape": "hv", **line},
                fill=fill,
            ),
            panel,
        )

    def bars(self, name: str, spans: pl.DataFrame, colour: str, **marker: Any) -> None:
        """Add spans as horizontal bars.

        Args:
            name: The name in the legend.
            spans: `row` (0 at the bottom), `start`, `duration` (s), and `text` for the pointer.
            colour: The colour of the bars.
            marker: More of plotly's marker attributes.
        """
        longest = spans
        if spans.height > self._limit:
            longest = spans.sort("duration", descending=True).head(self._limit).sort("start")
            self.notes.append(f"the longest {longest.height:,} of {spans.height:,} ({name})")
        self.add(
            go.Bar(
                y=longest["row"].to_numpy(),
                base=self.timeline.at(longest["start"].to_numpy()),
                x=self.timeline.length(longest["duration"].to_numpy()),
                orientation="h",
                width=0.6,
                name=name,
                marker={"color": colour, "line": {"color": colour, "width": 1}, **marker},
                text=[label(text, 400) for text in longest["text"].to_list()],
                textposition="none",
                hovertemplate="%{text}<extra></extra>",
            )
        )

    def rows(self, names: Sequence[str]) -> None:
        """Name the rows of a chart of bars; row 0 is at the bottom."""
        self.figure.update_yaxes(
            tickmode="array",
            tickvals=list(range(len(names))),
            ticktext=[label(name, 28) for name in names],
            range=[-0.6, len(names) - 0.4],
            fixedrange=True,
            showgrid=False,
        )

    def finish(self, *, incidents: bool = True, **layout: Any) -> go.Figure:
        """Return the figure, with the time axis, the bands, the marks and the subtitle."""
        timeline = self.timeline
        if incidents:
            self._draw_faults()
            self._draw_alerts()
        if self._panels > 1:
            self.figure.update_annotations(font_size=13)
        first, last = timeline.at([timeline.begin, timeline.begin + timeline.span])
        self.figure.update_xaxes(range=[_plain(first), _plain(last)], hoverformat=".6~g")
        if timeline.title.startswith("wall"):
            self.figure.update_xaxes(type="date", hoverformat=None)
        self.figure.update_xaxes(title_text=timeline.title, row=self._panels)
        self.figure.update_layout({**base_layout(self._title, self.notes, self._height), **layout})
        return self.figure

    def _kept(self, times: Any, values: Any) -> Any:
        if len(times) <= self._limit:
            return slice(None)
        from tsdownsample import MinMaxLTTBDownsampler  # noqa: PLC0415  (only where it is needed)

        note = f"downsampled to {self._limit:,} points a line"
        if note not in self.notes:
            self.notes.append(note)
        downsampler = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]
        return downsampler.downsample(times, values, n_out=self._limit)

    def _draw_faults(self) -> None:
        spans = fault_spans(self._recording)
        bands = spans
        if spans.height > MANY_BANDS:
            gap = self.timeline.span / MOST_BANDS
            bands = joined(spans, ["service", "kind", "plan"], gap)
            if bands.height < spans.height:
                self.notes.append(f"{spans.height:,} faults, neighbours drawn as one")
        shown = bands.sort("duration", descending=True, maintain_order=True).head(MOST_BANDS)
        if shown.height < bands.height:
            self.notes.append(f"the longest {shown.height} of {bands.height:,} faults")
        few = shown.height <= _FEW and self._panels == 1 and self._height >= _TALL
        for number, fault in enumerate(shown.sort("start").iter_rows(named=True)):
            first, last = self.timeline.at([fault["start"], fault["end"]])
            self.figure.add_shape(
                type="rect",
                xref="x",
                yref="paper",
                x0=_plain(first),
                x1=_plain(last),
                y0=0,
                y1=1,
                layer="below",
                fillcolor=f"{FAULT_COLOUR}29",
                line={"width": 1, "color": f"{FAULT_COLOUR}80"},
                name="fault on",
                legendgroup="fault on",
                showlegend=number == 0,
                legendrank=2000,
            )
            if few:
                self.figure.add_annotation(
                    text=label(f"{fault['kind']} {fault['service']}", 28),
                    xref="x",
                    yref="paper",
                    x=_plain(first),
                    y=1,
                    xanchor="left",
                    yanchor="top",
                    textangle=-90,
                    showarrow=False,
                    font={"size": 11, "color": BLACK},
                )

    def _draw_alerts(self) -> None:
        spans = alert_spans(self._recording)
        if spans.is_empty():
            return
        self.figure.update_layout(
            yaxis99={
                "overlaying": "y",
                "anchor": "x",
                "range": [0, 1],
                "visible": False,
                "fixedrange": True,
            }
        )
        shown = spans.head(MOST_MARKS).with_columns(
            text=pl.format(
                "{}: {} [{}], value {}", "severity", "rule", "key", pl.col("value").round(4)
            )
        )
        if shown.height < spans.height:
            self.notes.append(f"the first {shown.height:,} of {spans.height:,} alerts")
        self._mark("alert fires", shown["start"], shown["text"], ALERT_COLOUR, "triangle-down")
        over = shown.filter(~shown["open"])
        self._mark("alert resolved", over["end"], over["text"], RESOLVED_COLOUR, "triangle-up-open")

    def _mark(
        self, name: str, times: pl.Series, texts: pl.Series, colour: str, symbol: str
    ) -> None:
        if times.is_empty():
            return
        self.figure.add_trace(
            go.Scatter(
                x=self.timeline.at(times.to_numpy()),
                y=np.ones(len(times)),
                xaxis="x",
                yaxis="y99",
                mode="markers",
                name=name,
                marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 1}},
                cliponaxis=False,
                text=[label(text, 200) for text in texts.to_list()],
                hovertemplate=f"{name}: %{{text}}<extra></extra>",
                legendrank=2001,
            )
        )


_MARGINS = 170
_FEW = 6
_TALL = 320


def _plain(place: Any) -> Any:
    return str(place) if isinstance(place, np.datetime64) else float(place)
