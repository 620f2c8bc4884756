"""Run, reproduce, replay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab import lab
from foundation_lab.alerting import InMemoryNotifier, watch
from foundation_lab.errors import (
    EventsNotKept,
    InvalidFile,
    InvalidRecording,
    SimulationFailed,
    UnknownName,
)
from foundation_lab.recording.aggregates import Aggregates
from foundation_lab.recording.recording import Recording
from foundation_lab.scenario.build import build
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.model import Scenario
from foundation_lab.services import Backend
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from tests.scenario.shop import shop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from simpy.events import Event

    from foundation_lab.telemetry.record import Record

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def recording(path: Path) -> Recording:
    return lab.run(path)


def once_after(time: float) -> Callable[[Any], None]:
    """Return what raises SIGINT, once, when it is told a later time or given a later record."""
    waiting = [time]

    def interrupt(what: Any) -> None:
        if waiting and getattr(what, "time", what) > waiting[0]:
            waiting.clear()
            signal.raise_signal(signal.SIGINT)

    return interrupt


# Running


def test_a_run_goes_to_the_horizon_and_is_complete(recording: Recording) -> None:
    facts = recording.facts
    assert (facts.name, facts.seed, facts.until, facts.status) == ("shop", 7, 60, "complete")
    assert facts.start == "2026-03-02T09:00:00+00:00"
    assert facts.scenario is not None


def test_the_shop_uses_every_part_of_a_scenario(recording: Recording) -> None:
    families = {name.split(".")[1] for name in recording.counts}
    assert families == {
        "alert",
        "backend",
        "circuit_breaker",
        "connection",
        "fault",
        "mabeam",
        "rate_limiter",
        "request",
        "retry",
        "service",
        "supervisor",
    }


def test_seed_horizon_and_overrides_change_the_run(path: Path) -> None:
    changed = lab.run(path, seed=9, until=2, overrides=["name=other"])
    assert (changed.facts.name, changed.facts.seed, changed.facts.until) == ("other", 9, 2)
    assert changed.events.filter(pl.col("time") > 2).is_empty()


def test_a_scenario_made_in_python_runs_as_its_file_does(path: Path) -> None:
    scenario = load_scenario(path)
    assert lab.run(scenario, until=3).digest == lab.run(path, until=3).digest
    assert lab.run(scenario, until=3, seed=8).digest == lab.run(path, until=3, seed=8).digest
    assert scenario.seed == 7


def test_a_scenario_made_in_python_takes_no_overrides(path: Path) -> None:
    with pytest.raises(ValueError, match=r"seed=1.* change a file"):
        lab.run(load_scenario(path), overrides=["seed=1"])


def test_a_wrong_seed_or_horizon_is_refused(path: Path) -> None:
    with pytest.raises(InvalidFile, match="greater than 0"):
        lab.run(path, until=0)
    with pytest.raises(ValueError, match="greater than 0"):
        lab.run(load_scenario(path), until=0)


def test_equal_seeds_give_equal_digests_and_others_do_not(path: Path) -> None:
    first = lab.run(path, until=5)
    assert lab.run(path, until=5).digest == first.digest
    assert lab.run(path, until=5, row_limit=500).digest == first.digest
    assert lab.run(path, until=5, seed=8).digest != first.digest


def test_equal_seeds_give_equal_digests_in_processes_that_hash_differently(path: Path) -> None:
    program = "import sys\nfrom foundation_lab import lab\nprint(lab.run(sys.argv[1]).digest)\n"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {lab.run(path).digest + "\n"}


def test_progress_is_told_the_virtual_time(path: Path) -> None:
    times: list[float] = []
    lab.run(path, progress=times.append)
    assert len(times) > 1
    assert times == sorted(times)
    assert times[-1] <= 60


def test_a_rule_escalates_to_whom_it_names_and_to_nobody_unknown(tmp_path: Path) -> None:
    path = shop(
        tmp_path,
        (
            "    name: errors\n",
            "    name: errors\n    escalate_to: boss\n    escalate_after: 0.001\n",
        ),
    )
    escalated = lab.run(path).frame(events.alert.Escalated)
    assert set(escalated["notifier"]) == {"boss"}
    with pytest.raises(UnknownName, match="boss"):
        lab.run(path, notifiers=[InMemoryNotifier("bob")])


def test_notifiers_are_told_of_the_alerts_of_the_scenario(path: Path) -> None:
    memory = InMemoryNotifier("memory")
    recorded = lab.run(path, notifiers=[memory])
    told = [(each.rule, each.state) for each in memory.notifications]
    notified = recorded.frame(events.alert.Notified)
    assert told == notified.select("rule", "state").rows()
    assert {"errors", "opened"} == {rule for rule, _ in told}


# Failing


def failing(sim: Simulation) -> Generator[Event, Any, None]:
    sim.telemetry.emit("shop.order.placed", {"amount": 1.0})
    yield sim.timeout(2)
    raise ZeroDivisionError("no customers")


def test_a_model_that_fails_does_not_lose_its_recording() -> None:
    sim = Simulation(seed=3, name="broken")
    sim.process(failing(sim))
    with pytest.raises(SimulationFailed, match=r"at t=2 s: ZeroDivisionError: no") as caught:
        lab.finish(sim, 10)
    recorded = caught.value.recording
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert recorded.facts.status == "failed"
    assert recorded.facts.error == "ZeroDivisionError: no customers"
    assert recorded.facts.until == 2
    assert recorded.counts == {"shop.order.placed": 1}


def test_a_sealed_recording_takes_nothing_more() -> None:
    sim = Simulation(seed=3)
    recorded = lab.finish(sim, 10)
    sim.telemetry.emit("shop.order.placed", {"amount": 1.0})
    assert len(recorded) == len(sim.recording) == 0


# Interrupting


def test_the_first_ctrl_c_ends_the_run_and_keeps_the_recording(path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    recorded = lab.run(path, progress=once_after(20))
    assert recorded.facts.status == "interrupted"
    assert 20 < recorded.facts.until < 60
    assert recorded.events.filter(pl.col("time") > recorded.facts.until).is_empty()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_ctrl_c_breaks_the_run(path: Path) -> None:
    def twice(now: float) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        lab.run(path, progress=twice)


def test_a_run_outside_of_the_main_thread_leaves_signals_alone(path: Path) -> None:
    recorded: list[Recording] = []
    thread = threading.Thread(target=lambda: recorded.append(lab.run(path, until=1)))
    thread.start()
    thread.join()
    assert recorded[0].facts.status == "complete"


def test_an_interrupted_run_can_be_saved_and_reproduced(path: Path, tmp_path: Path) -> None:
    recorded = lab.run(path, progress=once_after(20))
    loaded = Recording.load(recorded.save(tmp_path / "run"))
    assert loaded.facts.status == "interrupted"
    again = lab.reproduce(loaded)
    assert again.identical
    assert len(again.recording) >= len(loaded)


@pytest.mark.parametrize("name", ["request.started", "fault.injected", "service.restarted"])
def test_a_run_that_is_interrupted_in_the_middle_of_an_instant_is_reproduced(
    tmp_path: Path, name: str
) -> None:
    scenario = load_scenario(shop(tmp_path)).model_copy(update={"alerts": []})
    sim = build(scenario)
    sim.telemetry.attach("interrupt", name, once_after(10), on_error="raise")
    recorded = lab.finish(sim, 60)
    assert recorded.facts.status == "interrupted"
    assert recorded.events["event"][-1] != "foundation.request.finished"
    assert lab.reproduce(recorded).identical


# Reproducing


def test_a_run_is_reproduced_event_by_event(recording: Recording, tmp_path: Path) -> None:
    again = lab.reproduce(recording)
    assert again.identical
    assert again.difference is None
    assert again.recording.digest == recording.digest
    loaded = Recording.load(recording.save(tmp_path / "run"))
    assert lab.reproduce(loaded).identical


def test_a_run_with_another_horizon_is_reproduced_up_to_there(path: Path) -> None:
    assert lab.reproduce(lab.run(path, until=7.5, seed=4)).identical


def test_nulls_that_are_no_defaults_are_reproduced(tmp_path: Path) -> None:
    path = shop(
        tmp_path,
        ("checkout_timeout: 0.2", "checkout_timeout: null"),
        ("    attempt_timeout: 1\n", ""),
    )
    recorded = lab.run(
        path, overrides=["faults=[{kind: slow_down, service: db, start: 1, factor: 99}]"]
    )
    assert lab.reproduce(recorded).identical


def test_a_run_that_failed_is_reproduced_with_its_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Backend.request

    def broken(backend: Backend) -> Generator[Event, Any, None]:
        yield from request(backend)
        if backend.sim.now > 3:
            raise ZeroDivisionError

    monkeypatch.setattr(Backend, "request", broken)
    with pytest.raises(SimulationFailed) as caught:
        lab.run(path)
    again = lab.reproduce(caught.value.recording)
    assert again.identical
    assert again.recording.facts.error == caught.value.recording.facts.error
    monkeypatch.setattr(Backend, "request", request)
    assert lab.reproduce(caught.value.recording).difference is not None


def test_a_scenario_that_was_altered_shows_the_first_event_that_differs(
    recording: Recording, tmp_path: Path
) -> None:
    manifest = recording.save(tmp_path / "run") / "manifest.json"
    content = json.loads(manifest.read_text())
    content["facts"]["scenario"]["faults"][1]["start"] = 31
    manifest.write_text(json.dumps(content))
    again = lab.reproduce(Recording.load(tmp_path / "run"))
    assert not again.identical
    difference = again.difference
    assert difference is not None
    assert difference.left is not None
    assert difference.left["event"] == "foundation.fault.injected"
    assert difference.left["time"] == 30
    assert "differs" in str(difference)


def test_a_recorded_scenario_that_cannot_be_used_is_refused(
    recording: Recording, tmp_path: Path
) -> None:
    manifest = recording.save(tmp_path / "run") / "manifest.json"
    content = json.loads(manifest.read_text())
    content["facts"]["scenario"]["workloads"]["web"]["arrivals"]["rate"] = -1
    manifest.write_text(json.dumps(content))
    with pytest.raises(InvalidRecording, match=r"(?s)cannot be used.*rate"):
        lab.reproduce(Recording.load(tmp_path / "run"))


def test_a_model_written_in_python_cannot_be_reproduced() -> None:
    recorded = lab.finish(Simulation(seed=3, name="mine"), 10)
    with pytest.raises(InvalidRecording, match=r"'mine' holds no scenario .* written in Python"):
        lab.reproduce(recorded)


# Replaying


def orders(sim: Simulation) -> Generator[Event, Any, None]:
    emit = sim.telemetry.emit
    emit("shop.order.placed", {"amount": 12.5, "items": 3}, {"customer": "ada", "gift": True})
    yield sim.timeout(1)
    with sim.telemetry.context(correlation_id="order-2", node="till"):
        emit("shop.order.placed", {"amount": 1}, {"customer": "", "gift": False, "visit": 7})
    yield sim.timeout(1)
    emit("shop.order.lost")


def live(path: Path) -> tuple[Recording, list[Record]]:
    """Run the shop, with orders of its own, and return what a handler was given meanwhile."""
    scenario = load_scenario(path)
    sim = build(scenario)
    sim.process(orders(sim), name="orders")
    seen: list[Record] = []
    started = len(sim.recording)
    sim.telemetry.attach("all", "**", seen.append, on_error="raise")
    with watch(sim, [spec.rule() for spec in scenario.alerts], notifiers=[InMemoryNotifier()]) as w:
        recorded = lab.finish(sim, 60, before_seal=w.finish)
    # an alert is told of while the event that set it off is still being dispatched
    seen.sort(key=lambda record: record.sequence)
    assert [record.sequence for record in seen] == list(range(started, len(recorded)))
    return recorded, seen


@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "saved"])
def test_a_handler_is_given_in_replay_what_it_was_given_live(
    path: Path, tmp_path: Path, *, saved: bool
) -> None:
    recorded, seen = live(path)
    if saved:
        recorded = Recording.load(recorded.save(tmp_path / "run"))
    played: list[Record] = []
    outcome = lab.replay(recorded, handlers={"all": ("**", played.append)})
    assert outcome.delivered == len(recorded) == len(played)
    played = played[len(recorded) - len(seen) :]
    for was, now in zip(seen, played, strict=True):
        stamps = ("sequence", "time", "name", "node", "process", "correlation_id", "cause")
        assert [getattr(now, stamp) for stamp in stamps] == [
            getattr(was, stamp) for stamp in stamps
        ]
        assert type(now.event) is type(was.event)
        assert now.fields == was.fields
    assert played == seen
    kinds = {type(value) for record in played for value in record.fields.values()}
    assert kinds == {str, float, int, bool, tuple, dict, type(None)}


def test_lists_and_mappings_in_events_without_a_class_come_back_and_nothing_is_left_out() -> None:
    sim = Simulation(seed=3)
    sim.telemetry.emit(
        "shop.order.placed", None, {"items": ["tea", "jam"], "box": {"w": 1}, "x": None}
    )
    played: list[Record] = []
    lab.replay(lab.finish(sim, 1), handlers={"all": ("shop", played.append)})
    assert played[0].fields == {"items": ["tea", "jam"], "box": {"w": 1}}


def test_only_what_a_handler_listens_to_is_delivered(recording: Recording) -> None:
    seen: list[Record] = []
    outcome = lab.replay(recording, handlers={"retries": (events.retry.Backoff, seen.append)})
    assert outcome.delivered == len(seen) == recording.counts["foundation.retry.backoff"]
    assert {record.name for record in seen} == {"foundation.retry.backoff"}
    assert lab.replay(recording).delivered == 0


def test_what_a_handler_raises_in_replay_comes_through(recording: Recording) -> None:
    with pytest.raises(ZeroDivisionError):
        lab.replay(recording, handlers={"bad": ("fault", lambda _: 1 / 0)})


def test_an_unknown_pattern_in_replay_is_refused(recording: Recording) -> None:
    with pytest.raises(UnknownName, match=r"circuit_breaker"):
        lab.replay(recording, handlers={"bad": ("circut_breaker", print)})


def test_alert_rules_come_to_the_same_in_replay_as_live(recording: Recording) -> None:
    scenario = Scenario.model_validate_json(json.dumps(recording.facts.scenario))
    rules = [spec.rule() for spec in scenario.alerts]
    episodes = lab.replay(recording, rules=rules).alerts.episodes
    fired = recording.frame(events.alert.Firing).select("rule", "key", "time").rows()
    resolved = recording.frame(events.alert.Resolved).select("rule", "key", "time").rows()
    happened = [row for row in episodes.iter_rows(named=True) if row["firing_at"] is not None]
    assert {rule for rule, _, _ in fired} == {"errors", "opened"}
    assert sorted(fired) == sorted((e["rule"], e["key"], e["firing_at"]) for e in happened)
    assert sorted(resolved) == sorted(
        (e["rule"], e["key"], e["resolved_at"]) for e in happened if e["resolved_at"] is not None
    )


def test_a_run_whose_notifiers_had_names_of_their_own_is_reproduced(path: Path) -> None:
    recorded = lab.run(path, notifiers=[InMemoryNotifier("pager"), InMemoryNotifier("mail")])
    assert recorded.facts.notifiers == ("pager", "mail")
    assert lab.reproduce(recorded).identical


def test_a_model_that_is_broken_off_leaves_a_sealed_recording() -> None:
    sim = Simulation(seed=1)

    def breaks_off() -> Generator[Any, Any, None]:
        yield sim.timeout(0.5)
        raise KeyboardInterrupt

    sim.process(breaks_off())
    with pytest.raises(KeyboardInterrupt):
        lab.finish(sim, 1.0)
    assert sim.recording.facts.status == "interrupted"
    assert not sim.telemetry.enabled


def test_a_simulation_that_keeps_no_events_is_not_run_for_its_recording() -> None:
    sim = Simulation(1, keep="aggregates")
    sim.timeout(5)
    with pytest.raises(EventsNotKept, match=r"read sim\.aggregates"):
        lab.finish(sim, 10)
    assert sim.now == 0


def test_a_run_that_is_only_counted_has_the_aggregates_of_its_recording(tmp_path: Path) -> None:
    path = shop(tmp_path)
    counted = lab.aggregate(path, until=25)
    kept = Aggregates.of(lab.run(path, until=25))
    assert counted.digest == kept.digest
    assert counted.counts["foundation.alert.firing"] > 0  # rules are judged while it runs
    assert (counted.facts.until, counted.facts.status) == (25, "complete")


def test_a_scenario_that_keeps_aggregates_is_not_run_for_its_recording(tmp_path: Path) -> None:
    path = shop(tmp_path, ("horizon: 60", "horizon: 1.0e+12\nkeep: aggregates"))  # for ever
    with pytest.raises(EventsNotKept, match=r"'shop' keeps aggregates only.* lab\.aggregate"):
        lab.run(path)
    assert len(lab.run(path, until=1, overrides=["keep=events"])) > 0
    assert len(lab.aggregate(path, until=1)) > 0


def test_a_run_that_fails_carries_the_aggregates_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Backend) -> Any:
        yield self.sim.timeout(0.5)
        raise ZeroDivisionError

    monkeypatch.setattr(Backend, "request", broken)
    with pytest.raises(SimulationFailed, match="ZeroDivisionError") as caught:
        lab.aggregate(shop(tmp_path))
    assert caught.value.recording is None
    assert caught.value.aggregates.facts.status == "failed"
    assert caught.value.aggregates.counts["foundation.request.started"] > 0


def test_what_cannot_be_recorded_fails_a_run_and_keeps_its_recording() -> None:
    sim = Simulation(1)

    def careless() -> Any:
        sim.telemetry.emit(events.retry.Backoff("a", 1, "soon", "fixed"))  # type: ignore[arg-type]
        yield 1.0

    sim.process(careless())
    with pytest.raises(SimulationFailed, match="holds float values, not 'soon'") as caught:
        lab.finish(sim, 10)
    assert len(caught.value.recording) == 1
