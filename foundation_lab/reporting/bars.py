"""Charts whose rows are bars: the states of circuit breakers, the times of faults and alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.reporting.canvas import Canvas
from foundation_lab.reporting.palette import ALERT_COLOUR, FAULT_COLOUR, STATE_COLOURS
from foundation_lab.reporting.spans import alert_spans, breaker_spans, fault_spans
from foundation_lab.reporting.style import nothing, span_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from foundation_lab.recording.recording import Recording

MOST_ROWS = 30
"""How many rows a chart has."""


def breakers(recording: Recording, *, wall_clock: bool = False) -> go.Figure:
    """Return the states of the circuit breakers over time, one row each.

    Of more than 30 breakers, those with the most changes are shown.
    """
    title = "States of circuit breakers"
    spans = breaker_spans(recording).filter(pl.col("duration") > 0)
    if spans.is_empty():
        return nothing(title, "There is no circuit breaker in this recording.")
    names, shown = _busiest(spans, "service")
    canvas = _bar_canvas(recording, title, names, shown, wall_clock=wall_clock)
    for state, colour in STATE_COLOURS.items():
        own = _in_rows(spans.filter(pl.col("state") == state), "service", shown)
        if own.height:
            texts = [
                span_text(
                    f"{row['service']} {state.replace('_', '-')}", row["start"], row["duration"]
                )
                for row in own.iter_rows(named=True)
            ]
            canvas.bars(state.replace("_", "-"), own.with_columns(text=pl.Series(texts)), colour)
    canvas.rows(shown)
    return canvas.finish()


def incidents(recording: Recording, *, wall_clock: bool = False) -> go.Figure:
    """Return when faults were on and when alerts fired, one row for each fault and each alert rule.

    All occurrences of a fault are in its row. Of more than 30 rows, those with the most spans are
    shown.
    """
    title = "Faults and alerts"
    what = pl.format("{} {}", "kind", "service")
    several = pl.col("plan").n_unique().over("kind", "service") > 1
    own_part = pl.col("plan").str.strip_prefix(pl.format("{}:{}:", "kind", "service"))
    faults = fault_spans(recording).select(
        pl.when(several).then(pl.format("{} {}", what, own_part)).otherwise(what).alias("name"),
        "start",
        "duration",
        kind=pl.lit("fault"),
    )
    alerts = alert_spans(recording).select(
        pl.when(pl.col("key") == "")
        .then("rule")
        .otherwise(pl.format("{} [{}]", "rule", "key"))
        .alias("name"),
        "start",
        "duration",
        kind=pl.lit("alert"),
    )
    spans = pl.concat([faults, alerts])
    if spans.is_empty():
        return nothing(title, "No fault was injected and no alert fired in this recording.")
    names, shown = _busiest(spans, "name")
    canvas = _bar_canvas(recording, title, names, shown, wall_clock=wall_clock)
    for kind, colour in (("fault", FAULT_COLOUR), ("alert", ALERT_COLOUR)):
        own = _in_rows(spans.filter(pl.col("kind") == kind), "name", shown)
        if own.height:
            texts = [
                span_text(f"{kind} {row['name']}", row["start"], row["duration"])
                for row in own.iter_rows(named=True)
            ]
            canvas.bars(kind, own.with_columns(text=pl.Series(texts)), colour)
    canvas.rows(shown)
    return canvas.finish(incidents=False)


def _busiest(spans: pl.DataFrame, by: str) -> tuple[list[str], list[str]]:
    """Return all rows of a chart, and those that are shown, from the bottom to the top."""
    sizes = spans.group_by(by, maintain_order=True).len()
    names = sizes[by].to_list()
    shown = sizes.sort("len", descending=True, maintain_order=True)[by].head(MOST_ROWS).to_list()
    return names, [name for name in reversed(names) if name in set(shown)]


def _bar_canvas(
    recording: Recording,
    title: str,
    names: Sequence[str],
    shown: Sequence[str],
    *,
    wall_clock: bool,
) -> Canvas:
    height = 30 * len(shown) + 30
    canvas = Canvas(recording, title, wall_clock=wall_clock, series=4, panel_height=height)
    if len(shown) < len(names):
        canvas.notes.append(f"the {len(shown)} busiest of {len(names)} rows")
    return canvas


def _in_rows(spans: pl.DataFrame, by: str, shown: Sequence[str]) -> pl.DataFrame:
    places = pl.DataFrame(
        {by: list(shown), "row": range(len(shown))}, schema_overrides={by: pl.String}
    )
    return spans.join(places, on=by, how="inner", maintain_order="left")
