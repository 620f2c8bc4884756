"""Tables: a summary as rows and typed columns, the same for pages, workbooks and terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from foundation_lab.reporting.units import duration_text, number_text, share_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from foundation_lab.reporting.latency import Latency
    from foundation_lab.reporting.summary import Summary

Kind = Literal["text", "count", "number", "seconds", "time", "share"]
"""What a column holds: a text, a whole number, any number, a duration or an instant in virtual
seconds, or a share from 0 to 1."""


class Column(NamedTuple):
    """A column: what it is called, and what it holds."""

    name: str
    kind: Kind


class Table(NamedTuple):
    """A table.

    Attributes:
        name: A word for it: the sheet's name, the anchor on a page.
        title: Its heading.
        columns: Its columns.
        rows: Its rows, with plain values: str, int, float or ``None``.
        note: What a reader has to know.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


def cell_text(value: Any, kind: Kind) -> str:
    """Return a value as a reader wants to see it.

    >>> cell_text(0.25, "seconds"), cell_text(0.25, "share"), cell_text(None, "text")
    ('250 ms', '25 %', '—')
    """
    return "—" if value is None else _TEXTS[kind](value)


def tables(summary: Summary) -> tuple[Table, ...]:
    """Return the tables of a summary in the order of a report; those without rows are left out."""
    found = (
        _clients(summary),
        _timings(summary),
        _services(summary),
        _breakers(summary),
        _pools(summary),
        _backends(summary),
        _retries(summary),
        _limiters(summary),
        _resources(summary),
        _failures(summary),
        _faults(summary),
        _alerts(summary),
        _protocols(summary),
        _events(summary),
    )
    return tuple(table for table in found if table.rows)


_TEXTS: dict[Kind, Callable[[Any], str]] = {
    "text": str,
    "count": number_text,
    "number": number_text,
    "seconds": duration_text,
    "time": lambda seconds: f"{seconds:,.10g} s",
    "share": share_text,
}


def _table(
    name: str, title: str, columns: dict[str, Kind], rows: Iterable[tuple[Any, ...]], note: str = ""
) -> Table:
    return Table(name, title, tuple(Column(*item) for item in columns.items()), tuple(rows), note)


def _times(prefix: str = "") -> dict[str, Kind]:
    return {f"{prefix}{name}": "seconds" for name in ("mean", "p50", "p95", "p99", "max")}


def _of(latency: Latency) -> tuple[float | None, ...]:
    return latency.mean, latency.p50, latency.p95, latency.p99, latency.max


def _clients(summary: Summary) -> Table:
    counts = ("started", "finished", "in flight", "ok", "error", "timeout", "rejected", "cancelled")
    everybody = (summary.requests,) if len(summary.clients) > 1 else ()
    columns: dict[str, Kind] = {
        "client": "text",
        **dict.fromkeys(counts, "count"),
        "success": "share",
        "per second": "number",
        **_times(),
    }
    rows = (
        (
            client.name,
            *(getattr(client, name.replace(" ", "_")) for name in counts),
            client.success,
            client.throughput,
            *_of(client.latency),
        )
        for client in (*summary.clients, *everybody)
    )
    return _table("clients", "Requests by client", columns, rows)


def _timings(summary: Summary) -> Table:
    columns: dict[str, Kind] = {"service": "text", "event": "text", "count": "count", **_times()}
    rows = ((t.service, t.event, t.duration.count, *_of(t.duration)) for t in summary.timings)
    return _table("durations", "Durations by service", columns, rows)


def _services(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "service": "text",
        "kind": "text",
        "pid": "text",
        "status": "text",
        "health": "text",
        "restarts": "count",
        "down for": "seconds",
        "events": "count",
    }
    rows = (
        (
            s.name,
            s.kind,
            s.pid,
            s.status,
            s.health,
            s.restarts,
            s.down_seconds,
            sum(s.events.values()),
        )
        for s in summary.services
    )
    return _table("services", "Services", columns, rows)


def _breakers(summary: Summary) -> Table:
    states = ("closed", "half_open", "open", "down")
    counts = ("opened", "calls", "succeeded", "failed", "timeouts", "ignored", "rejected")
    columns: dict[str, Kind] = {
        "breaker": "text",
        "state": "text",
        **dict.fromkeys(counts, "count"),
        **{f"{state.replace('_', '-')} for": "seconds" for state in states},
    }
    rows = (
        (
            b.name,
            b.state.replace("_", "-"),
            *(getattr(b, count) for count in counts),
            *(b.seconds.get(state, 0.0) for state in states),
        )
        for b in summary.breakers
    )
    return _table("breakers", "Circuit breakers", columns, rows)


def _pools(summary: Summary) -> Table:
    counts = ("capacity", "acquired", "failed", "timeouts", "active", "peak_active")
    columns: dict[str, Kind] = {
        "pool": "text",
        **{count.replace("_", " "): "count" for count in counts},
        "mean active": "number",
        "utilisation": "share",
        "waited": "count",
        "peak waiting": "count",
        "wait mean": "seconds",
        "wait p95": "seconds",
        "wait max": "seconds",
        "held mean": "seconds",
    }
    rows = (
        (
            p.name,
            *(getattr(p, count) for count in counts),
            p.mean_active,
            p.utilisation,
            p.waited,
            p.peak_waiting,
            p.wait.mean,
            p.wait.p95,
            p.wait.max,
            p.held.mean,
        )
        for p in summary.pools
    )
    return _table("pools", "Connection pools", columns, rows)


