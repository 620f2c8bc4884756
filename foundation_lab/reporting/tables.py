"""Tables: a summary as rows and typed columns, the same for pages, workbooks and terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from foundation_lab.reporting.incidents import fault_plans
from foundation_lab.reporting.units import duration_text, number_text, share_text

if TYPE_CHECKING:
    from foundation_lab.reporting.failures import Failures
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


def tables(summary: Summary) -> tuple[Table, ...]:
    """Return the tables of a summary in the order of a report; those without rows are left out."""
    everybody = (summary.requests,) if len(summary.clients) > 1 else ()
    failures = summary.failures
    found = (
        _table("objectives", "Objectives", _OBJECTIVES, summary.objectives),
        _table("clients", "Requests by client", _CLIENTS, (*summary.clients, *everybody)),
        _table("durations", "Durations by service", _TIMINGS, summary.timings),
        _table("services", "Services", _SERVICES, summary.services),
        _table("breakers", "Circuit breakers", _BREAKERS, summary.breakers),
        _table("pools", "Connection pools", _POOLS, summary.pools),
        _table("backends", "Backends", _BACKENDS, summary.backends),
        _table("event_loops", "Event loops", _EVENT_LOOPS, summary.event_loops),
        _table("balancers", "Load balancers", _BALANCERS, summary.balancers),
        _table("shedders", "Load shedding", _SHEDDERS, summary.shedders),
        _table("adaptive_limits", "Adaptive limits", _ADAPTIVE_LIMITS, summary.adaptive_limits),
        _table("queues", "Message queues", _QUEUES, summary.queues),
        _table("autoscalers", "Autoscalers", _AUTOSCALERS, summary.autoscalers),
        _table("supervisors", "Supervisors", _SUPERVISORS, summary.supervisors),
        _table("retries", "Retries", _RETRIES, summary.retries),
        _table("hedges", "Hedges", _HEDGES, summary.hedges),
        _table("timeouts", "Timeouts", _TIMEOUTS, summary.timeouts),
        _table("fallbacks", "Fallbacks", _FALLBACKS, summary.fallbacks),
        _table("bulkheads", "Bulkheads", _BULKHEADS, summary.bulkheads),
        _table("caches", "Caches", _CACHES, summary.caches),
        _table("limiters", "Rate limiters", _LIMITERS, summary.limiters),
        _table("resources", "Limited resources", _RESOURCES, summary.resources),
        _table(
            "errors",
            "Errors",
            _FAILURES,
            failures.groups,
            note="An error that passes through several services counts once in each.",
            last=_others(failures),
        ),
        _table("faults", "Faults", _FAULTS, fault_plans(summary.faults)),
        _table("alerts", "Alerts", _ALERTS, summary.alerts),
        _table("sessions", "Coordination of agents", _PROTOCOLS, summary.protocols),
        _table("events", "Events", _EVENTS, summary.events.items()),
    )
    return tuple(table for table in found if table.rows)


def cell_text(value: Any, kind: Kind) -> str:
    """Return a value as a reader wants to see it.

    >>> cell_text(0.25, "seconds"), cell_text(0.25, "share"), cell_text(None, "text")
    ('250 ms', '25 %', '—')
    """
    return "—" if value is None else _TEXTS[kind](value)


_TEXTS: dict[Kind, Callable[[Any], str]] = {
    "text": str,
    "count": number_text,
    "number": number_text,
    "seconds": duration_text,
    "time": lambda seconds: f"{seconds:,.10g} s",
    "share": share_text,
}

_Spec = tuple[tuple[str, Kind, Callable[[Any], Any]], ...]
"""For each column: its name, what it holds, and how to get that from an entry of the summary."""


def _table(
    name: str,
    title: str,
    spec: _Spec,
    entries: Iterable[Any],
    *,
    note: str = "",
    last: tuple[tuple[Any, ...], ...] = (),
) -> Table:
    rows = (tuple(get(entry) for _, _, get in spec) for entry in entries)
    columns = tuple(Column(column, kind) for column, kind, _ in spec)
    return Table(name, title, columns, (*rows, *last), note)


def _fields(kind: Kind, *paths: str) -> _Spec:
    """Return columns that are called like the attributes they show: ``wait.p95`` is "wait p95"."""
    return tuple(
        (path.replace("_", " ").replace(".", " "), kind, attrgetter(path)) for path in paths
    )


def _named(name: str, kind: Kind, path: str) -> _Spec:
    return ((name, kind, attrgetter(path)),)


def _latency(path: str) -> _Spec:
    return tuple(
        (name, "seconds", attrgetter(f"{path}.{name}"))
        for name in ("mean", "p50", "p95", "p99", "max")
    )


def _others(failures: Failures) -> tuple[tuple[Any, ...], ...]:
    if not failures.other_groups:
        return ()
    return (
        (f"{failures.other_groups:,} other groups", None, None, failures.other_count, None, None),
    )


def shares_text(hosts: Mapping[str, float], most: int = 8) -> str | None:
    """Return the shares of hosts on a line, the largest ones if there are many.

    >>> shares_text({"a": 0.5, "b": 0.25, "c": 0.25}, most=2)
    'a: 50 %, b: 25 %, 1 more'
    """
    largest = sorted(hosts.items(), key=lambda item: -item[1])[:most]
    shown = [f"{host}: {share_text(share)}" for host, share in largest]
    left = [f"{len(hosts) - most} more"] if len(hosts) > most else []
    return ", ".join([*shown, *left]) or None


def _counts(counts: Mapping[str, int]) -> str | None:
    return ", ".join(f"{what}: {count:,}" for what, count in counts.items()) or None


def _closed(name: str) -> _Spec:
    return ((name, "text", lambda span: "no" if span.open else "yes"),)


_OBJECTIVES: _Spec = (
    *_fields("text", "objective"),
    *_named("observed", "text", "observed_text"),
    ("verdict", "text", lambda verdict: "met" if verdict.met else "missed"),
)
_CLIENTS: _Spec = (
    *_named("client", "text", "name"),
    *_fields("count", "started", "finished", "in_flight"),
    *_fields("count", "ok", "error", "timeout", "rejected", "cancelled"),
    *_fields("share", "success"),
    *_named("per second", "number", "throughput"),
    *_latency("latency"),
)
_TIMINGS: _Spec = (
    *_fields("text", "service", "event"),
    *_named("count", "count", "duration.count"),
    *_latency("duration"),
)
_SERVICES: _Spec = (
    *_named("service", "text", "name"),
    *_fields("text", "kind", "pid", "status", "health"),
    *_fields("count", "restarts"),
    *_named("down for", "seconds", "down_seconds"),
    ("events", "count", lambda service: sum(service.events.values())),
)
_BREAKERS: _Spec = (
    *_named("breaker", "text", "name"),
    ("state", "text", lambda breaker: breaker.state.replace("_", "-")),
    *_fields("count", "opened", "calls", "succeeded", "failed", "timeouts", "ignored", "rejected"),
    ("closed for", "seconds", lambda breaker: breaker.seconds.get("closed", 0.0)),
    ("open for", "seconds", lambda breaker: breaker.seconds.get("open", 0.0)),
    ("half-open for", "seconds", lambda breaker: breaker.seconds.get("half_open", 0.0)),
    ("down for", "seconds", lambda breaker: breaker.seconds.get("down", 0.0)),
)
_POOLS: _Spec = (
    *_named("pool", "text", "name"),
    *_fields("count", "capacity", "acquired", "failed", "timeouts", "active", "peak_active"),
    *_fields("number", "mean_active"),
    *_fields("share", "utilisation"),
    *_fields("count", "waited", "peak_waiting"),
    *_fields("seconds", "wait.mean", "wait.p95", "wait.max", "held.mean"),
)
_BACKENDS: _Spec = (
    *_named("backend", "text", "name"),
    *_fields("count", "served", "failed", "rejected", "abandoned"),
    *_named("places", "count", "concurrency"),
    *_fields("number", "mean_busy"),
    *_fields("share", "utilisation"),
    *_fields("seconds", "wait.mean", "wait.p95", "service_time.mean", "service_time.p95"),
)
_EVENT_LOOPS: _Spec = (
    *_named("event loop", "text", "name"),
    *_fields("count", "served", "failed", "rejected", "abandoned", "lagged"),
    *_fields("number", "mean_busy"),
    *_fields("seconds", "lag.mean", "lag.p95", "lag.max", "cpu.mean", "io.mean"),
)
_BALANCERS: _Spec = (
    *_named("balancer", "text", "name"),
    *_fields("count", "picked", "rejected", "ejected", "panics"),
    ("hosts", "text", lambda balancer: shares_text(balancer.hosts)),
)
_SHEDDERS: _Spec = (
    *_named("shedder", "text", "name"),
    *_fields("count", "admitted", "rejected", "expired", "abandoned"),
    ("reasons", "text", lambda shedder: _counts(shedder.reasons)),
    *_fields("seconds", "wait.mean", "wait.p95", "wait.max"),
)
_ADAPTIVE_LIMITS: _Spec = (
    *_named("limiter", "text", "name"),
    *_fields("count", "permitted", "rejected", "changed", "lowest"),
    *_fields("number", "mean"),
    *_fields("count", "highest", "last"),
    *_fields("seconds", "wait.mean", "wait.p95"),
)
_QUEUES: _Spec = (
    *_named("queue", "text", "name"),
    *_fields("count", "published", "full", "delivered", "redelivered", "acknowledged"),
    *_fields("count", "dead_lettered", "dropped", "redriven", "depth", "peak_depth"),
    *_fields("seconds", "age.mean", "age.p95", "age.max"),
)
_AUTOSCALERS: _Spec = (
    *_named("autoscaler", "text", "name"),
    *_fields("count", "decisions", "scaled_up", "scaled_down", "fewest"),
    *_fields("number", "mean"),
    *_fields("count", "most", "last"),
    *_fields("number", "metric"),
)
_SUPERVISORS: _Spec = (
    *_named("supervisor", "text", "name"),
    *_fields("count", "exits", "restarts", "failed", "forced", "gave_up"),
)
_RETRIES: _Spec = (
    *_named("retry", "text", "name"),
    *_fields("count", "calls", "attempts"),
    *_fields("number", "attempts_per_call"),
    *_fields("count", "succeeded", "recovered", "failed_attempts", "exhausted", "ignored"),
    *_named("backoff", "seconds", "backoff_seconds"),
)
_HEDGES: _Spec = (
    *_named("hedge", "text", "name"),
    *_fields("count", "calls", "attempts", "hedged"),
    *_fields("share", "hedged_share"),
    *_fields("count", "won", "won_by_hedge"),
    *_fields("share", "win_share"),
    *_fields("count", "failed", "cancelled"),
    *_named("cancelled for", "seconds", "cancelled_seconds"),
    *_fields("count", "exhausted"),
    *_fields("seconds", "duration.mean", "duration.p99"),
)
_TIMEOUTS: _Spec = (
    *_named("timeout", "text", "name"),
    *_fields("count", "calls", "timed_out"),
    *_fields("share", "timed_out_share"),
    *_fields("count", "ghosts"),
    *_fields("seconds", "duration.mean", "duration.p95", "duration.p99", "duration.max"),
)
_FALLBACKS: _Spec = (
    *_named("fallback", "text", "name"),
    *_fields("count", "calls", "used"),
    *_fields("share", "used_share"),
    ("errors", "text", lambda fallback: _counts(fallback.errors)),
)
_BULKHEADS: _Spec = (
    *_named("bulkhead", "text", "name"),
    *_fields("count", "admitted", "rejected"),
    *_fields("share", "rejected_share"),
    ("reasons", "text", lambda bulkhead: _counts(bulkhead.reasons)),
    *_fields("number", "mean_in_use"),
    *_fields("count", "peak_in_use"),
    *_fields("seconds", "wait.mean", "wait.p95", "wait.max"),
)
_CACHES: _Spec = (
    *_named("cache", "text", "name"),
    *_fields("count", "hits", "misses"),
    *_fields("share", "hit_ratio"),
    *_fields("count", "negative_hits", "loads", "joined", "puts", "peak_size"),
    ("evicted", "text", lambda cache: _counts(cache.evicted)),
    *_fields("seconds", "age.mean", "age.max"),
)
_LIMITERS: _Spec = (
    *_named("limiter", "text", "name"),
    *_fields("count", "allowed", "denied"),
    *_fields("share", "denied_share"),
)
_RESOURCES: _Spec = (
    *_named("resource", "text", "name"),
    *_fields("count", "acquired", "released", "exhausted"),
    *_fields("seconds", "wait.mean", "wait.max", "held.mean"),
)
_FAILURES: _Spec = (
    *_fields("text", "error"),
    *_named("emitter", "text", "service"),
    *_fields("text", "event"),
    *_fields("count", "count"),
    *_fields("time", "first", "last"),
)
_FAULTS: _Spec = (
    *_named("fault", "text", "kind"),
    *_fields("text", "service"),
    *_named("from", "time", "start"),
    *_named("to", "time", "end"),
    *_fields("count", "times"),
    *_named("on for", "seconds", "duration"),
    *_closed("cleared"),
    *_fields("text", "parameters"),
    *_named("id", "text", "plan"),
)
_ALERTS: _Spec = (
    *_fields("text", "rule", "key", "severity"),
    *_fields("number", "value"),
    *_fields("time", "pending"),
    *_named("fired", "time", "start"),
    *_named("until", "time", "end"),
    *_fields("seconds", "duration"),
    *_closed("resolved"),
    *_fields("count", "notified", "undelivered"),
)
_PROTOCOLS: _Spec = (
    *_fields("text", "protocol"),
    *_fields("count", "started", "completed", "failed", "running", "timeouts"),
    *_fields("seconds", "duration.mean", "duration.p95", "duration.max"),
    *_fields("count", "sent", "received", "dropped", "votes"),
    *_fields("seconds", "message.mean"),
    ("results", "text", lambda protocol: _counts(protocol.results)),
)
_EVENTS: _Spec = (
    ("event", "text", lambda item: item[0]),
    ("count", "count", lambda item: item[1]),
)
