"""The evaluator: rules and events in, changes of alerts out; a pure state machine.

It knows no clock. `feed` takes the next event, `advance` says that time has passed, and
`next_deadline` is the first instant at which something would happen without an event. The same
evaluator serves a running simulation and a recording, so both tell the same story.

```
          condition holds        held for `for` seconds
inactive ────────────────► pending ────────────────► firing ──► resolved
    ▲                         │                         condition ended, `keep_firing_for` is over
    └─────────────────────────┘ condition ended
```

**The order within an instant.** What is due by time comes first, then the events in their order.
So an alert whose `for` is over at t fires at t even when an event of that very instant ends the
condition (it is resolved at t too). This order is the only one that a recording can repeat: an
alert that fires by time may itself cause events at the same instant. Several deadlines of one
instant are met in the order of the rules, and of their groups' first appearance.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal

from foundation_lab.alerting.conditions import NEVER, condition_of, signal_of
from foundation_lab.alerting.observation import Observation, key_of, observe
from foundation_lab.alerting.rules import PatternRule, is_about_alerts
from foundation_lab.telemetry.pattern import matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foundation_lab.alerting.conditions import Condition
    from foundation_lab.alerting.rules import ThresholdRule
    from foundation_lab.telemetry.bus import Record

State = Literal["inactive", "pending", "firing", "resolved"]

ALERT_EVENTS = "foundation.alert."


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert went to another state.

    Attributes:
        time: Virtual seconds.
        rule: The rule's name.
        alert_id: The alert: ``rule#1``, or ``rule/key#1`` for a rule with `by`. Numbered from 1 for
            each rule and key; an alert ends with ``resolved`` or ``inactive``.
        key: The label of the group; empty without `by`.
        state: ``pending``, ``firing``, ``resolved``, or ``inactive`` for one that ended pending.
        value: The number that was judged; ``None`` where none is left.
        severity: The rule's.
        since: When the condition began to hold.
        firing_at: When the alert began to fire; ``None`` if it has not.
        cause: The sequence of the event that led to it: the present one, or the one with which the
            condition began when time did the rest. ``None`` when it was no event.
    """

    time: float
    rule: str
    alert_id: str
    key: str
    state: State
    value: float | None
    severity: str
    since: float
    firing_at: float | None
    cause: int | None


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
        self._about_alerts = {judge.rule.name for judge in self._judges if judge.about_alerts}
        self._heap: list[tuple[float, int, int, _Alert]] = []
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
                judge.close(alert, seen.time)
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
    def active(self) -> list[tuple[str, State]]:
        """The ids of the alerts that are pending or firing, with their state, by rule."""
        return [
            (alert.id, alert.state)
            for judge in self._judges
            for alert in judge.alerts.values()
            if alert.state != "inactive"
        ]

    def _schedule(self, alert: _Alert) -> None:
        deadline = alert.next_deadline
        if deadline != alert.deadline:
            alert.deadline = deadline
            if deadline != NEVER:
                heappush(self._heap, (deadline, alert.place[0], alert.place[1], alert))

    def _sweep(self) -> None:
        """Drop deadlines that were put off or called off from the top of the heap."""
        heap = self._heap
        while heap and heap[0][3].deadline != heap[0][0]:
            heappop(heap)


class _Judge:
    """One rule with its alerts, one for each key."""

    def __init__(self, index: int, rule: ThresholdRule | PatternRule) -> None:
        self.rule = rule
        self.alerts: dict[str, _Alert] = {}
        self.signal = signal_of(rule)
        self.about_alerts = is_about_alerts(rule.event)
        self.hears = hearing(rule)
        self._index = index
        self._opened = 0
        self._crowd = 64
        self._numbers: dict[str, int] = {}

    def alert(self, key: str, time: float) -> _Alert:
        known = self.alerts.get(key)
        return self.open(key, time) if known is None else known

    def open(self, key: str, time: float) -> _Alert:
        self._opened += 1
        condition = condition_of(self.rule, time)
        number = self._numbers.pop(key, 0)
        alert = _Alert(self.rule, key, condition, (self._index, self._opened), number)
        self.alerts[key] = alert
        return alert

    def close(self, alert: _Alert, time: float) -> None:
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

    def _forget(self, alert: _Alert) -> None:
        if alert.state == "inactive" and alert.deadline == NEVER and alert.condition.idle:
            del self.alerts[alert.key]
            if alert.number:
                self._numbers[alert.key] = alert.number


