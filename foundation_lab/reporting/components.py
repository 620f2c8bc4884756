"""Components: what each service of a recording did, by its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from foundation_lab.reporting.latency import Latency, latencies
from foundation_lab.reporting.spans import breaker_spans, horizon
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class Breaker(msgspec.Struct, frozen=True):
    """A circuit breaker.

    Attributes:
        name: The breaker.
        state: Its state at the end: that of `services.State`, or ``down``.
        seconds: How long it was in each state.
        opened: How often it opened.
        calls: How many calls it admitted.
        succeeded: How many of them came back well.
        failed: How many failed and were counted, timeouts included.
        timeouts: How many took too long.
        ignored: How many ended in a way that is not counted.
        rejected: How many calls it turned away.
    """

    name: str
    state: str
    seconds: dict[str, float]
    opened: int
    calls: int
    succeeded: int
    failed: int
    timeouts: int
    ignored: int
    rejected: int


class Backend(msgspec.Struct, frozen=True):
    """A backend.

    Attributes:
        name: The backend.
        served: How many requests left it, well or not.
        failed: How many of them failed.
        rejected: How many it turned away.
        abandoned: How many their callers gave up.
        busy_seconds: The service times of the served ones together; what was spent on abandoned
            requests is not in the recording.
        mean_busy: Places that were busy on average: `busy_seconds` per second of the recording.
        concurrency: How many places it has, where the recorded scenario says so.
        utilisation: `mean_busy` as a share of `concurrency`; ``None`` when that is not known.
        wait: How long the served ones waited in line.
        service_time: How long they were served.
    """

    name: str
    served: int
    failed: int
    rejected: int
    abandoned: int
    busy_seconds: float
    mean_busy: float | None
    concurrency: int | None
    utilisation: float | None
    wait: Latency
    service_time: Latency


class Retry(msgspec.Struct, frozen=True):
    """A retry.

    Attributes:
        name: The retry.
        calls: How many calls it was given: first attempts.
        attempts: How many attempts it made for them.
        attempts_per_call: `attempts` / `calls`; 1 when nothing was tried again.
        succeeded: How many calls came back well in the end.
        recovered: How many of those only after the first attempt.
        failed_attempts: How many attempts failed.
        exhausted: How many calls had no attempt left.
        ignored: How many ended with an error that is not tried again.
        backoff_seconds: How long was waited between attempts, all together.
    """

    name: str
    calls: int
    attempts: int
    attempts_per_call: float | None
    succeeded: int
    recovered: int
    failed_attempts: int
    exhausted: int
    ignored: int
    backoff_seconds: float


class Limiter(msgspec.Struct, frozen=True):
    """A rate limiter: how many requests it allowed and denied, and the share that it denied."""

    name: str
    allowed: int
    denied: int
    denied_share: float | None


class Resource(msgspec.Struct, frozen=True):
    """A limited resource.

    Attributes:
        name: The resource.
        acquired: How many tokens were taken.
        released: How many came back.
        exhausted: How often none was left.
        wait: How long the owners of the taken tokens waited.
        held: How long the tokens were out that came back.
    """

    name: str
    acquired: int
    released: int
    exhausted: int
    wait: Latency
    held: Latency


def breakers(recording: Recording, tally: Tally) -> tuple[Breaker, ...]:
    """Return what every circuit breaker did, in order of its first state."""
    e = events.circuit_breaker
    spans = breaker_spans(recording)
    opened = _counts(recording.frame(e.StateChange).filter(pl.col("to") == "open"), "service_id")
    names = dict.fromkeys((*spans["service"].to_list(), *tally.subjects("circuit_breaker")))
    return tuple(
        Breaker(
            name=name,
            state=own["state"][-1] if own.height else "closed",
            seconds=dict(
                own.filter(pl.col("duration") > 0)
                .group_by("state", maintain_order=True)
                .agg(_seconds)
                .iter_rows()
            ),
            opened=opened.get(name, 0),
            calls=tally.count(name, e.CallStart),
            succeeded=tally.count(name, e.CallSuccess),
            failed=tally.count(name, e.CallFailure),
            timeouts=tally.count(name, e.CallTimeout),
            ignored=tally.count(name, e.CallIgnored),
            rejected=tally.count(name, e.CallRejected),
        )
        for name in names
        for own in (spans.filter(pl.col("service") == name),)
    )


def backends(recording: Recording, tally: Tally) -> tuple[Backend, ...]:
    """Return what every backend did, in order of its first event."""
    e = events.backend
    served = recording.frame(e.Served)
    begin, end = horizon(recording)
    failed = _counts(served.filter(pl.col("outcome") != "ok"), "service_id")
    wait = latencies(served, "service_id", "wait")
    service_time = latencies(served, "service_id", "service_time")
    busy = dict(
        served.group_by("service_id", maintain_order=True)
        .agg(pl.col("service_time").sum())
        .iter_rows()
    )
    places = _concurrency(recording.facts.scenario)

    def backend(name: str) -> Backend:
        mean_busy = busy.get(name, 0.0) / (end - begin) if end > begin else None
        concurrency = places.get(name)
        return Backend(
            name=name,
            served=tally.count(name, e.Served),
            failed=failed.get(name, 0),
            rejected=tally.count(name, e.Rejected),
            abandoned=tally.count(name, e.Abandoned),
            busy_seconds=busy.get(name, 0.0),
            mean_busy=mean_busy,
            concurrency=concurrency,
            utilisation=mean_busy / concurrency if mean_busy is not None and concurrency else None,
            wait=wait.get(name, Latency()),
            service_time=service_time.get(name, Latency()),
        )

    return tuple(backend(name) for name in tally.subjects("backend"))


def retries(recording: Recording, tally: Tally) -> tuple[Retry, ...]:
    """Return what every retry did, in order of its first attempt."""
    e = events.retry
    first = pl.col("attempt") == 1
    calls = _counts(recording.frame(e.AttemptStart).filter(first), "service_id")
    recovered = _counts(recording.frame(e.AttemptSuccess).filter(~first), "service_id")
    waited = recording.frame(e.Backoff).group_by("service_id", maintain_order=True)
    backoff = dict(waited.agg(pl.col("delay").sum()).iter_rows())
    return tuple(
        Retry(
            name=name,
            calls=calls.get(name, 0),
            attempts=(attempts := tally.count(name, e.AttemptStart)),
            attempts_per_call=attempts / calls[name] if name in calls else None,
            succeeded=tally.count(name, e.AttemptSuccess),
            recovered=recovered.get(name, 0),
            failed_attempts=tally.count(name, e.AttemptFailure),
            exhausted=tally.count(name, e.Exhausted),
            ignored=tally.count(name, e.IgnoredError),
            backoff_seconds=backoff.get(name, 0.0),
        )
        for name in tally.subjects("retry")
    )


def limiters(tally: Tally) -> tuple[Limiter, ...]:
    """Return what every rate limiter did, in order of its first request."""
    found = []
    for name in tally.subjects("rate_limiter"):
        allowed = tally.count(name, events.rate_limiter.Allowed)
        denied = tally.count(name, events.rate_limiter.Denied)
        share = denied / (allowed + denied) if allowed + denied else None
        found.append(Limiter(name, allowed, denied, share))
    return tuple(found)


def resources(recording: Recording) -> tuple[Resource, ...]:
    """Return what became of every limited resource, in order of its first event."""
    e = events.resource
    frames = [recording.frame(cls) for cls in (e.Acquired, e.Released, e.Exhausted)]
    acquired, released, exhausted = (_counts(frame, "resource") for frame in frames)
    wait, held = (latencies(frame, "resource") for frame in frames[:2])
    every = pl.concat([frame.select("sequence", "resource") for frame in frames]).sort("sequence")
    return tuple(
        Resource(
            name=name,
            acquired=acquired.get(name, 0),
            released=released.get(name, 0),
            exhausted=exhausted.get(name, 0),
            wait=wait.get(name, Latency()),
            held=held.get(name, Latency()),
        )
        for name in every["resource"].unique(maintain_order=True)
    )


_seconds = pl.col("duration").sum()


def _counts(frame: pl.DataFrame, by: str) -> dict[str, int]:
    return dict(frame.group_by(by).len().iter_rows())


def _concurrency(scenario: dict[str, Any] | None) -> dict[str, int]:
    """Return the places of each backend, as far as the recorded scenario gives them as numbers."""
    services = scenario.get("services") if isinstance(scenario, dict) else None
    if not isinstance(services, dict):
        return {}
    places = {name: s.get("concurrency") for name, s in services.items() if isinstance(s, dict)}
    return {name: count for name, count in places.items() if isinstance(count, int) and count > 0}
