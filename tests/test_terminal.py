import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from foundation_lab.reporting import summarise
from foundation_lab.scenario.build import build
from foundation_lab.scenario.model import Scenario
from foundation_lab.services import Backend, CircuitBreaker, Retry
from foundation_lab.simulation.engine import Simulation
from foundation_lab.terminal import render


def text_of(sim: Simulation) -> str:
    """What a terminal of 160 columns shows of a simulation."""
    page = StringIO()
    Console(file=page, width=160).print(render(summarise(sim.recording)))
    return page.getvalue()


def line_of(sim: Simulation, service: str) -> str:
    """The line that begins with the name of a service."""
    return next(line for line in text_of(sim).splitlines() if line.strip().startswith(service))


def test_a_service_that_crashed_is_shown_as_down() -> None:
    sim = Simulation(seed=1)
    db = Backend(sim, "db", service_time=1.0)
    Retry(sim, "again")
    sim.call_at(1.0, lambda: db.kill("crashed"))
    sim.run()
    assert "down" in line_of(sim, "db")
    assert "up" in line_of(sim, "again")


def test_a_breaker_is_shown_in_the_state_of_the_last_instant() -> None:
    sim = Simulation(seed=1)
    breaker = CircuitBreaker(sim, "payments", reset_timeout=30.0)
    breaker.trip()
    sim.run()
    assert breaker.status == "half_open"
    assert "half_open" in line_of(sim, "payments")


@pytest.fixture(scope="module")
def busy() -> Simulation:
    """A minute of a world with one service of each kind that has a story."""
    services: dict[str, Any] = {
        "alpha": {"kind": "backend", "service_time": 0.1, "line": {"kind": "lifo", "longest": 1}},
        "loop": {"kind": "event_loop", "steps": [{"cpu": 0.01}, {"io": 0.05}]},
        "front": {"kind": "load_balancer", "hosts": ["alpha", "loop"]},
        "shedder": {"kind": "load_shedder", "max_concurrent": 3, "max_waiting": 2},
        "learner": {"kind": "adaptive_limiter"},
        "jobs": {"kind": "queue", "max_deliveries": 1},
        "worker": {"kind": "consumer", "queue": "jobs", "call": ["broken"]},
        "broken": {"kind": "backend", "service_time": 0.2, "error_rate": 0.5},
        "many": {"kind": "replica_set", "backend": {"kind": "backend", "service_time": 0.1}},
        "scaler": {"kind": "autoscaler", "replicas": "many", "target": 0.5},
        "hedge": {"kind": "hedge", "delay": 0.1},
        "limit": {"kind": "timeout", "seconds": 0.15, "abandon": "ghost"},
        "narrow": {"kind": "bulkhead", "max_concurrent": 2, "max_wait": 0.1},
        "instead": {"kind": "fallback"},
        "front_cache": {"kind": "cache", "ttl": 5},
        "keeper": {"kind": "supervisor", "children": ["alpha"], "intensity": 0},
    }
    calls = {"web": ["learner", "shedder", "front"], "shop": ["jobs"], "app": ["many"]}
    calls["guarded"] = ["instead", "limit", "narrow", "hedge", "many"]
    calls["cached"] = ["front_cache", "many"]
    data = {
        "name": "busy",
        "description": "?",
        "seed": 2,
        "horizon": 60,
        "services": services,
        "workloads": {
            client: {"arrivals": {"kind": "poisson", "rate": 30}, "call": call}
            for client, call in calls.items()
        },
        "faults": [{"kind": "crash", "service": "alpha", "at": 30}],
    }
    sim = build(Scenario.model_validate_json(json.dumps(data)))
    sim.run(until=60)
    return sim


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("alpha", ["down", "served", "shed"]),
        ("loop", ["event_loop", "served", "lag p99", "busy on average"]),
        ("front", ["picked", "ejected 0 times", "alpha: ", "loop: "]),
        ("shedder", ["admitted", "rejected", "expired"]),
        ("learner", ["limit ", "permitted", "on average"]),
        ("jobs", ["kept", "published", "acknowledged", "dropped"]),
        ("hedge", ["calls", "hedged (", "won by a hedge", "attempts given up"]),
        ("limit", ["calls", "timed out (", "went on as ghosts", "in time p99"]),
        ("narrow", ["admitted", "rejected (", "at most 2 in use", "wait mean", "longest"]),
        ("instead", ["calls", "stood in for ("]),
        ("front_cache", ["hits", "misses", "hit ratio", "evicted"]),
        ("scaler", ["wanted", "replicas", "up "]),
        ("keeper", ["1 exits", "0 restarts", "gave up once"]),
    ],
)
def test_a_service_is_told_of_by_what_it_did(
    busy: Simulation, service: str, words: list[str]
) -> None:
    line = line_of(busy, service)
    assert [word for word in words if word not in line] == []
