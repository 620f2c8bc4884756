"""Wrappers: what caches, hedges, timeouts, fallbacks and bulkheads made of the calls in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.reporting.levels import time_average
from foundation_lab.reporting.spans import horizon
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class Cache(msgspec.Struct, frozen=True):
    """A cache.

    Attributes:
        name: The cache.
        hits: How many calls found their key, errors that were kept among them.
        misses: How many did not.
        hit_ratio: `hits` / (`hits` + `misses`); ``None`` when there was no call.
        negative_hits: How many of the hits were errors that were kept.
        joined: How many of the misses waited for a load that was under way: loads that were saved.
        loads: How many of the misses loaded themselves at once.
        puts: How often a key was put.
        peak_size: The most keys that it held right after one was put.
        evicted: How many keys were taken out for which reason.
        age: How long ago what was hit had been put: how stale the answers were.
    """

    name: str
    hits: int
    misses: int
    hit_ratio: float | None
    negative_hits: int
    joined: int
    loads: int
    puts: int
    peak_size: int
    evicted: dict[str, int]
    age: Latency


class Hedge(msgspec.Struct, frozen=True):
    """A hedge.

    Attributes:
        name: The hedge.
        calls: How many calls it was given: first attempts.
        attempts: How many attempts it sent for them.
        hedged: For how many calls it sent a second one.
        hedged_share: `hedged` / `calls`.
        won: How many calls had a good answer.
        won_by_hedge: How many of those not from the first attempt.
        win_share: `won_by_hedge` / `hedged`: how often hedging paid.
        failed: How many attempts failed.
        cancelled: How many were given up.
        cancelled_seconds: How long those had run, all together: the price of hedging.
        exhausted: How often the budget allowed no further attempt.
        duration: How long the calls with a good answer took.
    """

    name: str
    calls: int
    attempts: int
    hedged: int
    hedged_share: float | None
    won: int
    won_by_hedge: int
    win_share: float | None
    failed: int
    cancelled: int
    cancelled_seconds: float
    exhausted: int
    duration: Latency


class Timeout(msgspec.Struct, frozen=True):
    """A timeout.

    Attributes:
        name: The timeout.
        calls: How many calls ended, or were given up.
        timed_out: How many of them took too long.
        timed_out_share: `timed_out` / `calls`.
        ghosts: How many of those went on although nobody waited any more.
        duration: How long the calls took that were not too long.
    """

    name: str
    calls: int
    timed_out: int
    timed_out_share: float | None
    ghosts: int
    duration: Latency


class Fallback(msgspec.Struct, frozen=True):
    """A fallback.

    Attributes:
        name: The fallback.
        calls: How many calls ended, or failed and were stood in for.
        used: How many it stood in for.
        used_share: `used` / `calls`.
        errors: How many of which error it stood in for, the first one first.
    """

    name: str
    calls: int
    used: int
    used_share: float | None
    errors: dict[str, int]


class Bulkhead(msgspec.Struct, frozen=True):
    """A bulkhead.

    Attributes:
        name: The bulkhead.
        admitted: How many calls got a place.
        rejected: How many did not.
        rejected_share: `rejected` / (`admitted` + `rejected`).
        reasons: How many were rejected for which reason.
        mean_in_use: Places that were taken on average, from the first call on.
        peak_in_use: The most places that were taken at once.
        wait: How long the admitted ones waited.
    """

    name: str
    admitted: int
    rejected: int
    rejected_share: float | None
    reasons: dict[str, int]
    mean_in_use: float | None
    peak_in_use: int
    wait: Latency


def caches(recording: Recording, tally: Tally) -> tuple[Cache, ...]:
    """Return what every cache did, in order of its first event."""
    e = events.cache
    found, put = recording.frame(e.Hit), recording.frame(e.Put)
    negative = _counts(found.filter(pl.col("negative")))
    joined = _counts(recording.frame(e.Miss).filter(pl.col("joined")))
    peaks = dict(put.group_by("service_id").agg(pl.col("size").max()).iter_rows())
    evicted = _counts_by(recording.frame(e.Evicted), "reason")
    age = latencies(found, "service_id", "age")

    def cache(name: str) -> Cache:
        hits, misses = tally.count(name, e.Hit), tally.count(name, e.Miss)
        return Cache(
            name=name,
            hits=hits,
            misses=misses,
            hit_ratio=_share(hits, hits + misses),
            negative_hits=negative.get(name, 0),
            joined=joined.get(name, 0),
            loads=misses - joined.get(name, 0),
            puts=tally.count(name, e.Put),
            peak_size=peaks.get(name, 0),
            evicted=evicted.get(name, {}),
            age=age.get(name, Latency()),
        )

    return tuple(cache(name) for name in tally.subjects("cache"))


def hedges(recording: Recording, tally: Tally) -> tuple[Hedge, ...]:
    """Return what every hedge did, in order of its first event."""
    e = events.hedge
    sent, won = recording.frame(e.Started), recording.frame(e.Won)
    first = _counts(sent.filter(pl.col("attempt") == 1))
    second = _counts(sent.filter(pl.col("attempt") == 2))
    by_hedge = _counts(won.filter(pl.col("attempt") > 1))
    given_up = recording.frame(e.Cancelled).group_by("service_id").agg(pl.col("duration").sum())
    wasted = dict(given_up.iter_rows())
    duration = latencies(won, "service_id")

    def hedge(name: str) -> Hedge:
        calls, hedged = first.get(name, 0), second.get(name, 0)
        return Hedge(
            name=name,
            calls=calls,
            attempts=tally.count(name, e.Started),
            hedged=hedged,
            hedged_share=_share(hedged, calls),
            won=tally.count(name, e.Won),
            won_by_hedge=by_hedge.get(name, 0),
            win_share=_share(by_hedge.get(name, 0), hedged),
            failed=tally.count(name, e.Failed),
            cancelled=tally.count(name, e.Cancelled),
            cancelled_seconds=wasted.get(name, 0.0),
            exhausted=tally.count(name, e.BudgetExhausted),
            duration=duration.get(name, Latency()),
        )

    return tuple(hedge(name) for name in tally.subjects("hedge"))


def timeouts(recording: Recording, tally: Tally) -> tuple[Timeout, ...]:
    """Return what every timeout did, in order of its first event."""
    e = events.timeout
    ghosts = _counts(recording.frame(e.TimedOut).filter(pl.col("ghost")))
    duration = latencies(recording.frame(e.Finished), "service_id")
    return tuple(
        Timeout(
            name=name,
            calls=(calls := tally.count(name, e.TimedOut, e.Finished)),
            timed_out=(timed_out := tally.count(name, e.TimedOut)),
            timed_out_share=_share(timed_out, calls),
            ghosts=ghosts.get(name, 0),
            duration=duration.get(name, Latency()),
        )
        for name in tally.subjects("timeout")
    )


def fallbacks(recording: Recording, tally: Tally) -> tuple[Fallback, ...]:
    """Return what every fallback did, in order of its first event."""
    e = events.fallback
    errors = _counts_by(recording.frame(e.Used), "error")
    return tuple(
        Fallback(
            name=name,
            calls=(calls := tally.count(name, e.Used, e.Passed)),
            used=(used := tally.count(name, e.Used)),
            used_share=_share(used, calls),
            errors=errors.get(name, {}),
        )
        for name in tally.subjects("fallback")
    )


def bulkheads(recording: Recording, tally: Tally) -> tuple[Bulkhead, ...]:
    """Return what every bulkhead did, in order of its first event."""
    e = events.bulkhead
    _, until = horizon(recording)
    permitted = recording.frame(e.Permitted)
    reasons = _counts_by(recording.frame(e.Rejected), "reason")
    peaks = dict(permitted.group_by("service_id").agg(pl.col("in_use").max()).iter_rows())
    steps = pl.concat(
        frame.select("sequence", "service_id", "time", step=pl.lit(step))
        for frame, step in ((permitted, 1), (recording.frame(e.Finished), -1))
    ).sort("sequence")
    levels = steps.with_columns(level=pl.col("step").cum_sum().over("service_id"))
    wait = latencies(permitted, "service_id", "wait")

    def bulkhead(name: str) -> Bulkhead:
        admitted, rejected = tally.count(name, e.Permitted), tally.count(name, e.Rejected)
        return Bulkhead(
            name=name,
            admitted=admitted,
            rejected=rejected,
            rejected_share=_share(rejected, admitted + rejected),
            reasons=reasons.get(name, {}),
            mean_in_use=time_average(levels.filter(pl.col("service_id") == name), until),
            peak_in_use=peaks.get(name, 0),
            wait=wait.get(name, Latency()),
        )

    return tuple(bulkhead(name) for name in tally.subjects("bulkhead"))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("service_id").len().iter_rows())


def _counts_by(frame: pl.DataFrame, field: str) -> dict[str, dict[str, int]]:
    """Return how often a field had which value, by service; the value that was first is first."""
    found: dict[str, dict[str, int]] = {}
    counted = frame.group_by("service_id", field, maintain_order=True).len()
    for name, value, count in counted.iter_rows():
        found.setdefault(name, {})[value] = count
    return found
