import math
from collections.abc import Callable, Generator
from typing import Any

import polars as pl
import pytest

from foundation_lab.alerting import (
    InMemoryNotifier,
    Notification,
    PatternRule,
    Route,
    ThresholdRule,
    watch,
)
from foundation_lab.errors import UnknownName
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import Record, catalogue, events
from tests.alerting.driving import BREAKER, REQUEST, closed, finished, opened, playing


def errors(**more: Any) -> ThresholdRule:
    arguments: dict[str, Any] = {"window": 10, "threshold": 2, "compare": ">=", **more}
    return ThresholdRule(name="errors", event=REQUEST, where={"outcome": "error"}, **arguments)


def breaker(**more: Any) -> PatternRule:
    return PatternRule(
        name="open",
        event=BREAKER,
        by="service_id",
        where={"to": "open"},
        resolve_where={"to": "closed"},
        **more,
    )


class Broken:
    """A notifier that cannot be told anything."""

    name = "broken"

    def notify(self, notification: Notification) -> None:
        raise ConnectionError(notification.alert_id)

    def flush(self) -> None:
        raise TimeoutError


def alert_events(sim: Simulation) -> list[tuple[float, str]]:
    found = sim.recording.events.filter(pl.col("event").str.starts_with("foundation.alert."))
    return [(time, name.rsplit(".", 1)[-1]) for time, name in found.select("time", "event").rows()]


def test_every_alert_event_of_the_catalogue_is_emitted() -> None:
    sim = playing([(1, opened()), (20, closed())])
    mail, boss = InMemoryNotifier("mail"), InMemoryNotifier("boss")
    rule = breaker(for_=5, escalate_after=10, escalate_to="boss")
    watch(sim, [rule], notifiers=[mail, boss])
    sim.run()
    emitted = {name for name in sim.recording.counts if name.startswith("foundation.alert.")}
    assert emitted == {name for name in catalogue if name.startswith("foundation.alert.")}
    assert alert_events(sim) == [
        (1, "pending"),
        (6, "firing"),
        (6, "notified"),
        (16, "escalated"),
        (16, "notified"),
        (20, "resolved"),
        (20, "notified"),
        (20, "notified"),
    ]


def test_the_events_say_what_happened_to_the_alert() -> None:
    sim = playing([(1, opened()), (20, closed())])
    watch(
        sim,
        [breaker(for_=5, severity="critical", escalate_after=10, escalate_to="boss")],
        notifiers=[InMemoryNotifier("boss")],
    )
    sim.run()
    firing = sim.recording.frame(events.alert.Firing).row(0, named=True)
    assert (firing["alert_id"], firing["key"], firing["severity"], firing["value"]) == (
        "open/db#1",
        "db",
        "critical",
        1.0,
    )
    assert sim.recording.frame(events.alert.Resolved)["duration"].to_list() == [14]
    escalated = sim.recording.frame(events.alert.Escalated).row(0, named=True)
    assert (escalated["level"], escalated["notifier"], escalated["duration"]) == (1, "boss", 10)


def test_the_cause_leads_from_the_notification_to_the_event_that_triggered_it() -> None:
    sim = playing([(1, finished()), (2, opened())])
    watch(sim, [breaker(for_=5)], notifiers=[InMemoryNotifier("mail")])
    sim.run()
    causes = dict(sim.recording.events.select("sequence", "cause").iter_rows())
    names = dict(sim.recording.events.select("sequence", "event").iter_rows())
    notified = next(n for n, name in names.items() if name == "foundation.alert.notified")
    firing = causes[notified]
    assert names[firing] == "foundation.alert.firing"
    assert names[causes[firing]] == BREAKER


def test_alerts_do_not_become_the_cause_of_what_has_nothing_to_do_with_them() -> None:
    sim = playing([(1, opened())])
    watch(sim, [breaker(for_=3)])
    sim.call_at(5, lambda: sim.telemetry.emit(finished()))
    sim.run()
    assert sim.recording.frame("alert.firing")["time"].to_list() == [4]
    assert sim.recording.frame(REQUEST)["cause"].to_list() == [None]


