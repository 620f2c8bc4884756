"""The evaluator: rules and events in, changes of alerts out; a pure state machine.

It knows no clock. `feed` takes the next event, `advance` says that time has passed, and
`next_deadline` is the first instant at which something would happen without an event. The same
evaluator serves a running simulation and a recording, so both tell the same story.

**The order within an instant.** What is due by time comes first, then the events in their order.
So an alert whose `for` is over at t fires at t even when an event of that very instant ends the
condition (it is resolved at t too). This order is the only one that a recording can repeat: an
alert that fires by time may itself cause events at the same instant. Several deadlines of one
instant are met in the order of the rules, and of their groups' first appearance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.alerting.alert import Alert
from foundation_lab.alerting.conditions import NEVER, condition_of, signal_of
from foundation_lab.alerting.scope import hearing, is_about_alerts

if TYPE_CHECKING:
    from foundation_lab.alerting.rules import PatternRule, ThresholdRule


class _Judge:
    """One rule with its alerts, one for each key."""

    def __init__(self, index: int, rule: ThresholdRule | PatternRule) -> None:
        self.rule = rule
        self.alerts: dict[str, Alert] = {}
        self.signal = signal_of(rule)
        self.about_alerts = is_about_alerts(rule.event)
        self.hears = hearing(rule)
        self._index = index
        self._opened = 0
        self._crowd = 64
        self._numbers: dict[str, int] = {}

    def alert(self, key: str, time: float) -> Alert:
        known = self.alerts.get(key)
        return self.open(key, time) if known is None else known

    def open(self, key: str, time: float) -> Alert:
        self._opened += 1
        condition = condition_of(self.rule, time)
        number = self._numbers.pop(key, 0)
        alert = Alert(self.rule, key, condition, (self._index, self._opened), number)
        self.alerts[key] = alert
        return alert

    def close(self, alert: Alert, time: float) -> None:
        """Forget what is idle: this alert, and now and then all others."""
        if not self.rule.by:
            return
        self._forget(alert)
        if len(self.alerts) > self._crowd:
            for each in list(self.alerts.values()):
                if each.state == "inactive" and each.deadline == NEVER:
                    each.condition.advance(time)
                    self._forget(each)
            self._crowd = max(64, 2 * len(self.alerts))

    def _forget(self, alert: Alert) -> None:
        if alert.state == "inactive" and alert.deadline == NEVER and alert.condition.idle:
            del self.alerts[alert.key]
            if alert.number:
                self._numbers[alert.key] = alert.number
