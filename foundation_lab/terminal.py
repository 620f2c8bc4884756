"""The summary of a run as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from foundation_lab.reporting.incidents import fault_plans
from foundation_lab.reporting.stories import stories, times
from foundation_lab.reporting.units import duration_text, number_text, share_text
from foundation_lab.telemetry.event import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from rich.console import RenderableType

    from foundation_lab.reporting.aggregate_summary import AggregateSummary
    from foundation_lab.reporting.clients import Client
    from foundation_lab.reporting.summary import Summary


def render(summary: Summary) -> RenderableType:
    """Return what happened in a run as tables: requests, services, faults, alerts, errors."""
    tables = [
        _requests(summary),
        _latencies(summary),
        _services(summary),
        _protocols(summary),
        _faults(summary),
        _alerts(summary),
        _objectives(summary),
        _failures(summary),
    ]
    return Group(_headline(summary), *(table for table in tables if table.row_count))


def render_aggregates(summary: AggregateSummary) -> RenderableType:
    """Return what the aggregates of a run tell as tables: requests, services, durations, errors."""
    tables = [
        _requests(summary),
        _latencies(summary),
        _counted_services(summary),
        _durations(summary),
        _objectives(summary),
        _counted_errors(summary),
    ]
    return Group(_headline(summary), *(table for table in tables if table.row_count), _NOT_KEPT)


def render_episodes(episodes: pl.DataFrame) -> RenderableType:
    """Return the episodes of an alert history as a table."""
    table = _table(
        f"Alerts: {episodes.height}",
        ("rule", "key", "severity"),
        ("pending at", "fired at", "resolved at"),
    )
    for row in episodes.iter_rows(named=True):
        names = map(Text, (row["rule"], row["key"], row["severity"]))
        times = (duration_text(row[name]) for name in ("pending_at", "firing_at", "resolved_at"))
        table.add_row(*names, *times)
    return table


def render_comparison(summaries: Mapping[str, Summary | AggregateSummary]) -> RenderableType:
    """Return what became of the requests of each client in several runs, as a table."""
    numbers = ("requests", "in flight", "ended well", "well a second", "p50", "p95", "p99")
    table = _table("Comparison", ("client", "run"), numbers)
    names = dict.fromkeys(client.name for each in summaries.values() for client in each.clients)
    for name in names:
        for run, summary in summaries.items():
            for client in summary.clients:
                if client.name == name:
                    table.add_row(Text(name), Text(run), *_figures(client, summary))
    return table


def _figures(client: Client, summary: Summary | AggregateSummary) -> list[str]:
    seconds = summary.run.end - summary.run.begin
    latency = client.latency
    return [
        f"{client.started:,}",
        f"{client.in_flight:,}",
        share_text(client.success),
        number_text(client.ok / seconds if seconds > 0 else None),
        *(duration_text(each) for each in (latency.p50, latency.p95, latency.p99)),
    ]


def _headline(summary: Summary | AggregateSummary) -> Text:
    run = summary.run
    text = Text.assemble(
        (run.name, "bold"),
        f" · seed {run.seed} · {duration_text(run.end - run.begin)} of virtual time · "
        f"{run.events:,} events · ",
        (run.status, "green" if run.status == "complete" else "yellow"),
    )
    if run.error is not None:
        text.append(f"\n{run.error}", "red")
    return text


def _requests(summary: Summary | AggregateSummary) -> Table:
    columns = ("sent", "ok", "error", "timeout", "rejected", "in flight", "success")
    table = _table("Requests", ("client",), columns)
    for client in _clients(summary):
        failed = client.error + client.cancelled
        counts = (client.started, client.ok, failed, client.timeout, client.rejected)
        cells = (
            *(f"{count:,}" for count in (*counts, client.in_flight)),
            share_text(client.success),
        )
        table.add_row(Text(client.name), *cells)
    return table


def _latencies(summary: Summary | AggregateSummary) -> Table:
    columns = ("finished per second", "mean", "p50", "p95", "p99", "max")
    table = _table("Throughput and latency", ("client",), columns)
    for client in _clients(summary):
        latency = client.latency
        seconds = (latency.mean, latency.p50, latency.p95, latency.p99, latency.max)
        table.add_row(
            Text(client.name), number_text(client.throughput), *map(duration_text, seconds)
        )
    return table


def _clients(summary: Summary | AggregateSummary) -> list[Client]:
    """Return every client, and all of them together when there are several."""
    together = [summary.requests] if len(summary.clients) > 1 else []
    return [*summary.clients, *together]


def _services(summary: Summary) -> Table:
    table = _table("Services", ("service", "kind", "state", "what happened"), ())
    told = stories(summary)
    for service in summary.services:
        state, story = told.get((service.kind, service.name), (None, []))
        if state is None or service.status != "up":
            state = service.status
        restarts = [f"restarted {times(service.restarts)}"] if service.restarts else []
        cells = (service.name, service.kind, state, ", ".join([*story, *restarts]))
        table.add_row(*map(Text, cells))
    return table


def _counted_services(summary: AggregateSummary) -> Table:
    table = _table("Services", ("service", "kind", "state", "events"), ())
    for service in summary.services:
        told = [f"{count:,} {_last_word(event)}" for event, count in service.events.items()]
        restarts = [f"restarted {times(service.restarts)}"] if service.restarts else []
        cells = (service.name, service.kind, service.status, ", ".join([*told, *restarts]))
        table.add_row(*map(Text, cells))
    return table


def _durations(summary: AggregateSummary) -> Table:
    table = _table(
        "Durations",
        ("service", "event", "measured"),
        ("count", "mean", "p50", "p95", "p99", "max"),
    )
    for each in summary.durations:
        latency = each.latency
        seconds = (latency.mean, latency.p50, latency.p95, latency.p99, latency.max)
        names = map(Text, (each.service, each.event.removeprefix(f"{NAMESPACE}."), each.field))
        table.add_row(*names, f"{latency.count:,}", *map(duration_text, seconds))
    return table


def _counted_errors(summary: AggregateSummary) -> Table:
    table = _table("Errors", ("event", "service", "error"), ("count",))
    for each in summary.failures[:_MOST_ERRORS]:
        event = each.event.removeprefix(f"{NAMESPACE}.")
        names = (event, "" if each.service is None else each.service, each.error)
        table.add_row(*map(Text, names), f"{each.count:,}")
    others = len(summary.failures) - _MOST_ERRORS
    if others > 0:
        table.caption = f"there are {others} further kinds of error"
    return table


def _last_word(event: str) -> str:
    return event.rpartition(".")[2].replace("_", " ")


def _protocols(summary: Summary) -> Table:
    table = _table(
        "Coordination",
        ("protocol",),
        ("sessions", "completed", "failed", "messages", "dropped", "p50", "p99"),
    )
    for entry in summary.protocols:
        table.add_row(
            Text(entry.protocol),
            f"{entry.started:,}",
            f"{entry.completed:,}",
            f"{entry.failed:,}",
            f"{entry.sent:,}",
            f"{entry.dropped:,}",
            duration_text(entry.duration.p50),
            duration_text(entry.duration.p99),
        )
    return table


def _faults(summary: Summary) -> Table:
    table = _table("Faults", ("service", "fault"), ("from", "times", "on for"))
    for fault in fault_plans(summary.faults):
        lasted = duration_text(fault.duration or None) + (" (to the end)" if fault.open else "")
        times = f"{fault.times:,}"
        names = map(Text, (fault.service, fault.kind))
        table.add_row(*names, duration_text(fault.start), times, lasted)
    return table


def _alerts(summary: Summary) -> Table:
    table = _table("Alerts", ("rule", "key", "severity"), ("fired at", "for"))
    for alert in summary.alerts:
        lasted = duration_text(alert.duration) + (" (to the end)" if alert.open else "")
        names = map(Text, (alert.rule, alert.key, alert.severity))
        table.add_row(*names, duration_text(alert.start), lasted)
    return table


def _objectives(summary: Summary | AggregateSummary) -> Table:
    table = _table("Objectives", ("objective", "verdict"), ("observed",))
    for verdict in summary.objectives:
        word = Text("met", "green") if verdict.met else Text("missed", "bold red")
        table.add_row(Text(verdict.objective), word, verdict.observed_text)
    return table


def _failures(summary: Summary) -> Table:
    table = _table("Errors", ("event", "service", "error"), ("count",))
    shown = summary.failures.groups[:_MOST_ERRORS]
    for group in shown:
        event = group.event.removeprefix(f"{NAMESPACE}.")
        names = (event, "" if group.service is None else group.service, group.error)
        table.add_row(*map(Text, names), f"{group.count:,}")
    others = len(summary.failures.groups) - len(shown) + summary.failures.other_groups
    if others:
        table.caption = f"{others} further kinds of error are in the report"
    return table


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold cyan",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        padding=(0, 1, 0, 0),
    )
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


_MOST_ERRORS = 10

_NOT_KEPT = Text(
    "Only aggregates were kept. Without events there is no recording, no report, no alert history, "
    "and nothing that goes by the order of events: states, faults, levels, coordination. "
    "Run it with --keep events for these.",
    "yellow",
)
