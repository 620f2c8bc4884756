"""Spans: what began at one event of a recording and ended at another, or goes on at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.recording.recording import Recording


def horizon(recording: Recording) -> tuple[float, float]:
    """Return from when to when a recording goes, in virtual seconds.

    It begins at 0, or at its first event if that is earlier, and ends at `facts.until`, or at its
    last event if that is later.
    """
    times = recording.lazy().select(first=pl.col("time").min(), last=pl.col("time").max()).collect()
    first, last = times.row(0)
    if first is None:
        return min(0.0, recording.facts.until), recording.facts.until
    return min(0.0, first), max(recording.facts.until, last)


def paired(
    begun: pl.DataFrame, ended: pl.DataFrame, keys: Sequence[str], until: float
) -> pl.DataFrame:
    """Join beginnings with their ends: the n-th of a key with the n-th end of the same key.

    Args:
        begun: One row for each beginning, in order of time, with `time` and the columns `keys`.
        ended: One row for each end, likewise.
        keys: What a beginning and its end have in common.
        until: Where a span without an end stops, in virtual seconds.

    Returns:
        The columns of `begun` but for the stamps, then `start`, `end`, `duration` (seconds) and
        `open` (whether the span has no end of its own); in order of `begun`.
    """
    occurrence = pl.int_range(pl.len()).over(list(keys)).alias("__occurrence")
    ends = ended.select(*keys, occurrence, pl.col("time").alias("end"))
    stamps = ("sequence", "time", "node", "process", "correlation_id", "cause")
    return (
        begun.with_columns(occurrence)
        .join(ends, on=[*keys, "__occurrence"], how="left", maintain_order="left")
        .with_columns(
            start=pl.col("time"), open=pl.col("end").is_null(), end=pl.col("end").fill_null(until)
        )
        .with_columns(duration=pl.col("end") - pl.col("start"))
        .select(
            pl.exclude(*stamps, "__occurrence", "start", "end", "duration", "open"),
            pl.col("start", "end", "duration", "open"),
        )
    )


def fault_spans(recording: Recording) -> pl.DataFrame:
    """Return when faults were on, one row for each occurrence.

    Returns:
        service, fault_id, kind, parameters (JSON), plan (what all occurrences of one fault share:
        the id of the first); start, end, duration, open as in `paired`.
    """
    spans = paired(
        recording.frame(events.fault.Injected),
        recording.frame(events.fault.Cleared),
        ["service", "fault_id"],
        horizon(recording)[1],
    )
    alone = pl.col("plan").fill_null("") == ""
    return spans.with_columns(plan=pl.when(alone).then("fault_id").otherwise("plan"))


def joined(spans: pl.DataFrame, by: Sequence[str], gap: float = 0.0) -> pl.DataFrame:
    """Join spans of one kind that overlap, or are at most `gap` seconds apart.

    Args:
        spans: `start`, `end` and the columns `by`.
        by: What the spans of one kind have in common.
        gap: Seconds.

    Returns:
        The columns `by`, then start, end, duration and `parts` (how many spans were joined), in
        order of start.
    """
    far = pl.col("end").cum_max().shift(1).over(by)
    return (
        spans.sort("start", maintain_order=True)
        .with_columns(first=(pl.col("start") > far + gap).fill_null(value=True))
        .with_columns(number=pl.col("first").cum_sum().over(by))
        .group_by(*by, "number", maintain_order=True)
        .agg(pl.col("start").first(), pl.col("end").max(), parts=pl.len())
        .sort("start", maintain_order=True)
        .select(*by, "start", "end", (pl.col("end") - pl.col("start")).alias("duration"), "parts")
    )


def alert_spans(recording: Recording) -> pl.DataFrame:
    """Return when alerts fired.

    Returns:
        rule, alert_id, key, severity, value, then start, end, duration and open as in `paired`.
    """
    return paired(
        recording.frame(events.alert.Firing),
        recording.frame(events.alert.Resolved),
        ["rule", "alert_id", "key"],
        horizon(recording)[1],
    )


def session_spans(recording: Recording) -> pl.DataFrame:
    """Return when sessions of agents ran.

    Returns:
        session_id, protocol, agents, then start, end, duration and open as in `paired`.
    """
    ended = [
        recording.frame(event).select("sequence", "time", "session_id")
        for event in (events.coordination.Completed, events.coordination.Failed)
    ]
    return paired(
        recording.frame(events.coordination.Started),
        pl.concat(ended).sort("sequence"),
        ["session_id"],
        horizon(recording)[1],
    )


def down_spans(recording: Recording) -> pl.DataFrame:
    """Return when services were down.

    Returns:
        service, kind, reason, then start, end, duration and open as in `paired`.
    """
    return paired(
        recording.frame(events.service.Stopped),
        recording.frame(events.service.Restarted),
        ["service", "kind"],
        horizon(recording)[1],
    )


def breaker_spans(recording: Recording) -> pl.DataFrame:
    """Return the states of circuit breakers: service, state, start, end, duration.

    A breaker begins in the state that its first change leaves, closed when it never changed, at the
    time of its start event, or at the beginning of the recording when there is none. While the
    service is down its state is ``down``; a restart closes it. A state may have lasted no time.
    """
    begin, until = horizon(recording)
    changes = recording.frame(events.circuit_breaker.StateChange)
    first = changes.group_by("service_id", maintain_order=True).agg(pl.col("from").first())
    started = _of_breakers(recording, events.service.Started)
    breakers = (
        started.group_by("service", maintain_order=True)
        .agg(pl.col("time").first())
        .join(
            first.rename({"service_id": "service"}),
            on="service",
            how="full",
            coalesce=True,
            maintain_order="left_right",
        )
    )
    begun = breakers.select(
        pl.lit(-1, dtype=pl.Int64).alias("sequence"),
        pl.col("time").fill_null(begin),
        "service",
        pl.col("from").fill_null("closed").alias("state"),
    )
    moves = [
        begun,
        changes.select(
            "sequence", "time", pl.col("service_id").alias("service"), pl.col("to").alias("state")
        ),
        _moved(recording, events.service.Stopped, "down"),
        _moved(recording, events.service.Restarted, "closed"),
    ]
    end = pl.col("time").shift(-1).over("service").fill_null(until)
    return (
        pl.concat(moves)
        .sort("sequence", maintain_order=True)
        .with_columns(start=pl.col("time"), end=end)
        .select("service", "state", "start", "end", duration=pl.col("end") - pl.col("start"))
    )


def _of_breakers(recording: Recording, event: type) -> pl.DataFrame:
    return recording.frame(event).filter(pl.col("kind") == "circuit_breaker")


def _moved(recording: Recording, event: type, state: str) -> pl.DataFrame:
    return _of_breakers(recording, event).select(
        "sequence", "time", "service", pl.lit(state).alias("state")
    )
