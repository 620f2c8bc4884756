import time as wall
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.alerting import (
    InMemoryNotifier,
    PatternRule,
    Route,
    ThresholdRule,
    backtest,
    watch,
)
from foundation_lab.alerting.backtest import observations
from foundation_lab.recording.recording import Recording
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import Event, events
from tests.alerting.driving import BREAKER, REQUEST, closed, finished, opened, playing

NOTIFIERS = ("mail", "boss")
RULES: list[ThresholdRule | PatternRule] = [
    ThresholdRule(
        name="count", event=REQUEST, where={"outcome": "error"}, window=4, threshold=1, for_=2
    ),
    ThresholdRule(
        name="ratio",
        event="request",
        where={"outcome": {"not": None}},
        metric="ratio",
        matching={"outcome": {"not": "ok"}},
        by="client",
        window=3,
        threshold=0.5,
        compare=">=",
        min_events=2,
        keep_firing_for=1,
        escalate_after=2,
        escalate_to="boss",
    ),
    ThresholdRule(
        name="slow",
        event=REQUEST,
        metric="percentile",
        quantile=0.75,
        measurement="duration",
        window=5,
        threshold=0.5,
        by=["service", "outcome"],
    ),
    ThresholdRule(name="silent", event=REQUEST, window=3, threshold=1, compare="<", for_=1),
    PatternRule(
        name="open",
        event=BREAKER,
        by="service_id",
        where={"to": "open"},
        resolve_where={"to": "closed"},
        repeat_interval=1,
        repeat_limit=2,
    ),
    PatternRule(name="often", event="**", count=3, window=2, quiet_period=1, notifiers=["boss"]),
    PatternRule(name="own", event="shop.order", where={"vip": True}, by="amount", quiet_period=2),
    PatternRule(name="meta", event="alert.firing", by="rule", count=2, window=9, quiet_period=3),
]

EVENTS = st.one_of(
    st.builds(
        finished,
        st.sampled_from(["ok", "error", "timeout"]),
        st.sampled_from(["web", "app"]),
        st.sampled_from([0.1, 0.5, 1.0, float("nan")]),
    ),
    st.builds(opened, st.sampled_from(["db", "web"])),
    st.builds(closed, st.sampled_from(["db", "web"])),
    st.builds(events.request.Started, st.just("web")),
)
SCRIPTS = st.lists(st.tuples(st.sampled_from([0, 0, 0.5, 1, 1.5, 3]), EVENTS), max_size=25)


@settings(deadline=None, max_examples=150)
@given(
    gaps=SCRIPTS,
    until=st.sampled_from([None, 5.0, 7.5, 40.0]),
    healing=st.booleans(),
    begin=st.sampled_from([None, 2.0]),
)
def test_a_backtest_tells_what_the_running_simulation_told(
    *, gaps: list[tuple[float, Event]], until: float | None, healing: bool, begin: float | None
) -> None:
    script, now = [], 0.0
    for gap, event in gaps:
        now += gap
        script.append((now, event))
    sim = playing(script)
    if begin is not None:
        sim.run(until=begin)
    told = [InMemoryNotifier(name) for name in NOTIFIERS]
    alerts = watch(sim, RULES, notifiers=told)
    if healing:
        sim.telemetry.attach("heal", "alert.firing", lambda record: react(sim, record["key"]))
    sim.run(until=until)
    alerts.finish()
    recording = sim.recording
    tested = backtest(recording, RULES, notifiers=NOTIFIERS, start=alerts.start, first=alerts.first)
    assert tested.steps == alerts.history.steps
    assert tested.transitions.equals(alerts.history.transitions)
    for state in ("pending", "firing", "resolved"):
        recorded = recording.frame(f"alert.{state}").select("time", "rule", "alert_id", "key")
        mine = tested.transitions.filter(state=state).select(recorded.columns)
        assert mine.equals(recorded)
    notified = recording.frame("alert.notified").select("time", "alert_id", "notifier", "state")
    assert tested.deliveries.select(notified.columns).equals(notified)
    assert sum(len(notifier.notifications) for notifier in told) == notified.height


def react(sim: Simulation, key: str) -> None:
    if key in ("db", "web"):
        sim.telemetry.emit(closed(key))
    sim.telemetry.emit("shop.order", {"amount": 3}, {"vip": True})


def story() -> Recording:
    """Return a run in which the breaker opens twice, and errors come and go."""
    script: list[tuple[float, Event]] = [(t, finished("error")) for t in range(10)]
    script += [(10, opened()), (15, closed()), (20, opened()), (25, finished())]
    sim = playing(script)
    sim.run(until=30)
    return sim.recording


BREAKER_RULE = PatternRule(
    name="open",
    event=BREAKER,
    by="service_id",
    where={"to": "open"},
    resolve_where={"to": "closed"},
    for_=2,
    escalate_after=4,
    escalate_to="boss",
    notifiers=["mail"],
)


def test_the_episodes_say_when_an_alert_began_fired_and_ended() -> None:
    history = backtest(story(), [BREAKER_RULE])
    assert history.episodes.select(
        "alert_id", "state", "pending_at", "firing_at", "resolved_at", "duration"
    ).rows() == [
        ("open/db#1", "resolved", 10, 12, 15, 3),
        ("open/db#2", "firing", 20, 22, None, 8),
    ]