def _backends(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "backend": "text",
        **dict.fromkeys(("served", "failed", "rejected", "abandoned", "places"), "count"),
        "mean busy": "number",
        "utilisation": "share",
        "wait mean": "seconds",
        "wait p95": "seconds",
        "service mean": "seconds",
        "service p95": "seconds",
    }
    rows = (
        (
            b.name,
            b.served,
            b.failed,
            b.rejected,
            b.abandoned,
            b.concurrency,
            b.mean_busy,
            b.utilisation,
            b.wait.mean,
            b.wait.p95,
            b.service_time.mean,
            b.service_time.p95,
        )
        for b in summary.backends
    )
    return _table("backends", "Backends", columns, rows)


def _retries(summary: Summary) -> Table:
    counts = ("succeeded", "recovered", "failed_attempts", "exhausted", "ignored")
    columns: dict[str, Kind] = {
        "retry": "text",
        "calls": "count",
        "attempts": "count",
        "attempts per call": "number",
        **{count.replace("_", " "): "count" for count in counts},
        "backoff": "seconds",
    }
    rows = (
        (
            r.name,
            r.calls,
            r.attempts,
            r.attempts_per_call,
            *(getattr(r, count) for count in counts),
            r.backoff_seconds,
        )
        for r in summary.retries
    )
    return _table("retries", "Retries", columns, rows)


def _limiters(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "limiter": "text",
        "allowed": "count",
        "denied": "count",
        "denied share": "share",
    }
    rows = ((x.name, x.allowed, x.denied, x.denied_share) for x in summary.limiters)
    return _table("limiters", "Rate limiters", columns, rows)


def _resources(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "resource": "text",
        **dict.fromkeys(("acquired", "released", "exhausted"), "count"),
        "wait mean": "seconds",
        "wait max": "seconds",
        "held mean": "seconds",
    }
    rows = (
        (r.name, r.acquired, r.released, r.exhausted, r.wait.mean, r.wait.max, r.held.mean)
        for r in summary.resources
    )
    return _table("resources", "Limited resources", columns, rows)


def _failures(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "error": "text",
        "emitter": "text",
        "event": "text",
        "count": "count",
        "first": "time",
        "last": "time",
    }
    found = summary.failures

    def rows() -> Iterator[tuple[Any, ...]]:
        for f in found.groups:
            yield f.error, f.service, f.event, f.count, f.first, f.last
        if found.other_groups:
            yield f"{found.other_groups:,} other groups", None, None, found.other_count, None, None

    note = "An error that passes through several services counts once in each."
    return _table("errors", "Errors", columns, rows(), note)


def _faults(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "fault": "text",
        "service": "text",
        "from": "time",
        "to": "time",
        "duration": "seconds",
        "cleared": "text",
        "parameters": "text",
        "id": "text",
    }
    rows = (
        (f.kind, f.service, f.start, f.end, f.duration, _no(f.open), f.parameters, f.fault_id)
        for f in summary.faults
    )
    return _table("faults", "Faults", columns, rows)


def _alerts(summary: Summary) -> Table:
    columns: dict[str, Kind] = {
        "rule": "text",
        "key": "text",
        "severity": "text",
        "value": "number",
        "pending": "time",
        "fired": "time",
        "until": "time",
        "duration": "seconds",
        "resolved": "text",
        "notified": "count",
        "undelivered": "count",
    }
    rows = (
        (
            a.rule,
            a.key,
            a.severity,
            a.value,
            a.pending,
            a.start,
            a.end,
            a.duration,
            _no(a.open),
            a.notified,
            a.undelivered,
        )
        for a in summary.alerts
    )
    return _table("alerts", "Alerts", columns, rows)


def _protocols(summary: Summary) -> Table:
    before = ("started", "completed", "failed", "running", "timeouts")
    after = ("sent", "received", "dropped", "votes")
    columns: dict[str, Kind] = {
        "protocol": "text",
        **dict.fromkeys(before, "count"),
        "duration mean": "seconds",
        "duration p95": "seconds",
        "duration max": "seconds",
        **dict.fromkeys(after, "count"),
        "message mean": "seconds",
        "results": "text",
    }
    rows = (
        (
            p.protocol,
            *(getattr(p, count) for count in before),
            p.duration.mean,
            p.duration.p95,
            p.duration.max,
            *(getattr(p, count) for count in after),
            p.message.mean,
            ", ".join(f"{result}: {count:,}" for result, count in p.results.items()) or None,
        )
        for p in summary.protocols
    )
    return _table("sessions", "Coordination of agents", columns, rows)


def _events(summary: Summary) -> Table:
    columns: dict[str, Kind] = {"event": "text", "count": "count"}
    return _table("events", "Events", columns, summary.events.items())


def _no(still: bool) -> str:  # noqa: FBT001  (a value, no switch)
    return "no" if still else "yes"
