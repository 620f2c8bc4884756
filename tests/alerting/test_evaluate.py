import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.alerting import Evaluator, PatternRule, ThresholdRule
from tests.alerting.driving import BREAKER, REQUEST, Drive


def after(time: float) -> float:
    return math.nextafter(time, math.inf)


def burst(threshold: float = 3, window: float = 10, for_: float = 0, **more: Any) -> ThresholdRule:
    arguments: dict[str, Any] = {"compare": ">=", "where": {"outcome": "error"}, **more}
    return ThresholdRule(
        name="burst", event=REQUEST, threshold=threshold, window=window, for_=for_, **arguments
    )


def test_without_for_an_alert_fires_with_the_event_that_reaches_the_threshold() -> None:
    drive = Drive(burst()).at(1, outcome="error").at(2, outcome="error").at(2.5, outcome="ok")
    assert drive.story == []
    assert drive.at(3, outcome="error").story == [(3, "firing")]


def test_the_window_lets_go_without_any_new_event() -> None:
    drive = Drive(burst()).at(1, outcome="error").at(2, outcome="error").at(3, outcome="error")
    assert drive.evaluator.next_deadline == after(11)
    assert drive.until(11).story == [(3, "firing")]
    assert drive.until(100).story == [(3, "firing"), (after(11), "resolved")]
    assert drive.transitions[-1].value == 2


def test_an_event_exactly_one_window_old_still_counts() -> None:
    drive = Drive(burst(threshold=2)).at(0, outcome="error").at(10, outcome="error")
    assert drive.story == [(10, "firing")]


def test_an_event_every_window_keeps_the_alert_firing_without_a_gap() -> None:
    drive = Drive(burst(threshold=1))
    for time in range(0, 50, 10):
        drive.at(time, outcome="error")
    assert drive.story == [(0, "firing")]


def test_an_alert_fires_exactly_when_its_for_is_over() -> None:
    drive = Drive(burst(threshold=1, for_=7)).at(2, outcome="error")
    assert drive.evaluator.next_deadline == 9
    assert drive.until(math.nextafter(9, 0)).story == [(2, "pending")]
    assert drive.until(9).story == [(2, "pending"), (9, "firing")]


def test_a_condition_that_ends_at_the_very_instant_fires_first() -> None:
    rule = PatternRule(
        name="open", event=BREAKER, where={"to": "open"}, resolve_where={"to": "closed"}, for_=5
    )
    drive = Drive(rule).at(0, BREAKER, to="open").at(5, BREAKER, to="closed")
    assert drive.story == [(0, "pending"), (5, "firing"), (5, "resolved")]


def test_a_condition_that_ends_before_never_fires() -> None:
    drive = Drive(burst(threshold=1, for_=10.5)).at(0, outcome="error").until(100)
    assert drive.story == [(0, "pending"), (after(10), "inactive")]


def test_flapping_starts_the_for_time_anew() -> None:
    drive = Drive(burst(threshold=1, window=2, for_=3)).at(0, outcome="error")
    drive.at(2.5, outcome="error").at(4, outcome="error").until(5.5)
    assert drive.story == [
        (0, "pending"),
        (after(2), "inactive"),
        (2.5, "pending"),
        (5.5, "firing"),
    ]


def test_alerts_of_one_rule_are_numbered_from_1() -> None:
    drive = Drive(burst(threshold=1, window=1)).at(0, outcome="error").at(5, outcome="error")
    assert [step.alert_id for step in drive.transitions] == ["burst#1", "burst#1", "burst#2"]


def test_each_key_has_an_alert_of_its_own() -> None:
    drive = Drive(burst(threshold=2, by="client"))
    for time, client in enumerate(["web", "app", "app", "web"]):
        drive.at(time, outcome="error", client=client)
    assert drive.keyed == [(2, "app", "firing"), (3, "web", "firing")]
    assert [step.alert_id for step in drive.transitions] == ["burst/app#1", "burst/web#1"]


def test_several_fields_make_one_key() -> None:
    drive = Drive(burst(threshold=1, by=["client", "node"]))
    drive.at(0, outcome="error", client="a,b", node="n").at(1, outcome="error", client="a")
    assert [step.key for step in drive.transitions] == ["a\\,b,n", "a,"]


def test_keys_that_are_long_gone_are_forgotten_but_not_their_numbers() -> None:
    drive = Drive(burst(threshold=2, window=1, by="client"))
    drive.at(0, outcome="error", client="old").at(0, outcome="error", client="old")
    for time in range(10, 500):
        drive.at(time, outcome="error", client=f"c{time}")
    drive.at(500, outcome="error", client="old").at(500, outcome="error", client="old")
    assert drive.transitions[-1].alert_id == "burst/old#2"


def test_an_alert_goes_on_firing_for_as_long_as_it_is_told_to() -> None:
    drive = Drive(burst(threshold=1, window=2, keep_firing_for=5))
    drive.at(0, outcome="error").at(6, outcome="error").until(100)
    assert drive.story == [(0, "firing"), (after(8) + 5, "resolved")]


