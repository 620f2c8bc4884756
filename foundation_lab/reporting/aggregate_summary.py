"""The summary of a run whose events were counted and dropped: what its aggregates still tell.

Requests, objectives, durations and errors are all there. What depends on the order of events is
not: for how long a breaker was open, how full a pool was, when a fault was on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from foundation_lab.reporting.clients import OUTCOMES, Client
from foundation_lab.reporting.failures import ERROR_FIELDS
from foundation_lab.reporting.latency import Latency
from foundation_lab.reporting.objectives import Verdict, verdicts
from foundation_lab.reporting.run import Run
from foundation_lab.reporting.services import of_kind
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.aggregates import Aggregates
    from foundation_lab.telemetry.event import Event

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""The quantiles of durations; of aggregates, they are at most 0.8 % off."""


class CountedService(msgspec.Struct, frozen=True):
    """A service.

    Attributes:
        name: The service.
        kind: What it is: ``backend``, ``circuit_breaker``, ...
        status: ``up`` or ``down`` at the end.
        restarts: How often it was restarted.
        events: How often it emitted each event but those of its life; of services that share a
            name, each has the events of its own kind, and those that belong to no kind.
    """

    name: str
    kind: str
    status: str
    restarts: int
    events: dict[str, int]


class CountedDuration(msgspec.Struct, frozen=True):
    """A measurement in seconds that one service gave with one event, such as its `wait`."""

    service: str
    event: str
    field: str
    latency: Latency


class CountedError(msgspec.Struct, frozen=True):
    """Equal errors that one emitter told of with one event."""

    event: str
    service: str | None
    error: str
    count: int


class AggregateSummary(msgspec.Struct, frozen=True):
    """What the aggregates of a run tell.

    Attributes:
        run: The run.
        requests: The requests of all clients together.
        clients: The requests of each client.
        services: Every service that started, and its events.
        durations: What was measured in seconds; requests, faults and alerts are left out.
        objectives: What the scenario demanded, and whether it was met.
        failures: The errors, the most frequent first; an error that passes through several services
            counts once in each.
        events: How often each event happened.
    """

    run: Run
    requests: Client
    clients: tuple[Client, ...]
    services: tuple[CountedService, ...]
    durations: tuple[CountedDuration, ...]
    objectives: tuple[Verdict, ...]
    failures: tuple[CountedError, ...]
    events: dict[str, int]


def summarise_aggregates(aggregates: Aggregates) -> AggregateSummary:
    """Return what the aggregates of a run tell, be it complete, partial or empty.

    It is a tree of frozen msgspec structs, in the units of `foundation_lab.reporting.summarise`.
    Counts, means and extremes are exact, quantiles at most 0.8 % off.
    """
    frames = _Frames(aggregates.occurrences(), aggregates.labels(), aggregates.frame())
    run = _run(aggregates, frames)
    seconds = run.end - run.begin
    by_client = _clients(frames, seconds)
    scenario = aggregates.facts.scenario
    return AggregateSummary(
        run=run,
        requests=_total(by_client, aggregates, seconds),
        clients=by_client,
        services=_services(frames),
        durations=_durations(frames),
        objectives=verdicts([] if scenario is None else scenario.get("objectives", []), by_client),
        failures=_failures(frames),
        events=aggregates.counts,
    )


class _Frames(NamedTuple):
    """The three frames of aggregates."""

    occurrences: pl.DataFrame
    labels: pl.DataFrame
    measurements: pl.DataFrame

    def counts(self, event: type[Event]) -> dict[str, int]:
        """Return how often an event happened by service, the earliest service first."""
        own = self.occurrences.filter(pl.col("event") == event.event_name).sort("first", "service")
        return dict(own.select("service", "count").iter_rows())

    def values(self, event: type[Event], field: str) -> dict[tuple[str, str], int]:
        """Return how often a label of an event had each value, by service and value."""
        own = self.labels.filter((pl.col("event") == event.event_name) & (pl.col("field") == field))
        return {
            (service, value): count
            for service, value, count in own.select("service", "value", "count").iter_rows()
        }


def _run(aggregates: Aggregates, frames: _Frames) -> Run:
    facts = aggregates.facts
    first, last = frames.occurrences.select(pl.col("first").min(), pl.col("last").max()).row(0)
    return Run(
        name=facts.name,
        seed=facts.seed,
        status=facts.status,
        error=facts.error,
        start=facts.start,
        begin=min(0.0, facts.until if first is None else first),
        end=facts.until if last is None else max(facts.until, last),
        events=len(aggregates),
        digest=aggregates.digest,
    )


