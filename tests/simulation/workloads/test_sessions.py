"""Sessions: users who take several steps, from page to page, and give up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError
from foundation_lab.services import Backend
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import constant_rate, poisson, timestamps
from foundation_lab.simulation.workloads.journey import PageGraph, Step
from foundation_lab.simulation.workloads.sessions import Sessions
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    import polars as pl

SEED = 63


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return frame.select(*columns).rows()


def test_a_session_takes_its_steps_with_thoughts_in_between() -> None:
    sim = Simulation(seed=SEED)
    steps = [("home", lambda: sim.sleep(1)), ("pay", lambda: sim.sleep(2))]
    shop = Sessions(sim, "shop", timestamps([5]), steps, think_time=10)
    sim.run(until=7)
    assert (shop.active, shop.sent, shop.in_flight, shop.status) == (1, 1, 0, "1 of 1 sessions")
    sim.check_invariants()
    sim.run()
    sim.check_invariants()
    steps_taken = sim.recording.frame(events.workload.SessionStep)
    assert rows(steps_taken, "time", "step", "page") == [(5, 1, "home"), (16, 2, "pay")]
    ended = sim.recording.frame(events.workload.SessionFinished)
    columns = ("time", "outcome", "steps", "failures", "duration")
    assert rows(ended, *columns) == [(18, "completed", 2, 0, 13)]


def test_the_session_of_a_request_is_found_by_its_correlation_id() -> None:
    sim = Simulation(seed=SEED)
    db = Backend(sim, "db", service_time=0.3)
    Sessions(sim, "shop", constant_rate(2), [("a", db.request), ("b", db.request)], think_time=1)
    sim.run(until=20)
    recording = sim.recording
    steps = recording.frame(events.workload.SessionStep)
    started = recording.frame(events.request.Started)
    assert steps["correlation_id"].n_unique() == steps.height == started.height
    assert steps["correlation_id"].to_list() == started["correlation_id"].to_list()
    served = recording.frame(Backend.Served).join(
        steps.select("correlation_id", "session_id", "page"), on="correlation_id", how="left"
    )
    assert served["page"].null_count() == 0
    for cls in (events.workload.SessionStarted, events.workload.SessionFinished):
        frame = recording.frame(cls)
        assert frame["session_id"].to_list() == frame["correlation_id"].to_list()


def test_a_step_that_fails_is_tried_again_and_the_last_failure_ends_the_session() -> None:
    sim = Simulation(seed=SEED)
    ends = iter([True, False, True, True, True, False, False, False])

    def call() -> Any:
        yield 1
        if not next(ends):
            raise BackendError("no")

    steps = [("a", call), ("b", call), ("c", call)]
    shop = Sessions(sim, "shop", timestamps([0, 100]), steps, think_time=4, max_failures=3)
    sim.run()
    sim.check_invariants()
    taken = sim.recording.frame(events.workload.SessionStep)
    assert rows(taken, "time", "page") == [
        (0, "a"), (5, "b"), (10, "b"), (15, "c"),
        (100, "a"), (105, "b"), (110, "b"), (115, "b"),
    ]  # fmt: skip
    ended = sim.recording.frame(events.workload.SessionFinished)
    assert rows(ended, "time", "outcome", "steps", "failures") == [
        (16, "completed", 3, 1),
        (116, "abandoned", 1, 3),
    ]
    assert (shop.completed, shop.abandoned, shop.active) == (1, 1, 0)


def test_an_interrupt_while_a_user_thinks_cancels_the_session() -> None:
    sim = Simulation(seed=SEED)
    shop = Sessions(sim, "shop", timestamps([0]), [("a", lambda: 1)] * 2, think_time=5)
    sim.run(until=1)
    process = next(p for p in sim.living() if p.name == "shop")
    process.interrupt()
    process.defused = True
    sim.run()
    sim.check_invariants()
    assert (shop.cancelled, shop.active) == (1, 0)
    ended = sim.recording.frame(events.workload.SessionFinished)
    assert rows(ended, "time", "outcome", "steps") == [(1, "cancelled", 1)]


def test_users_of_a_page_graph_visit_as_many_pages_as_the_markov_chain_says() -> None:
    """From `search` they go on searching with 0.5: 2 visits on average, and a cart for 3 in 10."""
    sim = Simulation(seed=SEED)
    pages = dict.fromkeys(("home", "search", "cart"), lambda: 1)
    links = {"home": {"search": 0.8}, "search": {"search": 0.5, "cart": 0.3}}
    shop = Sessions(sim, "shop", poisson(10), PageGraph(pages, links), think_time=1)
    sim.run(until=1000)
    sim.check_invariants()
    visits = sim.recording.frame(events.workload.SessionStep)["page"].value_counts()
    found = {page: count / shop.sessions for page, count in visits.rows()}
    assert found["home"] == 1
    # the variance of a visit count is at most 4 here, of n = 10000 sessions
    assert found["search"] == pytest.approx(0.8 * 2, abs=4 * 2 / 100)
    assert found["cart"] == pytest.approx(0.8 * 2 * 0.3, abs=4 * 0.5 / 100 + 0.01)


def test_users_are_the_same_whatever_becomes_of_their_requests() -> None:
    found = []
    for service_time in (0.01, 5.0):
        sim = Simulation(seed=SEED)
        db = Backend(sim, "db", service_time=service_time)
        pages = dict.fromkeys("abc", db.request)
        graph = PageGraph(pages, {"a": {"b": 0.7}, "b": {"c": 0.5, "a": 0.2}})
        Sessions(sim, "shop", timestamps(range(20)), graph, think_time=exponential(2))
        sim.run()
        steps = sim.recording.frame(events.workload.SessionStep)
        paths: dict[str, str] = {}
        for session, page in steps.select("session_id", "page").rows():
            paths[session] = paths.get(session, "") + page
        planned = sim.recording.frame(events.workload.SessionStarted)
        found.append((planned["steps"].to_list(), sorted(paths.values())))
    assert found[0] == found[1]


def test_the_load_of_sessions_is_how_fast_users_come() -> None:
    sim = Simulation(seed=SEED)
    shop = Sessions(sim, "shop", constant_rate(1), [("a", lambda: 1)])
    sim.call_at(2.5, partial(shop.change_load, 2))
    sim.run(until=4)
    started = sim.recording.frame(events.workload.SessionStarted)
    assert started["time"].to_list() == [1, 2, 2.75, 3.25, 3.75]


def test_laws_hold_in_the_middle_of_a_session() -> None:
    sim = Simulation(seed=SEED)
    db = Backend(sim, "db", service_time=exponential(0.2), error_rate=0.3)
    Sessions(sim, "shop", poisson(2), [("a", db.request)] * 4, think_time=exponential(1))
    sim.telemetry.attach("law", "workload", lambda _: sim.check_invariants())
    sim.telemetry.attach("law too", "request", lambda _: sim.check_invariants())
    sim.run(until=50)
    assert "foundation.telemetry.handler.failure" not in sim.recording.counts


def test_a_lost_session_breaks_the_law() -> None:
    sim = Simulation(seed=SEED)
    shop = Sessions(sim, "shop", timestamps([0]), [("a", lambda: 1)])
    sim.run()
    shop.sessions += 1
    assert shop.violations() == ["2 sessions, but 0 active and 1 ended"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PageGraph({}, {}), "one page or more"),
        (lambda: PageGraph({"a": int}, {"b": {"a": 1}}), "there is no page 'b'"),
        (lambda: PageGraph({"a": int}, {"a": {"b": 1}}), "there is no page 'b'"),
        (lambda: PageGraph({"a": int}, {}, start="x"), "there is no page 'x'"),
        (lambda: PageGraph({"a": int}, {"a": {"a": 1.5}}), "chances are from 0 to 1"),
        (lambda: PageGraph({"a": int}, {"a": {"a": 1}}), "nobody ever leaves from .'a'."),
        (
            lambda: PageGraph(
                dict.fromkeys("abc", int), {"a": {"b": 0.1}, "b": {"c": 1}, "c": {"b": 1}}
            ),
            "nobody ever leaves from .'b', 'c'.",
        ),
    ],
    ids=range(7),
)
def test_a_graph_that_leads_nowhere_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": []}, "one step or more"),
        ({"steps": [("a", int)], "max_failures": 0}, "max_failures=0"),
    ],
)
def test_sessions_that_make_no_sense_are_refused(arguments: Any, message: str) -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError, match=message):
        Sessions(sim, "shop", constant_rate(1), **arguments)
    assert not sim.components


def test_a_step_may_have_a_think_time_of_its_own_which_also_comes_before_a_second_try() -> None:
    sim = Simulation(seed=SEED)
    ends = iter([False, True, True, True])

    def call() -> None:
        if not next(ends):
            raise BackendError("no")

    steps = [("a", call, 7), ("b", call), ("c", call, 20.0)]
    Sessions(sim, "shop", timestamps([0]), steps, think_time=1)
    sim.run()
    taken = sim.recording.frame(events.workload.SessionStep)
    assert rows(taken, "time", "page") == [(0, "a"), (7, "a"), (8, "b"), (28, "c")]


def test_a_page_of_a_graph_may_be_a_step() -> None:
    sim = Simulation(seed=SEED)
    pages = {"a": Step("first", lambda: 1), "b": Step("second", lambda: 1, 9)}
    Sessions(sim, "shop", timestamps([0]), PageGraph(pages, {"a": {"b": 1}}), think_time=1)
    sim.run()
    taken = sim.recording.frame(events.workload.SessionStep)
    assert rows(taken, "time", "page") == [(0, "first"), (9, "second")]


def test_a_request_of_nobody_breaks_the_law() -> None:
    sim = Simulation(seed=SEED)
    shop = Sessions(sim, "shop", timestamps([0]), [("a", lambda: 1)])
    sim.run()
    shop._ledger.sent += 1
    assert shop.violations()[1] == "1 requests in flight of 0 sessions"
