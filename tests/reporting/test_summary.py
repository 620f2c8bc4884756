"""Numbers of a summary against what was worked out by hand. The seed plays no part: seed 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import Summary, summarise
from foundation_lab.reporting.failures import failures
from foundation_lab.reporting.incidents import fault_plans
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import Script, checkout_under_outage, play

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.telemetry.event import Event


def requests(client: str, *ended: tuple[float, str, float]) -> Script:
    script: Script = []
    for time, outcome, latency in ended:
        error = None if outcome == "ok" else "BackendError"
        script.append((time - latency, e.request.Started(client)))
        script.append((time, e.request.Finished(client, outcome, error, latency)))
    return script


def test_requests_are_counted_by_client_and_outcome() -> None:
    script = [
        *requests("web", (2.0, "ok", 1.0), (4.0, "ok", 2.0), (6.0, "error", 3.0)),
        *requests("web", (8.0, "rejected", 0.0)),
        *requests("app", (5.0, "timeout", 5.0)),
        (9.0, e.request.Started("web")),
    ]
    summary = summarise(play(script, until=10.0))
    app, web = summary.clients
    assert (app.name, app.finished, app.timeout, app.success) == ("app", 1, 1, 0.0)
    assert (web.started, web.finished, web.in_flight) == (5, 4, 1)
    assert (web.ok, web.error, web.timeout, web.rejected, web.cancelled) == (2, 1, 0, 1, 0)
    assert (web.success, web.throughput) == (0.5, 0.4)
    assert (web.latency.count, web.latency.mean, web.latency.max) == (4, 1.5, 3.0)
    assert web.latency.p50 == 1.5
    assert web.latency.p95 == pytest.approx(2.85)
    assert web.latency.p99 == pytest.approx(2.97)
    assert (summary.requests.name, summary.requests.finished) == ("all", 5)
    assert summary.requests.success == 0.4


def test_a_recording_without_starts_has_nothing_in_flight() -> None:
    script: Script = [(1.0, e.request.Finished("web", "ok", None, 0.5))]
    assert summarise(play(script, until=2.0)).requests.in_flight == 0


def test_an_empty_recording_has_a_summary_that_knows_nothing() -> None:
    summary = summarise(Simulation(seed=7).recording)
    assert summary.run.events == 0
    assert summary.requests.finished == 0
    assert summary.requests.success is None
    assert summary.requests.throughput is None
    assert summary.requests.latency.p99 is None
    for nothing in (summary.clients, summary.breakers, summary.faults, summary.failures.groups):
        assert nothing == ()


def test_a_summary_goes_through_json_and_back() -> None:
    summary = summarise(checkout_under_outage())
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_a_summary_is_the_same_for_a_recording_that_was_saved_and_loaded(tmp_path: Path) -> None:
    recording = checkout_under_outage()
    recording.save(tmp_path / "run")
    assert summarise(Recording.load(tmp_path / "run")) == summarise(recording)


def test_a_breaker_spends_its_whole_life_in_some_state() -> None:
    c = e.circuit_breaker
    script: Script = [
        (10.0, e.service.Started("pay", "circuit_breaker", "circuit_breaker:pay:0")),
        (20.0, c.StateChange("pay", "closed", "open", "3 failures")),
        (50.0, c.StateChange("pay", "open", "half_open", "waited")),
        (51.0, c.StateChange("pay", "half_open", "open", "a probe failed")),
        (60.0, e.service.Stopped("pay", "circuit_breaker", "killed")),
        (65.0, c.StateChange("pay", "open", "closed", "restarted")),
        (65.0, e.service.Restarted("pay", "circuit_breaker", "circuit_breaker:pay:1", 1)),
        (70.0, c.CallStart("pay", None)),
        (71.0, c.CallSuccess("pay", 1.0)),
        (72.0, c.CallRejected("pay", "open", 1.0)),
    ]
    (breaker,) = summarise(play(script, until=100.0)).breakers
    assert breaker.seconds == {"closed": 45.0, "open": 39.0, "half_open": 1.0, "down": 5.0}
    assert sum(breaker.seconds.values()) == 100.0 - 10.0
    assert (breaker.state, breaker.opened) == ("closed", 2)
    assert (breaker.calls, breaker.succeeded, breaker.rejected) == (1, 1, 1)


def test_a_breaker_that_never_changed_was_closed_all_the_time() -> None:
    script: Script = [(0.0, e.service.Started("pay", "circuit_breaker", "pid"))]
    (breaker,) = summarise(play(script, until=30.0)).breakers
    assert breaker.seconds == {"closed": 30.0}


def test_a_breaker_whose_start_was_not_recorded_begins_in_the_state_it_leaves() -> None:
    script: Script = [(4.0, e.circuit_breaker.StateChange("pay", "open", "half_open", "waited"))]
    (breaker,) = summarise(play(script, until=10.0)).breakers
    assert (breaker.state, breaker.seconds) == ("half_open", {"open": 4.0, "half_open": 6.0})


def test_pool_utilisation_is_the_area_under_the_connections_in_use() -> None:
    c = e.connection
    script: Script = [
        (0.0, c.PoolCreated("db", 1, 1)),
        (2.0, c.ConnectionAcquired("db", "db-1", 0.0)),
        (4.0, c.ConnectionAcquired("db", "db-2", 0.0)),
        (5.0, c.Exhausted("db", 2, 1)),
        (6.0, c.Exhausted("db", 2, 2)),
        (7.0, c.Timeout("db", 1.0, 1)),
        (7.0, c.ConnectionFailed("db", "CheckoutTimeout")),
        (8.0, c.ConnectionReleased("db", "db-1", 6.0)),
        (8.0, c.ConnectionAcquired("db", "db-1", 3.0)),
        (9.0, c.ConnectionReleased("db", "db-1", 1.0)),
    ]
    (pool,) = summarise(play(script, until=10.0)).pools
    area = 1 * 2 + 2 * 5 + 1 * 1  # [2, 4), [4, 9), [9, 10)
    assert (pool.capacity, pool.active, pool.peak_active) == (2, 1, 2)
    assert pool.mean_active == pytest.approx(area / 10)
    assert pool.utilisation == pytest.approx(area / 20)
    assert (pool.acquired, pool.failed, pool.timeouts, pool.waited) == (3, 1, 1, 1)
    assert pool.peak_waiting == 2
    assert (pool.wait.mean, pool.wait.max, pool.held.mean) == (1.0, 3.0, 3.5)


def test_a_pool_that_goes_down_has_no_connection_out() -> None:
    c = e.connection
    script: Script = [
        (0.0, e.service.Started("db", "connection_manager", "connection_manager:db:0")),
        (0.0, c.PoolCreated("db", 2, 0)),
        (2.0, c.ConnectionAcquired("db", "db-1", 0.0)),
        (4.0, c.ConnectionFailed("db", "ConnectionLost")),
        (4.0, e.service.Stopped("db", "connection_manager", "killed")),
        (6.0, e.service.Restarted("db", "connection_manager", "connection_manager:db:1", 1)),
        (6.0, c.PoolCreated("db", 2, 0)),
        (7.0, c.ConnectionAcquired("db", "db-3", 0.0)),
    ]
    (pool,) = summarise(play(script, until=10.0)).pools
    assert (pool.active, pool.peak_active) == (1, 1)
    assert pool.mean_active == pytest.approx((2.0 + 3.0) / 10)


def test_a_backend_is_busy_for_its_service_times() -> None:
    script: Script = [
        (2.0, e.backend.Served("bank", "ok", 0.5, 1.5, 2.0)),
        (5.0, e.backend.Served("bank", "error", 0.0, 2.5, 2.5)),
        (6.0, e.backend.Rejected("bank", "QueueFull", 3)),
        (7.0, e.backend.Abandoned("bank", "waiting", 1.0)),
    ]
    (bank,) = summarise(play(script, until=8.0)).backends
    assert (bank.served, bank.failed, bank.rejected, bank.abandoned) == (2, 1, 1, 1)
    assert (bank.busy_seconds, bank.mean_busy) == (4.0, 0.5)
    assert (bank.concurrency, bank.utilisation) == (None, None)
    assert (bank.wait.mean, bank.service_time.mean) == (0.25, 2.0)


def test_utilisation_of_a_backend_takes_its_places_from_the_scenario() -> None:
    script: Script = [(2.0, e.backend.Served("bank", "ok", 0.0, 2.0, 2.0))]
    recording = play(script, until=4.0)
    scenario = {"services": {"bank": {"kind": "backend", "concurrency": 5}, "odd": 3}}
    facts = msgspec.structs.replace(recording.facts, scenario=scenario)
    (bank,) = summarise(Recording(recording._parts, facts)).backends
    assert bank.concurrency == 5
    assert bank.utilisation == pytest.approx(0.1)


def test_retries_are_counted_by_call_and_by_attempt() -> None:
    r = e.retry
    script: Script = [
        (0.0, r.AttemptStart("pay", 1, 3)),
        (1.0, r.AttemptFailure("pay", 1, "BackendError", 1.0)),
        (1.0, r.Backoff("pay", 1, 0.5, "fixed")),
        (1.5, r.AttemptStart("pay", 2, 3)),
        (2.0, r.AttemptSuccess("pay", 2, 0.5)),
        (3.0, r.AttemptStart("pay", 1, 3)),
        (4.0, r.AttemptSuccess("pay", 1, 1.0)),
        (5.0, r.AttemptStart("pay", 1, 3)),
        (6.0, r.IgnoredError("pay", 1, "Odd")),
        (7.0, r.Exhausted("pay", 3, "BackendError")),
    ]
    (retry,) = summarise(play(script, until=10.0)).retries
    assert (retry.calls, retry.attempts) == (3, 4)
    assert retry.attempts_per_call == pytest.approx(4 / 3)
    assert (retry.succeeded, retry.recovered, retry.failed_attempts) == (2, 1, 1)
    assert (retry.exhausted, retry.ignored, retry.backoff_seconds) == (1, 1, 0.5)


def test_limiters_and_resources_are_counted() -> None:
    script: Script = [
        (0.0, e.rate_limiter.Allowed("edge", "ada", 1.0, 2.0)),
        (1.0, e.rate_limiter.Denied("edge", "ada", 1.0, 3.0)),
        (2.0, e.resource.Acquired("gpu", "gpu-1", 1.5, "office")),
        (3.0, e.resource.Exhausted("gpu", 1, 1, "office")),
        (4.0, e.resource.Released("gpu", "gpu-1", 2.0)),
    ]
    summary = summarise(play(script, until=5.0))
    (edge,), (gpu,) = summary.limiters, summary.resources
    assert (edge.name, edge.allowed, edge.denied, edge.denied_share) == ("edge", 1, 1, 0.5)
    assert (gpu.acquired, gpu.released, gpu.exhausted) == (1, 1, 1)
    assert (gpu.wait.mean, gpu.held.mean) == (1.5, 2.0)


def test_services_that_share_a_name_do_not_share_their_events() -> None:
    script: Script = [
        (0.0, e.service.Started("pay", "circuit_breaker", "circuit_breaker:pay:0")),
        (0.0, e.service.Started("pay", "retry", "retry:pay:0")),
        (1.0, e.circuit_breaker.CallStart("pay", None)),
        (1.0, e.retry.AttemptStart("pay", 1, 3)),
        (1.0, e.retry.AttemptStart("pay", 2, 3)),
        (2.0, e.service.HealthCheck("pay", "retry", "degraded", {})),
        (3.0, e.service.Stopped("pay", "retry", "killed")),
        (5.0, e.service.Restarted("pay", "retry", "retry:pay:1", 1)),
        (8.0, e.service.Stopped("pay", "retry", "killed")),
    ]
    breaker, retry = summarise(play(script, until=10.0)).services
    assert (breaker.kind, breaker.status, breaker.restarts) == ("circuit_breaker", "up", 0)
    assert breaker.events == {
        "foundation.circuit_breaker.call_start": 1,
        "foundation.service.started": 1,
    }
    assert (retry.status, retry.pid, retry.health) == ("down", "retry:pay:1", "degraded")
    assert (retry.restarts, retry.down_seconds) == (1, 4.0)
    assert retry.events["foundation.retry.attempt_start"] == 2
    assert retry.events["foundation.service.stopped"] == 2


def test_a_fault_that_was_never_cleared_is_on_until_the_end() -> None:
    script: Script = [
        (1.0, e.fault.Injected("db", "f1", "outage", {})),
        (2.0, e.fault.Injected("db", "f2", "slow_down", {"factor": 3})),
        (4.0, e.fault.Cleared("db", "f1", "outage", 3.0)),
        (6.0, e.fault.Injected("db", "f1", "outage", {})),
    ]
    found = summarise(play(script, until=10.0)).faults
    plans = fault_plans(found)
    assert [(p.plan, p.times, p.start, p.end, p.duration, p.open) for p in plans] == [
        ("f1", 2, 1.0, 10.0, 7.0, True),
        ("f2", 1, 2.0, 10.0, 8.0, True),
    ]
    assert [(f.fault_id, f.start, f.end, f.duration, f.open) for f in found] == [
        ("f1", 1.0, 4.0, 3.0, False),
        ("f2", 2.0, 10.0, 8.0, True),
        ("f1", 6.0, 10.0, 4.0, True),
    ]
    assert found[1].parameters == '{"factor":3}'


def test_alerts_become_episodes_from_firing_to_resolved() -> None:
    a = e.alert
    script: Script = [
        (1.0, a.Pending("slow", "a1", "db", 2.0)),
        (3.0, a.Firing("slow", "a1", "db", "warning", 2.5)),
        (3.0, a.Notified("slow", "a1", "pager", "firing", delivered=True)),
        (3.0, a.Notified("slow", "a1", "mail", "firing", delivered=False)),
        (7.0, a.Resolved("slow", "a1", "db", 4.0)),
        (8.0, a.Firing("slow", "a2", "web", "critical", 9.0)),
    ]
    first, second = summarise(play(script, until=10.0)).alerts
    assert (first.pending, first.start, first.end, first.open) == (1.0, 3.0, 7.0, False)
    assert (first.notified, first.undelivered) == (1, 1)
    assert (second.pending, second.end, second.duration, second.open) == (None, 10.0, 2.0, True)
    assert (second.severity, second.value, second.notified) == ("critical", 9.0, 0)


def test_sessions_are_summed_up_by_protocol() -> None:
    c = e.coordination
    script: Script = [
        (0.0, c.Started("s1", "auction", ("a", "b"))),
        (0.0, c.Started("s2", "auction", ("a", "b"))),
        (1.0, c.Started("s3", "consensus", ("a",))),
        (1.0, c.MessageSent("s1", "m1", "a", "b", "bid")),
        (3.0, c.MessageReceived("s1", "m1", "a", "b", "bid", 2.0)),
        (3.0, c.MessageSent("s2", "m2", "a", "b", "bid")),
        (3.0, c.MessageDropped("s2", "m2", "a", "b", "bid", "lost")),
        (4.0, c.Completed("s1", "sold", 4.0)),
        (6.0, c.Timeout("s2", 6.0)),
        (6.0, c.Failed("s2", "TimedOut", 6.0)),
        (7.0, c.Vote("elsewhere", "a", "yes")),
    ]
    auction, consensus, unknown = summarise(play(script, until=10.0)).protocols
    assert (auction.started, auction.completed, auction.failed, auction.running) == (2, 1, 1, 0)
    assert (auction.sent, auction.received, auction.dropped, auction.timeouts) == (2, 1, 1, 1)
    assert (auction.duration.mean, auction.message.mean) == (5.0, 2.0)
    assert auction.results == {"sold": 1}
    assert (consensus.protocol, consensus.running) == ("consensus", 1)
    assert (unknown.protocol, unknown.votes) == ("(unknown)", 1)


def test_errors_are_grouped_the_most_frequent_first() -> None:
    script: Script = [
        (1.0, e.backend.Rejected("bank", "QueueFull", 3)),
        (2.0, e.retry.Exhausted("pay", 3, "BackendError")),
        (3.0, e.retry.Exhausted("pay", 3, "BackendError")),
        (4.0, e.request.Finished("web", "ok", None, 0.5)),
    ]
    (first, second) = summarise(play(script, until=5.0)).failures.groups
    assert (first.error, first.service, first.count) == ("BackendError", "pay", 2)
    assert (first.first, first.last) == (2.0, 3.0)
    assert (second.event, second.error) == ("foundation.backend.rejected", "QueueFull")


def test_errors_beyond_the_most_frequent_groups_are_counted_together() -> None:
    names = [f"Error{number}" for number in range(60)]
    script: Script = [(1.0, e.backend.Rejected("bank", name, 0)) for name in names]
    script.append((2.0, e.backend.Rejected("bank", "Error59", 0)))
    recording = play(script, until=5.0)
    found = summarise(recording).failures
    assert (len(found.groups), found.other_groups, found.other_count) == (50, 10, 10)
    assert (found.groups[0].error, found.groups[0].count) == ("Error59", 2)
    assert failures(recording, most=60).other_groups == 0


def test_events_of_a_users_own_are_counted_and_their_errors_grouped() -> None:
    sim = Simulation(seed=7)
    sim.telemetry.emit("shop.order.failed", {"amount": 3.0}, {"service": "till", "error": "Odd"})
    summary = summarise(sim.recording)
    assert summary.events == {"shop.order.failed": 1}
    assert [(g.service, g.error) for g in summary.failures.groups] == [("till", "Odd")]


def test_durations_of_services_leave_out_what_has_tables_of_its_own() -> None:
    events: list[Event] = [
        e.backend.Served("bank", "ok", 0.0, 2.0, 2.0),
        e.request.Finished("web", "ok", None, 2.0),
        e.fault.Cleared("bank", "f1", "outage", 2.0),
    ]
    summary = summarise(play([(2.0, event) for event in events], until=3.0))
    assert [(t.service, t.event, t.duration.mean) for t in summary.timings] == [
        ("bank", "foundation.backend.served", 2.0)
    ]


def test_a_balancer_has_the_share_of_each_host() -> None:
    b = e.load_balancer
    script: Script = [
        (0.0, b.Picked("front", "a", 1)),
        (1.0, b.Picked("front", "b", 1)),
        (2.0, b.Picked("front", "a", 1)),
        (3.0, b.Picked("front", "a", 2)),
        (4.0, b.Ejected("front", "a", "outlier", 1)),
        (4.0, b.PanicChanged("front", panic=True, in_rotation=0, hosts=2)),
        (5.0, b.PanicChanged("front", panic=False, in_rotation=1, hosts=2)),
        (6.0, b.Rejected("front", "down")),
    ]
    (front,) = summarise(play(script, until=10.0)).balancers
    assert (front.picked, front.rejected, front.ejected, front.panics) == (4, 1, 1, 1)
    assert front.hosts == {"a": 0.75, "b": 0.25}


def test_what_is_shed_is_counted_by_reason_for_shedders_and_for_lines() -> None:
    s = e.load_shed
    script: Script = [
        (0.0, s.Admitted("api", 0, 0.0, 1)),
        (1.0, s.Rejected("api", "full", 0, 5)),
        (2.0, s.Expired("db", "codel", 0, 0.3)),
        (3.0, s.Admitted("api", 0, 2.0, 1)),
        (4.0, s.Expired("api", "down", 0, 1.0)),
        (5.0, s.Rejected("api", "full", 1, 5)),
        (6.0, s.Abandoned("api", 0, 1.0)),
    ]
    api, db = summarise(play(script, until=10.0)).shedders
    assert (api.admitted, api.rejected, api.expired, api.abandoned) == (2, 2, 1, 1)
    assert (api.reasons, api.wait.mean) == ({"full": 2, "down": 1}, 1.0)
    assert (db.name, db.admitted, db.expired, db.reasons) == ("db", 0, 1, {"codel": 1})


def test_an_adaptive_limit_is_averaged_over_time() -> None:
    a = e.adaptive_limit
    script: Script = [
        (2.0, a.Permitted("limit", 0.0, 1, 20)),
        (4.0, a.Changed("limit", 10, 20, 0.5)),
        (4.0, a.Permitted("limit", 0.5, 1, 10)),
        (8.0, a.Changed("limit", 11, 10, 0.1)),
        (9.0, a.Rejected("limit", "limit", 0.0, 11)),
    ]
    (limit,) = summarise(play(script, until=12.0)).adaptive_limits
    assert (limit.permitted, limit.rejected, limit.changed) == (2, 1, 2)
    assert (limit.lowest, limit.highest, limit.last) == (10, 20, 11)
    assert limit.mean == pytest.approx((2 * 20 + 4 * 10 + 4 * 11) / 10)
    assert limit.wait.max == 0.5


def test_an_adaptive_limit_that_let_nobody_through_is_not_known() -> None:
    script: Script = [(1.0, e.adaptive_limit.Rejected("limit", "down", 0.0, 20))]
    (limit,) = summarise(play(script, until=2.0)).adaptive_limits
    assert (limit.rejected, limit.lowest, limit.mean, limit.last) == (1, None, None, None)


def test_the_messages_of_a_queue_are_kept_until_they_end() -> None:
    q = e.queue
    script: Script = [
        *((float(n), q.Published("jobs", f"m{n}", None, 0.0, 0.0, n + 1)) for n in range(5)),
        (5.0, q.Delivered("jobs", "m0", "worker", 1, 5.0, 5.0)),
        (6.0, q.Acknowledged("jobs", "m0", "worker", 1.0, 6.0)),
        (7.0, q.Redelivered("jobs", "m1", "rejected", 1, 0.0)),
        (8.0, q.DeadLettered("jobs", "m1", "delivery_limit", "dead", 2, 7.0)),
        (9.0, q.Dropped("jobs", "m2", "expired", 0, 7.0)),
        (9.0, q.Full("jobs", "reject", 5)),
    ]
    (jobs,) = summarise(play(script, until=10.0)).queues
    assert (jobs.published, jobs.delivered, jobs.redelivered, jobs.full) == (5, 1, 1, 1)
    assert (jobs.acknowledged, jobs.dead_lettered, jobs.dropped) == (1, 1, 1)
    assert (jobs.depth, jobs.peak_depth, jobs.age.max) == (2, 5, 6.0)


def test_an_autoscaler_is_known_by_the_replicas_that_it_wanted() -> None:
    a = e.autoscaler
    script: Script = [
        (15.0, a.Evaluated("scaler", 0.9, 2, 2, 4, 4, "none")),
        (15.0, a.Scaled("scaler", 2, 4, 0.9, "utilisation")),
        (30.0, a.Evaluated("scaler", 0.5, 4, 4, 4, 4, "none")),
        (45.0, a.Evaluated("scaler", 0.1, 4, 4, 1, 1, "none")),
        (45.0, a.Scaled("scaler", 4, 1, 0.1, "utilisation")),
    ]
    (scaler,) = summarise(play(script, until=50.0)).autoscalers
    assert (scaler.decisions, scaler.scaled_up, scaler.scaled_down) == (3, 1, 1)
    assert (scaler.fewest, scaler.most, scaler.last) == (1, 4, 1)
    assert [scaler.mean, scaler.metric] == pytest.approx([10 / 3, 0.5])


def test_a_supervisor_is_known_by_its_restarts() -> None:
    s = e.supervisor
    script: Script = [
        (0.0, s.ChildStarted("keeper", "db")),
        (1.0, s.ChildExited("keeper", "db", "killed")),
        (1.0, s.ChildRestarting("keeper", "db", "killed", 1, 1, 0.5)),
        (1.5, s.StartFailed("keeper", "db", "ServiceDown")),
        (1.5, s.ChildRestarting("keeper", "db", "start_failed", 1, 2, 0.5)),
        (3.0, s.ChildTerminated("keeper", "web", forced=True, duration=5.0)),
        (3.0, s.ChildTerminated("keeper", "api", forced=False, duration=0.0)),
        (4.0, s.GaveUp("keeper", "db", 3, 2, 5.0)),
    ]
    (keeper,) = summarise(play(script, until=5.0)).supervisors
    assert (keeper.exits, keeper.restarts, keeper.failed) == (1, 2, 1)
    assert (keeper.forced, keeper.gave_up) == (1, 1)


def test_an_event_loop_is_busy_while_requests_compute() -> None:
    loop = e.event_loop
    script: Script = [
        (2.0, loop.Served("node", "ok", 1.0, 0.5, 0.5, 2.0)),
        (4.0, loop.Served("node", "error", 2.0, 0.0, 0.0, 2.0)),
        (5.0, loop.Lagged("node", 0.5, 1)),
        (6.0, loop.Rejected("node", "QueueFull", 3)),
        (7.0, loop.Abandoned("node", "ready", 1.0)),
    ]
    (node,) = summarise(play(script, until=10.0)).event_loops
    assert (node.served, node.failed, node.rejected) == (2, 1, 1)
    assert (node.abandoned, node.lagged, node.mean_busy) == (1, 1, 0.3)
    assert (node.cpu.mean, node.io.max, node.lag.max) == (1.5, 0.5, 0.5)
