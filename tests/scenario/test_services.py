"""Services in scenario files: what a file can say reaches the service and does what it says."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_args

import polars as pl
import pytest

from foundation_lab import errors
from foundation_lab import services as made
from foundation_lab.errors import ServiceError
from foundation_lab.scenario.build import build, build_services
from foundation_lab.scenario.model import Scenario
from foundation_lab.scenario.services import KINDS
from foundation_lab.scenario.services.error_names import ErrorName
from foundation_lab.services import breaker_presets, pool_presets
from foundation_lab.simulation.engine import Simulation
from tests.scenario.shop import line_of, wrong
from tests.scenario.test_build import BACKEND, scenario

if TYPE_CHECKING:
    from pathlib import Path

OTHERWISE_SAID: dict[str, set[str]] = {
    "cache": {"clock"},  # a fault makes it wrong
    "rate_limiter": {"clock"},
    "circuit_breaker": {"counting"},  # `window`
    "consumer": {"handler"},  # `call`
    "fallback": {"value", "function", "call"},  # `ask`, and nobody looks at a value
    "replica_set": {"make", "balancer"},  # `backend`, and the keys of a balancer
    "retry": {"retry_if_result"},  # nobody looks at a value
    "client_rate_limiter": {"rate"},  # the keys of what learns it
}
"""What a file says by other keys than the argument's name, or cannot say."""

CLASSES = {
    getattr(made, name).kind: getattr(made, name)
    for name in made.__all__
    if isinstance(getattr(made, name), type) and issubclass(getattr(made, name), made.Service)
} | {"backend": made.Backend, "processor_sharing": made.ProcessorSharing}


def one(spec: dict[str, Any], **others: Any) -> Any:
    """Return the service that a file describes."""
    return build_services(Simulation(1), scenario(services={"x": spec, **others}))["x"]


def frame(sim: Simulation, event: str) -> pl.DataFrame:
    return sim.recording.frame(event)


def poisson(rate: float, *call: str, **more: Any) -> dict[str, Any]:
    return {"arrivals": {"kind": "poisson", "rate": rate}, "call": list(call), **more}


def steady(rate: float, *call: str, **more: Any) -> dict[str, Any]:
    return {"arrivals": {"kind": "constant", "rate": rate}, "call": list(call), **more}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_can_give_every_argument_of_a_service_that_is_data(kind: str) -> None:
    arguments = set(inspect.signature(CLASSES[kind].__init__).parameters)
    arguments -= {"self", "sim", "name", *OTHERWISE_SAID.get(kind, ())}
    assert arguments <= KINDS[kind].model_fields.keys()


def test_the_names_of_errors_are_those_of_the_tree() -> None:
    tree = {
        name
        for name, cls in vars(errors).items()
        if isinstance(cls, type) and issubclass(cls, ServiceError)
    }
    assert set(get_args(ErrorName)) == tree


# Priorities and deadlines


@pytest.mark.parametrize(
    "front",
    [
        pytest.param([], id="the backend itself"),
        pytest.param(["front"], id="behind a load balancer"),
        pytest.param(["shed"], id="in a load shedder"),
    ],
)
def test_the_urgent_requests_of_a_file_overtake(front: list[str]) -> None:
    services = {
        "line": {"kind": "backend", "service_time": 0.1, "line": "priority"},
        "front": {"kind": "load_balancer", "hosts": ["line"]},
        "shed": {"kind": "load_shedder", "max_concurrent": 1, "line": "priority"},
    }
    end = {"front": ["front"], "shed": ["shed", "db"]}[front[0]] if front else ["line"]
    workloads = {
        "many": steady(11, *end, priority=5),
        "few": steady(1, *end, priority=-5),
    }
    sim = build(scenario(services=services, workloads=workloads))
    sim.run(until=30)
    took = frame(sim, "request.finished").filter(pl.col("time") > 20).group_by("client")
    latency = dict(took.agg(pl.col("duration").max()).iter_rows())
    assert latency["few"] <= 0.2 + 1e-9
    assert latency["many"] > 1
    sim.check_invariants()


