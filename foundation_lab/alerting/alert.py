"""One alert: the states it goes through while its rule's condition comes and goes.

```
          condition holds        held for `for_` seconds
inactive ────────────────► pending ────────────────► firing ──► resolved
    ▲                         │                          condition ended, `keep_firing_for` is over
    └─────────────────────────┘ condition ended
```

Without `for_` an alert fires at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from foundation_lab.alerting.conditions import NEVER

if TYPE_CHECKING:
    from foundation_lab.alerting.conditions import Condition
    from foundation_lab.alerting.rule import Rule

State = Literal["inactive", "pending", "firing", "resolved"]


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


class Alert:
    """The life of one rule's alerts for one key, one after another.

    Args:
        rule: The rule.
        key: The label of the group; empty without `by`.
        condition: What decides; it is told of events and time by others.
        place: Where the alert stands among others that change at the same instant.
        number: How many alerts there were before.
    """

    def __init__(
        self,
        rule: Rule,
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
        """The id of the present alert, or of the last one."""
        label = f"{self._rule.name}/{self.key}" if self._rule.by else self._rule.name
        return f"{label}#{self.number}"

    @property
    def next_deadline(self) -> float:
        """The next instant at which time alone may change something; infinity for never."""
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