def _clients(frames: _Frames, seconds: float) -> tuple[Client, ...]:
    started, finished = (
        frames.counts(events.request.Started),
        frames.counts(events.request.Finished),
    )
    outcomes = frames.values(events.request.Finished, "outcome")
    latency = {
        row["service"]: _latency(row)
        for row in frames.measurements.filter(
            (pl.col("event") == events.request.Finished.event_name)
            & (pl.col("field") == "duration")
        ).iter_rows(named=True)
    }
    return tuple(
        _client(
            name,
            started=started.get(name, 0),
            finished=finished.get(name, 0),
            outcomes={outcome: outcomes.get((name, outcome), 0) for outcome in OUTCOMES},
            latency=latency.get(name, Latency()),
            seconds=seconds,
        )
        for name in dict.fromkeys((*started, *finished))
    )


def _total(clients: tuple[Client, ...], aggregates: Aggregates, seconds: float) -> Client:
    """Return the requests of all clients together, under the name ``all``."""
    finished = sum(client.finished for client in clients)
    latency = Latency()
    if finished:
        duration = (events.request.Finished, "duration")
        means = [
            client.latency.count * client.latency.mean
            for client in clients
            if client.latency.mean is not None
        ]
        quantiles = {name: aggregates.quantile(*duration, q) for name, q in QUANTILES.items()}
        longest = aggregates.quantile(*duration, 1.0)
        latency = Latency(count=finished, mean=sum(means) / finished, max=longest, **quantiles)
    return _client(
        "all",
        started=sum(client.started for client in clients),
        finished=finished,
        outcomes={name: sum(getattr(client, name) for client in clients) for name in OUTCOMES},
        latency=latency,
        seconds=seconds,
    )


def _client(
    name: str,
    *,
    started: int,
    finished: int,
    outcomes: dict[str, int],
    latency: Latency,
    seconds: float,
) -> Client:
    return Client(
        name=name,
        started=started,
        finished=finished,
        in_flight=max(0, started - finished),
        **outcomes,
        success=outcomes["ok"] / finished if finished else None,
        throughput=finished / seconds if seconds > 0 else None,
        latency=latency,
    )


def _services(frames: _Frames) -> tuple[CountedService, ...]:
    e = events.service
    started, stopped, restarted = (
        frames.values(event, "kind") for event in (e.Started, e.Stopped, e.Restarted)
    )
    told: dict[str, dict[str, int]] = {}
    for event, service, count in frames.occurrences.select("event", "service", "count").iter_rows():
        told.setdefault(service, {})[event] = count
    order = list(frames.counts(e.Started))
    kinds: dict[str, list[str]] = {}
    for name, kind in sorted(started, key=lambda each: order.index(each[0])):
        kinds.setdefault(name, []).append(kind)
    return tuple(
        CountedService(
            name=name,
            kind=kind,
            status="down" if _n(stopped, name, kind) > _n(restarted, name, kind) else "up",
            restarts=_n(restarted, name, kind),
            events=of_kind(told[name], kind, kinds[name]),
        )
        for name in kinds
        for kind in kinds[name]
    )


def _n(counts: dict[tuple[str, str], int], name: str, kind: str) -> int:
    return counts.get((name, kind), 0)


def _durations(frames: _Frames) -> tuple[CountedDuration, ...]:
    elsewhere = pl.col("event").str.contains(r"^foundation\.(request|fault|alert)\.")
    timed = frames.measurements.filter(
        (pl.col("unit") == "s")
        & (pl.col("count") > 0)
        & pl.col("service").is_not_null()
        & ~elsewhere
    )
    return tuple(
        CountedDuration(row["service"], row["event"], row["field"], _latency(row))
        for row in timed.sort("service", "event", "field").iter_rows(named=True)
    )


def _failures(frames: _Frames) -> tuple[CountedError, ...]:
    named = frames.labels.filter(pl.col("field").is_in(ERROR_FIELDS))
    alike = named.sort("count", "event", "service", "value", descending=[True, False, False, False])
    columns = alike.select("event", "service", "value", "count")
    return tuple(CountedError(*row) for row in columns.iter_rows())


def _latency(row: dict[str, Any]) -> Latency:
    return Latency(**{name: row[name] for name in Latency.__struct_fields__})