def test_a_deadline_of_a_file_counts_from_the_start_of_each_request() -> None:
    spec = {"kind": "backend", "service_time": 1, "line": "deadline_aware"}
    sim = build(
        scenario(
            services={"slow": spec, "front": {"kind": "load_balancer", "hosts": ["slow"]}},
            workloads={"web": steady(2, "front", deadline=3.0)},
        )
    )
    sim.run(until=60)
    expired = frame(sim, "load_shed.expired")
    assert expired.height > 5
    assert expired["wait"].min() == pytest.approx(3.0)
    served = frame(sim, "backend.served")
    assert max(served["wait"].to_list()) < 3


def test_hosts_that_know_no_deadline_are_not_told_of_one() -> None:
    services = {
        "loop": {"kind": "event_loop", "steps": [{"cpu": 0.01}]},
        "front": {"kind": "load_balancer", "hosts": ["loop", "db"]},
        "set": {"kind": "replica_set", "backend": {"kind": "event_loop", "steps": [{"io": 0.1}]}},
    }
    workloads = {
        "a": steady(2, "front", deadline=1.0, priority=1),
        "b": steady(2, "set", deadline=1.0),
        "c": steady(2, "loop", deadline=1.0),
    }
    sim = build(scenario(services=services, workloads=workloads))
    sim.run(until=10)
    assert set(frame(sim, "request.finished")["outcome"]) == {"ok"}


# Queues


def test_a_request_that_ends_at_a_queue_publishes_and_a_consumer_works_it_off() -> None:
    services = {
        "jobs": {"kind": "queue"},
        "worker": {"kind": "consumer", "queue": "jobs", "call": ["db"], "concurrency": 2},
    }
    keys = {"kind": "uniform", "count": 3}
    workload = steady(5, "jobs", keys=keys)
    sim = build(scenario(services=services, workloads={"web": workload}))
    sim.run(until=10)
    finished, published = frame(sim, "request.finished"), frame(sim, "queue.published")
    assert set(finished["outcome"]) == {"ok"}
    assert set(finished["duration"]) == {0.0}
    assert set(published["key"]) == {"key-1", "key-2", "key-3"}
    served = sim.recording.events.filter(pl.col("event") == "foundation.backend.served")
    assert served.height == frame(sim, "queue.acknowledged").height > 40
    assert set(served["correlation_id"]) <= set(published["correlation_id"])
    sim.check_invariants()


def test_messages_are_delivered_by_the_priority_of_their_requests() -> None:
    services = {
        "jobs": {"kind": "queue"},
        "worker": {"kind": "consumer", "queue": "jobs", "call": ["db"]},
    }
    workloads = {
        "many": steady(20, "jobs", priority=3),
        "few": steady(1, "jobs", priority=1),
    }
    sim = build(scenario(services=services, workloads=workloads))
    sim.run(until=20)
    few = frame(sim, "request.started").filter(pl.col("client") == "few")["correlation_id"]
    delivered = frame(sim, "queue.delivered")
    waits = delivered.filter(pl.col("correlation_id").is_in(few.to_list()))["wait"]
    assert len(waits) == 19
    assert max(waits.to_list()) <= 0.1 + 1e-9


def test_a_message_whose_handling_fails_ends_among_the_dead_letters() -> None:
    services: dict[str, Any] = {
        "broken": {"kind": "backend", "service_time": 0.01, "error_rate": 1},
        "jobs": {
            "kind": "queue",
            "max_deliveries": 3,
            "dead_letters": "morgue",
            "retry_delay": 0.1,
        },
        "morgue": {"kind": "queue"},
        "worker": {"kind": "consumer", "queue": "jobs", "call": ["again", "broken"]},
        "again": {"kind": "retry", "max_attempts": 2, "backoff": {"kind": "fixed", "seconds": 0}},
    }
    arrivals = {"kind": "timestamps", "seconds": [1]}
    workload = {"arrivals": arrivals, "call": ["jobs"]}
    sim = build(scenario(services=services, workloads={"web": workload}))
    sim.run(until=10)
    assert frame(sim, "backend.served").height == 6
    assert frame(sim, "queue.dead_lettered").select("service_id", "to", "deliveries").rows() == [
        ("jobs", "morgue", 3)
    ]
    services["worker"]["reject_on"] = ["BackendError"]
    sim = build(scenario(services=services, workloads={"web": workload}))
    sim.run(until=10)
    assert frame(sim, "queue.dead_lettered")["deliveries"].to_list() == [1]