def test_the_transitions_say_every_change() -> None:
    history = backtest(story(), [BREAKER_RULE])
    columns = ("time", "rule", "alert_id", "key", "state", "value", "severity", "cause")
    assert history.transitions.columns == list(columns)
    assert history.transitions.row(0) == (
        10,
        "open",
        "open/db#1",
        "db",
        "pending",
        1,
        "warning",
        10,
    )
    assert history.transitions["state"].to_list() == [
        "pending",
        "firing",
        "resolved",
        "pending",
        "firing",
    ]


def test_the_deliveries_say_who_would_have_been_told() -> None:
    history = backtest(story(), [BREAKER_RULE])
    assert history.deliveries.select("time", "notifier", "state", "level").rows() == [
        (12, "mail", "firing", 0),
        (15, "mail", "resolved", 0),
        (22, "mail", "firing", 0),
        (26, "boss", "firing", 1),
    ]


def test_the_counts_have_a_row_for_every_rule_also_for_one_that_was_quiet() -> None:
    quiet = ThresholdRule(name="quiet", event="retry.exhausted", window=60, threshold=3)
    history = backtest(story(), [BREAKER_RULE, quiet])
    assert history.counts.rows() == [
        ("open", 2, 2, 1, 0, 4, 1),
        ("quiet", 0, 0, 0, 0, 0, 0),
    ]


def test_an_alert_that_never_fires_is_an_episode_without_a_duration() -> None:
    rule = PatternRule(
        name="r", event=BREAKER, where={"to": "open"}, resolve_where={"to": "closed"}, for_=7
    )
    history = backtest(story(), [rule])
    assert history.episodes.select("state", "firing_at", "duration").row(0) == (
        "inactive",
        None,
        None,
    )


def test_routes_are_backtested_too() -> None:
    rule = PatternRule(name="r", event=BREAKER, quiet_period=1, severity="critical")
    routes = [Route(notifiers=["pager"], severities=["critical"])]
    assert backtest(story(), [rule], routes=routes).deliveries["notifier"][0] == "pager"


def test_time_goes_on_to_the_end_of_the_recording() -> None:
    silent = ThresholdRule(name="s", event=REQUEST, window=3, threshold=1, compare="<", for_=1)
    history = backtest(story(), [silent])
    assert history.transitions["time"].to_list()[-1] == pytest.approx(29)
    assert history.transitions["state"].to_list() == [
        "pending",
        "firing",
        "resolved",
        "pending",
        "firing",
    ]


def test_a_recording_without_events_has_a_history_without_rows() -> None:
    sim = Simulation()
    sim.run(until=10)
    history = backtest(sim.recording, [BREAKER_RULE])
    assert history.transitions.is_empty()
    assert history.episodes.is_empty()
    assert history.deliveries.schema["level"] == pl.Int64


def test_a_recording_that_was_saved_and_loaded_gives_the_same_history(tmp_path: Path) -> None:
    recording = story()
    loaded = Recording.load(recording.save(tmp_path / "run"))
    rules = [rule for rule in RULES if rule.name != "meta"]
    assert backtest(loaded, rules).steps == backtest(recording, rules).steps


def test_a_recording_that_was_spilled_to_disk_gives_the_same_history() -> None:
    sim = Simulation(row_limit=5)
    for number in range(23):
        sim.telemetry.emit(opened() if number % 3 else closed())
    rule = PatternRule(
        name="open", event=BREAKER, where={"to": "open"}, resolve_where={"to": "closed"}
    )
    history = backtest(sim.recording, [rule])
    assert history.counts.select("firing", "resolved").row(0) == (8, 7)


def test_only_rows_that_pass_a_filter_are_read() -> None:
    rules = [
        PatternRule(name="a", event=BREAKER, where={"to": "open"}, quiet_period=1),
        PatternRule(name="b", event=REQUEST, where={"duration": {">": 9}}, quiet_period=1),
    ]
    read = [(seen.sequence, seen.fields["to"]) for seen in observations(story(), rules)]
    assert read == [(10, "open"), (12, "open")]


def test_two_hundred_thousand_events_take_a_few_seconds() -> None:
    sim = Simulation(seed=3)
    draw = sim.stream("requests")

    def requests() -> Any:
        for number in range(200_000):
            if number % 10 == 0:
                yield sim.timeout(draw.expovariate(10))
            sim.telemetry.emit(finished("error" if draw.random() < 0.3 else "ok"))

    sim.process(requests())
    sim.run()
    ratio = ThresholdRule(
        name="ratio",
        event=REQUEST,
        metric="ratio",
        matching={"outcome": {"not": "ok"}},
        window=60,
        threshold=0.3,
        for_=5,
    )
    recording = sim.recording
    began = wall.process_time()
    history = backtest(recording, [ratio])
    assert wall.process_time() - began < 20
    assert history.counts["firing"][0] > 0


def test_events_from_before_the_watch_can_be_left_out() -> None:
    sim = Simulation(seed=1)
    sim.telemetry.emit(opened())
    alerts = watch(sim, [BREAKER_RULE])
    sim.run(until=10)
    assert alerts.history.transitions.is_empty()
    assert backtest(sim.recording, [BREAKER_RULE], first=alerts.first).transitions.is_empty()
    assert backtest(sim.recording, [BREAKER_RULE]).counts["firing"].to_list() == [1]


def test_nan_is_no_value_live_and_in_a_recording() -> None:
    sim = playing([(1, finished(duration=float("nan"))), (2, finished())])
    rule = PatternRule(name="r", event=REQUEST, where={"duration": None}, quiet_period=5)
    alerts = watch(sim, [rule])
    sim.run()
    assert alerts.history.counts["firing"].to_list() == [1]
    assert backtest(sim.recording, [rule]).steps == alerts.history.steps
