"""The summary of aggregates against that of the recording of the same run. Worlds draw from 11."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from foundation_lab.recording.aggregates import Aggregates
from foundation_lab.reporting import AggregateSummary, Summary, summarise, summarise_aggregates
from foundation_lab.reporting.aggregate_summary import CountedError
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import Script, checkout_under_outage, play

if TYPE_CHECKING:
    from pathlib import Path

Both = tuple[AggregateSummary, Summary]


@pytest.fixture(scope="module")
def both() -> Both:
    recording = checkout_under_outage()
    return summarise_aggregates(Aggregates.of(recording)), summarise(recording)


def test_requests_are_counted_as_in_the_summary_of_the_recording(both: Both) -> None:
    counted, kept = both
    assert [client.name for client in counted.clients] == [client.name for client in kept.clients]
    for ours, theirs in zip(
        (*counted.clients, counted.requests), (*kept.clients, kept.requests), strict=True
    ):
        assert msgspec.structs.replace(ours, latency=theirs.latency) == theirs
        assert (ours.latency.count, ours.latency.max) == (theirs.latency.count, theirs.latency.max)
        assert ours.latency.mean == pytest.approx(theirs.latency.mean, rel=1e-12)
        for name in ("p50", "p95", "p99"):
            value = getattr(theirs.latency, name)
            assert getattr(ours.latency, name) == pytest.approx(value, rel=0.008)


def test_the_run_is_the_same_but_for_its_digest(both: Both) -> None:
    counted, kept = both
    assert msgspec.structs.replace(counted.run, digest=kept.run.digest) == kept.run
    assert counted.run.digest != kept.run.digest


def test_errors_and_events_are_counted_as_in_the_summary_of_the_recording(both: Both) -> None:
    counted, kept = both
    assert counted.events == kept.events
    theirs = {(f.event, f.service, f.error): f.count for f in kept.failures.groups}
    assert {(f.event, f.service, f.error): f.count for f in counted.failures} == theirs
    counts = [each.count for each in counted.failures]
    assert counts == sorted(counts, reverse=True)


def test_services_are_up_or_down_and_have_the_events_of_their_kind(both: Both) -> None:
    counted, kept = both
    theirs = {(service.name, service.kind): service for service in kept.services}
    assert {(service.name, service.kind) for service in counted.services} == set(theirs)
    for ours in counted.services:
        service = theirs[ours.name, ours.kind]
        assert (ours.status, ours.restarts) == (service.status, service.restarts)
        own = {
            name: count
            for name, count in service.events.items()
            if not name.startswith("foundation.service.")
        }
        assert ours.events == own


def test_of_two_services_that_share_a_name_one_can_be_down() -> None:
    script: Script = [
        (0.0, e.service.Started("pay", "circuit_breaker", "circuit_breaker:pay:0")),
        (0.0, e.service.Started("pay", "retry", "retry:pay:0")),
        (1.0, e.retry.AttemptStart("pay", 1, 3)),
        (3.0, e.service.Stopped("pay", "retry", "killed")),
        (5.0, e.service.Restarted("pay", "retry", "retry:pay:1", 1)),
        (8.0, e.service.Stopped("pay", "retry", "killed")),
    ]
    summary = summarise_aggregates(Aggregates.of(play(script, until=10.0)))
    breaker, retry = summary.services
    assert (breaker.status, breaker.restarts, breaker.events) == ("up", 0, {})
    assert (retry.status, retry.restarts) == ("down", 1)
    assert retry.events == {"foundation.retry.attempt_start": 1}


def test_every_measurement_in_seconds_has_its_distribution() -> None:
    script: Script = [
        (2.0, e.backend.Served("bank", "ok", 0.5, 1.5, 2.0)),
        (5.0, e.backend.Served("bank", "error", 0.0, 2.5, 2.5)),
        (6.0, e.request.Finished("web", "error", "BackendError", 3.0)),
    ]
    summary = summarise_aggregates(Aggregates.of(play(script, until=10.0)))
    found = {(each.event, each.field): each.latency for each in summary.durations}
    served = "foundation.backend.served"
    assert list(found) == [(served, "duration"), (served, "service_time"), (served, "wait")]
    assert (found[served, "wait"].count, found[served, "wait"].mean) == (2, 0.25)
    assert (found[served, "duration"].mean, found[served, "duration"].max) == (2.25, 2.5)
    error = CountedError("foundation.request.finished", "web", "BackendError", 1)
    assert summary.failures == (error,)


def test_no_events_have_a_summary_that_knows_nothing() -> None:
    summary = summarise_aggregates(Simulation(seed=7, keep="aggregates").aggregates)
    assert (summary.run.events, summary.run.begin, summary.run.end) == (0, 0.0, 0.0)
    assert (summary.requests.finished, summary.requests.success) == (0, None)
    assert summary.requests.latency.p99 is None
    for nothing in (summary.services, summary.durations, summary.failures, summary.clients):
        assert nothing == ()


def test_aggregates_that_were_saved_and_loaded_tell_the_same(tmp_path: Path) -> None:
    aggregates = Aggregates.of(checkout_under_outage())
    loaded = Aggregates.load(aggregates.save(tmp_path / "run.json"))
    assert summarise_aggregates(loaded) == summarise_aggregates(aggregates)


def test_it_goes_through_json_and_back(both: Both) -> None:
    counted, _ = both
    assert msgspec.json.decode(msgspec.json.encode(counted), type=AggregateSummary) == counted