def test_a_fallback_may_leave_the_work_in_a_queue() -> None:
    services = {
        "broken": {"kind": "backend", "service_time": 0.01, "error_rate": 1},
        "later": {"kind": "queue"},
        "park": {"kind": "fallback", "ask": "later"},
    }
    sim = build(scenario(services=services, workloads={"web": steady(2, "park", "broken")}))
    sim.run(until=5)
    assert set(frame(sim, "request.finished")["outcome"]) == {"ok"}
    assert frame(sim, "queue.published").height == frame(sim, "request.finished").height


def test_the_queues_of_a_broker_go_down_with_it_and_come_back_with_what_they_kept() -> None:
    services: dict[str, Any] = {
        "jobs": {"kind": "queue"},
        "gone": {"kind": "queue", "durable": False},
        "rabbit": {"kind": "broker", "queues": ["jobs", "gone"]},
        "keeper": {"kind": "supervisor", "children": ["rabbit"], "restart_delay": 2},
    }
    workloads = {"a": steady(1, "jobs"), "b": steady(1, "gone")}
    crash = {"kind": "crash", "service": "rabbit", "at": 5.5}
    sim = build(scenario(services=services, workloads=workloads, faults=[crash]))
    sim.run(until=8.5)
    queues: Any = [sim.components["queue", name] for name in ("jobs", "gone")]
    assert [queue.up for queue in queues] == [True, True]
    assert [queue.depth for queue in queues] == [6, 1]
    outcomes = frame(sim, "request.finished").group_by("outcome").len()
    assert dict(outcomes.iter_rows()) == {"ok": 12, "error": 4}
    sim.check_invariants()


# Presets


@pytest.mark.parametrize("name", ["resilience4j", "polly", "finagle"])
def test_a_preset_of_a_breaker_is_that_of_python(name: str) -> None:
    wanted: dict[str, Any] = getattr(breaker_presets, name)()
    breaker = made.CircuitBreaker(Simulation(1), "x", **wanted)
    built = one({"kind": "circuit_breaker", "preset": name})
    for attribute in (
        "reset_timeout",
        "half_open_calls",
        "half_open_max_wait",
        "slow_call_duration",
        "call_timeout",
    ):
        assert getattr(built, attribute) == getattr(breaker, attribute)
    spec = scenario(services={"x": {"kind": "circuit_breaker", "preset": name}}).services["x"]
    window, counting = spec.window, wanted.get("counting")  # type: ignore[union-attr]
    assert (window is None) == (counting is None)
    if window is not None and counting is not None:
        keys = type(window).model_fields.keys() - {"kind"}
        assert {key: getattr(window, key) for key in keys} == {
            key: getattr(counting, key) for key in keys
        }
    assert spec.automatic_half_open == wanted.get("automatic_half_open", True)  # type: ignore[union-attr]
    assert spec.half_open_rule == wanted.get("half_open_rule", "every")  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["hikaricp", "sqlalchemy_queue_pool"])
def test_a_preset_of_a_pool_is_that_of_python(name: str) -> None:
    spec: Any = scenario(services={"x": {"kind": "connection_manager", "preset": name}})
    wanted = getattr(pool_presets, name)()
    assert {key: getattr(spec.services["x"], key) for key in wanted} == wanted
    assert one({"kind": "connection_manager", "preset": name}).size == wanted["size"]


