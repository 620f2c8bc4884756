"""The gallery: each pathology shows in the scenario as it is, and what is said to cure it does."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from foundation_lab import lab
from foundation_lab.scenario.load import load_scenario
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from foundation_lab.recording.recording import Recording

FOLDER = Path(__file__).parents[2] / "scenarios"
VARIANTS = [
    pytest.param(path, variant, id=f"{path.stem}-{variant}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for variant in load_scenario(path).variants
]


@cache
def run(name: str, variant: str | None = None) -> Recording:
    return lab.run(FOLDER / f"{name}.yaml", variant=variant)


def finished(recording: Recording, client: str | None = None) -> pl.DataFrame:
    frame = recording.frame(events.request.Finished)
    return frame if client is None else frame.filter(pl.col("client") == client)


def success(recording: Recording, after: float = 0.0, before: float = 1e9) -> float:
    ends = finished(recording)
    ends = ends.filter(pl.col("time").is_between(after, before, closed="left"))
    return float((ends["outcome"] == "ok").to_numpy().mean())


def latency(recording: Recording, q: float, client: str | None = None) -> float:
    found = finished(recording, client)["duration"].quantile(q, "linear")
    assert found is not None
    return found


def busiest(recording: Recording, event: type, width: float) -> int:
    """Return how many events there are in the fullest span of `width` seconds."""
    times = recording.frame(event)["time"].to_numpy()
    return int((times.searchsorted(times + width, side="left") - range(len(times))).max())


@pytest.mark.parametrize(("path", "variant"), VARIANTS)
def test_every_variant_of_a_shipped_scenario_runs_and_keeps_the_laws(
    path: Path, variant: str
) -> None:
    from foundation_lab.scenario.build import build

    sim = build(load_scenario(path, variant=variant, until=80))
    sim.run(until=80)
    sim.check_invariants()
    assert sim.recording.counts["foundation.request.finished"] > 0


def test_a_herd_that_retries_in_step_stays_together() -> None:
    herd = run("thundering_herd")
    rejected = herd.frame(events.backend.Rejected)
    # all that are refused come back after exactly a second
    assert rejected["time"].round(2).n_unique() == 8
    assert success(herd) == 0.6  # 30 of 400 in each of eight rounds


def test_jitter_takes_the_herd_apart_and_pauses_that_only_grow_do_not() -> None:
    # the whole herd comes back after 1, 2, 4, ... 60 seconds, and 30 are served each time
    assert success(run("thundering_herd", "growing_pauses")) == 0.6
    assert latency(run("thundering_herd", "growing_pauses"), 1) == pytest.approx(123, abs=0.5)
    for cure in ("full_jitter", "decorrelated"):
        assert success(run("thundering_herd", cure)) > 0.999
        attempts = run("thundering_herd", cure).counts["foundation.retry.attempt_start"]
        assert attempts < 0.6 * run("thundering_herd").counts["foundation.retry.attempt_start"]


def opened(recording: Recording) -> list[float]:
    changes = recording.frame(events.circuit_breaker.StateChange)
    return changes.filter(pl.col("to") == "open", pl.col("from") == "closed")["time"].to_list()


def test_a_breaker_that_counts_in_a_row_flaps() -> None:
    flaps = opened(run("breaker_flapping"))
    assert len(flaps) > 30
    assert min(flaps) > 60
    assert max(flaps) < 361


def test_a_breaker_that_judges_rates_decides() -> None:
    assert opened(run("breaker_flapping", "tolerant")) == []
    assert len(opened(run("breaker_flapping", "strict"))) == 1
    assert success(run("breaker_flapping", "strict"), 415, 420) == 1


def test_requests_that_hold_one_connection_and_want_another_block_each_other() -> None:
    stuck = run("nested_checkout")
    assert success(stuck, 0, 60) == 1
    assert success(stuck, 75, 300) < 0.2  # long after the burst of 0.2 s at 60 s
    assert set(finished(stuck)["error"].drop_nulls()) == {"CheckoutTimeout"}


@pytest.mark.parametrize("cure", ["nine_at_a_time", "one_connection"])
def test_with_a_connection_to_spare_nobody_blocks(cure: str) -> None:
    assert success(run("nested_checkout", cure)) == 1
    assert latency(run("nested_checkout", cure), 0.99) < 1


def test_a_larger_pool_alone_does_not_help() -> None:
    assert success(run("nested_checkout", "twice_the_pool"), 75, 300) < 0.25


# -- pool exhaustion: from 200 s to 260 s each request needs a connection four times as long ------


def test_a_pool_serves_what_it_has_connections_for_and_no_patience_changes_that() -> None:
    for variant in (None, "shorter_wait", "longer_wait", "bulkhead_in_front"):
        slow = run("pool_exhaustion", variant)
        assert success(slow, 205, 260) == pytest.approx(10 / 0.6 / 40, abs=0.03)
        assert success(slow, 270, 400) > 0.99
    assert success(run("pool_exhaustion", "larger_pool"), 0, 400) == 1


@pytest.mark.parametrize(
    ("variant", "error", "seconds"),
    [
        (None, "CheckoutTimeout", 0.5),
        ("shorter_wait", "CheckoutTimeout", 0.1),
        ("longer_wait", "CheckoutTimeout", 5),
        ("bulkhead_in_front", "BulkheadFull", 0),
    ],
)
def test_those_without_a_connection_learn_it_after_their_wait(
    variant: str | None, error: str, seconds: float
) -> None:
    turned_away = finished(run("pool_exhaustion", variant)).filter(
        pl.col("outcome") != "ok", pl.col("time").is_between(200, 266)
    )
    assert turned_away["error"].unique().to_list() == [error]
    assert turned_away["duration"].to_numpy() == pytest.approx(seconds)


def test_when_a_hot_value_expires_everybody_loads_it() -> None:
    stampede, single = run("cache_stampede"), run("cache_stampede", "single_flight")
    loads = [each.counts["foundation.cache.put"] for each in (stampede, single)]
    assert loads[1] == 6  # one every 20.5 s
    assert loads[0] > 90 * loads[1]
    # whoever wants something else of the database stands in the same line
    assert latency(stampede, 0.9, "search") > 4
    assert latency(single, 0.9, "search") < 2


def test_a_late_second_request_takes_a_third_of_the_tail_away_for_a_twentieth_more() -> None:
    plain, hedged = run("hedging_at_the_tail"), run("hedging_at_the_tail", "hedged")
    at_once = run("hedging_at_the_tail", "at_once")
    sent = plain.counts["foundation.request.started"]
    assert latency(hedged, 0.99) < 0.7 * latency(plain, 0.99)
    assert latency(hedged, 0.999) < 0.45 * latency(plain, 0.999)
    assert latency(hedged, 0.5) == pytest.approx(latency(plain, 0.5), rel=0.02)
    assert hedged.counts["foundation.hedge.started"] - sent == pytest.approx(0.054 * sent, rel=0.1)
    assert latency(at_once, 0.99) < 0.36 * latency(plain, 0.99)
    assert at_once.counts["foundation.hedge.started"] == pytest.approx(2 * sent, abs=20)


def test_a_fixed_window_lets_twice_its_limit_through_at_the_boundary() -> None:
    allowed = events.rate_limiter.Allowed
    assert busiest(run("limiter_boundary"), allowed, 1.0) == 200
    for cure, most in (("sliding_window", 100), ("sliding_counter", 110), ("token_bucket", 120)):
        assert busiest(run("limiter_boundary", cure), allowed, 10.0) <= most
    assert latency(run("limiter_boundary"), 0.99) > 1.9 * latency(
        run("limiter_boundary", "sliding_window"), 0.99
    )


def share_of(recording: Recording, host: str) -> float:
    picked = recording.frame(events.load_balancer.Picked)
    during = picked.filter(pl.col("time").is_between(40, 90))
    return float((during["host"] == host).to_numpy().mean())


def test_a_slow_server_that_looks_well_is_the_tail_of_all_requests() -> None:
    gray = run("gray_failure")
    assert share_of(gray, "c") == pytest.approx(0.2, abs=0.001)
    assert gray.frame(events.load_balancer.Ejected).is_empty()
    assert success(gray) == 1
    assert latency(gray, 0.99) > 3


@pytest.mark.parametrize(
    ("algorithm", "share", "p99"),
    [("power_of_two", 0.08, 0.5), ("least_loaded", 0.08, 0.5), ("peak_ewma", 0.02, 0.15)],
)
def test_who_looks_at_open_requests_or_latencies_avoids_it(
    algorithm: str, share: float, p99: float
) -> None:
    assert share_of(run("gray_failure", algorithm), "c") < share
    assert latency(run("gray_failure", algorithm), 0.99) < p99


# -- metastable failure: 300 s, of which the database stands still from 30 s to 40 s ---------------


def test_a_failure_that_feeds_itself_outlives_its_trigger() -> None:
    failure = run("metastable_failure")
    assert success(failure, 0, 30) > 0.999
    assert success(failure, 200, 300) < 0.01
    served = failure.frame(events.backend.Served).filter(pl.col("time") > 200)
    assert served.height == pytest.approx(60 * 100, rel=0.01)  # as busy as it can be, for nobody


@pytest.mark.parametrize(
    ("cure", "seconds"),
    [
        ("no_retries", 150),  # 560 too many, of which 4 a second more are served than come
        ("budget_of_successes", 160),
        ("newest_first", 25),
        ("short_line", 5),
        ("drop_the_expired", 20),
    ],
)
def test_what_ends_a_metastable_failure_and_when(cure: str, seconds: float) -> None:
    assert success(run("metastable_failure", cure), 40 + seconds, 300) > 0.985


def test_dropping_the_expired_needs_deadlines_that_tell_how_long_somebody_waits() -> None:
    late = lab.run(
        FOLDER / "metastable_failure.yaml",
        variant="drop_the_expired",
        overrides=["workloads.clients.deadline=2"],
    )
    assert success(late, 60, 300) < 0.25


def test_a_budget_of_a_ratio_does_not_end_it() -> None:
    assert success(run("metastable_failure", "budget_of_a_ratio"), 200, 300) < 0.01


# -- head of line, slow start, a supervisor that gives up ------------------------------------------


def test_a_big_request_holds_up_the_small_ones_behind_it() -> None:
    blocked = run("head_of_line")
    loop = blocked.frame(events.event_loop.Served)
    assert loop["cpu"].sum() / 300 == pytest.approx(
        0.26, abs=0.04
    )  # busy for a quarter of the time
    assert latency(blocked, 0.5) == pytest.approx(0.001)
    assert latency(blocked, 0.95) > 0.25
    small = blocked.frame(events.event_loop.Served).filter(pl.col("cpu") < 0.01)
    assert (small["lag"] > 0.1).to_numpy().mean() > 0.1


@pytest.mark.parametrize("cure", ["four_loops", "shared_processor", "computed_elsewhere"])
def test_with_more_loops_sharing_or_without_the_big_ones_small_requests_are_fast(cure: str) -> None:
    assert latency(run("head_of_line", cure), 0.95) < 0.005


@pytest.mark.parametrize(
    ("variant", "least", "most"),
    [
        (None, 10, 30),
        ("unhurried", 10, 30),
        ("unhurried_least_loaded", 0.4, 1.5),
        ("unhurried_slow_start", 0.4, 1.5),
        ("warm_before_ready", 0.3, 0.6),
    ],
)
def test_a_deploy_of_cold_replicas(variant: str | None, least: float, most: float) -> None:
    deploy = run("slow_start", variant)
    assert least < latency(deploy, 0.99) < most
    assert success(deploy) == 1
    assert deploy.frame(events.replica.DeployFinished)["reason"].to_list() == ["complete"]


def test_a_supervisor_gives_up_before_what_it_waits_for_is_back() -> None:
    recording = run("supervisor_gives_up")
    assert recording.frame(events.supervisor.GaveUp)["time"].to_list() == [61.5]
    assert success(recording, 0, 60) == 1
    assert success(recording, 62, 180) == 0


@pytest.mark.parametrize(("cure", "give_up"), [("growing_delay", 0), ("supervisor_above", 15)])
def test_a_growing_delay_or_a_supervisor_above_outlives_it(cure: str, give_up: int) -> None:
    recording = run("supervisor_gives_up", cure)
    assert recording.frame(events.supervisor.GaveUp).height == give_up
    assert success(recording, 125, 180) == 1


def test_every_scenario_with_variants_is_in_the_gallery_with_its_figure() -> None:
    page = (FOLDER.parent / "docs" / "gallery.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.yaml"):
        if load_scenario(path).variants:
            assert f"\n`{path.stem}`: " in page
            assert f"](gallery/{path.stem}.svg)" in page
            assert (FOLDER.parent / "docs" / "gallery" / f"{path.stem}.svg").is_file()