def test_a_ratio_needs_its_minimum_of_events() -> None:
    rule = ThresholdRule(
        name="ratio",
        event=REQUEST,
        metric="ratio",
        matching={"outcome": {"not": "ok"}},
        window=10,
        threshold=0.5,
        compare=">=",
        min_events=3,
    )
    drive = Drive(rule).at(0, outcome="error").at(1, outcome="ok")
    assert drive.story == []
    drive.at(2, outcome="timeout")
    assert drive.story == [(2, "firing")]
    assert drive.transitions[0].value == pytest.approx(2 / 3)
    assert drive.until(50).story == [(2, "firing"), (after(10), "resolved")]
    assert drive.transitions[-1].value is None


def test_a_ratio_can_rise_because_good_events_leave() -> None:
    rule = ThresholdRule(
        name="ratio",
        event=REQUEST,
        metric="ratio",
        matching={"outcome": "error"},
        window=10,
        threshold=0.5,
    )
    drive = Drive(rule).at(0, outcome="ok").at(1, outcome="error").until(50)
    assert drive.story == [(after(10), "firing"), (after(11), "resolved")]


def test_a_rate_is_events_a_second() -> None:
    drive = Drive(burst(metric="rate", threshold=0.3)).at(0, outcome="error").at(1, outcome="error")
    assert drive.story == []
    assert drive.at(2, outcome="error").transitions[0].value == 0.3


def test_too_few_events_fire_only_after_a_whole_window_was_seen() -> None:
    rule = ThresholdRule(name="silent", event=REQUEST, window=10, threshold=1, compare="<")
    drive = Drive(rule, start=5)
    assert drive.evaluator.next_deadline == 15
    assert drive.until(20).story == [(15, "firing")]
    assert drive.transitions[0].cause is None
    drive.at(21).until(40)
    assert drive.story == [(15, "firing"), (21, "resolved"), (after(31), "firing")]


def test_a_key_is_missed_a_window_after_its_last_event() -> None:
    rule = ThresholdRule(name="m", event=REQUEST, by="client", window=10, threshold=1, compare="<")
    drive = Drive(rule).at(3, client="web").at(8, client="web").until(100)
    assert drive.keyed == [(after(18), "web", "firing")]


@pytest.mark.parametrize(
    ("metric", "quantile", "values", "expected"),
    [
        ("mean", None, [1.0, 2.0, 6.0], 3.0),
        ("min", None, [4.0, 2.0, 6.0], 2.0),
        ("max", None, [1.0, 2.0, 6.0], 6.0),
        ("percentile", 0.75, [1.0, 2.0, 6.0], 4.0),
    ],
)
def test_a_measurement_is_summed_up_by_the_metric(
    metric: str, quantile: float | None, values: list[float], expected: float
) -> None:
    rule = ThresholdRule(
        name="m",
        event=REQUEST,
        metric=metric,  # type: ignore[arg-type]  # parametrised
        measurement="duration",
        quantile=quantile,
        window=10,
        threshold=0,
        min_events=3,
    )
    drive = Drive(rule)
    for time, value in enumerate(values):
        drive.at(time, duration=value)
    assert drive.transitions[0].value == expected


def test_events_without_a_finite_measurement_are_left_out() -> None:
    rule = ThresholdRule(
        name="m", event=REQUEST, metric="max", measurement="duration", window=9, threshold=1
    )
    drive = Drive(rule).at(0, duration=None).at(1, duration=math.inf).at(2, duration=2.0)
    assert drive.story == [(2, "firing")]


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]), min_size=1, max_size=30),
    values=st.lists(st.integers(min_value=0, max_value=5), min_size=30, max_size=30),
    metric=st.sampled_from(["count", "mean", "min", "max", "percentile"]),
    compare=st.sampled_from([">", ">=", "<", "<="]),
    threshold=st.integers(min_value=1, max_value=4),
)
def test_whether_an_alert_fires_agrees_with_a_plain_look_at_the_window(
    gaps: list[float], values: list[int], metric: str, compare: str, threshold: int
) -> None:
    rule = ThresholdRule(
        name="r",
        event=REQUEST,
        metric=metric,  # type: ignore[arg-type]  # drawn
        measurement=None if metric == "count" else "duration",
        quantile=0.5 if metric == "percentile" else None,
        window=3,
        threshold=threshold,
        compare=compare,
    )
    drive = Drive(rule)
    now, seen = 0.0, list[tuple[float, int]]()
    for gap, value in zip(gaps, values, strict=False):
        for instant in sorted([now + gap / 2, after(now + 3)]):
            if now < instant < now + gap:
                assert bool(drive.until(instant).evaluator.active) == _expected(rule, seen, instant)
        now += gap
        drive.at(now, duration=value)
        seen.append((now, value))
        assert bool(drive.evaluator.active) == _expected(rule, seen, now)