def test_what_a_file_says_itself_wins_over_the_preset() -> None:
    pool = one({"kind": "connection_manager", "preset": "hikaricp", "size": 3, "order": "fifo"})
    assert (pool.size, pool.checkout_timeout) == (3, 30.0)
    breaker = {"kind": "circuit_breaker", "preset": "finagle", "reset_timeout": 7}
    assert one(breaker).reset_timeout == 7
    plain: Any = scenario(
        services={
            "x": {"kind": "circuit_breaker", "preset": "resilience4j", "failure_threshold": 2}
        }
    ).services["x"]
    assert (plain.window, plain.half_open_rule, plain.half_open_calls) == (None, "every", 10)


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "circuit_breaker", "preset": "finagle"},
        {"kind": "circuit_breaker", "preset": "resilience4j", "failure_threshold": 2},
        {"kind": "circuit_breaker", "preset": "polly", "window": None},
        {"kind": "connection_manager", "preset": "hikaricp", "size": 3},
    ],
    ids=str,
)
def test_a_recorded_scenario_says_the_same_as_the_file_with_its_preset(
    spec: dict[str, Any],
) -> None:
    given = scenario(services={"x": spec})
    kept = given.model_dump_json(by_alias=True)
    assert Scenario.model_validate_json(kept) == given


# Which errors


def test_a_retry_tries_again_only_what_the_file_names() -> None:
    broken = {"kind": "backend", "service_time": 0.01, "error_rate": 1}
    for retry_on, attempts in ((["TimedOut"], 1), (["TimedOut", "BackendError"], 3)):
        again = {"kind": "retry", "retry_on": retry_on, "backoff": {"kind": "fixed", "seconds": 0}}
        arrivals = {"kind": "timestamps", "seconds": [1]}
        workload = {"arrivals": arrivals, "call": ["again", "broken"]}
        services = {"broken": broken, "again": again}
        sim = build(scenario(services=services, workloads={"web": workload}))
        sim.run(until=5)
        assert frame(sim, "backend.served").height == attempts


@pytest.mark.parametrize(
    ("says", "event"),
    [
        ({"failure_on": ["TimedOut"]}, "circuit_breaker.call_ignored"),
        (
            {"failure_on": ["ServiceError"], "ignore": ["BackendError"]},
            "circuit_breaker.call_ignored",
        ),
        ({"failure_on": ["BackendError"]}, "circuit_breaker.call_failure"),
    ],
)
def test_a_breaker_counts_only_what_the_file_names(says: dict[str, Any], event: str) -> None:
    services = {
        "broken": {"kind": "backend", "service_time": 0.01, "error_rate": 1},
        "breaker": {"kind": "circuit_breaker", "failure_threshold": 1000, **says},
    }
    sim = build(scenario(services=services, workloads={"web": steady(2, "breaker", "broken")}))
    sim.run(until=5)
    assert frame(sim, event).height == frame(sim, "backend.served").height > 5


def test_a_fallback_stands_in_only_for_what_the_file_names() -> None:
    services = {
        "broken": {"kind": "backend", "service_time": 0.01, "error_rate": 1},
        "instead": {"kind": "fallback", "on": ["Rejected"]},
    }
    sim = build(scenario(services=services, workloads={"web": steady(2, "instead", "broken")}))
    sim.run(until=5)
    assert set(frame(sim, "request.finished")["outcome"]) == {"error"}


# Limits


def test_a_rate_limiter_lets_calls_wait_as_long_as_the_file_says() -> None:
    limit = {"kind": "token_bucket", "rate": 1, "capacity": 1}
    gate = {"kind": "rate_limiter", "limit": limit, "max_wait": 2.5}
    sim = build(scenario(services={"gate": gate}, workloads={"web": steady(2, "gate", "db")}))
    sim.run(until=30)
    finished = frame(sim, "request.finished")
    assert set(finished["outcome"]) == {"ok", "rejected"}
    slowest = max(finished.filter(pl.col("outcome") == "ok")["duration"].to_list())
    assert 2 < slowest <= 2.6 + 1e-9
    sim.check_invariants()


def test_a_call_takes_as_many_permits_as_the_file_says() -> None:
    limit = {"kind": "fixed_window", "limit": 6, "window": 1000}
    gate = {"kind": "rate_limiter", "limit": limit, "amount": 2}
    sim = build(scenario(services={"gate": gate}, workloads={"web": steady(2, "gate", "db")}))
    sim.run(until=10)
    assert frame(sim, "backend.served").height == 3