class _Alert:
    """The life of one rule's alerts for one key, one after another."""

    def __init__(
        self,
        rule: ThresholdRule | PatternRule,
        key: str,
        condition: Condition,
        place: tuple[int, int],
        number: int,
    ) -> None:
        self.key = key
        self.condition = condition
        self.place = place
        self.number = number
        self.deadline = NEVER
        self.state: State = "inactive"
        self._rule = rule
        self._since = 0.0
        self._firing_at: float | None = None
        self._ended_at: float | None = None
        self._cause: int | None = None

    @property
    def id(self) -> str:
        label = f"{self._rule.name}/{self.key}" if self._rule.by else self._rule.name
        return f"{label}#{self.number}"

    @property
    def next_deadline(self) -> float:
        own = NEVER
        if self.state == "pending":
            own = self._since + self._rule.for_
        elif self._ended_at is not None:
            own = self._ended_at + self._rule.keep_firing_for
        return min(own, self.condition.next_change)

    def judge(self, time: float, cause: int | None) -> list[Transition]:
        """Go from state to state as far as the condition and the time allow.

        `cause` is the event that was seen now, ``None`` when only time has passed.
        """
        transitions: list[Transition] = []
        due = self._due(time)
        while due is not None:
            transitions.append(self._go(due, time, cause))
            due = self._due(time)
        return transitions

    def _due(self, time: float) -> State | None:
        holds = self.condition.holds
        if self.state == "inactive":
            if not holds:
                return None
            return "pending" if self._rule.for_ > 0 else "firing"
        if self.state == "pending":
            if not holds:
                return "inactive"
            return "firing" if self._since + self._rule.for_ <= time else None
        if holds:
            self._ended_at = None
            return None
        if self._ended_at is None:
            self._ended_at = time
        return "resolved" if self._ended_at + self._rule.keep_firing_for <= time else None

    def _go(self, state: State, time: float, cause: int | None) -> Transition:
        if self.state == "inactive":
            self.number += 1
            self._since, self._cause = time, cause
        if state == "firing":
            self._firing_at = time
        transition = Transition(
            time=time,
            rule=self._rule.name,
            alert_id=self.id,
            key=self.key,
            state=state,
            value=self.condition.value,
            severity=self._rule.severity,
            since=self._since,
            firing_at=self._firing_at,
            cause=self._cause if cause is None else cause,
        )
        self.state = state
        if state in ("inactive", "resolved"):
            self.state = "inactive"
            self._firing_at = self._ended_at = None
        return transition


def hearing(rule: ThresholdRule | PatternRule) -> Callable[[str], bool]:
    """Return a function that says whether a rule looks at events of a name at all."""
    patterns = [rule.event]
    if isinstance(rule, PatternRule) and rule.resolve_on is not None:
        patterns.append(rule.resolve_on)
    asked = [(matcher(pattern), is_about_alerts(pattern)) for pattern in patterns]
    return lambda name: any(
        matches(name) and (about_alerts or not name.startswith(ALERT_EVENTS))
        for matches, about_alerts in asked
    )


def unique(
    rules: Sequence[ThresholdRule | PatternRule],
) -> tuple[ThresholdRule | PatternRule, ...]:
    """Return the rules as a tuple, after checking that their names differ.

    Raises:
        ValueError: Two rules have the same name.
    """
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            message = f"two rules are called {name!r}; give each one a name of its own"
            raise ValueError(message)
    return tuple(rules)
