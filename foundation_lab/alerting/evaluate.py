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

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from foundation_lab.alerting.alert import Alert
from foundation_lab.alerting.conditions import NEVER, condition_of, signal_of
from foundation_lab.alerting.observation import Observation, key_of, observe
from foundation_lab.alerting.rules import unique
from foundation_lab.alerting.scope import ALERT_EVENTS, hearing, is_about_alerts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.alerting.alert import State, Transition
    from foundation_lab.alerting.rules import PatternRule, ThresholdRule
    from foundation_lab.telemetry.record import Record


class Evaluator:
    """Judges rules.

    Args:
        rules: The rules; their names must differ.
        start: The virtual time at which the evaluator begins to look.

    Raises:
        ValueError: Two rules have the same name.
    """

    def __init__(self, rules: Sequence[ThresholdRule | PatternRule], start: float = 0.0) -> None:
        self.rules = unique(rules)
        self._now = start
        self._judges = [_Judge(index, rule) for index, rule in enumerate(self.rules)]
        self._concerned: dict[str, tuple[_Judge, ...]] = {}
        self._about_alerts = {rule.name for rule in self.rules if is_about_alerts(rule)}
        self._heap: list[tuple[float, tuple[int, int], int, Alert]] = []
        self._serial = count()
        for judge in self._judges:
            if not judge.rule.by:
                self._schedule(judge.open("", start))

    def feed(self, record: Record | Observation) -> list[Transition]:
        """Take the next event; return what changed, deadlines up to its time included.

        Raises:
            ValueError: The event lies before what was seen already.
        """
        transitions = self.advance(record.time)
        concerned = self._concerned.get(record.name)
        if concerned is None:
            judges = (judge for judge in self._judges if judge.hears(record.name))
            concerned = self._concerned[record.name] = tuple(judges)
        if not concerned:
            return transitions
        seen = record if isinstance(record, Observation) else observe(record)
        if seen.name.startswith(ALERT_EVENTS) and seen.fields.get("rule") in self._about_alerts:
            return transitions
        for judge in concerned:
            signal = judge.signal(seen)
            if signal is not None:
                alert = judge.alert(key_of(seen.fields, judge.rule.by), seen.time)
                alert.condition.see(seen.time, signal)
                transitions += alert.judge(seen.time, seen.sequence)
                self._schedule(alert)
                judge.tidy(alert, seen.time)
        self._sweep()
        return transitions

    def advance(self, time: float) -> list[Transition]:
        """Let time pass until `time`, inclusive; return what changed, each at its own instant.

        Raises:
            ValueError: Time would go back.
        """
        if time < self._now:
            message = f"time cannot go back from {self._now!r} to {time!r}; feed events in order"
            raise ValueError(message)
        transitions: list[Transition] = []
        while self._heap and self._heap[0][0] <= time:
            deadline, _, _, alert = heappop(self._heap)
            if alert.deadline == deadline:
                alert.deadline = NEVER
                alert.condition.advance(deadline)
                transitions += alert.judge(deadline, None)
                self._schedule(alert)
        self._now = time
        self._sweep()
        return transitions

    @property
    def next_deadline(self) -> float | None:
        """The first instant at which something may happen without an event, if there is any."""
        return self._heap[0][0] if self._heap else None

    @property
    def active(self) -> dict[str, State]:
        """The state of each alert that is pending or firing, by its id; in order of the rules."""
        return {
            alert.id: alert.state
            for judge in self._judges
            for alert in judge.alerts.values()
            if alert.state != "inactive"
        }

    def _schedule(self, alert: Alert) -> None:
        deadline = alert.next_deadline
        if deadline != alert.deadline:
            alert.deadline = deadline
            if deadline != NEVER:
                heappush(self._heap, (deadline, alert.place, next(self._serial), alert))

    def _sweep(self) -> None:
        """Drop deadlines that were put off or called off from the top of the heap."""
        heap = self._heap
        while heap and heap[0][3].deadline != heap[0][0]:
            heappop(heap)


class _Judge:
    """One rule with its alerts, one for each key."""

    def __init__(self, index: int, rule: ThresholdRule | PatternRule) -> None:
        self.rule = rule
        self.alerts: dict[str, Alert] = {}
        self.signal = signal_of(rule)
        self.hears = hearing(rule)
        self._index = index
        self._opened = count()
        self._crowd = 64
        self._numbers: dict[str, int] = {}

    def alert(self, key: str, time: float) -> Alert:
        known = self.alerts.get(key)
        return self.open(key, time) if known is None else known

    def open(self, key: str, time: float) -> Alert:
        condition = condition_of(self.rule, time)
        place = (self._index, next(self._opened))
        alert = Alert(self.rule, key, condition, place, self._numbers.pop(key, 0))
        self.alerts[key] = alert
        return alert

    def tidy(self, alert: Alert, time: float) -> None:
        """Forget what is idle: this alert, and all others whenever they have doubled."""
        if not self.rule.by:
            return
        self._forget(alert)
        if len(self.alerts) > self._crowd:
            for each in list(self.alerts.values()):
                if each.deadline == NEVER:
                    each.condition.advance(time)
                    self._forget(each)
            self._crowd = max(64, 2 * len(self.alerts))

    def _forget(self, alert: Alert) -> None:
        if alert.state == "inactive" and alert.deadline == NEVER and alert.condition.idle:
            del self.alerts[alert.key]
            if alert.number:
                self._numbers[alert.key] = alert.number