def test_calls_hold_a_token_of_the_resource_that_the_file_names() -> None:
    services = {
        "slow": {"kind": "backend", "service_time": 1, "concurrency": 100},
        "seats": {
            "kind": "resource_manager",
            "limits": {"chairs": 1, "tables": 3},
            "resource": "tables",
            "wait": False,
        },
    }
    sim = build(scenario(services=services, workloads={"web": poisson(20, "seats", "slow")}))
    sim.run(until=10)
    acquired = frame(sim, "resource.acquired")
    assert set(acquired["resource"]) == {"tables"}
    assert set(frame(sim, "request.finished")["outcome"]) == {"ok", "rejected"}
    assert 20 <= acquired.height <= 31
    sim.check_invariants()


def test_a_breaker_stays_open_as_long_as_the_error_asks_for() -> None:
    services = {
        "gate": {
            "kind": "rate_limiter",
            "limit": {"kind": "fixed_window", "limit": 1, "window": 9},
        },
        "breaker": {"kind": "circuit_breaker", "failure_threshold": 1, "use_retry_after": True},
    }
    sim = build(
        scenario(
            services=services, workloads={"web": steady(1, "breaker", "gate", "db")}, horizon=30
        )
    )
    sim.run(until=25)
    changes = frame(sim, "circuit_breaker.state_change").select("time", "to").rows()
    assert changes[:3] == [(2, "open"), (9, "half_open"), (9.1, "closed")]


def test_a_limit_of_concurrency_is_the_one_that_the_file_describes() -> None:
    inner = {"kind": "gradient2", "initial": 7, "least": 2, "queue_size": 1}
    limiter: made.AdaptiveLimiter = one(
        {"kind": "adaptive_limiter", "limit": {"kind": "windowed", "inner": inner, "size": 3}}
    )
    limit = limiter.algorithm
    assert isinstance(limit, made.WindowedLimit)
    assert (limit.size, limit.percentile) == (3, None)
    assert isinstance(limit.inner, made.Gradient2Limit)
    assert (limit.inner.limit, limit.inner.least, limit.inner.queue_size) == (7, 2, 1)


# Supervision and health


def test_a_supervisor_restarts_whom_its_strategy_says_after_its_backoff() -> None:
    keeper = {
        "kind": "supervisor",
        "children": ["a", {"service": "b", "restart": "permanent", "shutdown": 1}, "c"],
        "strategy": "rest_for_one",
        "restart_delay": {"kind": "exponential", "base": 1},
        "intensity": 10,
        "period": 1000,
    }
    services = {"a": BACKEND, "b": BACKEND, "c": BACKEND, "keeper": keeper}
    faults = [{"kind": "crash", "service": "b", "at": at} for at in (2, 5)]
    sim = build(scenario(services=services, faults=faults, horizon=20))
    sim.run(until=20)
    restarted = frame(sim, "service.restarted").select("time", "service").rows()
    assert restarted == [(3, "b"), (3, "c"), (7, "b"), (7, "c")]


def test_a_health_monitor_tells_who_lost_what_it_depends_on() -> None:
    watch = ["db", {"service": "shop", "depends_on": ["db"], "interval": 1}]
    services = {"shop": BACKEND, "eye": {"kind": "health_monitor", "watch": watch}}
    sim = build(scenario(services=services, faults=[{"kind": "crash", "service": "db", "at": 4}]))
    sim.run(until=10)
    lost = frame(sim, "health.dependency_lost").select("time", "service", "dependency").rows()
    assert lost == [(4, "shop", "db")]
    checks = dict(frame(sim, "health.checked").group_by("service").len().iter_rows())
    assert checks["shop"] == 10


def test_the_replicas_of_a_set_have_each_a_line_of_their_own() -> None:
    backend = {"kind": "backend", "service_time": 0.1, "line": {"kind": "lifo", "longest": 3}}
    replicas: made.ReplicaSet = one({"kind": "replica_set", "backend": backend, "replicas": 2})
    first, second = (b.line for b in replicas.backends() if isinstance(b, made.Backend))
    assert first is not second


