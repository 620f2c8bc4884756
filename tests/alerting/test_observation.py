import math
from typing import Any

import pytest

from foundation_lab.alerting.observation import key_of, observe
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events


def observed(sim: Simulation) -> list[dict[str, Any]]:
    """Return the fields of what is emitted from now on, as rules see them."""
    found: list[dict[str, Any]] = []
    sim.telemetry.attach("look", "**", lambda record: found.append(dict(observe(record).fields)))
    return found


@pytest.mark.parametrize(
    ("value", "key"),
    [(None, ""), (True, "true"), (False, "false"), (3, "3"), (3.0, "3"), (0.5, "0.5")],
)
def test_a_key_reads_the_same_from_a_run_as_from_its_recording(value: object, key: str) -> None:
    assert key_of({"field": value}, ["field"]) == key


def test_a_list_is_one_key() -> None:
    assert key_of({"agents": ("a", "b")}, ["agents"]) == key_of({"agents": ["a", "b"]}, ["agents"])


def test_the_stamps_and_the_emitter_are_fields_too() -> None:
    sim = Simulation(seed=1)
    found = observed(sim)
    with sim.telemetry.context(node="n1", correlation_id="c1"):
        sim.telemetry.emit(events.retry.Exhausted("db", 3, "BackendError"))
    assert found == [
        {
            "event": "foundation.retry.exhausted",
            "node": "n1",
            "process": "main",
            "correlation_id": "c1",
            "service": "db",
            "service_id": "db",
            "total_attempts": 3,
            "final_error": "BackendError",
        }
    ]


def test_values_are_those_that_a_recording_would_give_back() -> None:
    sim = Simulation(seed=1)
    found = observed(sim)
    sim.telemetry.emit(events.service.HealthCheck("a", "db", "ok", {"load": 1}))
    sim.telemetry.emit("shop.order", {"amount": 3, "tax": math.nan}, {"vip": True, "lines": [1]})
    assert found[0]["metrics"] == '{"load":1}'
    assert {name: found[1][name] for name in ("amount", "tax", "vip", "lines")} == {
        "amount": 3.0,
        "tax": None,
        "vip": True,
        "lines": "[1]",
    }
