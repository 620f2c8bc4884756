"""Whether a rule's condition holds: the state behind one alert, driven by events and by time.

A condition says when the mere passing of time could change it (`next_change`), so that nobody has
to poll. Windows are closed: what lies exactly `window` seconds back is still inside, and leaves
with the next representable instant.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Protocol

from foundation_lab.alerting.filters import COMPARISONS, is_number, predicate
from foundation_lab.alerting.rules import ThresholdRule
from foundation_lab.alerting.samples import Count, Mean, Ordered, Samples
from foundation_lab.telemetry.pattern import matcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.alerting.observation import Observation
    from foundation_lab.alerting.rules import PatternRule

NEVER = math.inf
"""The time of what will not happen by itself."""


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

    def see(self, observation: Observation) -> bool:
        """Take an event of the rule's; return whether it is one that the rule counts."""

    def advance(self, time: float) -> None:
        """Let everything leave that has left by `time`."""

    @property
    def idle(self) -> bool:
        """Whether forgetting this condition would lose nothing."""


def condition_of(rule: ThresholdRule | PatternRule) -> Callable[[float], Condition]:
    """Return a function that makes a rule's condition, given the time at which it begins."""
    if isinstance(rule, ThresholdRule):
        sample, threshold = _sampler(rule), rule
        return lambda start: WindowCondition(threshold, sample, start)
    return _Latches(rule)


class WindowCondition:
    """A metric over a trailing window, compared with a threshold."""

    def __init__(
        self, rule: ThresholdRule, sample: Callable[[Observation], float | None], start: float
    ) -> None:
        self._rule = rule
        self._sample = sample
        self._compare = COMPARISONS[rule.compare]
        self._above = rule.compare.startswith(">")
        self._counts = rule.metric in ("count", "rate")
        self._judged_from = start + rule.window if self._counts and not self._above else start
        self._samples = _samples(rule)
        self._leaves: deque[float] = deque()
        self.holds = False
        self.value: float | None = None
        self.next_change = NEVER
        self.advance(start)

    def see(self, observation: Observation) -> bool:
        """Take an event; return whether it carries a number that the metric is made of."""
        number = self._sample(observation)
        if number is not None:
            self._samples.add(number)
            self._leaves.append(past(observation.time + self._rule.window))
        self.advance(observation.time)
        return number is not None

    def advance(self, time: float) -> None:
        """Let everything leave that has left by `time`, and judge what is there."""
        leaves = self._leaves
        while leaves and leaves[0] <= time:
            leaves.popleft()
            self._samples.drop()
        enough = self._counts or len(leaves) >= self._rule.min_events
        self.value = self._samples.value if enough else None
        judged = self.value is not None and time >= self._judged_from
        self.holds = judged and self._compare(self.value or 0.0, self._rule.threshold)
        if time < self._judged_from:
            self.next_change = self._judged_from
        else:
            self.next_change = leaves[0] if leaves and self._may_change() else NEVER

    @property
    def idle(self) -> bool:
        """Whether the window is empty, and emptiness says nothing."""
        return not self._leaves and not self._counts | self._above

    def _may_change(self) -> bool:
        """Return whether an event that leaves could change the condition."""
        if self.value is None:
            return False
        if self._counts:
            return self.holds == self._above
        if self.holds or self._rule.metric not in ("min", "max"):
            return True
        return (self._rule.metric == "min") == self._above


class LatchCondition:
    """Begins with an event, or several within a window; ends with another event or with quiet."""

    def __init__(self, latches: _Latches) -> None:
        self._latches = latches
        self._times: deque[float] = deque()
        self.holds = False
        self.value: float | None = None
        self.next_change = NEVER

    def see(self, observation: Observation) -> bool:
        """Take an event; return whether it resolves, or counts towards firing."""
        rule = self._latches.rule
        if self._latches.resolves(observation):
            if self.holds:
                self._end()
            return True
        if not self._latches.matches(observation):
            return False
        self._times.append(observation.time)
        self._forget(observation.time)
        self.value = float(len(self._times))
        self.holds = self.holds or len(self._times) >= rule.count
        if self.holds and rule.quiet_period is not None:
            self.next_change = past(observation.time + rule.quiet_period)
        return True

    def advance(self, time: float) -> None:
        """End the condition when it has been quiet for long enough."""
        if self.next_change <= time:
            self._end()
        self._forget(time)

    @property
    def idle(self) -> bool:
        """Whether nothing is counted."""
        return not self.holds and not self._times

    def _forget(self, time: float) -> None:
        window = self._latches.rule.window
        while self._times and (past(self._times[0] + window) <= time if window else len(self._times) > 1):
            self._times.popleft()

    def _end(self) -> None:
        self.holds = False
        self.next_change = NEVER
        self._times.clear()


class _Latches:
    """What the conditions of one pattern rule share: which events fire, and which resolve."""

    def __init__(self, rule: PatternRule) -> None:
        self.rule = rule
        self._fires = matcher(rule.event), predicate(rule.where)
        ends = rule.resolve_on
        self._ends = None if ends is None else (matcher(ends), predicate(rule.resolve_where))

    def __call__(self, start: float) -> LatchCondition:  # noqa: ARG002  (a latch has no beginning)
        return LatchCondition(self)

    def matches(self, observation: Observation) -> bool:
        named, passes = self._fires
        return named(observation.name) and passes(observation.fields)

    def resolves(self, observation: Observation) -> bool:
        if self._ends is None:
            return False
        named, passes = self._ends
        return named(observation.name) and passes(observation.fields)


def past(time: float) -> float:
    """Return the first instant after `time` that a float can hold."""
    return math.nextafter(time, math.inf)


def _sampler(rule: ThresholdRule) -> Callable[[Observation], float | None]:
    passes, matching = predicate(rule.where), predicate(rule.matching)
    measurement = rule.measurement

    def sample(observation: Observation) -> float | None:
        fields = observation.fields
        if not passes(fields):
            return None
        if measurement is None:
            return float(matching(fields))
        value = fields.get(measurement)
        return float(value) if is_number(value) and math.isfinite(value) else None

    return sample


def _samples(rule: ThresholdRule) -> Samples:
    if rule.metric in ("count", "rate"):
        return Count(rule.window if rule.metric == "rate" else 1.0)
    if rule.metric in ("ratio", "mean"):
        return Mean()
    quantile = {"min": 0.0, "max": 1.0}.get(rule.metric, rule.quantile)
    return Ordered(0.0 if quantile is None else quantile)
