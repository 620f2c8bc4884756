"""The shipped scenarios: each runs, and shows what its description says."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from foundation_lab import lab
from foundation_lab.reporting import summarise
from foundation_lab.scenario.files import read_yaml
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording

FOLDER = Path(__file__).parents[2] / "scenarios"
SHIPPED = sorted(FOLDER.glob("*.yaml"))


@cache
def recorded(name: str, *overrides: str, until: float | None = None) -> Recording:
    return lab.run(FOLDER / f"{name}.yaml", overrides=overrides, until=until)


def finished(recording: Recording, after: float = 0.0, before: float = 1e9) -> pl.DataFrame:
    frame = recording.frame(events.request.Finished)
    return frame.filter(pl.col("time").is_between(after, before, closed="left"))


def success(recording: Recording, after: float, before: float) -> float:
    return float((finished(recording, after, before)["outcome"] == "ok").to_numpy().mean())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_scenario_is_named_after_its_file_and_says_what_it_asks(path: Path) -> None:
    data = read_yaml(path).data
    assert data["name"] == path.stem
    assert {"description", "seed", "horizon"} <= data.keys()
    assert len(str(data["description"])) > 100


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_scenario_runs_and_gives_the_same_digest_again(path: Path) -> None:
    horizon = {"load_balancer_day": 3600.0, "agents_vote": 300.0}.get(path.stem, 20.0)
    recording = lab.run(path, until=horizon)
    assert recording.facts.status == "complete"
    assert recording.facts.until == horizon
    assert lab.reproduce(recording).identical


def test_in_the_first_run_nothing_goes_wrong_but_ordinary_errors() -> None:
    recording = recorded("first_run", until=120.0)
    assert recording.frame(events.circuit_breaker.StateChange).is_empty()
    errors = recording.frame(events.retry.AttemptFailure)["error"].unique().to_list()
    assert errors == ["BackendError"]
    assert success(recording, 0, 120) > 0.999
    # M/M/4 with a rate of 50 and a mean of 20 ms: one place is busy on average
    (db,) = summarise(recording).backends
    assert db.mean_busy == pytest.approx(1.0, abs=0.05)


def test_the_breaker_opens_in_the_outage_and_closes_when_the_database_is_back() -> None:
    changes = recorded("failing_database").frame(events.circuit_breaker.StateChange)
    opened = changes.filter(to="open")["time"]
    closed = changes.filter(to="closed")["time"]
    assert len(closed) == 1
    assert 300 < opened[0] < 320
    assert opened[-1] < 420 < closed[0] < 450
    assert changes["to"][-1] == "closed"


def test_an_open_breaker_spares_the_customers_the_waiting() -> None:
    recording = recorded("failing_database")
    rejected = finished(recording, 320, 420).filter(error="CircuitOpen")
    assert rejected["duration"].max() == 0
    assert rejected.height > 0.9 * finished(recording, 320, 420).height
    assert success(recording, 0, 300) > 0.999
    assert success(recording, 480, 900) > 0.999


def test_the_alerts_of_the_failing_database_fire_and_resolve() -> None:
    recording = recorded("failing_database")
    fired = dict(recording.frame(events.alert.Firing).select("rule", "time").iter_rows())
    resolved = dict(recording.frame(events.alert.Resolved).select("rule", "time").iter_rows())
    assert fired.keys() == resolved.keys() == {"breaker_open", "errors_high"}
    assert all(300 < time < 330 for time in fired.values())
    assert all(420 < time < 480 for time in resolved.values())
    assert recording.frame(events.alert.Escalated)["rule"].to_list() == ["errors_high"]


def test_the_objectives_of_the_failing_database_are_met() -> None:
    verdicts = summarise(recorded("failing_database")).objectives
    assert [verdict.metric for verdict in verdicts] == ["success", "p99"]
    assert all(verdict.met for verdict in verdicts)


def test_checkouts_time_out_while_the_database_is_slow_and_at_no_other_time() -> None:
    recording = recorded("pool_exhaustion")
    failed = recording.frame(events.connection.ConnectionFailed)
    timeouts = failed.filter(error="CheckoutTimeout")["time"].to_list()
    assert len(timeouts) > 1000
    assert min(timeouts) > 200
    assert max(timeouts) < 261
    assert success(recording, 0, 200) == 1
    assert success(recording, 270, 400) == 1


def test_the_pool_that_crashes_is_opened_anew_by_its_supervisor() -> None:
    recording = recorded("pool_exhaustion")
    restarted = recording.frame(events.service.Restarted)
    assert restarted.select("time", "service").rows() == [(402.0, "db_pool")]
    lost = recording.frame(events.connection.ConnectionFailed).filter(
        pl.col("error") != "CheckoutTimeout"
    )
    assert lost["time"].is_between(400, 402).all()
    assert success(recording, 403, 600) == 1


def test_six_connections_are_busy_on_average() -> None:
    (pool,) = summarise(recorded("pool_exhaustion", until=200.0)).pools
    assert pool.mean_active == pytest.approx(6.0, rel=0.05)


def test_nearly_all_votes_find_a_majority_because_agents_are_asked_again() -> None:
    recording = recorded("agents_vote")
    sessions = recording.frame(events.coordination.Started).height
    decided = recording.frame(events.coordination.Completed)
    assert sessions == 180
    assert decided.height >= 0.98 * sessions
    assert recording.frame(events.coordination.Decision)["choice"].is_in(["yes", "no"]).all()
    silent = recorded("agents_vote", "agents.sessions.protocol.resend_interval=null")
    failed = silent.frame(events.coordination.Failed)
    assert failed.height > 0.1 * sessions


def test_a_network_that_loses_more_messages_makes_votes_slower() -> None:
    usual, lossy = (
        recorded("agents_vote", f"agents.network.loss={loss}").frame(events.coordination.Completed)
        for loss in (0.05, 0.3)
    )
    assert lossy["duration"].to_numpy().mean() > 1.2 * usual["duration"].to_numpy().mean()


def test_a_retry_storm_goes_on_long_after_the_stall_that_set_it_off() -> None:
    storm = recorded("retry_storm")
    assert success(storm, 0, 60) == 1
    assert success(storm, 100, 180) < 0.1
    abandoned = storm.frame(events.backend.Abandoned).filter(pl.col("time") > 100)
    assert abandoned["stage"].unique().to_list() == ["serving"]


@pytest.mark.parametrize(
    ("override", "recovers"),
    [
        ("services.client_retry.max_attempts=1", True),
        ("services.client_retry.max_attempts=2", True),
        ("services.client_retry.budget={kind: window}", True),
        ("services.client_retry.budget={kind: throttle}", True),
        ("services.client_retry.budget={kind: quota}", True),
        ("services.db.queue_limit=15", True),
        ("services.client_retry.attempt_timeout=3", False),
        ("services.client_retry.backoff={kind: exponential, base: 0.5}", False),
    ],
)
def test_what_ends_a_retry_storm_and_what_does_not(override: str, recovers: bool) -> None:  # noqa: FBT001
    recording = recorded("retry_storm", override, until=120.0)
    assert (success(recording, 90, 120) > 0.999) == recovers
    assert recovers or success(recording, 90, 120) < 0.1


def test_as_many_requests_arrive_in_each_interval_as_were_counted_there() -> None:
    counted = pl.read_csv(FOLDER / "traffic" / "load_balancer_day.csv")["value"].to_list()
    started = recorded("load_balancer_day").frame(events.request.Started)
    bins = started.group_by((pl.col("time") // 300).cast(pl.Int64).alias("bin")).len()
    arrived = dict(bins.iter_rows())
    assert len(counted) == 288
    assert [arrived.get(number, 0) for number in range(288)] == counted


def test_the_day_of_the_load_balancer_has_its_outage_over_noon() -> None:
    recording = recorded("load_balancer_day")
    assert success(recording, 0, 43200) > 0.999
    assert success(recording, 43300, 45000) == 0
    assert success(recording, 45100, 86400) > 0.999
