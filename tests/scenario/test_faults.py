"""Faults in scenario files: every kind at every time is built and runs; the rest is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from foundation_lab import services as made
from foundation_lab.scenario.build import build
from foundation_lab.scenario.faults import KINDS
from foundation_lab.scenario.faults.targets import can_have, service_class
from foundation_lab.scenario.faults.when import AnyWhen
from foundation_lab.scenario.model import Scenario
from foundation_lab.scenario.services import KINDS as SERVICES
from foundation_lab.services.service import Service
from foundation_lab.simulation import faults
from tests.scenario.shop import line_of, wrong

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.simulation.engine import Simulation

FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "service": "db", "delay": 0.2, "jitter": 0.1, "probability": 0.5},
    {"kind": "latency", "service": "pool", "delay": {"kind": "exponential", "mean": 0.1}},
    {"kind": "error_rate", "services": ["db", "pool"], "rate": 0.5},
    {"kind": "hang", "service": "db", "probability": 0.2},
    {"kind": "hang", "service": "db", "release": False, "probability": 0.01},
    {"kind": "connection_reset", "service": "db"},
    {"kind": "connection_reset", "service": "db", "after": 0.01, "probability": 0.5},
    {"kind": "lost_request", "service": "db", "detect_after": 0.1},
    {"kind": "lost_response", "service": "db", "detect_after": 0, "probability": 0.5},
    {"kind": "partition", "node": "a", "detect_after": 0.1},
    {"kind": "outage", "service": "db"},
    {"kind": "pause", "node": "a"},
    {"kind": "slow_down", "services": ["db"], "factor": 3},
    {"kind": "slow_node", "node": "a", "factor": 0.5},
    {"kind": "slow_node", "node": "lab", "factor": 2},
    {"kind": "cpu_stress", "service": "db", "share": 0.5},
    {"kind": "capacity_loss", "service": "gate", "places": 1},
    {"kind": "capacity_loss", "node": "a", "share": 0.5},
    {"kind": "crash", "service": "db", "down_for": 0.5},
    {"kind": "crash", "service": "cache", "state": "durable"},
    {"kind": "crash", "node": "a", "down_for": 0.1},
    {"kind": "rolling_deploy", "services": ["db", "pool"], "down_for": 0.2, "max_unavailable": 2},
    {"kind": "rolling_deploy", "service": "many"},
    {"kind": "cache_flush", "service": "cache"},
    {"kind": "cache_flush", "node": "b"},
    {"kind": "queue_redrive", "service": "letters"},
    {"kind": "queue_redrive", "node": "c", "rate": 0.5, "to": "jobs"},
    {"kind": "load_step", "workload": "web", "factor": 2},
    {"kind": "load_step", "workload": "users", "factor": 0},
    {"kind": "clock_skew", "node": "b", "offset": -3600},
    {"kind": "clock_skew", "services": ["limit"], "drift": 0.5},
]

WHENS: list[dict[str, Any]] = [
    {"kind": "once", "at": 2},
    {"kind": "once", "at": 0, "duration": {"kind": "constant", "value": 1}},
    {"kind": "window", "start": 2, "duration": 3},
    {"kind": "periodic", "every": 2, "first": 1, "duration": 0.5, "times": 3},
    {"kind": "periodic", "every": 3, "until": 7},
    {"kind": "poisson", "rate": 1, "start": 1, "duration": {"kind": "exponential", "mean": 1}},
    {"kind": "on_event", "event": "request.finished", "where": {"client": "web"}, "duration": 1},
    {"kind": "on_event", "event": "request", "delay": 1, "times": 2, "duration": 0.5},
]

WORLD: dict[str, Any] = {
    "name": "world",
    "description": "What faults can hit.",
    "seed": 3,
    "horizon": 10,
    "services": {
        "db": {"kind": "backend", "service_time": 0.05, "concurrency": 2, "queue_limit": 50},
        "pool": {"kind": "connection_manager", "size": 3, "checkout_timeout": 0.5},
        "gate": {"kind": "bulkhead", "max_concurrent": 3},
        "cache": {"kind": "cache", "ttl": 2},
        "limit": {
            "kind": "rate_limiter",
            "limit": {"kind": "token_bucket", "rate": 30, "capacity": 5},
        },
        "many": {
            "kind": "replica_set",
            "replicas": 2,
            "backend": {"kind": "backend", "service_time": 0.05},
        },
        "patience": {"kind": "timeout", "seconds": 1},
        "letters": {"kind": "queue"},
        "jobs": {"kind": "queue", "ttl": 0.5, "dead_letters": "letters"},
    },
    "nodes": {"a": ["db", "pool"], "b": ["cache"], "c": ["letters"]},
    "workloads": {
        "web": {
            "arrivals": {"kind": "poisson", "rate": 15},
            "call": ["patience", "limit", "gate", "pool", "db"],
        },
        "users": {
            "kind": "closed_loop",
            "users": 2,
            "think_time": 0.5,
            "call": ["patience", "cache", "many"],
            "keys": {"kind": "zipf", "count": 5},
        },
        "clerks": {"arrivals": {"kind": "constant", "rate": 2}, "call": ["jobs"]},
    },
}


def world(*given: dict[str, Any], **changes: Any) -> Scenario:
    return Scenario.model_validate_json(json.dumps({**WORLD, "faults": given, **changes}))


def run(*given: dict[str, Any], **changes: Any) -> Simulation:
    sim = build(world(*given, **changes))
    sim.run(until=10)
    sim.check_invariants()
    return sim


def lasts_by_itself(fault: dict[str, Any]) -> bool:
    return KINDS[fault["kind"]].fault.has_own_length


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_every_fault_that_a_file_may_describe_happens_whenever_it_says(
    fault: dict[str, Any],
) -> None:
    for when in WHENS:
        time = when
        if lasts_by_itself(fault):
            if when["kind"] == "window":
                continue
            time = {key: value for key, value in when.items() if key != "duration"}
        injected = run({**fault, "when": time}).recording.frame("fault.injected")
        assert injected.height >= 1, when
        assert set(injected["kind"]) == {fault["kind"]}


def test_every_kind_of_fault_and_of_time_is_among_those_that_are_built_here() -> None:
    assert {fault["kind"] for fault in FAULTS} == KINDS.keys()
    kinds = {
        get_args(each.model_fields["kind"].annotation)[0] for each in get_args(get_args(AnyWhen)[0])
    }
    assert {when["kind"] for when in WHENS} == kinds


def test_every_fault_of_the_library_has_its_kind_in_files() -> None:
    shipped = {
        each.kind
        for name in faults.__all__
        if isinstance(each := getattr(faults, name), type)
        and issubclass(each, faults.Fault)
        and each not in (faults.Fault, faults.Impairment)
    }
    assert shipped == KINDS.keys()
    assert all(spec.fault.kind == kind for kind, spec in KINDS.items())


def test_the_short_spelling_says_the_same_as_the_long_one() -> None:
    outage = {"kind": "outage", "service": "db"}
    short = run({**outage, "start": 2, "duration": 3}).recording
    long = run({**outage, "when": {"kind": "window", "start": 2, "duration": 3}}).recording
    assert short.digest == long.digest
    crash = {"kind": "crash", "service": "db"}
    short = run({**crash, "at": 2}).recording
    assert short.digest == run({**crash, "when": {"kind": "once", "at": 2}}).recording.digest


def test_what_is_recorded_of_a_fault_can_be_read_again() -> None:
    given = world(*({**fault, "when": WHENS[0]} for fault in FAULTS))
    kept = build(given).recording.facts.scenario
    assert Scenario.model_validate_json(json.dumps(kept)) == given


def test_a_fault_of_a_node_hits_what_is_on_it_and_can_have_it() -> None:
    sim = run({"kind": "capacity_loss", "node": "a", "share": 0.5, "start": 1})
    assert sim.recording.frame("fault.injected")["service"].to_list() == ["db", "pool"]
    sim = run({"kind": "slow_node", "node": "lab", "factor": 2, "start": 1})
    assert all(name.startswith("many") for name in sim.recording.frame("fault.injected")["service"])


def test_a_service_emits_on_the_node_that_it_is_on() -> None:
    started = run().recording.frame("service.started")
    nodes = dict(started.select("service", "node").rows())
    assert (nodes["db"], nodes["cache"], nodes["limit"]) == ("a", "b", "lab")


def test_a_cache_keeps_what_it_has_for_longer_when_the_clock_of_its_node_is_set_back() -> None:
    cache = {**WORLD["services"]["cache"], "ttl": 4}
    services = {**WORLD["services"], "cache": cache}
    skew = {"kind": "clock_skew", "node": "b", "offset": -100, "start": 3}
    right = run(services=services).recording.frame("cache.miss")
    late = run(skew, services=services).recording.frame("cache.miss")
    assert len(right) > len(late)
    assert late["time"].to_list()[-1] < right["time"].to_list()[-1]


def test_a_limiter_with_a_fast_clock_of_its_own_lets_more_through() -> None:
    skew = {"kind": "clock_skew", "service": "limit", "drift": 4.0, "start": 0}
    load = {"web": {**WORLD["workloads"]["web"], "arrivals": {"kind": "constant", "rate": 100}}}
    right = run(workloads=load).recording.counts["foundation.rate_limiter.allowed"]
    fast = run(skew, workloads=load).recording.counts["foundation.rate_limiter.allowed"]
    assert right == pytest.approx(305, abs=3)
    assert fast == pytest.approx(1000, abs=3)


def test_services_whose_clocks_are_right_read_the_true_time() -> None:
    sim = run({"kind": "clock_skew", "node": "b", "offset": 1, "start": 0})
    cache, limit = (
        sim.components[each] for each in (("cache", "cache"), ("rate_limiter", "limit"))
    )
    assert isinstance(cache, made.Cache)
    assert isinstance(limit, made.RateLimiter)
    assert (cache.clock.now, limit.clock.now) == (11, 10)


def test_a_load_step_of_a_file_changes_the_load() -> None:
    step = {"kind": "load_step", "workload": "web", "factor": 0, "start": 2, "duration": 7}
    started = run(step).recording.frame("request.started").filter(client="web")
    assert not started["time"].is_between(2, 9, closed="right").any()
    assert started["time"].to_list()[-1] > 9


def test_each_kind_of_service_knows_its_faults_without_being_built() -> None:
    found = {kind: service_class(spec.model_construct()) for kind, spec in SERVICES.items()}
    assert all(issubclass(cls, Service) for cls in found.values())
    bulkhead = SERVICES["bulkhead"].model_construct()
    can = [kind for kind, spec in KINDS.items() if can_have(bulkhead, spec.fault)]
    assert can == ["capacity_loss", "crash"]


WRONG = [
    ("kind: latancy", "kind", "did you mean 'latency'?"),
    ("kind: latency, service: db, start: 1", "delay", "required key 'delay' is missing"),
    ("kind: latency, service: db, start: 1, delay: -1", "delay", "0 or a greater number"),
    ("kind: hang, service: db, start: 1, probability: 2", "probability", "1 or a smaller"),
    ("kind: cpu_stress, service: db, start: 1, share: 1", "share", "less than 1"),
    ("kind: capacity_loss, service: db, start: 1", "places", "give either places or share"),
    ("kind: capacity_loss, service: db, start: 1, places: 0", "places", "1 or a greater"),
    ("kind: clock_skew, service: gate, start: 1", "offset", "give an offset or a drift"),
    ("kind: clock_skew, service: gate, start: 1, drift: -1", "drift", "greater than -1"),
    ("kind: crash, service: db, at: 1, state: lost", "state", "a known value"),
    ("kind: crash, service: db, at: 1, down_for: 0", "down_for", "greater than 0"),
    # whom
    ("kind: outage, start: 1", "", "it does not say whom it hits; give service, services or node"),
    ("kind: outage, start: 1, service: db, node: a", "", "service and node are too many"),
    ("kind: outage, start: 1, services: []", "services", "1 or more entries"),
    ("kind: outage, start: 1, services: [db, db]", "services[1]", "'db' is there twice"),
    ("kind: outage, start: 1, services: [db, dbb]", "services[1]", "did you mean 'db'?"),
    ("kind: outage, start: 1, service: pool", "service", "outage does not hit a connection_man"),
    ("kind: outage, start: 1, node: edeg", "node", "there is no node 'edeg'; did you mean 'edge'"),
    ("kind: outage, start: 1, node: keep", "node", "no service on 'keep' can have outage; there"),
    ("kind: load_step, start: 1, factor: 2, workload: wbe", "workload", "did you mean 'web'?"),
    ("kind: load_step, start: 1, factor: 2, service: db", "workload", "is missing"),
    ("kind: cache_flush, at: 1, service: db", "service", "cache_flush does not hit a backend"),
    ("kind: clock_skew, start: 1, offset: 1, service: db", "service", "does not hit a backend"),
    ("kind: clock_skew, start: 1, offset: 1, service: price", "service", "the node 'edge'; give"),
    ("kind: rolling_deploy, at: 1, service: db", "service", "that of a replica_set, and 'db' is"),
    ("kind: rolling_deploy, at: 1, services: [db]", "down_for", "down for some seconds; add them"),
    ("kind: rolling_deploy, at: 1, service: db, down_for: 1", "down_for", "leave it out"),
    ("kind: rolling_deploy, at: 1, node: edge", "node", "a deploy has an order"),
    ("kind: queue_redrive, at: 1, service: db", "service", "queue_redrive does not hit a backend"),
    ("kind: queue_redrive, at: 1, service: letters, rate: 0", "rate", "greater than 0"),
    ("kind: queue_redrive, at: 1, service: letters, to: jbs", "to", "there is no service 'jbs'"),
    ("kind: queue_redrive, at: 1, service: letters, to: db", "to", "letters go to a queue, and"),
    ("kind: queue_redrive, at: 1, service: letters, to: letters", "to", "the queue that they leav"),
    (
        "kind: queue_redrive, at: 1, node: post, to: letters",
        "to",
        "the queue that they leave; give",
    ),
    # when
    ("kind: outage, service: db", "", "it does not say when; add start (and duration), or when"),
    ("kind: crash, service: db", "", "it does not say when; add at, or when"),
    ("kind: crash, service: db, start: 1", "start", "unknown key 'start'"),
    (
        "kind: outage, service: db, start: 1, when: {kind: once, at: 1}",
        "",
        "it says when by start and by when",
    ),
    ("kind: outage, service: db, when: {kind: onse, at: 1}", "when.kind", "did you mean 'once'?"),
    ("kind: outage, service: db, when: {kind: once, at: -1}", "when.at", "0 or a greater"),
    ("kind: outage, service: db, when: {kind: window, start: 1}", "when.duration", "is missing"),
    (
        "kind: outage, service: db, when: {kind: once, at: 1, duration: 0}",
        "when.duration",
        "greater than 0",
    ),
    ("kind: outage, service: db, when: {kind: periodic, every: 0}", "when.every", "than 0"),
    ("kind: outage, service: db, when: {kind: poisson, rate: 0}", "when.rate", "than 0"),
    (
        "kind: cache_flush, service: front, when: {kind: window, start: 1, duration: 2}",
        "when",
        "it lasts as long as it takes; leave the duration out",
    ),
    (
        "kind: outage, service: db, when: {kind: on_event, event: request.finishd}",
        "when.event",
        "'foundation.request.finished'",
    ),
    (
        "kind: outage, service: db, when: {kind: on_event, event: my.own.event}",
        "when.event",
        "my.own.event",
    ),
    (
        (
            "kind: outage, service: db, "
            "when: {kind: on_event, event: request.finished, where: {outcom: ok}}"
        ),
        "when.where.outcom",
        "outcome",
    ),
    (
        (
            "kind: outage, service: db, "
            "when: {kind: on_event, event: request.finished, where: {node: lab}}"
        ),
        "when.where.node",
        "'node' is no field of the event itself",
    ),
    (
        "kind: outage, service: db, when: {kind: on_event, event: fault.cleared, times: null}",
        "when.times",
        "it would follow on itself for ever",
    ),
    (
        (
            "kind: queue_redrive, service: letters, "
            "when: {kind: on_event, event: queue.redrive_ended, times: null}"
        ),
        "when.times",
        "it would follow on itself for ever",
    ),
    (
        (
            "kind: load_step, workload: web, factor: 2, "
            "when: {kind: on_event, event: workload.load_changed, times: null}"
        ),
        "when.times",
        "it would follow on itself for ever",
    ),
]


@pytest.mark.parametrize(("spec", "place", "says"), WRONG)
def test_a_wrong_fault_is_refused_at_its_place(
    tmp_path: Path, spec: str, place: str, says: str
) -> None:
    caches = "  front: {kind: cache, ttl: 1}\n  price: {kind: cache, ttl: 1}\n"
    more = f"{caches}  letters: {{kind: queue}}\n  keeper:\n"
    nodes = "nodes: {edge: [price, db], keep: [again], post: [letters]}\n\nworkloads:\n"
    found = wrong(
        tmp_path,
        ("  keeper:\n", more),
        ("workloads:\n", nodes),
        ("\nagents:\n", f"  - {{{spec}}}\n\nagents:\n"),
    )
    path = ".".join(filter(None, ["faults[4]", place]))
    assert path in [each.path for each in found]
    assert says in "".join(str(each) for each in found if each.path == path)
    assert found[0].line == line_of(tmp_path / "shop.yaml", f"{{{spec}}}")


@pytest.mark.parametrize(
    ("nodes", "path", "says"),
    [
        ("{a: [db, dbb]}", "nodes.a[1]", "there is no service 'dbb'; did you mean 'db'?"),
        ("{a: [db], b: [pool, db]}", "nodes.b[1]", "'db' is on the node 'a' already"),
        ("{a: [db, db]}", "nodes.a[1]", "'db' is on the node 'a' already"),
        ("{gate: [db]}", "nodes.gate", "'gate' is the name of a service"),
    ],
)
def test_wrong_nodes_are_refused_at_their_place(
    tmp_path: Path, nodes: str, path: str, says: str
) -> None:
    (found,) = wrong(tmp_path, ("workloads:\n", f"nodes: {nodes}\n\nworkloads:\n"))
    assert found.path == path
    assert says in found.message
    assert found.line == line_of(tmp_path / "shop.yaml", "nodes: ")