def test_an_autoscaler_scales_event_loops_by_how_busy_they_are() -> None:
    services = {
        "loops": {
            "kind": "replica_set",
            "backend": {"kind": "event_loop", "steps": [{"cpu": 0.1}]},
        },
        "scaler": {
            "kind": "autoscaler",
            "replicas": "loops",
            "target": 0.5,
            "sync_period": 5,
        },
    }
    sim = build(scenario(services=services, workloads={"web": poisson(15, "loops")}))
    sim.run(until=60)
    loops: Any = sim.components["replica_set", "loops"]
    assert loops.ready >= 3
    sim.check_invariants()


def test_services_of_a_file_behave_the_same_with_one_seed() -> None:
    digests = set()
    for _ in range(2):
        services: dict[str, Any] = {
            "link": {"kind": "network_link", "latency": {"kind": "exponential", "mean": 0.01}},
            "shed": {"kind": "load_shedder", "max_concurrent": 2, "line": "codel"},
            "limiter": {"kind": "adaptive_limiter"},
        }
        workload = poisson(30, "link", "limiter", "shed", "db", priority=1, deadline=1)
        sim = build(scenario(services=services, workloads={"web": workload}))
        sim.run(until=10)
        digests.add(sim.recording.digest)
    assert len(digests) == 1


# What is refused

REFUSED = [
    ("backend, service_time: 1, line: lif", "line", "'lifo'?"),
    ("backend, service_time: 1, line: {kind: adaptive_lifo}", "line.threshold", "is missing"),
    (
        "backend, service_time: 1, line: {kind: codel, order: {kind: lif}}",
        "line.order.kind",
        "'lifo'?",
    ),
    (
        "backend, service_time: 1, line: {kind: deadline_aware, earliest_first: true, order: lifo}",
        "line.order",
        "earliest_first says whose turn it is already",
    ),
    ("backend, service_time: 1, warm_up: {seconds: 1, factor: 0}", "warm_up.factor", "than 0"),
    ("event_loop, steps: []", "steps", "1 or more entries"),
    ("event_loop, steps: [{cpu: 1, io: 2}]", "steps[0]", "either a cpu or an io"),
    ("event_loop, steps: [{}]", "steps[0]", "write {cpu: 0.01} or {io: 0.1}"),
    ("retry, retry_on: [TimeOut]", "retry_on[0]", "'TimedOut'?"),
    ("hedge, delay: 1, non_fatal: []", "non_fatal", "1 or more entries"),
    ("connection_manager", "size", "required key 'size' is missing"),
    ("connection_manager, preset: hikaricp, max_overflow: 1", "", "give a larger size"),
    ("connection_manager, size: 3, min_idle: 1, connect_time: 1", "", "opened_by: pool"),
    ("connection_manager, size: 3, min_idle: 1, connect_failure: 1", "", "opened_by: pool"),
    ("circuit_breaker, preset: poly", "preset", "'polly'?"),
    ("circuit_breaker, max_retry_after: 3", "", "add use_retry_after: true"),
    (
        "circuit_breaker, use_retry_after: true, reset_backoff: {kind: fixed, seconds: 1}",
        "",
        "leave one out",
    ),
    (
        "supervisor, children: [{service: db, significant: true}]",
        "children[0].significant",
        "a permanent child never ends",
    ),
    (
        "supervisor, children: [{service: db, restart: transient, significant: true}]",
        "children[0].significant",
        "significant is for auto_shutdown",
    ),
    ("supervisor, children: [{service: dbb}]", "children[0].service", "'db'?"),
    (
        "supervisor, children: [db, {service: db}]",
        "children[1].service",
        "has a supervisor already",
    ),
    ("supervisor, children: [{service: db, shutdown: brutal}]", "children[0].shutdown", "_kill'?"),
    ("health_monitor, watch: [db, db]", "watch[1]", "'db' is watched twice"),
    (
        "health_monitor, watch: [db, {service: pool, depends_on: [dbb]}]",
        "watch[1].depends_on[0]",
        "did you mean 'db'?",
    ),
    (
        "health_monitor, watch: [{service: pool, depends_on: [zebra]}]",
        "watch[0].depends_on[0]",
        "watch it, too",
    ),
    ("queue, dead_letters: db", "dead_letters", "go to a queue, and 'db' is a backend"),
    ("queue, dead_letters: x", "dead_letters", "'x' needs 'x' itself"),
    ("broker, queues: [db]", "queues[0]", "a broker has queues, and 'db' is a backend"),
    ("consumer, queue: pool, call: [db]", "queue", "from a queue, and 'pool' is a"),
    ("consumer, queue: q, call: [db]", "queue", "there is no service 'q'"),
    ("consumer, queue: pool, call: [dbb]", "call[0]", "did you mean 'db'?"),
    ("resource_manager, limits: {a: 1, b: 2}", "", "add `resource`: a, b"),
    ("resource_manager, limits: {seats: 1}, resource: seat", "", "did you mean 'seats'?"),
    ("resource_manager, limits: {seats: 1}, resource: cups", "", "there are: seats"),
    ("resource_manager, limits: {seats: 0}", "limits.seats", "1 or a greater"),
    ("resource_manager, limits: {a: 1}, wait: false, timeout: 1", "", "leave out timeout"),
    (
        "rate_limiter, limit: {kind: token_bucket, rate: 1, capacity: 2}, amount: 3",
        "",
        "token_bucket grants 2 at once, and amount is 3",
    ),
    ("load_shedder, max_concurrent: 1, thresholds: {one: 1}", "thresholds.one", "a whole number"),
    ("load_shedder, max_concurrent: 1, thresholds: {1: -1}", "thresholds.1", "0 or a greater"),
    ("adaptive_limiter, limit: {kind: aimd, least: 5, most: 4}", "limit", "exchange them"),
    (
        "adaptive_limiter, limit: {kind: windowed, inner: {kind: vega}}",
        "limit.inner.kind",
        "'vegas'?",
    ),
    ("client_rate_limiter, beta: 1", "beta", "less than 1"),
    ("network_link, loss: 2", "loss", "1 or a smaller"),
    (
        "load_balancer, hosts: [db], algorithm: {kind: maglev, table_size: 8}",
        "algorithm.table_size",
        "give a prime",
    ),
    ("replica_set, backend: {kind: queue}", "backend.kind", "known: backend, processor_sharing"),
]


