"""Upkeep: who keeps services up, and how many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording
    from foundation_lab.reporting.tally import Tally


class Autoscaler(msgspec.Struct, frozen=True):
    """An autoscaler.

    Attributes:
        name: The autoscaler.
        decisions: How often it looked at its metric.
        scaled_up: How often it asked for more replicas.
        scaled_down: How often for fewer.
        fewest: The fewest replicas that were to be there when it looked.
        mean: How many there were to be on average.
        most: The most, what it asked for last included.
        last: How many there are to be at the end.
        metric: Its metric on average.
    """

    name: str
    decisions: int
    scaled_up: int
    scaled_down: int
    fewest: int
    mean: float
    most: int
    last: int
    metric: float


class Supervisor(msgspec.Struct, frozen=True):
    """A supervisor.

    Attributes:
        name: The supervisor.
        exits: How often a child ended that it did not end itself.
        restarts: How often it decided to start a child again.
        failed: How often a child did not start.
        forced: How many children it killed that did not stop in time.
        gave_up: How often there were too many restarts.
    """

    name: str
    exits: int
    restarts: int
    failed: int
    forced: int
    gave_up: int


def autoscalers(recording: Recording) -> tuple[Autoscaler, ...]:
    """Return how many replicas every autoscaler wanted, in order of its first decision."""
    e = events.autoscaler
    looks = recording.frame(e.Evaluated)
    steps = recording.frame(e.Scaled)

    def autoscaler(name: str) -> Autoscaler:
        own = looks.filter(pl.col("service_id") == name)
        scaled = steps.filter(pl.col("service_id") == name)
        ups = scaled.filter(pl.col("to") > pl.col("from")).height
        replicas, wanted = own["replicas"].to_list(), own["desired"].to_list()
        metrics = own["metric"].to_list()
        return Autoscaler(
            name=name,
            decisions=own.height,
            scaled_up=ups,
            scaled_down=scaled.height - ups,
            fewest=min(*replicas, wanted[-1]),
            mean=sum(replicas) / len(replicas),
            most=max(*replicas, wanted[-1]),
            last=wanted[-1],
            metric=sum(metrics) / len(metrics),
        )

    return tuple(autoscaler(name) for name in looks["service_id"].unique(maintain_order=True))


def supervisors(recording: Recording, tally: Tally) -> tuple[Supervisor, ...]:
    """Return what every supervisor did, in order of its first event."""
    e = events.supervisor
    terminated = recording.frame(e.ChildTerminated).filter(pl.col("forced"))
    forced = dict(terminated.group_by("service").len().iter_rows())
    return tuple(
        Supervisor(
            name=name,
            exits=tally.count(name, e.ChildExited),
            restarts=tally.count(name, e.ChildRestarting),
            failed=tally.count(name, e.StartFailed),
            forced=forced.get(name, 0),
            gave_up=tally.count(name, e.GaveUp),
        )
        for name in tally.subjects("supervisor")
    )
