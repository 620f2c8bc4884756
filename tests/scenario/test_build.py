"""From a scenario to a simulation: every part becomes what it says."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab import services as made
from foundation_lab.scenario.build import build, build_services
from foundation_lab.scenario.keys import ZipfKeys
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.model import Scenario
from foundation_lab.scenario.services import KINDS
from foundation_lab.scenario.services.service import Stand
from foundation_lab.simulation.engine import Simulation
from tests.scenario.shop import shop

if TYPE_CHECKING:
    from pathlib import Path

BACKEND: dict[str, Any] = {"kind": "backend", "service_time": 0.1}

LINES: list[Any] = [
    "fifo",
    "lifo",
    "priority",
    "earliest_deadline",
    "codel",
    "controlled_delay",
    "deadline_aware",
    {"kind": "fifo"},
    {"kind": "lifo", "longest": 1},
    {"kind": "adaptive_lifo", "threshold": 0, "longest": 5},
    {"kind": "priority"},
    {"kind": "earliest_deadline"},
    {"kind": "codel", "target": 1e-9, "interval": 1, "keep": 0, "order": "priority"},
    {"kind": "controlled_delay", "order": {"kind": "adaptive_lifo", "threshold": 3}},
    {"kind": "deadline_aware", "needs": 0, "earliest_first": True},
    {"kind": "deadline_aware", "order": {"kind": "codel", "order": "lifo"}},
]

SERVICES: list[dict[str, Any]] = [
    {"kind": "backend", "service_time": 0},
    {"kind": "backend", "service_time": {"kind": "constant", "value": 0.0}},
    {"kind": "backend", "service_time": {"kind": "uniform", "low": 0.1, "high": 0.1}},
    {"kind": "backend", "service_time": {"kind": "lognormal", "median": 1e-9, "sigma": 0}},
    {"kind": "backend", "service_time": {"kind": "erlang", "mean": 0.1, "stages": 1}},
    {"kind": "backend", "service_time": 0.1, "queue_limit": 0, "error_rate": 1},
    {"kind": "circuit_breaker"},
    {"kind": "circuit_breaker", "window": {"kind": "count", "size": 1, "minimum_calls": 5}},
    {"kind": "circuit_breaker", "window": {"kind": "count", "size": 5}},
    {"kind": "circuit_breaker", "window": {"kind": "time", "seconds": 1}, "call_timeout": 1e-9},
    {
        "kind": "circuit_breaker",
        "window": {"kind": "count", "size": 5, "slow_rate": 0.5},
        "slow_call_duration": 0.05,
        "reset_backoff": {"kind": "exponential", "base": 0.1, "cap": 1},
        "reset_jitter": "full",
        "automatic_half_open": False,
        "half_open_calls": 3,
        "half_open_rule": "rate",
        "half_open_max_wait": 0.5,
    },
    {"kind": "retry"},
    {"kind": "retry", "max_attempts": 1, "backoff": {"kind": "fixed", "seconds": 0}},
    {"kind": "retry", "backoff": {"kind": "linear", "base": 1, "cap": 0.5}},
    {"kind": "retry", "backoff": {"kind": "exponential", "base": 1, "factor": 1}},
    {"kind": "retry", "backoff": {"kind": "decorrelated", "base": 1, "cap": 0.5}},
    {"kind": "retry", "backoff": {"kind": "fibonacci", "base": 1, "cap": 0.5}},
    {"kind": "retry", "backoff": {"kind": "decorrelated_v2", "median": 1}},
    {"kind": "retry", "jitter": {"kind": "factor"}, "max_delay": 1e-9},
    {"kind": "retry", "jitter": {"kind": "additive", "extra": 0}, "use_retry_after": True},
    {"kind": "retry", "total_timeout": 1, "attempt_timeout": 1},
    {"kind": "retry", "budget": {"kind": "window", "share": 0, "min_per_second": 0}},
    {"kind": "retry", "budget": {"kind": "throttle"}},
    {"kind": "retry", "budget": {"kind": "quota", "capacity": 1, "refill": 0}},
    {"kind": "retry", "budget": {"kind": "adaptive_throttle", "k": 1}},
    {"kind": "hedge", "delay": 0, "budget": {"kind": "throttle"}},
    {"kind": "hedge", "delay": 0.05, "max_attempts": 1},
    {"kind": "connection_manager", "size": 1},
    {"kind": "connection_manager", "size": 1, "checkout_timeout": None},
    {"kind": "connection_manager", "size": 1, "checkout_timeout": 0},
    {"kind": "rate_limiter", "limit": {"kind": "token_bucket", "rate": 1e-9, "capacity": 1}},
    {"kind": "rate_limiter", "limit": {"kind": "fixed_window", "limit": 1, "window": 1e-9}},
    {"kind": "rate_limiter", "limit": {"kind": "sliding_window", "limit": 1, "window": 1e9}},
    {"kind": "rate_limiter", "limit": {"kind": "leaky_bucket", "limit": 4, "period": 1}},
    {"kind": "rate_limiter", "limit": {"kind": "sliding_counter", "limit": 1, "window": 1}},
    {"kind": "rate_limiter", "limit": {"kind": "cycle", "limit": 1, "period": 1e9}},
    {"kind": "bulkhead", "max_concurrent": 1},
    {"kind": "bulkhead", "max_concurrent": 1, "max_wait": None},
    {"kind": "timeout", "seconds": 0.05},
    {"kind": "timeout", "seconds": 0.05, "abandon": "ghost"},
    {"kind": "fallback"},
    {"kind": "fallback", "ask": "db"},
    {"kind": "cache", "ttl": 1},
    {"kind": "cache", "ttl": 1, "max_size": 1, "negative_ttl": 1, "single_flight": False},
    {"kind": "load_balancer", "hosts": ["db"]},
    {"kind": "load_balancer", "hosts": ["db"], "algorithm": "maglev", "outliers": {}},
    {
        "kind": "load_balancer",
        "hosts": ["db"],
        "algorithm": "weighted",
        "weights": {"db": 2},
        "slow_start": 1,
        "health_check_interval": 0.1,
    },
    {"kind": "replica_set", "backend": BACKEND, "replicas": 2, "start_time": 1},
    {"kind": "replica_set", "backend": BACKEND, "algorithm": "peak_ewma", "outliers": {}},
    {"kind": "autoscaler", "replicas": "many", "target": 0.5},
    {
        "kind": "autoscaler",
        "replicas": "many",
        "target": 1,
        "metric": "queue_length",
        "scale_up": {"policies": [{"value": 4, "unit": "replicas"}]},
        "scale_down": {"policies": [{"value": 50, "unit": "percent"}], "stabilisation": 60},
    },
    {"kind": "supervisor", "children": ["db"], "intensity": 0},
    {
        "kind": "supervisor",
        "children": [{"service": "db", "restart": "transient", "significant": True}, "many"],
        "strategy": "rest_for_one",
        "restart_delay": {"kind": "exponential", "base": 0.1},
        "stable_time": 1,
        "auto_shutdown": "all_significant",
    },
    {"kind": "supervisor", "children": [{"service": "db", "shutdown": "brutal_kill"}]},
    {"kind": "supervisor", "children": [{"service": "db", "shutdown": "infinity"}]},
    *({"kind": "backend", "service_time": 0.1, "line": line} for line in LINES),
    {"kind": "backend", "service_time": 0.1, "warm_up": {"seconds": 1, "factor": 3}},
    {"kind": "processor_sharing", "service_time": 0.1},
    {
        "kind": "processor_sharing",
        "service_time": 0.1,
        "cores": 0.5,
        "concurrency": 2,
        "queue_limit": 10,
        "line": {"kind": "codel", "order": "lifo"},
        "warm_up": {"seconds": 1, "factor": 2},
    },
    {"kind": "event_loop", "steps": [{"cpu": 0.01}]},
    {
        "kind": "event_loop",
        "steps": [{"cpu": {"kind": "exponential", "mean": 0.01}}, {"io": 0.1}, {"cpu": 0}],
        "workers": 2,
        "max_in_flight": 10,
        "lag_threshold": 1e-9,
        "error_rate": 0.5,
        "health_interval": 1,
    },
    {"kind": "replica_set", "backend": {"kind": "event_loop", "steps": [{"cpu": 0.1}]}},
    {"kind": "replica_set", "backend": {"kind": "processor_sharing", "service_time": 0.1}},
    {"kind": "replica_set", "backend": {**BACKEND, "line": "codel"}, "replicas": 3},
    {"kind": "load_balancer", "hosts": ["db"], "algorithm": {"kind": "maglev", "table_size": 7}},
    {"kind": "load_balancer", "hosts": ["db"], "algorithm": {"kind": "peak_ewma"}},
    {
        "kind": "load_balancer",
        "hosts": ["db"],
        "algorithm": {"kind": "consistent_hash", "hashes": 1, "bound": 1.25},
        "health_interval": 1,
    },
    {"kind": "load_shedder", "max_concurrent": 1},
    {
        "kind": "load_shedder",
        "max_concurrent": 1,
        "max_waiting": 0,
        "line": "deadline_aware",
        "thresholds": {"-1": 0, "2": 5},
    },
    {"kind": "adaptive_limiter"},
    {"kind": "adaptive_limiter", "limit": {"kind": "aimd", "least": 1, "most": 1}},
    {"kind": "adaptive_limiter", "limit": {"kind": "gradient2", "tolerance": 1}, "max_wait": None},
    {
        "kind": "adaptive_limiter",
        "limit": {"kind": "windowed", "inner": {"kind": "vegas"}, "percentile": 0.9},
        "drop_on": ["TimedOut"],
    },
    {"kind": "client_rate_limiter"},
    {"kind": "client_rate_limiter", "refused_on": ["BackendError"], "least": 1e-9},
    {"kind": "network_link"},
    {"kind": "network_link", "latency": {"kind": "uniform", "low": 0, "high": 0.1}},
    {"kind": "network_link", "loss": 1, "detect_after": 0.1},
    {"kind": "resource_manager", "limits": {"seats": 1}},
    {"kind": "resource_manager", "limits": {"a": 1, "b": 2}, "resource": "b", "wait": False},
    {"kind": "resource_manager", "limits": {"a": 1}, "timeout": 0},
    {"kind": "queue"},
    {
        "kind": "queue",
        "capacity": 1,
        "overflow": "drop_oldest",
        "visibility_timeout": None,
        "max_deliveries": 1,
        "retry_delay": {"kind": "linear", "base": 1},
        "ttl": 1,
        "dead_letters": "jobs",
        "durable": False,
    },
    {"kind": "consumer", "queue": "jobs", "call": ["db"]},
    {
        "kind": "consumer",
        "queue": "jobs",
        "call": ["db"],
        "concurrency": 2,
        "prefetch": 3,
        "reject_on": ["BackendError"],
        "connection_bound": False,
    },
    {"kind": "broker", "queues": ["jobs"]},
    {"kind": "health_monitor", "watch": ["db"]},
    {
        "kind": "health_monitor",
        "watch": [
            {"service": "db", "depends_on": ["many"], "critical": False, "timeout": 5},
            "many",
        ],
    },
    {"kind": "connection_manager", "preset": "hikaricp"},
    {"kind": "connection_manager", "preset": "sqlalchemy_queue_pool", "connect_time": 0.05},
    {
        "kind": "connection_manager",
        "size": 2,
        "min_idle": 1,
        "order": "lifo",
        "opened_by": "pool",
        "connect_time": {"kind": "exponential", "mean": 0.05},
        "connect_failure": 0.1,
        "validation": True,
        "validation_time": 0.01,
        "alive_bypass": 0,
        "invalidate_all": True,
        "recycle": 1,
        "max_lifetime": 2,
        "lifetime_variance": 1,
        "idle_timeout": 1,
        "housekeeping_period": 1,
        "keepalive_time": 1,
        "leak_threshold": 0.05,
    },
    {"kind": "circuit_breaker", "preset": "polly", "failure_on": ["BackendError"]},
    {
        "kind": "circuit_breaker",
        "use_retry_after": True,
        "max_retry_after": 5,
        "ignore": ["Rejected"],
    },
    {"kind": "retry", "retry_on": ["TimedOut", "BackendError"], "never_on": ["CheckoutTimeout"]},
    {"kind": "hedge", "delay": 0.05, "non_fatal": ["BackendError"]},
    {"kind": "fallback", "ask": "jobs", "on": ["ServiceDown"]},
    {
        "kind": "rate_limiter",
        "limit": {"kind": "cycle", "limit": 2, "period": 0.1},
        "amount": 2,
        "max_wait": None,
    },
]

ARRIVALS: list[dict[str, Any]] = [
    {"kind": "poisson", "rate": 1},
    {"kind": "constant", "rate": 1},
    {"kind": "piecewise", "table": [[0, 0], [5, 2]]},
    {"kind": "piecewise", "table": [[0, 2], [5, 0]], "between": "linear"},
    {"kind": "timestamps", "seconds": [5, 1, 1]},
    {"kind": "timestamps", "seconds": []},
    {"kind": "counts", "counts": [1, 0, 2.5], "interval": 0.1},
    {"kind": "counts", "counts": [1, 2, 3], "interval": 0.1, "starts": [0.1, 0.2, 0.3]},
]


def scenario(**parts: Any) -> Scenario:
    services = {"db": BACKEND, **parts.pop("services", {})}
    workloads = {"web": {"arrivals": {"kind": "constant", "rate": 2}, "call": ["db"]}}
    data = {"name": "built", "description": "?", "seed": 3, "horizon": 10}
    data |= {"services": services, "workloads": workloads, **parts}
    return Scenario.model_validate_json(json.dumps(data))


@pytest.mark.parametrize("spec", SERVICES, ids=str)
def test_every_service_that_a_file_may_describe_can_be_built_and_called(
    spec: dict[str, Any],
) -> None:
    calls = {Stand.AROUND: ["x", "db"], Stand.END: ["x"], Stand.BESIDE: ["db"]}
    call = calls[KINDS[spec["kind"]].stand]
    workloads = {"web": {"arrivals": {"kind": "constant", "rate": 2}, "call": call}}
    others = {"many": {"kind": "replica_set", "backend": BACKEND}, "jobs": {"kind": "queue"}}
    sim = build(scenario(services={"x": spec, **others}, workloads=workloads))
    sim.run(until=3)
    assert "x" in {name for _, name in sim.components}
    assert sim.recording.counts["foundation.request.finished"] >= 5
    sim.check_invariants()


def test_every_kind_of_service_is_among_those_that_are_built_here() -> None:
    assert {spec["kind"] for spec in SERVICES} == KINDS.keys()


@pytest.mark.parametrize("spec", ARRIVALS, ids=str)
def test_every_kind_of_arrivals_can_be_built(spec: dict[str, Any]) -> None:
    sim = build(scenario(workloads={"web": {"arrivals": spec, "call": ["db"]}}))
    sim.run(until=10)
    assert sim.recording.counts.get("foundation.request.started", 0) == len(
        sim.recording.frame("request.started")
    )


def test_the_values_of_a_file_reach_the_services(tmp_path: Path) -> None:
    sim = Simulation(1)
    services = build_services(sim, load_scenario(shop(tmp_path)))
    db, pool, again, breaker = (services[name] for name in ("db", "pool", "again", "breaker"))
    assert isinstance(db, made.Backend)
    assert (db.concurrency, db.queue_limit, db.error_rate) == (4, 20, 0.02)
    assert isinstance(pool, made.ConnectionManager)
    assert (pool.size, pool.max_overflow, pool.checkout_timeout) == (3, 1, 0.2)
    assert isinstance(again, made.Retry)
    assert (again.max_attempts, again.jitter, again.attempt_timeout) == (3, "full", 1)
    assert isinstance(breaker, made.CircuitBreaker)
    assert (breaker.reset_timeout, breaker.half_open_calls) == (2, 2)
    assert (breaker.slow_call_duration, breaker.half_open_max_wait) == (None, None)
    keeper = services["keeper"]
    assert isinstance(keeper, made.Supervisor)
    assert (keeper.children, keeper.restart_delay) == ([pool], 0.5)


def test_a_breaker_of_a_file_opens_at_slow_calls_and_for_longer_each_time() -> None:
    breaker: dict[str, Any] = {
        "kind": "circuit_breaker",
        "window": {"kind": "count", "size": 2, "slow_rate": 1.0},
        "slow_call_duration": 0.05,
        "reset_backoff": {"kind": "exponential", "base": 1, "cap": 3},
        "half_open_rule": "rate",
    }
    workload = {"arrivals": {"kind": "constant", "rate": 2}, "call": ["breaker", "db"]}
    sim = build(scenario(services={"breaker": breaker}, workloads={"web": workload}))
    sim.run(until=10)
    changes = sim.recording.frame(made.CircuitBreaker.StateChange)
    opened = changes.filter(pl.col("to") == "open")
    assert opened["reason"].to_list()[:2] == [
        "2 of 2 calls were slow",
        "1 of 1 calls were slow",
    ]
    until = changes.filter(pl.col("to") == "half_open")["time"]
    waits = (until - opened["time"].head(len(until))).to_list()
    assert waits == pytest.approx([1, 2, 3][: len(waits)])
    assert len(waits) >= 2


def test_the_values_of_a_file_reach_a_retry_and_its_budget() -> None:
    spec = {
        "kind": "retry",
        "backoff": {"kind": "fibonacci", "base": 0.5, "cap": 4},
        "jitter": {"kind": "factor", "share": 0.2},
        "max_delay": 3,
        "use_retry_after": True,
        "total_timeout": 9,
        "budget": {"kind": "quota", "capacity": 50, "cost": 2, "timeout_cost": 4, "refill": 3},
    }
    sim = Simulation(1)
    retry = build_services(sim, scenario(services={"x": spec}))["x"]
    assert isinstance(retry, made.Retry)
    assert retry.backoff == made.fibonacci_backoff(0.5, cap=4)
    assert retry.jitter == made.factor_jitter(0.2)
    assert (retry.max_delay, retry.use_retry_after, retry.total_timeout) == (3, True, 9)
    budget = retry.budget
    assert isinstance(budget, made.RetryQuota)
    assert (budget.capacity, budget.cost, budget.timeout_cost, budget.refill) == (50, 2, 4, 3)


def test_retries_and_hedges_that_name_a_budget_share_it() -> None:
    services = {
        "reads": {"kind": "retry", "budget": "sdk"},
        "late": {"kind": "hedge", "delay": 1, "budget": "sdk"},
        "alone": {"kind": "retry", "budget": {"kind": "quota"}},
        "other": {"kind": "retry", "budget": "sdk2"},
    }
    budgets = {"sdk": {"kind": "quota", "capacity": 50}, "sdk2": {"kind": "window"}}
    made_of = build_services(Simulation(1), scenario(services=services, budgets=budgets))
    parts: dict[str, Any] = dict(made_of)
    assert parts["reads"].budget is parts["late"].budget
    assert parts["reads"].budget.capacity == 50
    labels = {name: parts[name].budget.label for name in services}
    assert labels == {"reads": "sdk", "late": "sdk", "alone": "quota", "other": "sdk2"}


@pytest.mark.parametrize(("shared", "retries"), [(True, 2), (False, 4)])
def test_two_retries_get_no_more_from_a_shared_budget_than_one(
    shared: bool,  # noqa: FBT001
    retries: int,
) -> None:
    quota = {"kind": "quota", "capacity": 10, "cost": 5, "refill": 0}  # pays for two retries
    retry = {"kind": "retry", "max_attempts": 5, "budget": "sdk" if shared else quota}
    call = {"kind": "constant", "rate": 1}
    sim = build(
        scenario(
            services={
                "reads": retry,
                "writes": retry,
                "db": {**BACKEND, "error_rate": 1, "concurrency": 9},
            },
            workloads={
                name: {"arrivals": call, "call": [name, "db"]} for name in ("reads", "writes")
            },
            budgets={"sdk": quota},
        )
    )
    sim.run(until=20)
    attempts = sim.recording.frame(made.Retry.AttemptStart)
    assert attempts.filter(pl.col("attempt") > 1).height == retries
    if shared:
        exhausted = sim.recording.frame(made.Retry.BudgetExhausted)
        assert set(exhausted["budget"]) == {"sdk"}
        assert set(exhausted["service_id"]) == {"reads", "writes"}


def test_every_run_of_a_scenario_has_a_budget_of_its_own() -> None:
    plan = scenario(
        services={"x": {"kind": "retry", "budget": "sdk"}}, budgets={"sdk": {"kind": "quota"}}
    )
    one, two = (build_services(Simulation(1), plan)["x"] for _ in range(2))
    assert isinstance(one, made.Retry)
    assert isinstance(two, made.Retry)
    assert one.budget is not two.budget


def test_supervisors_of_supervisors_are_built_in_any_order() -> None:
    tree: dict[str, Any] = {
        "top": {"kind": "supervisor", "children": ["middle"]},
        "middle": {"kind": "supervisor", "children": ["low", "db"]},
        "low": {"kind": "supervisor", "children": ["cache"]},
        "cache": BACKEND,
    }
    crash = {"kind": "crash", "service": "cache", "at": 2}
    sim = build(scenario(services=tree, faults=[crash]))
    sim.run(until=3)
    started = sim.recording.frame("supervisor.child_started").select("service", "child").rows()
    assert sorted(set(started)) == [
        ("low", "cache"),
        ("middle", "db"),
        ("middle", "low"),
        ("top", "middle"),
    ]
    assert sim.recording.frame("service.restarted")["service"].to_list() == ["cache"]


def test_a_request_goes_through_its_call_from_the_outside_in(tmp_path: Path) -> None:
    sim = build(load_scenario(shop(tmp_path)))
    sim.run(until=1)
    events = sim.recording.events.filter(pl.col("node") == "edge")
    request = events.filter(pl.col("correlation_id") == events["correlation_id"][0])
    names = [name.removeprefix("foundation.") for name in request["event"]]
    assert names[:5] == [
        "request.started",
        "rate_limiter.allowed",
        "circuit_breaker.call_start",
        "retry.attempt_start",
        "connection.connection_acquired",
    ]


def test_faults_strike_and_end_when_the_file_says(tmp_path: Path) -> None:
    sim = build(load_scenario(shop(tmp_path)))
    sim.run(until=60)
    injected = sim.recording.frame("fault.injected").select("time", "kind", "service").rows()
    assert injected == [
        (20, "outage", "db"),
        (30, "slow_down", "db"),
        (40, "error_rate", "db"),
        (50, "crash", "pool"),
    ]
    cleared = sim.recording.frame("fault.cleared").select("time", "kind").rows()
    assert cleared == [(25, "outage"), (35, "slow_down"), (50, "crash")]
    sim.check_invariants()


def test_agents_may_be_given_tasks_instead_of_votes() -> None:
    agents = {
        "members": ["ada", "bela"],
        "think_time": 0.1,
        "sessions": {
            "protocol": {"kind": "assignment", "task": "sort the mail"},
            "interval": 2,
            "timeout": 1,
            "times": 3,
        },
    }
    sim = build(scenario(agents=agents))
    sim.run(until=10)
    started = sim.recording.frame("mabeam.coordination.started")
    assert started["protocol"].to_list() == ["assignment"] * 3
    assert sim.recording.counts["foundation.mabeam.coordination.completed"] == 3
    sim.check_invariants()


def test_the_wall_clock_instant_of_virtual_0_is_kept(tmp_path: Path) -> None:
    sim = build(load_scenario(shop(tmp_path)))
    assert sim.recording.facts.start == "2026-03-02T09:00:00+00:00"


def test_what_is_kept_of_a_scenario_is_the_scenario_with_its_nulls() -> None:
    pool = {"kind": "connection_manager", "size": 1, "checkout_timeout": None}
    given = scenario(services={"pool": pool})
    kept = build(given).recording.facts.scenario
    assert Scenario.model_validate_json(json.dumps(kept)) == given


def test_arrivals_that_still_lie_in_a_file_cannot_be_built() -> None:
    arrivals = {"kind": "file", "file": "day.csv", "holds": "counts"}
    given = scenario(workloads={"web": {"arrivals": arrivals, "call": ["db"]}})
    with pytest.raises(TypeError, match="must be read before"):
        build(given)


@pytest.mark.parametrize("keys", [{"kind": "uniform", "count": 4}, {"kind": "zipf", "count": 4}])
def test_a_cache_tells_the_keys_of_a_workload_apart(keys: dict[str, Any]) -> None:
    workload = {"arrivals": {"kind": "constant", "rate": 20}, "call": ["cache", "db"], "keys": keys}
    services = {"cache": {"kind": "cache", "ttl": 1e6}}
    sim = build(scenario(services=services, workloads={"web": workload}))
    sim.run(until=30)
    missed = sim.recording.frame("cache.miss")["key"].to_list()
    assert sorted(set(missed)) == ["key-1", "key-2", "key-3", "key-4"]
    assert sim.recording.counts["foundation.backend.served"] == 4


def test_keys_by_zipf_are_asked_for_as_often_as_their_rank_says() -> None:
    draw = ZipfKeys(kind="zipf", count=3, exponent=1.0).build(Simulation(5).stream("keys"))
    drawn = Counter(draw() for _ in range(11_000))
    # 1 : 1/2 : 1/3 is 6/11, 3/11, 2/11
    assert [drawn[f"key-{k}"] for k in (1, 2, 3)] == pytest.approx([6000, 3000, 2000], abs=150)


def test_without_keys_a_cache_has_one() -> None:
    services = {"cache": {"kind": "cache", "ttl": 1e6}}
    workload = {"arrivals": {"kind": "constant", "rate": 2}, "call": ["cache", "db"]}
    sim = build(scenario(services=services, workloads={"web": workload}))
    sim.run(until=10)
    assert sim.recording.counts["foundation.backend.served"] == 1


def test_a_fallback_asks_the_backend_that_it_names() -> None:
    services = {
        "broken": {"kind": "backend", "service_time": 0.1, "error_rate": 1},
        "instead": {"kind": "fallback", "ask": "db"},
    }
    workload = {"arrivals": {"kind": "constant", "rate": 2}, "call": ["instead", "broken"]}
    sim = build(scenario(services=services, workloads={"web": workload}))
    sim.run(until=10)
    finished = sim.recording.frame("request.finished")
    assert set(finished["outcome"]) == {"ok"}
    assert finished["duration"].to_list() == pytest.approx([0.2] * finished.height)
