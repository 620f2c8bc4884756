"""The style of charts: their layout, and texts that plotly shows as they are."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from foundation_lab.reporting.palette import BLACK
from foundation_lab.reporting.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_LABEL = 40
"""How many characters of a name are shown."""


def nothing(title: str, note: str) -> go.Figure:
    """Return a figure that says in words why it shows nothing."""
    figure = go.Figure()
    figure.update_layout(
        **{**base_layout(title, [], 180), "margin": {"l": 20, "r": 20, "t": 70, "b": 20}},
        annotations=[
            {
                "text": label(note, 200),
                "showarrow": False,
                "xref": "paper",
                "yref": "paper",
                "x": 0.5,
                "y": 0.5,
                "font": {"size": 14, "color": "#52606d"},
            }
        ],
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return a text that plotly shows as it is, cut at `longest` characters.

    Plotly reads tags and entities in whatever it shows.
    """
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return html.escape(shown, quote=False)


def span_text(what: str, start: float, duration: float) -> str:
    """Return a span in words, for the pointer."""
    return f"{what}, from {start:.6g} s, for {duration_text(duration)}"


def base_layout(title: str, notes: Sequence[str], height: int) -> dict[str, Any]:
    """Return the layout of a chart with its title; the notes make up the subtitle."""
    return {
        "template": "plotly_white",
        "title": {
            "text": title,
            "x": 0,
            "xref": "paper",
            "font": {"size": 18},
            "subtitle": {"text": " · ".join(notes), "font": {"size": 12, "color": "#52606d"}},
        },
        "font": {
            "family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
            "color": BLACK,
        },
        "height": height,
        "margin": {"l": 60, "r": 24, "t": 80, "b": 60},
        "legend": {
            "orientation": "h",
            "yref": "container",
            "yanchor": "bottom",
            "y": 0,
            "x": 0,
            "xanchor": "left",
        },
        "hovermode": "closest",
        "barmode": "stack",
    }
