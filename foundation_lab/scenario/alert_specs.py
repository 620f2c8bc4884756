"""Alert rules in a scenario file, and in a file of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from foundation_lab.alerting.rules import PatternRule, ThresholdRule, rule_from
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section, Whole

Filter = dict[str, Any]


class RuleSpec(Section):
    """What all rules say."""

    model_config = ConfigDict(populate_by_name=True)

    name: Name
    """The rule's name."""
    event: str
    """The event it looks at: a name or a pattern."""
    where: Filter = Field(default_factory=dict)
    """Which of them: field: value, field: [values], field: {not: value}, field: {">": 1}."""
    by: list[str] = Field(default_factory=list)
    """Fields; every combination of their values has an alert of its own."""
    for_: NotNegative = Field(default=0.0, alias="for")
    """Seconds that the condition must hold before the alert fires."""
    keep_firing_for: NotNegative = 0.0
    """Seconds that the alert goes on firing after the condition has ended."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """How bad it is."""
    description: str = ""
    """What whoever is called should know."""
    escalate_after: Positive | None = None
    """Seconds of firing after which `escalate_to` is told."""
    escalate_to: Name | None = None
    """The notifier of the next level."""

    @model_validator(mode="after")
    def _is_a_rule(self) -> RuleSpec:
        self.rule()
        return self

    def rule(self) -> ThresholdRule | PatternRule:
        """Return the rule itself.

        Raises:
            ValueError: The event or one of the fields does not exist, or the values do not fit.
        """
        return rule_from(self.model_dump(by_alias=True, exclude_none=True))


class ThresholdRuleSpec(RuleSpec):
    """Compares a metric of the last seconds with a threshold."""

    kind: Literal["threshold"]
    window: Positive
    """Seconds."""
    threshold: float
    """The limit."""
    compare: Literal[">", ">=", "<", "<="] = ">"
    """How the metric stands to the threshold when something is wrong."""
    metric: Literal["count", "rate", "ratio", "mean", "min", "max", "percentile"] = "count"
    """What is compared."""
    matching: Filter = Field(default_factory=dict)
    """For ratio: which of the events are counted."""
    measurement: str | None = None
    """For mean, min, max and percentile: the field."""
    quantile: float | None = None
    """For percentile: 0.99 is the 99th."""
    min_events: Whole = 1
    """How many events the window needs to be judged."""


class PatternRuleSpec(RuleSpec):
    """Fires on an event, or on several within a window."""

    kind: Literal["pattern"]
    count: Whole = 1
    """How many events it takes."""
    window: Positive | None = None
    """Within how many seconds."""
    resolve_on: str | None = None
    """The event that ends it."""
    resolve_where: Filter = Field(default_factory=dict)
    """Which of these events."""
    quiet_period: Positive | None = None
    """It also ends when nothing has come for this many seconds."""


AnyRule = Annotated[ThresholdRuleSpec | PatternRuleSpec, Field(discriminator="kind")]


class RuleFile(Section):
    """A file of alert rules, to be held against recordings."""

    rules: Annotated[list[AnyRule], Field(min_length=1)]
    """The rules."""

    @model_validator(mode="after")
    def _all_different(self) -> RuleFile:
        refuse_same_names(self.rules)
        return self


def refuse_same_names(rules: list[AnyRule]) -> None:
    """Refuse rules of which two have the same name.

    Raises:
        ValueError: Two have.
    """
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"two rules are called {twice[0]!r}; give each one a name of its own"
        raise ValueError(message)
