"""Who is told what: routes, one notification for each state, reminders, and one escalation.

The router is a pure state machine beside the evaluator: transitions and time in, deliveries out.
An alert's firing and its resolution are told once to each notifier. Whoever was told of the firing
is told of the resolution, the escalated notifier too; nobody else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from foundation_lab.alerting.rules import unique
from foundation_lab.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.alerting.alert import Transition
    from foundation_lab.alerting.rule import Rule
    from foundation_lab.alerting.rules import PatternRule, ThresholdRule


@dataclass(frozen=True, kw_only=True)
class Route:
    """Sends alerts of rules that name no notifiers themselves; all routes that match are taken.

    Args:
        notifiers: Who is told.
        severities: Only alerts of these severities; of any when empty.
        rules: Only rules of these names; ``*`` stands for any text. Any rule when empty.
    """

    notifiers: Sequence[str]
    severities: Sequence[str] = ()
    rules: Sequence[str] = ()

    def takes(self, rule: Rule) -> bool:
        """Return whether a rule's alerts go this way."""
        return (not self.severities or rule.severity in self.severities) and (
            not self.rules or any(fnmatchcase(rule.name, pattern) for pattern in self.rules)
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notifier is to be told of one alert.

    Attributes:
        time: Virtual seconds.
        transition: What it is about: the alert's firing, or its resolution.
        notifier: The notifier's name.
        level: 0, or 1 after the escalation.
        reminder: 0 for the first time, then 1, 2, ...
    """

    time: float
    transition: Transition
    notifier: str
    level: int = 0
    reminder: int = 0


@dataclass(slots=True)
class _Open:
    """A firing alert, and who knows of it at which level."""

    firing: Transition
    told: dict[str, int]
    escalate_at: float | None
    remind_at: float | None
    reminders: int = 0


class Router:
    """Turns changes of alerts into deliveries.

    Args:
        rules: The rules whose alerts come.
        routes: Where alerts of rules without notifiers of their own go.
        notifiers: The names of all notifiers. Without routes, a rule that names none tells all of
            them, apart from the one that it escalates to.

    Raises:
        UnknownName: A rule or route names a notifier that `notifiers` lacks; only checked when
            there are any.

    Attributes:
        next_deadline: When the next reminder or escalation is due, if any is.
    """

    def __init__(
        self,
        rules: Sequence[ThresholdRule | PatternRule],
        routes: Sequence[Route] = (),
        notifiers: Sequence[str] = (),
    ) -> None:
        self._rules = {rule.name: rule for rule in unique(rules)}
        self._targets = {rule.name: _targets(rule, routes, notifiers) for rule in rules}
        self._open: dict[str, _Open] = {}
        self.next_deadline: float | None = None
        if notifiers:
            _check_names(rules, routes, notifiers)

    def route(self, transition: Transition) -> list[Delivery]:
        """Return who is to be told of a transition at once."""
        if transition.state == "firing" and transition.alert_id not in self._open:
            return self._fired(transition)
        if transition.state == "resolved" and transition.alert_id in self._open:
            told = self._open.pop(transition.alert_id).told
            self._plan()
            return [Delivery(transition.time, transition, name, told[name]) for name in told]
        return []

    def advance(self, time: float) -> list[Delivery]:
        """Return the reminders and escalations that are due by `time`, each at its own instant."""
        deliveries: list[Delivery] = []
        while self.next_deadline is not None and self.next_deadline <= time:
            due = self.next_deadline
            for alert in self._open.values():
                if alert.escalate_at == due:
                    deliveries.append(self._escalate(alert, due))
                if alert.remind_at == due:
                    deliveries += self._remind(alert, due)
            self._plan()
        return deliveries

    def acknowledge(self, alert_id: str) -> None:
        """Note that somebody cares for a firing alert: no escalation, no reminders any more.

        Raises:
            UnknownName: No alert of this id fires.
        """
        if alert_id not in self._open:
            raise UnknownName.among("firing alert", alert_id, self._open)
        alert = self._open[alert_id]
        alert.escalate_at = alert.remind_at = None
        self._plan()

    def _fired(self, firing: Transition) -> list[Delivery]:
        rule = self._rules[firing.rule]
        after, every = rule.escalate_after, rule.repeat_interval
        told = dict.fromkeys(self._targets[firing.rule], 0)
        self._open[firing.alert_id] = _Open(
            firing=firing,
            told=told,
            escalate_at=None if after is None else firing.time + after,
            remind_at=None if every is None or not rule.repeat_limit else firing.time + every,
        )
        self._plan()
        return [Delivery(firing.time, firing, name) for name in told]

    def _plan(self) -> None:
        waits = ((alert.escalate_at, alert.remind_at) for alert in self._open.values())
        known = [at for pair in waits for at in pair if at is not None]
        self.next_deadline = min(known, default=None)

    def _escalate(self, alert: _Open, time: float) -> Delivery:
        name = self._rules[alert.firing.rule].escalate_to or ""
        alert.escalate_at = None
        alert.told[name] = 1
        return Delivery(time, alert.firing, name, level=1)

    def _remind(self, alert: _Open, time: float) -> list[Delivery]:
        rule = self._rules[alert.firing.rule]
        alert.reminders += 1
        more = rule.repeat_interval is not None and alert.reminders < rule.repeat_limit
        alert.remind_at = time + (rule.repeat_interval or 0.0) if more else None
        return [
            Delivery(time, alert.firing, name, level, alert.reminders)
            for name, level in alert.told.items()
        ]


def _targets(rule: Rule, routes: Sequence[Route], notifiers: Sequence[str]) -> list[str]:
    if rule.notifiers:
        return list(rule.notifiers)
    if routes:
        taken = (route.notifiers for route in routes if route.takes(rule))
        return list(dict.fromkeys(name for names in taken for name in names))
    return [name for name in notifiers if name != rule.escalate_to]


def _check_names(rules: Sequence[Rule], routes: Sequence[Route], notifiers: Sequence[str]) -> None:
    named = [name for rule in rules for name in rule.notifiers]
    named += [rule.escalate_to for rule in rules if rule.escalate_to is not None]
    named += [name for route in routes for name in route.notifiers]
    for name in named:
        if name not in notifiers:
            raise UnknownName.among("notifier", name, notifiers)
