"""Incidents: the faults that were injected and the alerts that fired."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.reporting.spans import alert_spans, fault_spans
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foundation_lab.recording.recording import Recording


class Fault(msgspec.Struct, frozen=True):
    """A fault while it was on.

    Attributes:
        service: What it took hold of.
        fault_id: Its id.
        kind: What it was.
        parameters: How strong it was, as JSON.
        plan: What all occurrences of one fault share: the id of the first.
        start: When it was injected, in virtual seconds.
        end: When it was cleared; the end of the recording if it was not.
        duration: Seconds from start to end.
        open: Whether it was never cleared.
    """

    service: str
    fault_id: str
    kind: str
    parameters: str | None
    plan: str
    start: float
    end: float
    duration: float
    open: bool


class FaultPlan(msgspec.Struct, frozen=True):
    """All occurrences of one fault.

    Attributes:
        plan: The id of the first of them.
        service: What it took hold of.
        kind: What it was.
        parameters: How strong it was, as JSON.
        times: How often it was injected.
        start: When it was injected for the first time, in virtual seconds.
        end: When it was cleared for the last time; the end of the recording if it was not.
        duration: For how many seconds it was on; where occurrences overlap they count once.
        open: Whether an occurrence was never cleared.
    """

    plan: str
    service: str
    kind: str
    parameters: str | None
    times: int
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


def fault_plans(found: Iterable[Fault]) -> tuple[FaultPlan, ...]:
    """Return faults with all occurrences of one fault taken together, in order of the first."""
    plans: dict[tuple[str, str], list[Fault]] = {}
    for fault in found:
        plans.setdefault((fault.service, fault.plan), []).append(fault)
    return tuple(
        FaultPlan(
            plan,
            service,
            same[0].kind,
            same[0].parameters,
            len(same),
            same[0].start,
            max(fault.end for fault in same),
            _covered(same),
            any(fault.open for fault in same),
        )
        for (service, plan), same in plans.items()
    )


def _covered(found: list[Fault]) -> float:
    """Return for how many seconds at least one of some faults, in order of start, was on."""
    total, until = 0.0, -math.inf
    for fault in found:
        total += max(0.0, fault.end - max(fault.start, until))
        until = max(until, fault.end)
    return total


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
