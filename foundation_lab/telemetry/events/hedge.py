"""Events of `foundation_lab.services.Hedge`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class Started(Event, frozen=True):
    """An attempt was sent, beside those that run already; `total_attempts` is the maximum."""

    event_name: ClassVar[str] = "foundation.hedge.started"

    service_id: Label
    attempt: Count
    total_attempts: Count


class Won(Event, frozen=True):
    """An attempt brought the first good answer; `duration` is that of the whole call."""

    event_name: ClassVar[str] = "foundation.hedge.won"

    service_id: Label
    attempt: Count
    duration: Seconds


class Failed(Event, frozen=True):
    """An attempt ended with an error; `duration` is that of the attempt."""

    event_name: ClassVar[str] = "foundation.hedge.failed"

    service_id: Label
    attempt: Count
    error: Label
    duration: Seconds


class Cancelled(Event, frozen=True):
    """An attempt was given up, or ended too late at that instant; `duration` is how long it ran."""

    event_name: ClassVar[str] = "foundation.hedge.cancelled"

    service_id: Label
    attempt: Count
    duration: Seconds


class BudgetExhausted(Event, frozen=True):
    """The hedge's budget allows no further attempt for a call; `attempt` is the last one sent."""

    event_name: ClassVar[str] = "foundation.hedge.budget_exhausted"

    service_id: Label
    attempt: Count
    budget: Label
