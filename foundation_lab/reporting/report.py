"""The report: a recording as one HTML page that needs nothing but a browser.

The page is the same, byte for byte, for the same recording: made twice, or saved and loaded. It
holds plotly.js once, the figures and the summary as JSON, and a Content-Security-Policy that lets
only its own two scripts run and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from foundation_lab.reporting.palette import GREEN, ORANGE, RED
from foundation_lab.reporting.placement import placed
from foundation_lab.reporting.summary import summarise
from foundation_lab.reporting.tables import cell_text, tables
from foundation_lab.reporting.units import duration_text, number_text, share_text

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.summary import Summary

CHARTS = (
    "latency",
    "throughput",
    "breakers",
    "pools",
    "event_rates",
    "incidents",
    "coordination",
)
"""The charts of a report in their order, by the names they have in `charts`."""

MOST_ROWS = 200
"""How many rows of a table a report shows."""

MOST_EMBEDDED = 1_000
"""How many entries of a list the embedded summary holds."""


def write_report(
    recording: Recording,
    path: str | Path,
    *,
    title: str | None = None,
    command: str | None = None,
    wall_clock: bool = False,
) -> Path:
    """Write a report of a recording, be it complete, partial or empty.

    The file is written aside and renamed; one that is there is replaced.

    Args:
        recording: The recording.
        path: The file to write, such as ``report.html``.
        title: The page's title; the recording's name by default.
        command: The command that makes the recording again, where the caller knows a better one
            than ``foundation-lab reproduce``.
        wall_clock: Whether charts show the wall clock instead of virtual time.

    Returns:
        The path.

    Raises:
        IsADirectoryError: `path` is a folder.
        ValueError: The wall clock is wanted, and the recording does not say what virtual 0 is.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give a file such as {target}/report.html")
    page = render(recording, title=title, command=command, wall_clock=wall_clock)
    with placed(target) as aside:
        aside.write_text(page, encoding="utf-8", newline="\n")
    return target


