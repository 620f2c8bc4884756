from typing import Any

import pytest

from foundation_lab.alerting import PatternRule, ThresholdRule, rule_from
from foundation_lab.errors import UnknownName
from foundation_lab.telemetry import events
from tests.alerting.driving import BREAKER, REQUEST

THRESHOLD: dict[str, Any] = {"name": "r", "event": REQUEST, "window": 60, "threshold": 3}
PATTERN: dict[str, Any] = {"name": "r", "event": BREAKER, "quiet_period": 60}


def test_a_rule_is_made_of_plain_data() -> None:
    data = {
        "kind": "threshold",
        "name": "errors",
        "event": "request.finished",
        "metric": "ratio",
        "matching": {"outcome": {"not": "ok"}},
        "by": ["client"],
        "compare": ">=",
        "threshold": 0.05,
        "window": 300,
        "for": 60,
        "severity": "critical",
        "notifiers": ["pager"],
        "escalate_after": 900,
        "escalate_to": "manager",
    }
    assert rule_from(data) == ThresholdRule(
        name="errors",
        event="request.finished",
        metric="ratio",
        matching={"outcome": {"not": "ok"}},
        by="client",
        compare=">=",
        threshold=0.05,
        window=300,
        for_=60,
        severity="critical",
        notifiers="pager",
        escalate_after=900,
        escalate_to="manager",
    )


def test_a_pattern_rule_resolves_on_its_own_event_when_only_a_filter_is_given() -> None:
    rule = rule_from(
        {
            "kind": "pattern",
            "name": "open",
            "event": BREAKER,
            "where": {"to": "open"},
            "resolve_where": {"to": "closed"},
        }
    )
    assert isinstance(rule, PatternRule)
    assert rule.resolve_on == BREAKER


def test_an_event_class_names_its_event() -> None:
    rule = PatternRule(name="r", event=events.retry.Exhausted, quiet_period=1)
    assert rule.event == "foundation.retry.exhausted"


def test_a_rule_does_not_change_when_the_data_it_was_made_of_does() -> None:
    where = {"outcome": ["error"]}
    rule = ThresholdRule(**THRESHOLD, where=where)
    where["outcome"].append("ok")
    assert rule.where == {"outcome": ["error"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "needs a name"),
        ({"window": 0}, "window=0"),
        ({"window": float("inf")}, "above 0"),
        ({"window": "60"}, "window='60'"),
        ({"threshold": float("nan")}, "finite"),
        ({"threshold": True}, "finite"),
        ({"compare": "=="}, "use one of > >= < <="),
        ({"metric": "median"}, "use one of count"),
        ({"metric": "ratio"}, "a ratio needs a filter"),
        ({"matching": {"outcome": "ok"}}, "a ratio needs a filter"),
        ({"metric": "mean"}, "name a field for"),
        ({"measurement": "duration"}, "name a field for"),
        ({"metric": "percentile", "measurement": "duration"}, "a percentile needs one"),
        (
            {"metric": "percentile", "measurement": "duration", "quantile": 99},
            "0.99 is the 99th",
        ),
        ({"metric": "mean", "measurement": "outcome"}, "not a number"),
        ({"min_events": 0}, "from 1"),
        ({"min_events": 2}, "needs no minimum"),
        ({"threshold": 0, "compare": ">="}, "without any event"),
        ({"for_": -1}, "0 or more"),
        ({"keep_firing_for": None}, "0 or more"),
        ({"severity": "fatal"}, "info, warning, critical"),
        ({"escalate_after": 5}, "go together"),
        ({"escalate_to": "boss"}, "go together"),
        ({"escalate_after": -5, "escalate_to": "boss"}, "0 or more"),
        ({"repeat_interval": 0}, "above 0"),
        ({"repeat_limit": -1}, "from 0"),
        ({"by": ["client", "client"]}, "each one once"),
        ({"where": {"outcome": {"~": 1}}}, "where: the filter of 'outcome'"),
    ],
)
def test_a_threshold_rule_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ThresholdRule(**{**THRESHOLD, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "from 1"),
        ({"count": 3}, "only when, count is above 1"),
        ({"window": 3}, "only when, count is above 1"),
        ({"quiet_period": None}, "nothing would ever resolve"),
        ({"quiet_period": 0}, "above 0"),
    ],
)
def test_a_pattern_rule_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatternRule(**{**PATTERN, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"event": "request.finishd"},
        {"where": {"outcom": "ok"}},
        {"by": "clients"},
        {"metric": "ratio", "matching": {"outcom": "ok"}},
        {"metric": "mean", "measurement": "duratoin"},
        {"metric": "mean", "measurement": "node"},
    ],
)
def test_a_misspelt_event_or_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnknownName):
        ThresholdRule(**{**THRESHOLD, **change})


def test_fields_of_events_without_a_class_are_not_checked() -> None:
    rule = ThresholdRule(name="r", event="shop.**", where={"colour": "red"}, window=1, threshold=1)
    assert rule.where == {"colour": "red"}


def test_what_the_bus_stamps_can_be_filtered_and_grouped_by() -> None:
    rule = ThresholdRule(**THRESHOLD, by=["node", "service"], where={"process": "play"})
    assert rule.by == ("node", "service")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "use 'threshold' or 'pattern'"),
        ({"kind": "threshold", "name": "r"}, "lacks event, threshold, window"),
        (
            {"kind": "pattern", "name": "r", "event": BREAKER, "treshold": 1},
            "argument of a pattern",
        ),
    ],
)
def test_data_that_makes_no_rule_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule_from(data)
