"""Incidents: the faults that were injected and the alerts that fired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.spans import alert_spans, fault_spans
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording


class Fault(msgspec.Struct, frozen=True):
    """A fault while it was on.

    Attributes:
        service: What it took hold of.
        fault_id: Its id.
        kind: What it was.
        parameters: How strong it was, as JSON.
        start: When it was injected, in virtual seconds.
        end: When it was cleared; the end of the recording if it was not.
        duration: Seconds from start to end.
        open: Whether it was never cleared.
    """

    service: str
    fault_id: str
    kind: str
    parameters: str | None
    start: float
    end: float
    duration: float
    open: bool


class Alert(msgspec.Struct, frozen=True):
    """An alert while it fired.

    Attributes:
        rule: Its rule.
        alert_id: Its id.
        key: What the rule was about: the group that it fired for.
        severity: How grave it was.
        value: The value that it fired at.
        pending: When its condition began to hold, in virtual seconds, if that was recorded.
        start: When it fired.
        end: When it was resolved; the end of the recording if it was not.
        duration: Seconds from start to end.
        open: Whether it was never resolved.
        notified: How many notifications were delivered for this `alert_id`.
        undelivered: How many could not be.
    """

    rule: str
    alert_id: str
    key: str
    severity: str
    value: float | None
    pending: float | None
    start: float
    end: float
    duration: float
    open: bool
    notified: int
    undelivered: int


def faults(recording: Recording) -> tuple[Fault, ...]:
    """Return all faults in order of their injection."""
    spans = fault_spans(recording).select(*Fault.__struct_fields__)
    return tuple(Fault(**row) for row in spans.iter_rows(named=True))


def alerts(recording: Recording) -> tuple[Alert, ...]:
    """Return all alerts in order of their firing."""
    spans = alert_spans(recording).sort("start", maintain_order=True)
    told = (
        recording.frame(events.alert.Notified)
        .group_by("alert_id")
        .agg(notified=pl.col("delivered").sum(), undelivered=(~pl.col("delivered")).sum())
    )
    pending = recording.frame(events.alert.Pending).select(
        "rule", "alert_id", "key", pl.col("time").alias("pending")
    )
    rows = (
        spans.join_asof(
            pending.sort("pending"),
            left_on="start",
            right_on="pending",
            by=["rule", "alert_id", "key"],
            check_sortedness=False,
        )
        .join(told, on="alert_id", how="left", maintain_order="left")
        .with_columns(pl.col("notified", "undelivered").fill_null(0))
        .select(*Alert.__struct_fields__)
    )
    return tuple(Alert(**row) for row in rows.iter_rows(named=True))
