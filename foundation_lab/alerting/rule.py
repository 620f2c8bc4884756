"""What every alert rule has, and how its arguments are checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from foundation_lab.alerting.filters import is_number, plain, tests_of
from foundation_lab.alerting.scope import check_fields
from foundation_lab.telemetry.pattern import dotted, matcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foundation_lab.telemetry.pattern import EventName

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every rule has; use `ThresholdRule` or `PatternRule`.

    Args:
        name: The rule's unique name.
        event: The events it looks at: a class, a name, a prefix or a pattern. Events of alerts
            (``foundation.alert``) are seen only by a rule whose `event` says so, and then only
            those of rules that do not.
        where: A filter on the fields of these events.
        by: Fields whose values split the events into groups; each group has an alert of its own.
        for_: Seconds that the condition must hold before the alert fires (``for`` in data).
        keep_firing_for: Seconds that the alert goes on firing after the condition has ended.
        severity: ``info``, ``warning`` or ``critical``.
        description: What the alert means, for whoever is told.
        notifiers: Names of those who are told that it fires, and that it is resolved. Without
            any, the routes decide.
        escalate_after: Seconds of firing, unresolved and unacknowledged, after which
        escalate_to: this notifier is told too, at level 1.
        repeat_interval: Seconds after which those who were told are reminded, while it fires.
        repeat_limit: How many reminders there are at most, so that a run with an alert that
            nobody resolves comes to its end.

    Raises:
        ValueError: An argument cannot be; the message names it with its value.
        UnknownName: No such event, or no such field of it; the message lists the nearest.
    """

    name: str
    event: EventName
    where: Mapping[str, Any] = field(default_factory=dict)
    by: Sequence[str] = ()
    for_: float = 0.0
    keep_firing_for: float = 0.0
    severity: Severity = "warning"
    description: str = ""
    notifiers: Sequence[str] = ()
    escalate_after: float | None = None
    escalate_to: str | None = None
    repeat_interval: float | None = None
    repeat_limit: int = 10

    def __post_init__(self) -> None:
        """Bring every argument into its one form, and refuse what cannot be."""
        if not isinstance(self.name, str) or not self.name:
            message = f"a rule needs a name, not {self.name!r}"
            raise ValueError(message)
        self._set(
            event=event_pattern(self.event),
            where=self._filter("where", self.where),
            by=_names(self, "by"),
            notifiers=_names(self, "notifiers"),
            for_=self._seconds("for_", self.for_),
            keep_firing_for=self._seconds("keep_firing_for", self.keep_firing_for),
        )
        if self.severity not in get_args(Severity):
            raise self._refuse("severity", f"use one of {', '.join(get_args(Severity))}")
        if (self.escalate_after is None) != (self.escalate_to is None):
            raise self._refuse("escalate_to", "escalate_after and escalate_to go together")
        if self.escalate_after is not None:
            self._set(escalate_after=self._seconds("escalate_after", self.escalate_after))
        if self.repeat_interval is not None:
            self._set(repeat_interval=self._positive("repeat_interval"))
        if not is_whole(self.repeat_limit, 0):
            raise self._refuse("repeat_limit", "give a whole number from 0")
        check_fields(self.event, [*self.where, *self.by])

    @property
    def patterns(self) -> tuple[EventName, ...]:
        """The patterns of the events that the rule looks at."""
        return (self.event,)

    def _set(self, **values: Any) -> None:
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def _refuse(self, argument: str, remedy: str) -> ValueError:
        value = getattr(self, argument)
        return ValueError(f"rule {self.name!r}: {argument}={value!r}; {remedy}")

    def _seconds(self, argument: str, value: float) -> float:
        if not (is_number(value) and value >= 0 and math.isfinite(value)):
            raise self._refuse(argument, "give a number of seconds, 0 or more")
        return float(value)

    def _positive(self, argument: str) -> float:
        value = getattr(self, argument)
        if not (is_number(value) and value > 0 and math.isfinite(value)):
            raise self._refuse(argument, "give a number of seconds above 0")
        return float(value)

    def _filter(self, argument: str, where: Mapping[str, Any]) -> dict[str, Any]:
        try:
            tests_of(where)
        except ValueError as error:
            message = f"rule {self.name!r}: {argument}: {error}"
            raise ValueError(message) from None
        return plain(where)


def event_pattern(event: EventName) -> str:
    """Return the pattern of a rule's events in its dotted form.

    Raises:
        UnknownName: It can match no event; the message lists the nearest names.
    """
    matcher(event)
    return dotted(event)


def is_whole(value: object, least: int) -> bool:
    """Return whether a value is a whole number of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _names(rule: Rule, argument: str) -> tuple[str, ...]:
    value = getattr(rule, argument)
    names = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        message = f"rule {rule.name!r}: {argument}={value!r}; give names, each one once"
        raise ValueError(message)
    return names