def test_whoever_hears_of_an_alert_finds_it_in_its_new_state() -> None:
    sim = playing([(1, opened()), (2, closed())])
    alerts = watch(sim, [breaker()])
    seen = []
    sim.telemetry.attach("look", "alert", lambda record: seen.append((record.name, alerts.active)))
    sim.run()
    assert seen == [
        ("foundation.alert.firing", {"open/db#1": "firing"}),
        ("foundation.alert.resolved", {}),
    ]


def test_a_run_ends_although_an_alert_fires_for_ever() -> None:
    sim = playing([(1, opened())])
    rule = breaker(repeat_interval=10, repeat_limit=3, escalate_after=5, escalate_to="boss")
    alerts = watch(sim, [rule], notifiers=[InMemoryNotifier("boss"), InMemoryNotifier("mail")])
    sim.run()
    assert sim.now == 31
    assert alerts.active == {"open/db#1": "firing"}


def test_a_cancelled_deadline_does_not_move_the_clock() -> None:
    sim = playing([(1, opened()), (2, closed())])
    watch(sim, [breaker(for_=100)])
    sim.run()
    assert sim.now == 2


def test_the_window_empties_without_any_event_of_the_model() -> None:
    sim = playing([(1, finished("error")), (2, finished("error"))])
    watch(sim, [errors()])
    sim.run()
    assert alert_events(sim) == [(2, "firing"), (math.nextafter(11, math.inf), "resolved")]


def test_a_notifier_that_fails_breaks_nothing_and_is_recorded() -> None:
    sim = playing([(1, opened()), (2, closed())])
    mail = InMemoryNotifier("mail")
    alerts = watch(sim, [breaker()], notifiers=[Broken(), mail])
    sim.run()
    alerts.finish()
    frame = sim.recording.frame("alert.notified")
    assert frame.select("notifier", "state", "delivered").rows() == [
        ("broken", "firing", False),
        ("mail", "firing", True),
        ("broken", "resolved", False),
        ("mail", "resolved", True),
    ]
    assert alerts.failures == [
        "broken: ConnectionError: open/db#1",
        "broken: ConnectionError: open/db#1",
        "broken: TimeoutError: ",
    ]
    assert "foundation.telemetry.handler.failure" not in sim.recording.counts


def test_a_handler_of_alert_events_that_raises_does_not_stop_the_alerts() -> None:
    sim = playing([(1, opened()), (2, closed())])
    watch(sim, [breaker()], notifiers=[InMemoryNotifier("mail")])

    def broken(record: Record) -> None:
        raise RuntimeError(record.name)

    sim.telemetry.attach("broken", "alert.firing", broken)
    sim.run()
    assert [name for _, name in alert_events(sim)] == ["firing", "notified", "resolved", "notified"]


def test_a_reaction_to_an_alert_comes_after_all_that_the_alert_had_to_say() -> None:
    sim = playing([(1, opened())])
    watch(sim, [breaker()], notifiers=[InMemoryNotifier("mail")])
    sim.telemetry.attach("heal", "alert.firing", lambda _: sim.telemetry.emit(closed()))
    sim.run()
    assert alert_events(sim) == [(1, "firing"), (1, "notified"), (1, "resolved"), (1, "notified")]


def test_a_rule_about_alerts_does_not_feed_on_itself() -> None:
    sim = playing([(1, opened("db")), (2, opened("web"))])
    meta = PatternRule(name="meta", event="alert.firing", by="alert_id", quiet_period=60)
    watch(sim, [breaker(), meta])
    sim.run(until=10)
    assert sim.recording.frame("alert.firing")["alert_id"].to_list() == [
        "open/db#1",
        "meta/open/db#1#1",
        "open/web#1",
        "meta/open/web#1#1",
    ]


