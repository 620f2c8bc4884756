"""Events of `foundation_lab.services.Retry`."""

from __future__ import annotations

from typing import ClassVar

from foundation_lab.telemetry.event import Count, Event, Label, Seconds


class AttemptStart(Event, frozen=True):
    """An attempt begins; `total_attempts` is the allowed maximum, the first call included."""

    event_name: ClassVar[str] = "foundation.retry.attempt_start"

    service_id: Label
    attempt: Count
    total_attempts: Count


class AttemptSuccess(Event, frozen=True):
    """An attempt came back well."""

    event_name: ClassVar[str] = "foundation.retry.attempt_success"

    service_id: Label
    attempt: Count
    duration: Seconds


class AttemptFailure(Event, frozen=True):
    """An attempt failed with an error that may be tried again."""

    event_name: ClassVar[str] = "foundation.retry.attempt_failure"

    service_id: Label
    attempt: Count
    error: Label
    duration: Seconds


class Backoff(Event, frozen=True):
    """The retry waits before the next attempt; `attempt` is the one that failed."""

    event_name: ClassVar[str] = "foundation.retry.backoff"

    service_id: Label
    attempt: Count
    delay: Seconds
    strategy: Label


class Exhausted(Event, frozen=True):
    """No attempt is left; `total_attempts` is how many were made."""

    event_name: ClassVar[str] = "foundation.retry.exhausted"

    service_id: Label
    total_attempts: Count
    final_error: Label


class IgnoredError(Event, frozen=True):
    """An attempt ended with an error that is not to be tried again."""

    event_name: ClassVar[str] = "foundation.retry.ignored_error"

    service_id: Label
    attempt: Count
    error: Label


class BudgetExhausted(Event, frozen=True):
    """The retry's budget allows no further attempt; `attempt` is the last one made, from 0."""

    event_name: ClassVar[str] = "foundation.retry.budget_exhausted"

    service_id: Label
    attempt: Count
    budget: Label
    final_error: Label


class DeadlineExceeded(Event, frozen=True):
    """The next attempt could not start in time: `delay` is not shorter than what `remaining` is."""

    event_name: ClassVar[str] = "foundation.retry.deadline_exceeded"

    service_id: Label
    attempt: Count
    delay: Seconds
    remaining: Seconds
    final_error: Label
