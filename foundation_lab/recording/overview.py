"""Overviews: what recordings and aggregates show of themselves, as a line and in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foundation_lab.recording.schema import Facts


def line(kind: str, facts: Facts, events: int) -> str:
    """Return one line: name, seed, events, span of time, status."""
    return (
        f"<{kind} {facts.name!r} seed={facts.seed}: {events:,} events in "
        f"{facts.until:g} virtual seconds, {facts.status}>"
    )


def page(
    kind: str,
    facts: Facts,
    events: int,
    numbers: Sequence[str],
    rows: Iterable[tuple[str, Sequence[int]]],
) -> str:
    """Return the same as HTML, and a table with a row for each event name.

    Args:
        kind: What it is an overview of.
        facts: What is known about the run.
        events: How many events there were.
        numbers: What is counted of each name: the headings of the table.
        rows: The names, each with its numbers.
    """
    headings = "".join(f"<th>{html.escape(heading)}</th>" for heading in numbers)
    body = "".join(
        f"<tr><td style='text-align:left'><code>{html.escape(name)}</code></td>"
        + "".join(f"<td>{number:,}</td>" for number in counted)
        + "</tr>"
        for name, counted in rows
    )
    return (
        f"<div><b>{kind}</b> {html.escape(facts.name)} &middot; seed {facts.seed} &middot; "
        f"{events:,} events &middot; {facts.until:g} virtual seconds &middot; "
        f"{html.escape(facts.status)}"
        f"<table><thead><tr><th style='text-align:left'>event</th>{headings}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