def _expected(rule: ThresholdRule, seen: list[tuple[float, int]], now: float) -> bool:
    inside = [value for time, value in seen if now <= time + rule.window]
    if rule.metric == "count":
        if rule.compare.startswith("<") and now < rule.window:
            return False
        number = float(len(inside))
    elif not inside:
        return False
    else:
        sums: dict[str, Any] = {
            "mean": np.mean,
            "min": np.min,
            "max": np.max,
            "percentile": np.median,
        }
        number = float(sums[rule.metric](inside))
    compare = {">": number > rule.threshold, ">=": number >= rule.threshold}
    compare |= {"<": number < rule.threshold, "<=": number <= rule.threshold}
    return compare[rule.compare]


def test_a_pattern_fires_on_an_event_and_is_resolved_by_another_of_the_same_key() -> None:
    rule = PatternRule(
        name="open",
        event=BREAKER,
        by="service_id",
        where={"to": "open"},
        resolve_where={"to": "closed"},
    )
    drive = Drive(rule).at(1, BREAKER, service_id="db", to="open")
    drive.at(2, BREAKER, service_id="web", to="closed").at(3, BREAKER, service_id="db", to="closed")
    assert drive.keyed == [(1, "db", "firing"), (3, "db", "resolved")]
    assert [step.cause for step in drive.transitions] == [0, 2]


def test_an_event_that_resolves_is_not_one_that_fires() -> None:
    rule = PatternRule(name="any", event=BREAKER, resolve_where={"to": "closed"})
    drive = Drive(rule).at(1, BREAKER, to="closed").at(2, BREAKER, to="open")
    assert drive.at(3, BREAKER, to="closed").story == [(2, "firing"), (3, "resolved")]


def test_a_pattern_of_several_events_needs_them_within_its_window() -> None:
    rule = PatternRule(name="n", event=REQUEST, count=3, window=10, quiet_period=4)
    drive = Drive(rule).at(0).at(5).at(10.5).at(15).until(100)
    assert drive.story == [(15, "firing"), (after(19), "resolved")]


def test_three_events_exactly_one_window_apart_are_within_it() -> None:
    rule = PatternRule(name="n", event=REQUEST, count=3, window=10, quiet_period=4)
    assert Drive(rule).at(0).at(5).at(10).story == [(10, "firing")]


def test_counting_starts_anew_once_resolved() -> None:
    rule = PatternRule(
        name="n", event=REQUEST, count=2, window=100, resolve_on=BREAKER, where={"outcome": "error"}
    )
    drive = Drive(rule).at(0, outcome="error").at(1, outcome="error").at(2, BREAKER)
    drive.at(3, outcome="error")
    assert drive.story == [(1, "firing"), (2, "resolved")]
    assert drive.at(4, outcome="error").story[-1] == (4, "firing")


def test_an_event_at_the_end_of_the_quiet_period_still_breaks_it() -> None:
    rule = PatternRule(name="q", event=REQUEST, quiet_period=10)
    drive = Drive(rule).at(0).at(10).until(100)
    assert drive.story == [(0, "firing"), (after(20), "resolved")]


def test_an_alert_that_fires_is_not_fired_again_by_more_of_the_same() -> None:
    drive = Drive(PatternRule(name="q", event=REQUEST, quiet_period=10))
    for time in range(20):
        drive.at(time)
    assert drive.story == [(0, "firing")]


def test_the_cause_of_firing_is_the_event_with_which_the_condition_began() -> None:
    drive = Drive(burst(threshold=2, for_=3)).at(0, outcome="error").at(1, outcome="error")
    drive.at(2, outcome="error").until(4)
    assert [(step.state, step.cause) for step in drive.transitions] == [
        ("pending", 1),
        ("firing", 1),
    ]


def test_events_of_alerts_are_seen_only_by_a_rule_that_asks() -> None:
    everything = PatternRule(name="all", event="**", quiet_period=1)
    asking = PatternRule(name="meta", event="alert.firing", quiet_period=1)
    drive = Drive(everything, asking).at(0, "foundation.alert.firing", rule="other")
    assert [step.rule for step in drive.transitions] == ["meta"]


def test_a_rule_about_alerts_does_not_see_those_of_another_one() -> None:
    rules = [PatternRule(name=n, event="alert.firing", quiet_period=1) for n in ("one", "two")]
    assert Drive(*rules).at(0, "foundation.alert.firing", rule="two").story == []


def test_nothing_that_time_could_change_means_no_deadline() -> None:
    drive = Drive(burst()).at(0, outcome="error")
    assert drive.evaluator.next_deadline is None


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two rules are called 'burst'"):
        Evaluator([burst(), burst(threshold=9)])


def test_time_cannot_go_back() -> None:
    with pytest.raises(ValueError, match="feed events in order"):
        Drive(burst()).until(5).until(4)
