"""Stories: what happened to each service of a run, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.reporting.tables import shares_text
from foundation_lab.reporting.units import duration_text, number_text, share_text

if TYPE_CHECKING:
    from foundation_lab.reporting.summary import Summary

Stories = dict[tuple[str, str], tuple[str | None, list[str]]]
"""By kind and name: the state in a word, if it is not up or down, and what happened."""


def stories(summary: Summary) -> Stories:
    """Return the story of each service that has one, by its kind and name."""
    told: Stories = {}
    shed = {each.name: each.rejected + each.expired for each in summary.shedders}
    for breaker in summary.breakers:
        told["circuit_breaker", breaker.name] = (
            breaker.state,
            [
                f"{breaker.calls:,} calls",
                f"{breaker.failed:,} failed",
                f"{breaker.rejected:,} rejected",
                f"opened {times(breaker.opened)}",
                f"open for {duration_text(breaker.seconds.get('open', 0.0))}",
            ],
        )
    for pool in summary.pools:
        told["connection_manager", pool.name] = (
            _used(pool.active, pool.capacity),
            [
                f"{pool.acquired:,} checkouts",
                f"{pool.waited:,} waited",
                f"{pool.timeouts:,} timed out",
                f"wait p99 {duration_text(pool.wait.p99)}",
                f"used {share_text(pool.utilisation)}",
            ],
        )
    for backend in summary.backends:
        told["backend", backend.name] = (
            None,
            [
                f"{backend.served:,} served",
                f"{backend.failed:,} of them failed",
                f"{backend.rejected:,} rejected",
                f"{backend.abandoned:,} abandoned",
                f"wait p99 {duration_text(backend.wait.p99)}",
                f"{number_text(backend.mean_busy)} busy on average",
                *([f"{shed[backend.name]:,} shed"] if backend.name in shed else []),
            ],
        )
    for retry in summary.retries:
        told["retry", retry.name] = (
            None,
            [
                f"{retry.calls:,} calls",
                f"{retry.attempts:,} attempts",
                f"{retry.recovered:,} recovered",
                f"{retry.exhausted:,} exhausted",
            ],
        )
    for limiter in summary.limiters:
        told["rate_limiter", limiter.name] = (
            None,
            [
                f"{limiter.allowed:,} allowed",
                f"{limiter.denied:,} denied",
            ],
        )
    return told | _of_wrappers(summary) | _of_load(summary) | _of_upkeep(summary)


def times(count: int) -> str:
    """Return how often something happened, in words."""
    return "once" if count == 1 else f"{count:,} times"


def _of_wrappers(summary: Summary) -> Stories:
    told: Stories = {}
    for hedge in summary.hedges:
        told["hedge", hedge.name] = (
            None,
            [
                f"{hedge.calls:,} calls",
                f"{hedge.hedged:,} hedged ({share_text(hedge.hedged_share)})",
                f"{hedge.won_by_hedge:,} won by a hedge",
                f"{hedge.cancelled:,} attempts given up",
            ],
        )
    for timeout in summary.timeouts:
        told["timeout", timeout.name] = (
            None,
            [
                f"{timeout.calls:,} calls",
                f"{timeout.timed_out:,} timed out ({share_text(timeout.timed_out_share)})",
                *([f"{timeout.ghosts:,} of them went on as ghosts"] if timeout.ghosts else []),
                f"in time p99 {duration_text(timeout.duration.p99)}",
            ],
        )
    for fallback in summary.fallbacks:
        told["fallback", fallback.name] = (
            None,
            [
                f"{fallback.calls:,} calls",
                f"{fallback.used:,} stood in for ({share_text(fallback.used_share)})",
            ],
        )
    for bulkhead in summary.bulkheads:
        told["bulkhead", bulkhead.name] = (
            None,
            [
                f"{bulkhead.admitted:,} admitted",
                f"{bulkhead.rejected:,} rejected ({share_text(bulkhead.rejected_share)})",
                f"at most {bulkhead.peak_in_use:,} in use",
                f"wait mean {duration_text(bulkhead.wait.mean)}",
                f"longest {duration_text(bulkhead.wait.max)}",
            ],
        )
    for cache in summary.caches:
        told["cache", cache.name] = (
            None,
            [
                f"{cache.hits:,} hits",
                f"{cache.misses:,} misses",
                f"hit ratio {share_text(cache.hit_ratio)}",
                f"{cache.joined:,} waited for another's load",
                f"{sum(cache.evicted.values()):,} evicted",
            ],
        )
    return told


def _of_load(summary: Summary) -> Stories:
    told: Stories = {}
    for loop in summary.event_loops:
        told["event_loop", loop.name] = (
            None,
            [
                f"{loop.served:,} served",
                f"{loop.failed:,} of them failed",
                f"{loop.rejected:,} rejected",
                f"lag p99 {duration_text(loop.lag.p99)}",
                f"{number_text(loop.mean_busy)} busy on average",
            ],
        )
    for balancer in summary.balancers:
        told["load_balancer", balancer.name] = (
            None,
            [
                f"{balancer.picked:,} picked",
                f"{balancer.rejected:,} rejected",
                f"ejected {times(balancer.ejected)}",
                shares_text(balancer.hosts, 5) or "no hosts",
            ],
        )
    for shedder in summary.shedders:
        told["load_shedder", shedder.name] = (
            None,
            [
                f"{shedder.admitted:,} admitted",
                f"{shedder.rejected:,} rejected",
                f"{shedder.expired:,} expired",
                f"wait p99 {duration_text(shedder.wait.p99)}",
            ],
        )
    for limit in summary.adaptive_limits:
        told["adaptive_limiter", limit.name] = (
            None if limit.last is None else f"limit {limit.last:,}",
            [
                f"{limit.permitted:,} permitted",
                f"{limit.rejected:,} rejected",
                f"limit {number_text(limit.lowest)} to {number_text(limit.highest)}",
                f"{number_text(limit.mean)} on average",
            ],
        )
    return told


def _of_upkeep(summary: Summary) -> Stories:
    told: Stories = {}
    for queue in summary.queues:
        told["queue", queue.name] = (
            f"{queue.depth:,} kept",
            [
                f"{queue.published:,} published",
                f"{queue.acknowledged:,} acknowledged",
                f"{queue.redelivered:,} redelivered",
                f"{queue.dead_lettered:,} dead letters",
                f"{queue.dropped:,} dropped",
                *([f"{queue.redriven:,} redriven"] if queue.redriven else []),
                f"age p99 {duration_text(queue.age.p99)}",
            ],
        )
    for scaler in summary.autoscalers:
        told["autoscaler", scaler.name] = (
            f"{scaler.last:,} wanted",
            [
                f"{scaler.fewest:,} to {scaler.most:,} replicas",
                f"{number_text(scaler.mean)} on average",
                f"up {times(scaler.scaled_up)}",
                f"down {times(scaler.scaled_down)}",
            ],
        )
    for supervisor in summary.supervisors:
        gave_up = [f"gave up {times(supervisor.gave_up)}"] if supervisor.gave_up else []
        told["supervisor", supervisor.name] = (
            None,
            [f"{supervisor.exits:,} exits", f"{supervisor.restarts:,} restarts", *gave_up],
        )
    return told


def _used(active: int, capacity: float | None) -> str:
    return f"{active} in use" if capacity is None else f"{active} of {number_text(capacity)} in use"