@pytest.mark.parametrize(("spec", "place", "says"), REFUSED)
def test_what_a_service_would_refuse_is_refused_at_its_place(
    tmp_path: Path, spec: str, place: str, says: str
) -> None:
    found = wrong(tmp_path, ("  keeper:\n", f"  x: {{kind: {spec}}}\n  keeper:\n"))
    by_path = {each.path: each for each in found}
    problem = by_path[f"services.x.{place}".rstrip(".")]
    assert says in str(problem)
    assert problem.line == line_of(tmp_path / "shop.yaml", "  x: {")


def test_the_call_of_a_consumer_is_looked_at_as_that_of_a_workload_is(tmp_path: Path) -> None:
    jobs = "  jobs: {kind: queue}\n"
    for call, place, says in (
        ("[pool]", "[0]", "a call ends at backend, "),
        ("[db, db]", "[0]", "a call goes through circuit_breaker, "),
    ):
        x = f"  x: {{kind: consumer, queue: jobs, call: {call}}}\n"
        (found,) = wrong(tmp_path, ("  keeper:\n", f"{jobs}{x}  keeper:\n"))
        assert found.path == f"services.x.call{place}"
        assert says in found.message


def test_an_autoscaler_needs_backends_with_places(tmp_path: Path) -> None:
    many = "  many: {kind: replica_set, backend: {kind: processor_sharing, service_time: 1}}\n"
    x = "  x: {kind: autoscaler, replicas: many, target: 1}\n"
    (found,) = wrong(tmp_path, ("  keeper:\n", f"{many}{x}  keeper:\n"))
    assert found.path == "services.x.replicas"
    assert "give them a concurrency" in found.message


def test_the_priority_of_a_workload_is_a_whole_number(tmp_path: Path) -> None:
    (found,) = wrong(tmp_path, ("node: edge", "priority: high"))
    assert (found.path, "a whole number" in found.message) == ("workloads.web.priority", True)
    (found,) = wrong(tmp_path, ("node: edge", "deadline: 0"))
    assert found.path == "workloads.web.deadline"
