"""Names in a scenario that must fit what stands elsewhere in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.files import read_yaml
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.model import Scenario
from tests.scenario.shop import SHOP, line_of, shop, wrong

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    pytest.param(
        "[gate, breaker, again, pool, db]",
        "[gate, braker, again, pool, db]",
        "workloads.web.call[1]",
        "there is no service 'braker'; did you mean 'breaker'?",
        id="an unknown service in a call",
    ),
    pytest.param(
        "[gate, breaker, again, pool, db]",
        "[gate, breaker, again, pool]",
        "workloads.web.call[3]",
        " only, and 'pool' is a connection_manager",
        id="a call without a backend",
    ),
    pytest.param(
        "[gate, breaker, again, pool, db]",
        "[keeper, db]",
        "workloads.web.call[0]",
        "and 'keeper' is a supervisor",
        id="a call through a supervisor",
    ),
    pytest.param(
        "attempt_timeout: 1",
        "budget: sdk",
        "services.again.budget",
        "there is no budget 'sdk'; there are: none",
        id="an unknown budget",
    ),
    pytest.param(
        "{kind: outage, service: db,",
        "{kind: outage, service: dbb,",
        "faults[0].service",
        "there is no service 'dbb'; did you mean 'db'?",
        id="a fault of nothing",
    ),
    pytest.param(
        "{kind: slow_down, service: db,",
        "{kind: slow_down, service: pool,",
        "faults[1].service",
        "slow_down does not hit a connection_manager, and 'pool' is one; it can have latency",
        id="a fault of the wrong kind of service",
    ),
    pytest.param(
        "children: [pool]",
        "children: [pol]",
        "services.keeper.children[0]",
        "there is no service 'pol'; did you mean 'pool'?",
        id="an unknown child",
    ),
    pytest.param(
        "children: [pool]",
        "children: [pool, pool]",
        "services.keeper.children[1]",
        "'pool' has a supervisor already, 'keeper'",
        id="a child twice",
    ),
    pytest.param(
        "children: [pool]",
        "children: [pool, keeper]",
        "services.keeper.children[1]",
        "'keeper' needs 'keeper' itself",
        id="a supervisor of itself",
    ),
    pytest.param(
        "{client: web,",
        "{client: wev,",
        "objectives[0].client",
        "there is no workload 'wev'; did you mean 'web'?",
        id="an objective of nobody",
    ),
    pytest.param(
        "[ada, bela, chen]",
        "[ada, bela, ada]",
        "agents.members[2]",
        "member 'ada' is there twice",
        id="an agent twice",
    ),
    pytest.param(
        "[ada, bela, chen]",
        "[ada, coordinator]",
        "agents.members[1]",
        "'coordinator' is the one who holds the sessions",
        id="an agent at the coordinator's address",
    ),
    pytest.param(
        "question: now?,",
        "question: now?, quorum: 1,",
        "agents.sessions.protocol.quorum",
        "a quorum of 1 among 3; give 2 to 3 votes",
        id="a quorum that two choices could reach",
    ),
]


@pytest.mark.parametrize(("old", "new", "path", "message"), CASES)
def test_a_name_that_does_not_fit_is_reported_where_it_stands(
    tmp_path: Path, old: str, new: str, path: str, message: str
) -> None:
    (found,) = wrong(tmp_path, (old, new))
    assert found.path == path
    assert message in found.message
    assert found.line == line_of(tmp_path / "shop.yaml", new)
    assert found.column > 0


@pytest.mark.parametrize(("old", "new", "path", "message"), CASES)
def test_a_scenario_made_in_python_is_refused_in_the_same_words(
    old: str, new: str, path: str, message: str
) -> None:
    data: Any = read_yaml(SHOP.replace(old, new)).data
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(data | {"workloads": data["workloads"]})
    (error,) = caught.value.errors()
    assert error["type"] == "references"
    assert error["msg"].startswith(f"{path}: ")
    assert message in error["msg"]


def test_a_wrong_name_in_an_override_is_reported_at_the_override(tmp_path: Path) -> None:
    path = shop(tmp_path)
    with pytest.raises(InvalidFile, match=r"there is no service 'bd'") as caught:
        load_scenario(path, overrides=["faults[0].service=bd"])
    assert str(caught.value).startswith("--set faults[0].service=bd: faults[0].service: ")


def test_supervisors_that_watch_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    circle = "  above: {kind: supervisor, children: [keeper]}\n\nworkloads:\n"
    (found,) = wrong(
        tmp_path, ("children: [pool]", "children: [pool, above]"), ("\nworkloads:\n", circle)
    )
    assert found.path == "services.above.children[0]"
    assert "'keeper' needs 'above' itself" in found.message


def test_a_shared_budget_that_there_is_not_is_refused_with_the_nearest_name(
    tmp_path: Path,
) -> None:
    budgets = "budgets: {together: {kind: quota}, other: {kind: window}}\nworkloads:\n"
    hedge = "  late: {kind: hedge, delay: 1, budget: togther}\n  keeper:\n"
    (found,) = wrong(tmp_path, ("workloads:\n", budgets), ("  keeper:\n", hedge))
    assert found.path == "services.late.budget"
    assert found.message == "there is no budget 'togther'; did you mean 'together'?"
    assert found.line == line_of(tmp_path / "shop.yaml", "togther")


def test_without_a_near_name_all_of_them_are_listed(tmp_path: Path) -> None:
    (found,) = wrong(tmp_path, ("{client: web,", "{client: xyz,"))
    assert found.message == "there is no workload 'xyz'; there are: web"


PARTS = [
    ("{kind: fallback, ask: pool}", "ask", "a fallback asks a backend, and 'pool' is a"),
    ("{kind: load_balancer, hosts: [db, gate]}", "hosts[1]", "asked as a backend is, and 'gate'"),
    ("{kind: autoscaler, replicas: db, target: 1}", "replicas", "scales a replica_set, and 'db'"),
    ("{kind: load_balancer, hosts: [x]}", "hosts[0]", "'x' needs 'x' itself"),
]


@pytest.mark.parametrize(("spec", "place", "message"), PARTS)
def test_a_part_of_the_wrong_kind_is_refused(
    tmp_path: Path, spec: str, place: str, message: str
) -> None:
    (found,) = wrong(tmp_path, ("  keeper:\n", f"  x: {spec}\n  keeper:\n"))
    assert found.path == f"services.x.{place}"
    assert message in found.message


CONTRADICTIONS = [
    ("{kind: load_balancer, hosts: [db, db]}", "the host 'db' is there twice"),
    ("{kind: load_balancer, hosts: [db], weights: {db: 2}}", "round_robin knows no weights"),
    (
        "{kind: load_balancer, hosts: [db], algorithm: weighted, weights: {bd: 2}}",
        "a weight of 'bd', which is no host; there are: db",
    ),
    ("{kind: load_balancer, hosts: [db], slow_start: 1}", "round_robin knows no slow_start"),
    (
        "{kind: load_balancer, hosts: [db], outliers: {max_ejection_time: 1}}",
        "max_ejection_time (1) is below base_ejection_time (30)",
    ),
    (
        "{kind: autoscaler, replicas: x, target: 1, minimum: 3, maximum: 2}",
        "maximum (2) is below minimum (3)",
    ),
]


@pytest.mark.parametrize(("spec", "message"), CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused(
    tmp_path: Path, spec: str, message: str
) -> None:
    (found,) = wrong(tmp_path, ("  keeper:\n", f"  x: {spec}\n  keeper:\n"))
    assert message in found.message
