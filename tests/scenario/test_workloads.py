"""Workloads in scenario files: every kind is built and runs, and what is wrong is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import polars as pl
import pytest

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.build import build
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.workloads import KINDS
from foundation_lab.scenario.workloads.arrivals import AnyArrivals
from tests.scenario.shop import line_of, shop, wrong
from tests.scenario.test_build import ARRIVALS, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.simulation.engine import Simulation

EXPONENTIAL = {"kind": "exponential", "mean": 0.5}

MORE_ARRIVALS: list[dict[str, Any]] = [
    {"kind": "ramp", "start_rate": 0, "end_rate": 5, "duration": 5},
    {"kind": "ramp", "start_rate": 5, "end_rate": 0, "duration": 5, "hold": 0},
    {"kind": "staircase", "rates": [1, 0, 4], "interval": 2, "hold": 1},
    {"kind": "spikes", "rate": 0, "peaks": [[0, 1, 9], [1, 1, 20], [5, 0.5, 9]], "end": 9},
    {"kind": "spikes", "rate": 2, "peaks": []},
    {"kind": "sinusoidal", "mean_rate": 2, "amplitude": 2, "period": 5, "phase": -1, "end": 8},
    {"kind": "diurnal", "low": 0, "high": 4, "peak": 3, "period": 10},
    {"kind": "on_off", "rate": 9, "on": 1, "off": EXPONENTIAL},
    {"kind": "on_off", "rate": 9, "on": 1, "off": {"kind": "constant", "value": 0}},
    {"kind": "switching", "rates": [0, 9], "stays": [0.5, EXPONENTIAL]},
    {"kind": "bootstrap", "gaps": [0.1, 0, 2], "block": 3},
    {"kind": "bootstrap", "times": [1, 1, 1.5, 4], "block": 2},
]

PAGES: dict[str, dict[str, Any]] = {
    "home": {"call": ["db"]},
    "cart": {"call": ["db"], "think_time": 0.1},
}

WORKLOADS: list[dict[str, Any]] = [
    {"arrivals": {"kind": "constant", "rate": 4}, "call": ["db"]},
    {
        "kind": "open",
        "arrivals": {"kind": "poisson", "rate": 20},
        "call": ["db"],
        "max_in_flight": 2,
    },
    {"kind": "closed_loop", "users": 3, "think_time": EXPONENTIAL, "call": ["db"]},
    {
        "kind": "closed_loop",
        "users": 0,
        "think_time": 0.5,
        "stages": [[2, 4], [0, 1]],
        "call": ["db"],
        "keys": {"kind": "zipf", "count": 9},
    },
    {
        "kind": "paced",
        "connections": 2,
        "arrivals": {"kind": "constant", "rate": 30},
        "call": ["db"],
    },
    {
        "kind": "paced",
        "connections": 2,
        "arrivals": {"kind": "constant", "rate": 30},
        "call": ["db"],
        "pinned": True,
    },
    {
        "kind": "sessions",
        "arrivals": {"kind": "poisson", "rate": 2},
        "steps": [{"page": "home", "call": ["db"]}, {"page": "cart", **PAGES["cart"]}],
        "think_time": EXPONENTIAL,
        "max_failures": None,
    },
    {
        "kind": "sessions",
        "arrivals": {"kind": "poisson", "rate": 2},
        "pages": PAGES,
        "links": {"home": {"home": 0.2, "cart": 0.5}},
        "start": "home",
    },
    {"kind": "sessions", "arrivals": {"kind": "poisson", "rate": 2}, "pages": PAGES},
    {"kind": "trace_replay", "rows": [[5, "tea"], [6.5, None], [7, "tea"]], "call": ["db"]},
    {
        "kind": "trace_replay",
        "rows": [[0, None], [1, None]],
        "call": ["db"],
        "keys": {"kind": "uniform", "count": 2},
        "speed": 2,
        "repeat": None,
        "period": 1,
        "max_in_flight": 1,
    },
]


def run(spec: dict[str, Any], *, until: float = 20, **parts: Any) -> Simulation:
    sim = build(scenario(workloads={"web": spec}, **parts))
    sim.run(until=until)
    sim.check_invariants()
    return sim


@pytest.mark.parametrize("spec", WORKLOADS, ids=str)
def test_every_workload_that_a_file_may_describe_is_built_and_sends(spec: dict[str, Any]) -> None:
    sim = run(spec)
    assert ("workload", "web") in sim.components
    assert sim.recording.counts["foundation.request.finished"] >= 3


def test_every_kind_of_workload_is_among_those_that_are_built_here() -> None:
    assert {spec.get("kind", "open") for spec in WORKLOADS} == set(KINDS)


@pytest.mark.parametrize("spec", MORE_ARRIVALS, ids=str)
def test_arrivals_of_every_kind_come(spec: dict[str, Any]) -> None:
    sim = run({"arrivals": spec, "call": ["db"]}, until=10)
    assert sim.recording.counts["foundation.request.started"] >= 3


def test_every_kind_of_arrivals_is_among_those_that_are_built() -> None:
    kinds = {
        get_args(each.model_fields["kind"].annotation)[0]
        for each in get_args(get_args(AnyArrivals)[0])
    }
    assert {spec["kind"] for spec in [*ARRIVALS, *MORE_ARRIVALS]} == kinds - {"file"}


def test_a_workload_that_does_not_say_its_kind_is_an_open_one() -> None:
    spec = {"arrivals": {"kind": "constant", "rate": 4}, "call": ["db"]}
    one, other = run(spec), run({"kind": "open", **spec})
    assert one.recording.digest == other.recording.digest


def test_what_is_recorded_of_a_workload_can_be_read_again() -> None:
    for spec in WORKLOADS:
        given = scenario(workloads={"web": spec})
        kept = build(given).recording.facts.scenario
        assert type(given).model_validate_json(json.dumps(kept)) == given


def test_connections_of_a_file_make_requests_wait_at_the_client() -> None:
    spec = {"arrivals": {"kind": "constant", "rate": 30}, "call": ["db"], "max_in_flight": 1}
    assert run(spec).recording.counts["foundation.request.delayed"] > 100


def test_the_users_of_a_closed_loop_follow_the_stages_of_the_file() -> None:
    changed = run(WORKLOADS[3]).recording.frame("workload.users_changed")
    assert changed.select("time", "users").rows() == [
        (0.5, 1),
        (1.0, 2),
        (1.5, 3),
        (2.0, 4),
        (2.0, 3),
        (2.0, 2),
        (2.0, 1),
    ]


def test_sessions_of_a_file_go_from_page_to_page() -> None:
    steps = run(WORKLOADS[7]).recording.frame("workload.session_step")
    assert set(steps["page"]) == {"home", "cart"}
    assert set(steps.filter(pl.col("step") == 1)["page"]) == {"home"}


def test_a_replay_asks_for_what_its_rows_say() -> None:
    cache = {"cache": {"kind": "cache", "ttl": 1e6}}
    spec = {**WORKLOADS[9], "call": ["cache", "db"]}
    sim = run(spec, services=cache)
    assert sim.recording.frame("request.started")["time"].to_list() == [0, 1.5, 2]
    assert sim.recording.frame("cache.miss")["key"].to_list() == ["tea", ""]
    assert sim.recording.frame("cache.hit")["key"].to_list() == ["tea"]


WEB = "    arrivals: {kind: poisson, rate: 40}\n    call: [gate, breaker, again, pool, db]\n"

WRONG = [
    ("kind: opn", "kind", "did you mean 'open'?"),
    ("kind: opn", "kind", "known: open, closed_loop, paced, sessions, trace_replay"),
    ("kind: null", "kind", "unknown kind null"),
    ("arival: 1", "arrivals", "required key 'arrivals' is missing"),
    ("kind: paced", "connections", "required key 'connections' is missing"),
    ("{call}, arrivals: {poisson}, user: 3", "user", "unknown key 'user'"),
    ("{call}, arrivals: {poisson}, max_in_flight: 0", "max_in_flight", "1 or a greater number"),
    ("{call}, kind: closed_loop, think_time: 1", "users", "is missing"),
    ("{call}, kind: closed_loop, users: 1, think_time: 0", "think_time", "greater than 0"),
    (
        "{call}, kind: closed_loop, users: 1, think_time: {{kind: constant, value: 0}}",
        "think_time",
        "it is always 0, so that a request that fails at once is sent for ever",
    ),
    ("{call}, kind: closed_loop, users: -1, think_time: 1", "users", "0 or a greater number"),
    (
        "{call}, kind: closed_loop, users: 1, think_time: 1, stages: [[-1, 2]]",
        "stages[0][0]",
        "0 or a greater",
    ),
    ("{call}, kind: paced, connections: 0, arrivals: {poisson}", "connections", "1 or a greater"),
    ("kind: sessions, arrivals: {poisson}", "", "give steps, or pages and links; one of both"),
    (
        "kind: sessions, arrivals: {poisson}, steps: [{{page: a, call: [dbb]}}]",
        "steps[0].call[0]",
        "there is no service 'dbb'; did you mean 'db'?",
    ),
    (
        "kind: sessions, arrivals: {poisson}, pages: {{a: {{call: [pool]}}}}",
        "pages.a.call[0]",
        "and 'pool' is a connection_manager",
    ),
    (
        "kind: sessions, arrivals: {poisson}, steps: [{{page: a, call: [db]}}], start: a",
        "",
        "start belongs to pages",
    ),
    (
        "kind: sessions, arrivals: {poisson}, pages: {{home: {{{call}}}}}, start: hom",
        "start",
        "there is no page 'hom'; did you mean 'home'?",
    ),
    (
        "kind: sessions, arrivals: {poisson}, pages: {{a: {{{call}}}}}, links: {{b: {{a: 1}}}}",
        "links.b",
        "there is no page 'b'",
    ),
    (
        "kind: sessions, arrivals: {poisson}, pages: {{a: {{{call}}}}}, links: {{a: {{b: 1}}}}",
        "links.a.b",
        "there is no page 'b'",
    ),
    (
        (
            "kind: sessions, arrivals: {poisson}, pages: {{a: {{{call}}}, b: {{{call}}}}}, "
            "links: {{a: {{a: 0.6, b: 0.5}}}}"
        ),
        "links.a",
        "the chances sum up to 1.1",
    ),
    (
        "kind: sessions, arrivals: {poisson}, pages: {{a: {{{call}}}}}, links: {{a: {{a: 1}}}}",
        "",
        "nobody ever leaves from ['a']",
    ),
    (
        "kind: sessions, arrivals: {poisson}, steps: [{{page: a, {call}}}], max_failures: null",
        "think_time",
        "would be tried for ever",
    ),
    ("{call}, kind: trace_replay", "", "give rows, or the file that holds them"),
    ("{call}, kind: trace_replay, rows: []", "rows", "1 or more entries"),
    ("{call}, kind: trace_replay, rows: [[-1, a]]", "rows[0][0]", "0 or a greater"),
    ("{call}, kind: trace_replay, rows: [[1, a]], repeat: 2", "", "all rows have one time"),
    ("{call}, kind: trace_replay, rows: [[1, a], [3, a]], period: 1", "period", "takes 2 s"),
    ("{call}, kind: trace_replay, rows: [[1, a]], key_column: k", "", "how a file is read"),
    (
        "{call}, kind: trace_replay, rows: [[1, a]], keys: {{kind: uniform, count: 2}}",
        "",
        "the keys are drawn, and in the rows",
    ),
]


@pytest.mark.parametrize(("spec", "place", "says"), WRONG)
def test_a_wrong_workload_is_refused_at_its_place(
    tmp_path: Path, spec: str, place: str, says: str
) -> None:
    text = spec.format(call="call: [db]", poisson="{kind: poisson, rate: 1}")
    found = wrong(
        tmp_path,
        (WEB, "    call: [db]\n    arrivals: {kind: poisson, rate: 1}\n"),
        ("\nfaults:\n", f"  more: {{{text}}}\n\nfaults:\n"),
    )
    path = ".".join(filter(None, ["workloads.more", place]))
    (message,) = [str(each) for each in found if each.path == path]
    assert says in message
    assert {each.line for each in found} == {line_of(tmp_path / "shop.yaml", "  more: ")}


WRONG_ARRIVALS = [
    ("{kind: ramp, start_rate: 0, end_rate: 0, duration: 1}", "", "all rates are 0"),
    ("{kind: ramp, start_rate: 1, end_rate: 0, duration: 0}", "duration", "greater than 0"),
    ("{kind: staircase, rates: [0, 0], interval: 1}", "rates", "all rates are 0"),
    ("{kind: staircase, rates: [], interval: 1}", "rates", "1 or more entries"),
    ("{kind: spikes, rate: 0, peaks: []}", "", "all rates are 0"),
    ("{kind: spikes, rate: 1, peaks: [[1, 3, 9], [3, 1, 9]]}", "", "spike at 3 begins before"),
    ("{kind: sinusoidal, mean_rate: 1, amplitude: 2, period: 1}", "amplitude", "is above mean"),
    ("{kind: diurnal, low: 3, high: 2}", "high", "exchange them"),
    ("{kind: on_off, rate: 0, on: 1, off: 1}", "rate", "greater than 0"),
    ("{kind: on_off, rate: 1, on: 0, off: 1}", "on", "greater than 0"),
    ("{kind: switching, rates: [1, 2], stays: [1]}", "", "1 stays for 2 rates; give one each"),
    ("{kind: switching, rates: [0], stays: [1]}", "", "all rates are 0"),
    (
        "{kind: switching, rates: [1], stays: [{kind: constant, value: 0}]}",
        "",
        "every stay takes 0 s",
    ),
    ("{kind: bootstrap}", "", "give gaps, times, or the file"),
    ("{kind: bootstrap, gaps: [0]}", "", "no gap above 0"),
    ("{kind: bootstrap, times: [3, 2]}", "", "the times go back"),
    ("{kind: bootstrap, gaps: [1, 2], block: 3}", "", "a block of 3 is longer"),
    ("{kind: bootstrap, gaps: [1, 2], column: x}", "", "column says how a file is read"),
    ("{kind: bootstrp, gaps: [1, 2]}", "kind", "did you mean 'bootstrap'?"),
]


@pytest.mark.parametrize(("spec", "place", "says"), WRONG_ARRIVALS)
def test_wrong_arrivals_are_refused_at_their_place(
    tmp_path: Path, spec: str, place: str, says: str
) -> None:
    (found,) = wrong(tmp_path, ("{kind: poisson, rate: 40}", spec))
    assert found.path == ".".join(filter(None, ["workloads.web.arrivals", place]))
    assert says in str(found)


# Tables


def with_web(folder: Path, web: str) -> Path:
    return shop(folder, (f"{WEB}    node: edge\n", web))


def test_a_trace_may_lie_in_a_table(tmp_path: Path) -> None:
    rows = "timestamp,item,id\n2026-03-02T00:00:05,tea,7\n2026-03-02T00:00:01,coffee,8\n"
    (tmp_path / "trace.csv").write_text(rows)
    web = "    kind: trace_replay\n    file: trace.csv\n    key_column: {}\n    call: [db]\n"
    found: Any = load_scenario(with_web(tmp_path, web.format("item"))).workloads["web"]
    assert (found.rows, found.file) == ([(4, "tea"), (0, "coffee")], None)
    found = load_scenario(with_web(tmp_path, web.format("id"))).workloads["web"]
    assert found.rows == [(4, "7"), (0, "8")]
    found = load_scenario(with_web(tmp_path, web.format("null"))).workloads["web"]
    assert found.rows == [(4, None), (0, None)]
    with pytest.raises(InvalidFile, match=r"no column 'itm'; did you mean 'item'\? \(set key_co"):
        load_scenario(with_web(tmp_path, web.format("itm")))


def test_a_trace_from_a_table_is_checked_as_one_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("timestamp\n5\n5\n")
    web = "    kind: trace_replay\n    file: trace.csv\n    repeat: 2\n    call: [db]\n"
    path = with_web(tmp_path, web)
    with pytest.raises(InvalidFile, match="all rows have one time") as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}:{line_of(path, 'trace.csv')}:")


def test_a_sample_of_arrivals_may_lie_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("timestamp,gap\n9,0.5\n4,1\n5,2\n")
    web = "    arrivals: {{kind: bootstrap, file: day.csv{}}}\n    call: [db]\n"
    found: Any = load_scenario(with_web(tmp_path, web.format(", block: 2"))).workloads["web"]
    assert (found.arrivals.times, found.arrivals.block) == ([0, 1, 5], 2)
    found = load_scenario(with_web(tmp_path, web.format(", holds: gaps"))).workloads["web"]
    assert found.arrivals.gaps == [0.5, 1, 2]
    with pytest.raises(InvalidFile, match="a block of 3 is longer"):
        load_scenario(with_web(tmp_path, web.format(", block: 3")))


@pytest.mark.parametrize(
    "web",
    [
        {"kind": "trace_replay", "file": "x.csv", "call": ["db"]},
        {"arrivals": {"kind": "bootstrap", "file": "x.csv"}, "call": ["db"]},
    ],
)
def test_what_still_lies_in_a_file_cannot_be_built(web: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be read before"):
        build(scenario(workloads={"web": web}))
