"""Caches, hedges, timeouts, fallbacks and bulkheads against numbers worked out by hand. Seed 7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BulkheadFull
from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import summarise, tables
from foundation_lab.reporting.stories import stories
from foundation_lab.services import Bulkhead, Cache, Fallback, Hedge, Timeout
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import Script, play

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


def test_a_cache_is_told_by_hits_loads_and_why_keys_went() -> None:
    c = e.cache
    script: Script = [
        (0.0, c.Miss("front", "a", joined=False)),
        (0.5, c.Miss("front", "a", joined=True)),
        (1.0, c.Put("front", "a", 10.0, 1, negative=False)),
        (2.0, c.Miss("front", "b", joined=False)),
        (2.0, c.Put("front", "b", 10.0, 2, negative=True)),
        (3.0, c.Hit("front", "a", 2.0, negative=False)),
        (4.0, c.Hit("front", "b", 2.0, negative=True)),
        (5.0, c.Hit("front", "a", 4.0, negative=False)),
        (6.0, c.Evicted("front", "a", "least_used", 5.0)),
        (6.0, c.Put("front", "c", 10.0, 2, negative=False)),
        (12.0, c.Evicted("front", "b", "expired", 10.0)),
        (16.0, c.Evicted("front", "c", "expired", 10.0)),
    ]
    (cache,) = summarise(play(script, until=20.0)).caches
    assert (cache.name, cache.hits, cache.misses, cache.hit_ratio) == ("front", 3, 3, 0.5)
    assert (cache.negative_hits, cache.loads, cache.joined) == (1, 2, 1)
    assert (cache.puts, cache.peak_size) == (3, 2)
    assert list(cache.evicted.items()) == [("least_used", 1), ("expired", 2)]
    assert cache.age.mean == pytest.approx(8 / 3)
    assert cache.age.max == 4.0


def test_a_cache_that_nobody_asked_has_no_hit_ratio() -> None:
    script: Script = [(1.0, e.cache.Put("front", "a", 10.0, 1, negative=False))]
    (cache,) = summarise(play(script, until=2.0)).caches
    assert (cache.hits, cache.misses, cache.hit_ratio) == (0, 0, None)


def test_a_hedge_is_told_by_how_often_it_hedged_and_won() -> None:
    h = e.hedge
    script: Script = [
        (0.0, h.Started("search", 1, 3)),  # the first attempt wins: no hedge
        (1.0, h.Won("search", 1, 1.0)),
        (2.0, h.Started("search", 1, 3)),  # the second wins
        (4.0, h.Started("search", 2, 3)),
        (5.0, h.Won("search", 2, 3.0)),
        (5.0, h.Cancelled("search", 1, 3.0)),
        (6.0, h.Started("search", 1, 3)),  # the first wins beside a second
        (8.0, h.Started("search", 2, 3)),
        (8.5, h.Won("search", 1, 2.5)),
        (8.5, h.Cancelled("search", 2, 0.5)),
        (10.0, h.Started("search", 1, 3)),  # all three fail, or nobody pays
        (11.0, h.Failed("search", 1, "BackendError", 1.0)),
        (11.0, h.Started("search", 2, 3)),
        (12.0, h.Failed("search", 2, "BackendError", 1.0)),
        (12.0, h.BudgetExhausted("search", 2, "quota")),
    ]
    (hedge,) = summarise(play(script, until=20.0)).hedges
    assert (hedge.calls, hedge.attempts, hedge.hedged, hedge.hedged_share) == (4, 7, 3, 0.75)
    assert (hedge.won, hedge.won_by_hedge) == (3, 1)
    assert hedge.win_share == pytest.approx(1 / 3)
    assert (hedge.failed, hedge.cancelled, hedge.cancelled_seconds) == (2, 2, 3.5)
    assert hedge.exhausted == 1
    assert hedge.duration.mean == pytest.approx(6.5 / 3)
    assert hedge.duration.max == 3.0


def test_a_timeout_is_told_by_the_share_that_took_too_long() -> None:
    t = e.timeout
    script: Script = [
        (1.0, t.Finished("limit", "ok", 0.5)),
        (2.0, t.Finished("limit", "error", 1.5)),
        (3.0, t.TimedOut("limit", 2.0, ghost=True)),
        (4.0, t.TimedOut("limit", 2.0, ghost=False)),
        (5.0, t.Finished("limit", "ok", 1.0)),
    ]
    (timeout,) = summarise(play(script, until=8.0)).timeouts
    assert (timeout.calls, timeout.timed_out, timeout.timed_out_share) == (5, 2, 0.4)
    assert timeout.ghosts == 1
    assert (timeout.duration.count, timeout.duration.mean, timeout.duration.max) == (3, 1.0, 1.5)


def test_a_fallback_is_told_by_the_share_of_calls_it_stood_in_for() -> None:
    f = e.fallback
    script: Script = [
        (1.0, f.Passed("prices", "ok")),
        (2.0, f.Used("prices", "TimedOut", "value")),
        (3.0, f.Used("prices", "BackendError", "value")),
        (4.0, f.Used("prices", "TimedOut", "value")),
        (5.0, f.Passed("prices", "cancelled")),
    ]
    (fallback,) = summarise(play(script, until=8.0)).fallbacks
    assert (fallback.calls, fallback.used, fallback.used_share) == (5, 3, 0.6)
    assert list(fallback.errors.items()) == [("TimedOut", 2), ("BackendError", 1)]


def test_a_bulkhead_is_told_by_rejections_waits_and_places_in_use() -> None:
    b = e.bulkhead
    script: Script = [
        (2.0, b.Permitted("narrow", 0.0, 1)),
        (3.0, b.Permitted("narrow", 0.0, 2)),
        (4.0, b.Rejected("narrow", "full", 0.0)),
        (6.0, b.Finished("narrow", "ok", 4.0)),
        (6.0, b.Permitted("narrow", 1.5, 2)),
        (7.0, b.Rejected("narrow", "timeout", 2.0)),
        (8.0, b.Finished("narrow", "error", 5.0)),
        (9.0, b.Rejected("narrow", "timeout", 2.0)),
    ]
    (bulkhead,) = summarise(play(script, until=12.0)).bulkheads
    assert (bulkhead.admitted, bulkhead.rejected, bulkhead.rejected_share) == (3, 3, 0.5)
    assert list(bulkhead.reasons.items()) == [("full", 1), ("timeout", 2)]
    area = 1 * 1 + 2 * 5 + 1 * 4  # [2, 3), [3, 8), [8, 12)
    assert bulkhead.mean_in_use == pytest.approx(area / 10)
    assert bulkhead.peak_in_use == 2
    assert (bulkhead.wait.mean, bulkhead.wait.max) == (0.5, 1.5)


def test_those_that_did_nothing_have_no_line() -> None:
    sim = Simulation(seed=7)
    Cache(sim, "front", ttl=1.0)
    Hedge(sim, "search", delay=1.0)
    Timeout(sim, "limit", 1.0)
    Fallback(sim, "prices", value=0)
    Bulkhead(sim, "narrow", max_concurrent=1)
    summary = summarise(sim.recording)
    for nothing in (
        summary.caches,
        summary.hedges,
        summary.timeouts,
        summary.fallbacks,
        summary.bulkheads,
    ):
        assert nothing == ()
    assert [table.name for table in tables(summary)] == ["services", "events"]


@pytest.fixture(scope="module")
def world() -> Simulation:
    """One of each kind in turn, a call a second: the first four take 1 s, the others 5 s."""
    sim = Simulation(seed=7)
    cache = Cache(sim, "front", ttl=3.5)
    hedge = Hedge(sim, "search", delay=2.0)
    limit = Timeout(sim, "limit", 3.5, "ghost")
    narrow = Bulkhead(sim, "narrow", max_concurrent=1, max_wait=0.5)
    prices = Fallback(sim, "prices", value="none")
    calls: list[Callable[[Callable[[], Any]], Generator[Any, Any, Any]]] = [
        lambda work: prices.call(lambda: limit.call(work)),
        hedge.call,
        narrow.call,
        lambda work: cache.call(work, key="a"),
    ]

    def client(number: int) -> Generator[Any, Any, None]:
        yield sim.timeout(number)
        try:
            yield from calls[number % 4](lambda: sim.sleep(1 if number < 4 else 5))
        except BulkheadFull:
            return

    for number in range(12):
        sim.process(client(number))
    sim.run()
    return sim


def test_the_calls_of_a_real_run_are_all_told_of(world: Simulation) -> None:
    summary = summarise(world.recording)
    (limit,), (prices,), (search,) = summary.timeouts, summary.fallbacks, summary.hedges
    (narrow,), (front,) = summary.bulkheads, summary.caches
    assert (limit.calls, limit.timed_out, limit.ghosts) == (3, 2, 2)
    assert (prices.calls, prices.used, prices.errors) == (3, 2, {"TimedOut": 2})
    assert (search.calls, search.hedged, search.won_by_hedge) == (3, 2, 0)
    assert search.cancelled_seconds == 3.0 + 3.0
    assert (narrow.admitted, narrow.reasons) == (2, {"timeout": 1})
    assert (front.hits, front.loads, front.evicted) == (1, 2, {"expired": 1})


def test_a_recording_that_was_saved_and_loaded_tells_the_same(
    world: Simulation, tmp_path: Path
) -> None:
    world.recording.save(tmp_path / "run")
    assert summarise(Recording.load(tmp_path / "run")) == summarise(world.recording)


def test_each_has_a_story_and_a_table(world: Simulation) -> None:
    summary = summarise(world.recording)
    told = {name: ", ".join(words) for (_, name), (_, words) in stories(summary).items()}
    assert "2 hedged (66.66 %)" in told["search"]
    assert "2 timed out (66.66 %)" in told["limit"]
    assert "2 of them went on as ghosts" in told["limit"]
    assert "2 stood in for (66.66 %)" in told["prices"]
    assert "at most 1 in use" in told["narrow"]
    assert "hit ratio 33.33 %" in told["front"]
    names = [table.name for table in tables(summary)]
    assert {"hedges", "timeouts", "fallbacks", "bulkheads", "caches"} <= set(names)
