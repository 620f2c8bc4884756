"""The summary of a recording: what happened, as numbers and short tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.analytics import percentiles
from foundation_lab.reporting.clients import Client, clients, total
from foundation_lab.reporting.components import (
    Backend,
    Breaker,
    Limiter,
    Resource,
    Retry,
    backends,
    breakers,
    limiters,
    resources,
    retries,
)
from foundation_lab.reporting.event_loops import EventLoop, event_loops
from foundation_lab.reporting.failures import Failures, failures
from foundation_lab.reporting.incidents import Alert, Fault, alerts, faults
from foundation_lab.reporting.latency import QUANTILES, Latency
from foundation_lab.reporting.load import (
    AdaptiveLimit,
    Balancer,
    Shedder,
    adaptive_limits,
    balancers,
    shedders,
)
from foundation_lab.reporting.objectives import Verdict, verdicts
from foundation_lab.reporting.pools import Pool, pools
from foundation_lab.reporting.queues import Queue, queues
from foundation_lab.reporting.run import Run
from foundation_lab.reporting.services import Service, services
from foundation_lab.reporting.sessions import Protocol, protocols
from foundation_lab.reporting.spans import horizon
from foundation_lab.reporting.tally import Tally
from foundation_lab.reporting.upkeep import Autoscaler, Supervisor, autoscalers, supervisors
from foundation_lab.reporting.wrappers import (
    Bulkhead,
    Cache,
    Fallback,
    Hedge,
    Timeout,
    bulkheads,
    caches,
    fallbacks,
    hedges,
    timeouts,
)

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording


class Timing(msgspec.Struct, frozen=True):
    """The durations that one service gave with one event, such as a backend's `served`.

    Requests, faults and alerts are left out: they have tables of their own.
    """

    service: str
    event: str
    duration: Latency


class Summary(msgspec.Struct, frozen=True):
    """What happened in a recording.

    Attributes:
        run: The run.
        requests: The requests of all clients together.
        clients: The requests of each client.
        services: Every service that started, its incarnations and its events.
        breakers: The circuit breakers.
        pools: The connection managers.
        backends: The backends.
        event_loops: The event loops.
        balancers: The load balancers.
        shedders: Who sheds load.
        adaptive_limits: The adaptive limiters.
        queues: The message queues.
        autoscalers: The autoscalers.
        supervisors: The supervisors.
        retries: The retries.
        hedges: The hedges.
        timeouts: The timeouts.
        fallbacks: The fallbacks.
        bulkheads: The bulkheads.
        caches: The caches.
        limiters: The rate limiters.
        resources: The limited resources.
        timings: The durations of each service's events.
        faults: When faults were on.
        alerts: When alerts fired.
        protocols: How agents coordinated.
        objectives: What the scenario demanded, and whether it was met.
        failures: The errors, grouped.
        events: How often each event happened.
    """

    run: Run
    requests: Client
    clients: tuple[Client, ...]
    services: tuple[Service, ...]
    breakers: tuple[Breaker, ...]
    pools: tuple[Pool, ...]
    backends: tuple[Backend, ...]
    event_loops: tuple[EventLoop, ...]
    balancers: tuple[Balancer, ...]
    shedders: tuple[Shedder, ...]
    adaptive_limits: tuple[AdaptiveLimit, ...]
    queues: tuple[Queue, ...]
    autoscalers: tuple[Autoscaler, ...]
    supervisors: tuple[Supervisor, ...]
    retries: tuple[Retry, ...]
    hedges: tuple[Hedge, ...]
    timeouts: tuple[Timeout, ...]
    fallbacks: tuple[Fallback, ...]
    bulkheads: tuple[Bulkhead, ...]
    caches: tuple[Cache, ...]
    limiters: tuple[Limiter, ...]
    resources: tuple[Resource, ...]
    timings: tuple[Timing, ...]
    faults: tuple[Fault, ...]
    alerts: tuple[Alert, ...]
    protocols: tuple[Protocol, ...]
    objectives: tuple[Verdict, ...]
    failures: Failures
    events: dict[str, int]


def summarise(recording: Recording) -> Summary:
    """Return the summary of a recording, be it complete, partial or empty.

    It is a tree of frozen msgspec structs: ``msgspec.json.encode`` writes it as JSON, in which all
    times and durations are seconds, all shares lie between 0 and 1, and what is not known is null.
    """
    tally = Tally(recording)
    by_client = clients(recording)
    scenario = recording.facts.scenario
    return Summary(
        run=_run(recording),
        requests=total(recording),
        clients=by_client,
        services=services(recording, tally),
        breakers=breakers(recording, tally),
        pools=pools(recording, tally),
        backends=backends(recording, tally),
        event_loops=event_loops(recording, tally),
        balancers=balancers(recording, tally),
        shedders=shedders(recording, tally),
        adaptive_limits=adaptive_limits(recording, tally),
        queues=queues(recording, tally),
        autoscalers=autoscalers(recording),
        supervisors=supervisors(recording, tally),
        retries=retries(recording, tally),
        hedges=hedges(recording, tally),
        timeouts=timeouts(recording, tally),
        fallbacks=fallbacks(recording, tally),
        bulkheads=bulkheads(recording, tally),
        caches=caches(recording, tally),
        limiters=limiters(tally),
        resources=resources(recording),
        timings=_timings(recording),
        faults=faults(recording),
        alerts=alerts(recording),
        protocols=protocols(recording),
        objectives=verdicts([] if scenario is None else scenario.get("objectives", []), by_client),
        failures=failures(recording),
        events=recording.counts,
    )


def _run(recording: Recording) -> Run:
    facts = recording.facts
    begin, end = horizon(recording)
    return Run(
        name=facts.name,
        seed=facts.seed,
        status=facts.status,
        error=facts.error,
        start=facts.start,
        begin=begin,
        end=end,
        events=len(recording),
        digest=recording.digest,
    )


def _timings(recording: Recording) -> tuple[Timing, ...]:
    elsewhere = pl.col("event").str.contains(r"^foundation\.(request|fault|alert)\.")
    timed = recording.lazy().filter(
        pl.col("duration").is_not_null() & pl.col("service").is_not_null() & ~elsewhere
    )
    table = percentiles(
        timed.select("service", "event", "duration").collect(), by=["service", "event"], q=QUANTILES
    )
    fields = Latency.__struct_fields__
    return tuple(
        Timing(row["service"], row["event"], Latency(**{name: row[name] for name in fields}))
        for row in table.sort("service", "event").iter_rows(named=True)
    )
