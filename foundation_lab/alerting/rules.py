"""Alert rules, as frozen and validated data.

A `ThresholdRule` compares a metric over a trailing window with a limit; a `PatternRule` waits for
events and for the event that ends the matter. Their arguments are plain values, so that a rule can
come from a file: `rule_from` makes one of a mapping. How filters (`where`) are written is told in
`foundation_lab.alerting.filters`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from foundation_lab.alerting.filters import COMPARISONS, is_number
from foundation_lab.alerting.rule import Rule, event_pattern, is_whole
from foundation_lab.alerting.scope import check_fields
from foundation_lab.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foundation_lab.telemetry.pattern import EventName

Metric = Literal["count", "rate", "ratio", "mean", "min", "max", "percentile"]

OF_A_FIELD = ("mean", "min", "max", "percentile")
"""The metrics that need a `measurement`."""


@dataclass(frozen=True, kw_only=True)
class ThresholdRule(Rule):
    """Compares a metric over a trailing window with a threshold.

    The window is closed: an event that is exactly `window` seconds old still counts, and leaves
    with the next representable instant. So an event every ten seconds keeps a window of ten
    seconds occupied without a gap.

    A `count` or `rate` is compared by ``<`` or ``<=`` only after a whole window has been seen,
    since the start or, with `by`, since the group's first event: before, events may be missing
    because nobody looked.

    Args:
        window: The width of the window in seconds.
        threshold: The limit; a metric's unit is the measurement's own, 1/s for `rate`.
        compare: ``>``, ``>=``, ``<`` or ``<=``: how the metric stands to the threshold when the
            condition holds.
        metric: ``count`` and ``rate`` of events, ``ratio`` of the events that pass `matching` to
            all, or ``mean``, ``min``, ``max`` or ``percentile`` of a measurement.
        matching: For ``ratio``: the filter that is passed by the events that are counted.
        measurement: The field that ``mean``, ``min``, ``max`` and ``percentile`` are taken of;
            events without a finite number in it are left out.
        quantile: For ``percentile``: 0.99 is the 99th. Interpolated linearly, as
            `foundation_lab.analytics.percentiles` does.
        min_events: How many events the window must have for a ratio, mean, min, max or
            percentile to mean something; with fewer the condition does not hold.
    """

    window: float
    threshold: float
    compare: str = ">"
    metric: Metric = "count"
    matching: Mapping[str, Any] = field(default_factory=dict)
    measurement: str | None = None
    quantile: float | None = None
    min_events: int = 1

    def __post_init__(self) -> None:
        """Bring every argument into its one form, and refuse what cannot be."""
        super().__post_init__()
        if self.metric not in get_args(Metric):
            raise self._refuse("metric", f"use one of {', '.join(get_args(Metric))}")
        if self.compare not in COMPARISONS:
            raise self._refuse("compare", f"use one of {' '.join(COMPARISONS)}")
        if not (is_number(self.threshold) and math.isfinite(self.threshold)):
            raise self._refuse("threshold", "give a finite number")
        self._set(
            window=self._positive("window"),
            threshold=float(self.threshold),
            matching=self._filter("matching", self.matching),
        )
        self._check_metric()
        check_fields(self.event, self.matching)
        if self.measurement is not None:
            check_fields(self.event, [self.measurement], numeric=True)

    def _check_metric(self) -> None:
        metric = self.metric
        if bool(self.matching) != (metric == "ratio"):
            raise self._refuse("matching", "a ratio needs a filter here, other metrics have none")
        if (self.measurement is not None) != (metric in OF_A_FIELD):
            raise self._refuse("measurement", f"name a field for {', '.join(OF_A_FIELD)} only")
        if (self.quantile is not None) != (metric == "percentile"):
            raise self._refuse("quantile", "a percentile needs one such as 0.99, no other metric")
        if self.quantile is not None and not (is_number(self.quantile) and 0 <= self.quantile <= 1):
            raise self._refuse("quantile", "give a number from 0 to 1; 0.99 is the 99th percentile")
        if not is_whole(self.min_events, 1):
            raise self._refuse("min_events", "give a whole number from 1")
        counts = metric in ("count", "rate")
        if counts and self.compare[0] == ">" and COMPARISONS[self.compare](0.0, self.threshold):
            raise self._refuse("threshold", "the alert would fire without any event; raise it")
        if counts and self.min_events > 1:
            raise self._refuse("min_events", f"a {metric} needs no minimum; raise the threshold")


@dataclass(frozen=True, kw_only=True)
class PatternRule(Rule):
    """Fires on an event, or on several within a window; is resolved by another one, or by quiet.

    An event that resolves does not count as one that fires. Counting starts anew when the
    condition has ended.

    Args:
        count: How many matching events it takes.
        window: Within how many seconds (inclusive) they must come; needed when `count` is above 1.
        resolve_on: The events that end the condition, for the same group of `by`. The same as
            `event` when only `resolve_where` is given.
        resolve_where: A filter on the fields of these events.
        quiet_period: The condition also ends when no matching event has come for longer than this
            many seconds.
    """

    count: int = 1
    window: float | None = None
    resolve_on: EventName | None = None
    resolve_where: Mapping[str, Any] = field(default_factory=dict)
    quiet_period: float | None = None

    def __post_init__(self) -> None:
        """Bring every argument into its one form, and refuse what cannot be."""
        super().__post_init__()
        if not is_whole(self.count, 1):
            raise self._refuse("count", "give a whole number from 1")
        if (self.window is None) != (self.count == 1):
            raise self._refuse("window", "give one when, and only when, count is above 1")
        if self.window is not None:
            self._set(window=self._positive("window"))
        self._set(resolve_where=self._filter("resolve_where", self.resolve_where))
        if self.resolve_on is None and self.resolve_where:
            self._set(resolve_on=self.event)
        if self.resolve_on is not None:
            self._set(resolve_on=event_pattern(self.resolve_on))
            check_fields(self.resolve_on, [*self.resolve_where, *self.by])
        if self.quiet_period is not None:
            self._set(quiet_period=self._positive("quiet_period"))
        if self.resolve_on is None and self.quiet_period is None:
            raise self._refuse(
                "resolve_on", "nothing would ever resolve the alert; give this or quiet_period"
            )

    @property
    def patterns(self) -> tuple[EventName, ...]:
        """The patterns of the events that the rule looks at."""
        return (self.event,) if self.resolve_on is None else (self.event, self.resolve_on)


def rule_from(data: Mapping[str, Any]) -> ThresholdRule | PatternRule:
    """Return the rule that a mapping describes.

    Args:
        data: The arguments of a rule by name, and ``kind``: ``threshold`` or ``pattern``. ``for``
            stands for `for_`.

    Raises:
        ValueError: The kind or a value is wrong, or an argument is missing.
        UnknownName: An argument, event or field does not exist; the message lists the nearest.
    """
    kinds: dict[Any, type[ThresholdRule | PatternRule]] = {
        "threshold": ThresholdRule,
        "pattern": PatternRule,
    }
    kind = data.get("kind")
    if kind not in kinds:
        message = f"rule {data.get('name')!r} has kind={kind!r}; use 'threshold' or 'pattern'"
        raise ValueError(message)
    cls = kinds[kind]
    arguments = {"for_" if key == "for" else key: value for key, value in data.items()}
    del arguments["kind"]
    known = {each.name for each in fields(cls)}
    for argument in arguments:
        if argument not in known:
            raise UnknownName.among(f"argument of a {kind} rule", argument, known)
    needed = {"name", "event", *(("window", "threshold") if cls is ThresholdRule else ())}
    missing = sorted(needed - set(arguments))
    if missing:
        message = f"rule {data.get('name')!r} lacks {', '.join(missing)}"
        raise ValueError(message)
    return cls(**arguments)


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
