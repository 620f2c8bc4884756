from typing import Any

import pytest

from foundation_lab.alerting import Delivery, Observation, Pager, PatternRule, Route, ThresholdRule
from foundation_lab.errors import UnknownName
from tests.alerting.driving import BREAKER, REQUEST

Told = tuple[float, str, str, int, int]


def breaker(name: str = "open", **more: Any) -> PatternRule:
    return PatternRule(
        name=name, event=BREAKER, where={"to": "open"}, resolve_where={"to": "closed"}, **more
    )


def told(pager: Pager, *script: tuple[float, str], until: float = 1000.0) -> list[Told]:
    steps = []
    for sequence, (time, to) in enumerate(script):
        steps += pager.feed(Observation(sequence, time, BREAKER, {"to": to}))
    steps += pager.advance(until)
    return [
        (step.time, step.notifier, step.transition.state, step.level, step.reminder)
        for step in steps
        if isinstance(step, Delivery)
    ]


def test_each_state_is_told_once_to_each_notifier_of_the_rule() -> None:
    pager = Pager([breaker(notifiers=["mail", "pager"])])
    assert told(pager, (1, "open"), (2, "open"), (3, "closed"), (4, "closed")) == [
        (1, "mail", "firing", 0, 0),
        (1, "pager", "firing", 0, 0),
        (3, "mail", "resolved", 0, 0),
        (3, "pager", "resolved", 0, 0),
    ]


def test_a_second_alert_is_told_again() -> None:
    pager = Pager([breaker(notifiers="mail")])
    states = [state for _, _, state, _, _ in told(pager, (1, "open"), (2, "closed"), (3, "open"))]
    assert states == ["firing", "resolved", "firing"]


def test_a_pending_alert_is_told_to_nobody() -> None:
    pager = Pager([breaker(notifiers="mail", for_=5)])
    assert told(pager, (1, "open"), (3, "closed")) == []


def test_routes_choose_by_severity_and_by_rule() -> None:
    rules = [
        breaker("db-open", severity="critical"),
        breaker("web-open"),
        breaker("own", notifiers="x"),
    ]
    routes = [
        Route(notifiers=["pager"], severities=["critical"]),
        Route(notifiers=["db-team", "pager"], rules=["db-*"]),
        Route(notifiers=["log"]),
    ]
    pager = Pager(rules, routes)
    steps = pager.feed(Observation(0, 1, BREAKER, {"to": "open"}))
    found = [(s.transition.rule, s.notifier) for s in steps if isinstance(s, Delivery)]
    assert found == [
        ("db-open", "pager"),
        ("db-open", "db-team"),
        ("db-open", "log"),
        ("web-open", "log"),
        ("own", "x"),
    ]


def test_without_routes_everybody_is_told_but_the_one_it_escalates_to() -> None:
    rule = breaker(escalate_after=10, escalate_to="boss")
    pager = Pager([rule], notifiers=["mail", "boss"])
    assert told(pager, (0, "open"), until=5) == [(0, "mail", "firing", 0, 0)]


def test_an_alert_is_escalated_once_exactly_when_it_has_fired_for_long_enough() -> None:
    pager = Pager([breaker(notifiers="mail", for_=2, escalate_after=5, escalate_to="boss")])
    assert told(pager, (1, "open"), (100, "closed")) == [
        (3, "mail", "firing", 0, 0),
        (8, "boss", "firing", 1, 0),
        (100, "mail", "resolved", 0, 0),
        (100, "boss", "resolved", 1, 0),
    ]


def test_an_alert_that_is_resolved_before_is_not_escalated() -> None:
    pager = Pager([breaker(notifiers="mail", escalate_after=5, escalate_to="boss")])
    assert told(pager, (1, "open"), (5.9, "closed"))[-1] == (5.9, "mail", "resolved", 0, 0)


def test_an_alert_that_time_resolves_at_the_very_instant_is_not_escalated() -> None:
    rule = breaker(notifiers="mail", keep_firing_for=3, escalate_after=5, escalate_to="boss")
    assert told(Pager([rule]), (1, "open"), (3, "closed")) == [
        (1, "mail", "firing", 0, 0),
        (6, "mail", "resolved", 0, 0),
    ]


def test_an_alert_that_an_event_resolves_at_the_very_instant_was_escalated_before() -> None:
    rule = breaker(notifiers="mail", escalate_after=5, escalate_to="boss")
    assert told(Pager([rule]), (1, "open"), (6, "closed")) == [
        (1, "mail", "firing", 0, 0),
        (6, "boss", "firing", 1, 0),
        (6, "mail", "resolved", 0, 0),
        (6, "boss", "resolved", 1, 0),
    ]


def test_an_acknowledged_alert_is_neither_escalated_nor_reminded_of() -> None:
    rule = breaker(notifiers="mail", repeat_interval=4, escalate_after=5, escalate_to="boss")
    pager = Pager([rule])
    pager.feed(Observation(0, 1, BREAKER, {"to": "open"}))
    pager.router.acknowledge("open#1")
    assert pager.next_deadline is None
    assert pager.advance(100) == []
    with pytest.raises(UnknownName, match=r"open#1"):
        pager.router.acknowledge("open#2")


def test_reminders_come_at_their_interval_and_come_to_an_end() -> None:
    rule = breaker(notifiers="mail", repeat_interval=10, repeat_limit=2)
    assert told(Pager([rule]), (1, "open")) == [
        (1, "mail", "firing", 0, 0),
        (11, "mail", "firing", 0, 1),
        (21, "mail", "firing", 0, 2),
    ]


def test_reminders_stop_when_the_alert_is_resolved() -> None:
    rule = breaker(notifiers="mail", repeat_interval=10)
    found = told(Pager([rule]), (1, "open"), (15, "closed"))
    assert [(time, state) for time, _, state, _, _ in found] == [
        (1, "firing"),
        (11, "firing"),
        (15, "resolved"),
    ]


def test_a_notifier_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="mial"):
        Pager([breaker(notifiers="mial")], notifiers=["mail"])
    with pytest.raises(UnknownName, match="boss"):
        Pager([breaker(escalate_after=1, escalate_to="boss")], notifiers=["mail"])
    with pytest.raises(UnknownName, match="nobody"):
        Pager([breaker()], [Route(notifiers=["nobody"])], ["mail"])


def test_deadlines_of_the_evaluator_and_the_router_are_met_in_order_of_time() -> None:
    late = ThresholdRule(name="late", event=REQUEST, window=4, threshold=1, compare="<")
    rule = breaker(notifiers="mail", escalate_after=2, escalate_to="boss")
    pager = Pager([late, rule])
    pager.feed(Observation(0, 1, BREAKER, {"to": "open"}))
    steps = pager.advance(50)
    assert [(step.time, type(step).__name__) for step in steps] == [
        (3, "Delivery"),
        (4, "Transition"),
    ]