def render(
    recording: Recording,
    *,
    title: str | None = None,
    command: str | None = None,
    wall_clock: bool = False,
) -> str:
    """Return the page that `write_report` writes; arguments and errors are the same."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  (heavy)
    from markupsafe import Markup  # noqa: PLC0415
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    summary = summarise(recording)
    figures, missing = _figures(recording, wall_clock=wall_clock)
    environment = Environment(
        loader=PackageLoader("foundation_lab.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell_text, "number": number_text, "duration": duration_text}
    source = environment.loader.get_source(environment, "draw.js")[0] if environment.loader else ""
    scripts = [_one_line_ends(get_plotlyjs()), _one_line_ends(source)]
    facts = recording.facts
    scenario = None if facts.scenario is None else msgspec.json.encode(facts.scenario)
    page = environment.get_template("report.html.j2").render(
        title=facts.name if title is None else title,
        run=summary.run,
        partial=facts.status != "complete",
        question=str((facts.scenario or {}).get("description", "")).strip(),
        cards=_cards(summary),
        figures=figures,
        missing=missing,
        tables=tables(summary),
        most_rows=MOST_ROWS,
        command="foundation-lab reproduce RECORDING" if command is None else command,
        placeholder=command is None,
        scenario=None if scenario is None else msgspec.json.format(scenario).decode(),
        versions=recording.versions,
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],  # noqa: S704  (plotly's and our own)
        figures_json=Markup(in_script(_figures_json(figures))),  # noqa: S704  (escaped there)
        summary_json=Markup(in_script(_embedded(summary))),  # noqa: S704  (escaped there)
    )
    return page + "\n"


def in_script(json: str) -> str:
    r"""Return JSON that says the same and can stand in a ``<script>`` element.

    The characters that mean something in HTML occur in JSON only within strings, where an escape
    means the same.

    >>> in_script('["</script>"]')
    '["\\u003c/script\\u003e"]'
    """
    for character in "<>&\u2028\u2029":
        json = json.replace(character, f"\\u{ord(character):04x}")
    return json


class Card(NamedTuple):
    """A number that a reader looks at first: its name, what it is, what it means, its colour."""

    name: str
    value: str
    detail: str
    colour: str | None = None


class Figure(NamedTuple):
    """A chart on the page."""

    id: str
    title: str
    subtitle: str
    height: int
    json: str


def _figures(recording: Recording, *, wall_clock: bool) -> tuple[list[Figure], list[str]]:
    """Return the charts that show something, and the titles of those that do not."""
    from foundation_lab.reporting import charts  # noqa: PLC0415  (plotly is heavy)

    figures, missing = [], []
    for name in CHARTS:
        chart = getattr(charts, name)(recording, wall_clock=wall_clock)
        heading = chart.layout.title
        if not chart.data:
            missing.append(unescape(heading.text))
            continue
        title, subtitle = unescape(heading.text), unescape(heading.subtitle.text or "")
        height = chart.layout.height - 45
        chart.update_layout(title=None, height=height, margin_t=35)
        identity = f"chart-{name.replace('_', '-')}"
        figures.append(Figure(identity, title, subtitle, height, chart.to_json()))
    return figures, missing


def _figures_json(figures: list[Figure]) -> str:
    return "[" + ",".join(f'{{"id":"{f.id}","figure":{f.json}}}' for f in figures) + "]"


def _embedded(summary: Summary) -> str:
    """Return the summary as JSON, long lists cut; ``cut`` says how long those were."""
    whole: dict[str, Any] = msgspec.to_builtins(summary)
    long = {
        name: len(value)
        for name, value in whole.items()
        if isinstance(value, list | tuple | dict) and len(value) > MOST_EMBEDDED
    }
    for name in long:
        value = whole[name]
        whole[name] = (
            dict(list(value.items())[:MOST_EMBEDDED])
            if isinstance(value, dict)
            else value[:MOST_EMBEDDED]
        )
    return msgspec.json.encode({**whole, "cut": long}).decode()


def _cards(summary: Summary) -> list[Card]:
    run, requests = summary.run, summary.requests
    opened = sum(breaker.opened for breaker in summary.breakers)
    errors = sum(f.count for f in summary.failures.groups) + summary.failures.other_count
    cards = [
        Card("Virtual time", duration_text(run.end - run.begin), f"{run.events:,} events"),
    ]
    if requests.started or requests.finished:
        unfinished = f", {requests.in_flight:,} in flight" if requests.in_flight else ""
        rate = number_text(requests.throughput)
        cards += [
            Card("Requests", f"{requests.finished:,}", f"{rate} a second{unfinished}"),
            Card(
                "Success",
                share_text(requests.success),
                f"{requests.finished - requests.ok:,} not ok",
                _grade(requests.success),
            ),
            Card(
                "Latency p50",
                duration_text(requests.latency.p50),
                f"mean {duration_text(requests.latency.mean)}",
            ),
            Card(
                "Latency p99",
                duration_text(requests.latency.p99),
                f"longest {duration_text(requests.latency.max)}",
            ),
        ]
    cards.append(Card("Errors", f"{errors:,}", f"in {_groups(summary):,} groups"))
    if summary.breakers:
        cards.append(
            Card(
                "Breakers opened",
                f"{opened:,}",
                f"by {sum(b.opened > 0 for b in summary.breakers):,} of {len(summary.breakers):,}",
            )
        )
    cards += [
        Card("Faults", f"{len(summary.faults):,}", f"{_open(summary.faults)} still on"),
        Card("Alerts", f"{len(summary.alerts):,}", f"{_open(summary.alerts)} still firing"),
    ]
    if summary.protocols:
        started = sum(protocol.started for protocol in summary.protocols)
        completed = sum(protocol.completed for protocol in summary.protocols)
        cards.append(Card("Sessions", f"{started:,}", f"{completed:,} completed"))
    return cards


def _grade(success: float | None) -> str | None:
    if success is None:
        return None
    return GREEN if success >= 0.99 else ORANGE if success >= 0.9 else RED


def _groups(summary: Summary) -> int:
    return len(summary.failures.groups) + summary.failures.other_groups


def _open(spans: Any) -> int:
    return sum(span.open for span in spans)


def _one_line_ends(script: str) -> str:
    """Return a script as the browser's parser sees it, so that its hash is that of the page."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


def _policy(scripts: list[str]) -> str:
    """Return a Content-Security-Policy: these scripts run, and nothing is loaded from anywhere."""
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