def test_notifications_carry_the_rule_and_the_time() -> None:
    sim = playing([(1, opened())])
    mail = InMemoryNotifier("mail")
    rule = breaker(description="The breaker is open", severity="critical")
    watch(sim, [rule], notifiers=[mail], routes=[Route(notifiers=["mail"])])
    sim.run()
    assert mail.notifications == [
        Notification(
            state="firing",
            alert_id="open/db#1",
            rule="open",
            key="db",
            severity="critical",
            description="The breaker is open",
            value=1.0,
            time=1.0,
        )
    ]


def test_an_acknowledged_alert_is_not_escalated() -> None:
    sim = playing([(1, opened())])
    boss = InMemoryNotifier("boss")
    alerts = watch(sim, [breaker(escalate_after=5, escalate_to="boss")], notifiers=[boss])
    sim.call_at(3, lambda: alerts.acknowledge("open/db#1"))
    sim.run()
    assert boss.notifications == []
    assert sim.now == 3


def test_finishing_makes_up_for_the_instant_at_which_the_run_was_stopped() -> None:
    sim = playing([(1, opened())])
    with watch(sim, [breaker(for_=4)]) as alerts:
        sim.run(until=5)
        assert alerts.active == {"open/db#1": "pending"}
    assert alerts.active == {"open/db#1": "firing"}


def test_after_finishing_nothing_is_watched_any_more() -> None:
    sim = playing([(1, opened()), (7, finished("error")), (7, finished("error"))])
    alerts = watch(sim, [breaker(for_=20), errors()])
    sim.run(until=5)
    alerts.finish()
    alerts.finish()
    sim.run()
    assert sim.now == 7
    assert alert_events(sim) == [(1, "pending")]


def test_only_what_comes_after_the_watch_began_is_seen() -> None:
    sim = playing([(1, opened()), (3, opened("web"))])
    sim.run(until=2)
    alerts = watch(sim, [breaker()])
    sim.run()
    assert list(alerts.active) == ["open/web#1"]
    assert (alerts.start, alerts.first) == (2.0, 1)


def test_a_model_behaves_the_same_whether_or_not_it_is_watched() -> None:
    def run(attach: Callable[[Simulation], object]) -> list[tuple[float, str, str]]:
        sim = Simulation(seed=5)
        attach(sim)

        def model(name: str) -> Generator[Any, Any, None]:
            for _ in range(50):
                yield sim.timeout(sim.stream(name).expovariate(1.0))
                outcome = "error" if sim.stream(name).random() < 0.5 else "ok"
                sim.telemetry.emit(finished(outcome, client=name))

        for name in ("a", "b"):
            sim.process(model(name), name=name)
        sim.run()
        frame = sim.recording.frame(REQUEST)
        return frame.select("time", "client", "outcome").rows()

    rule = errors(metric="rate", threshold=0.1, for_=1, by="client")
    assert run(lambda sim: watch(sim, [rule])) == run(lambda _: None)


def test_without_rules_there_is_nothing_to_watch() -> None:
    sim = playing([(1, opened())])
    alerts = watch(sim, [])
    sim.run()
    alerts.finish()
    assert alerts.history.counts.is_empty()


def test_two_notifiers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="the same name"):
        watch(Simulation(), [breaker()], notifiers=[InMemoryNotifier(), InMemoryNotifier()])


def test_a_rule_that_names_nobody_known_is_refused() -> None:
    with pytest.raises(UnknownName, match="mail"):
        watch(Simulation(), [breaker(notifiers="mial")], notifiers=[InMemoryNotifier("mail")])


def test_without_any_notifier_the_events_still_say_who_should_have_been_told() -> None:
    sim = playing([(1, opened())])
    watch(sim, [breaker(notifiers="pager")])
    sim.run()
    notified = sim.recording.frame("alert.notified")
    assert notified.select("notifier", "delivered").rows() == [("pager", False)]


def test_watch_and_history_describe_themselves_in_one_line() -> None:
    sim = playing([(1, opened())])
    alerts = watch(sim, [breaker()])
    sim.run()
    assert repr(alerts) == "<Watch 'alerts': 1 rules, 1 active alerts>"
    assert repr(alerts.history) == "<AlertHistory of 1 rules: 1 firings until 1 s>"
