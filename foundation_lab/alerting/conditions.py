"""Whether a rule's condition holds: the state behind one alert, driven by events and by time.

A rule reduces each event to a number, its *signal*, and the condition lives on signals alone. It
says when the mere passing of time could change it (`next_change`), so that nobody has to poll.
Windows are closed: what lies exactly `window` seconds back is still inside, and leaves with the
next representable instant.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from foundation_lab.alerting.filters import COMPARISONS, is_number, predicate
from foundation_lab.alerting.rules import ThresholdRule
from foundation_lab.alerting.samples import Count, Mean, Ordered, Samples
from foundation_lab.alerting.scope import reaches

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.alerting.observation import Observation
    from foundation_lab.alerting.rules import PatternRule

NEVER = math.inf
"""The time of what will not happen by itself."""

RESOLVES = 0.0
FIRES = 1.0
"""The signals of a pattern rule."""


class Condition(Protocol):
    """The state behind one alert.

    Attributes:
        holds: Whether the condition is true now.
        value: The number that was judged; ``None`` where there is none.
        next_change: The first instant at which time alone could change `holds`.
    """

    holds: bool
    value: float | None
    next_change: float

    def see(self, time: float, signal: float) -> None:
        """Take the signal of an event that happened at `time`."""

    def advance(self, time: float) -> None:
        """Let everything leave that has left by `time`."""

    @property
    def idle(self) -> bool:
        """Whether forgetting this condition would lose nothing."""


def signal_of(rule: ThresholdRule | PatternRule) -> Callable[[Observation], float | None]:
    """Return a function that reduces an event to what the rule's conditions live on.

    Its result is ``None`` for an event that is no concern of the rule's.
    """
    return _sample(rule) if isinstance(rule, ThresholdRule) else _step(rule)


def condition_of(rule: ThresholdRule | PatternRule, start: float) -> Condition:
    """Return a new condition of a rule that begins to look at `start`."""
    if isinstance(rule, ThresholdRule):
        return WindowCondition(rule, start)
    return LatchCondition(rule)


class WindowCondition:
    """A metric over a trailing window, compared with a threshold; a signal is a sample."""

    def __init__(self, rule: ThresholdRule, start: float) -> None:
        self._rule = rule
        self._compare = COMPARISONS[rule.compare]
        self._above = rule.compare.startswith(">")
        self._counts = rule.metric in ("count", "rate")
        self._judged_from = start if self._above or not self._counts else start + rule.window
        self._samples = _samples(rule)
        self._leaves: deque[float] = deque()
        self.holds = False
        self.value: float | None = None
        self.next_change = NEVER
        self.advance(start)

    def see(self, time: float, signal: float) -> None:
        """Take a sample into the window."""
        self._samples.add(signal)
        self._leaves.append(past(time + self._rule.window))
        self.advance(time)

    def advance(self, time: float) -> None:
        """Let everything leave that has left by `time`, and judge what is there."""
        leaves = self._leaves
        while leaves and leaves[0] <= time:
            leaves.popleft()
            self._samples.drop()
        enough = self._counts or len(leaves) >= self._rule.min_events
        self.value = self._samples.value if enough else None
        if time < self._judged_from:
            self.holds, self.next_change = False, self._judged_from
            return
        self.holds = self.value is not None and self._compare(self.value, self._rule.threshold)
        self.next_change = leaves[0] if leaves and self._may_change() else NEVER

    @property
    def idle(self) -> bool:
        """Whether the window is empty, and its emptiness says nothing."""
        return not self._leaves and (self._above or not self._counts) and not self.holds

    def _may_change(self) -> bool:
        """Return whether the leaving of samples could change the condition.

        A count falls, so it can only leave ``>`` or enter ``<``. A minimum can only rise and a
        maximum only fall, until too few are left for either.
        """
        if self.value is None:
            return False
        if self._counts:
            return self.holds == self._above
        if self.holds or self._rule.metric not in ("min", "max"):
            return True
        return (self._rule.metric == "min") == self._above


class LatchCondition:
    """Begins with an event, or several within a window; ends with another event or with quiet."""

    def __init__(self, rule: PatternRule) -> None:
        self._rule = rule
        self._times: deque[float] = deque(maxlen=rule.count)
        self.holds = False
        self.value: float | None = None
        self.next_change = NEVER

    def see(self, time: float, signal: float) -> None:
        """Count an event that fires, or end with one that resolves."""
        self.advance(time)
        if signal == RESOLVES:
            if self.holds:
                self._end()
            return
        self._times.append(time)
        self.value = float(len(self._times))
        complete = len(self._times) == self._rule.count
        self.holds = self.holds or (complete and not self._left(self._times[0], time))
        if self.holds and self._rule.quiet_period is not None:
            self.next_change = past(time + self._rule.quiet_period)

    def advance(self, time: float) -> None:
        """End the condition when it has been quiet for too long; forget a stale beginning."""
        if self.next_change <= time:
            self._end()
        if self._times and not self.holds and self._left(self._times[-1], time):
            self._times.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing is counted."""
        return not self.holds and not self._times

    def _left(self, then: float, now: float) -> bool:
        window = self._rule.window
        return window is not None and past(then + window) <= now

    def _end(self) -> None:
        self.holds = False
        self.next_change = NEVER
        self._times.clear()


def past(time: float) -> float:
    """Return the first instant after `time` that a float can hold."""
    return math.nextafter(time, math.inf)


def _sample(rule: ThresholdRule) -> Callable[[Observation], float | None]:
    named, passes, matching = reaches(rule.event), predicate(rule.where), predicate(rule.matching)
    measurement = rule.measurement

    def sample(observation: Observation) -> float | None:
        fields = observation.fields
        if not (named(observation.name) and passes(fields)):
            return None
        if measurement is None:
            return float(matching(fields))
        value: Any = fields.get(measurement)
        return float(value) if is_number(value) and math.isfinite(value) else None

    return sample


def _step(rule: PatternRule) -> Callable[[Observation], float | None]:
    named, passes = reaches(rule.event), predicate(rule.where)
    ends, resolves = reaches(rule.resolve_on or rule.event), predicate(rule.resolve_where)

    def step(observation: Observation) -> float | None:
        name, fields = observation.name, observation.fields
        if rule.resolve_on is not None and ends(name) and resolves(fields):
            return RESOLVES
        return FIRES if named(name) and passes(fields) else None

    return step


def _samples(rule: ThresholdRule) -> Samples:
    if rule.metric in ("count", "rate"):
        return Count(rule.window if rule.metric == "rate" else 1.0)
    if rule.metric in ("ratio", "mean"):
        return Mean()
    quantile = {"min": 0.0, "max": 1.0}.get(rule.metric, rule.quantile)
    return Ordered(0.0 if quantile is None else quantile)
