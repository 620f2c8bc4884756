"""What alerts did in a run, as dataframes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from foundation_lab.alerting.alert import Transition
from foundation_lab.alerting.routing import Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from foundation_lab.alerting.alert import State
    from foundation_lab.alerting.pager import Step
    from foundation_lab.alerting.rules import PatternRule, ThresholdRule


class AlertHistory:
    """What alerts did, until a virtual time.

    Args:
        steps: Transitions and deliveries, in order.
        rules: The rules that were judged.
        until: The virtual time at which the judging ended, in seconds.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        rules: tuple[ThresholdRule | PatternRule, ...],
        until: float,
    ) -> None:
        self.steps = tuple(steps)
        self.rules = rules
        self.until = until

    @cached_property
    def transitions(self) -> pl.DataFrame:
        """Every change of an alert's state, in order.

        One row each: time (s), rule, alert_id, key, state (``pending``, ``firing``, ``resolved``,
        or ``inactive`` for an alert that ended before it fired), value (null where none is left),
        severity, cause (the sequence of the event that led to it, or null).
        """
        columns = ("time", "rule", "alert_id", "key", "state", "value", "severity", "cause")
        rows = [tuple(getattr(step, name) for name in columns) for step in self._transitions]
        return _frame(rows, columns)

    @cached_property
    def episodes(self) -> pl.DataFrame:
        """Every alert from beginning to end, in the order in which they began.

        One row each: rule, key, alert_id, severity, state (the last one), pending_at (when the
        condition began to hold), firing_at, resolved_at (null where it did not come to that), and
        duration: how long it fired in seconds, until the end of the history if it still does; null
        when it never fired.
        """
        columns = (
            "rule",
            "key",
            "alert_id",
            "severity",
            "state",
            "pending_at",
            "firing_at",
            "resolved_at",
            "duration",
        )
        last = {step.alert_id: step for step in self._transitions}
        return _frame([self._episode(step) for step in last.values()], columns)

    @cached_property
    def deliveries(self) -> pl.DataFrame:
        """Everything that somebody was to be told, in order.

        One row each: time (s), rule, alert_id, notifier, state (``firing`` or ``resolved``), level
        (1 after the escalation), reminder (0 for the first time).
        """
        columns = ("time", "rule", "alert_id", "notifier", "state", "level", "reminder")
        rows = [
            (
                step.time,
                step.transition.rule,
                step.transition.alert_id,
                step.notifier,
                step.transition.state,
                step.level,
                step.reminder,
            )
            for step in self.steps
            if isinstance(step, Delivery)
        ]
        return _frame(rows, columns)

    @cached_property
    def counts(self) -> pl.DataFrame:
        """How often each thing happened, one row a rule, in order of the rules.

        rule, pending, firing, resolved, inactive (ended before it fired), notified, escalated.
        """
        columns = ("rule", "pending", "firing", "resolved", "inactive", "notified", "escalated")
        rows = []
        for rule in self.rules:
            states = [step.state for step in self._transitions if step.rule == rule.name]
            told = [
                step
                for step in self.steps
                if isinstance(step, Delivery) and step.transition.rule == rule.name
            ]
            escalated = [s for s in told if s.level and not s.reminder and _is_firing(s)]
            changes = tuple(states.count(state) for state in _STATES)
            rows.append((rule.name, *changes, len(told), len(escalated)))
        return _frame(rows, columns)

    def __repr__(self) -> str:
        """Return one line: rules, alerts that fired, the end."""
        fired = sum(step.state == "firing" for step in self._transitions)
        return f"<AlertHistory of {len(self.rules)} rules: {fired} firings until {self.until:g} s>"

    @property
    def _transitions(self) -> list[Transition]:
        return [step for step in self.steps if isinstance(step, Transition)]

    def _episode(self, last: Transition) -> tuple[Any, ...]:
        ended = last.time if last.state == "resolved" else None
        fired = last.firing_at
        duration = None if fired is None else (self.until if ended is None else ended) - fired
        return (
            last.rule,
            last.key,
            last.alert_id,
            last.severity,
            last.state,
            last.since,
            fired,
            ended,
            duration,
        )


_STATES: tuple[State, ...] = ("pending", "firing", "resolved", "inactive")
_NUMBERS = ("time", "value", "pending_at", "firing_at", "resolved_at", "duration")
_WHOLE = ("cause", "level", "reminder", *_STATES, "notified", "escalated")


def _is_firing(delivery: Delivery) -> bool:
    return delivery.transition.state == "firing"


def _frame(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415  (slow to import, and a running simulation has no need)

    kinds: dict[str, Any] = dict.fromkeys(_NUMBERS, pl.Float64) | dict.fromkeys(_WHOLE, pl.Int64)
    schema = {name: kinds.get(name, pl.String) for name in columns}
    return pl.DataFrame(list(rows), schema=schema, orient="row")
