"""What a scenario file may say, and what its readers are told when it says something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from foundation_lab.scenario.files import read_yaml, schema
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.model import Scenario
from tests.scenario.shop import SHOP, line_of, shop, wrong

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[2]


def test_the_shop_is_valid_and_frozen(tmp_path: Path) -> None:
    scenario = load_scenario(shop(tmp_path))
    assert (scenario.name, scenario.seed, scenario.horizon) == ("shop", 7, 60)
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "path", "value", "says"),
    [
        ("concurrency: 4", "concurency: 4", "services.db.concurency", "4", "'concurrency'?"),
        ("rate: 40", "rate: -40", "workloads.web.arrivals.rate", "-40", "greater than 0"),
        ("seed: 7", "seed: seven", "seed", "'seven'", "a whole number"),
        ("seed: 7", f"seed: {10**20}", "seed", str(10**20), "or a smaller number"),
        ("horizon: 60", "horizon: 60s", "horizon", "'60s'", "without its unit"),
        ("horizon: 60", "horizon: 0", "horizon", "0", "greater than 0"),
        ("horizon: 60", "horizon: .inf", "horizon", "inf", "finite"),
        ("horizon: 60", "horizon: .nan", "horizon", "nan", "finite"),
        ("name: shop", "name: a shop", "name", "'a shop'", "pattern"),
        ("start: 2026-03-02T09:00:00Z", "start: today", "start", "'today'", "2026-01-31T12"),
        ("kind: retry", "kind: retri", "services.again.kind", "'retri'", "'retry'?"),
        ("jitter: full", "jitter: ful", "services.again.jitter", "'ful'", "'full'?"),
        ("jitter: full", "jitter: {kind: factr}", "services.again.jitter.kind", "", "'factor'?"),
        (
            "jitter: full",
            "jitter: {kind: factor, share: 2}",
            "services.again.jitter.share",
            "2",
            "1 or a smaller",
        ),
        (
            "jitter: full",
            "budget: {kind: quote}",
            "services.again.budget.kind",
            "'quote'",
            "did you mean 'quota'?\n    known: window, throttle, quota, adaptive_throttle",
        ),
        (
            "jitter: full",
            "budget: {kind: adaptive_throttle, k: 0.5}",
            "services.again.budget.k",
            "0.5",
            "1 or a greater",
        ),
        (
            "jitter: full",
            "budget: {kind: quota, costs: 1}",
            "services.again.budget.costs",
            "1",
            "'cost'?",
        ),
        ("jitter: full", "total_timeout: 0", "services.again.total_timeout", "0", "greater than 0"),
        (
            "kind: decorrelated,",
            "kind: decorelated_v2,",
            "services.again.backoff.kind",
            "",
            "did you mean 'decorrelated_v2'?",
        ),
        ("low: 0.1", "low: 0.9", "agents.think_time.high", "0.4", "exchange them"),
        ("capacity: 20", "capacity: 0.5", "services.gate.limit.capacity", "0.5", "1 or a greater"),
        ("size: 3", f"size: {10**10}", "services.pool.size", str(10**10), "a smaller number"),
        ("loss: 0.05", "loss: 1.5", "agents.network.loss", "1.5", "1 or a smaller"),
        ('["yes", "no"]', '["yes", "yes"]', "agents.sessions.protocol.choices", "", "twice"),
        (
            '["yes", "no"]',
            '["yes", no_majority]',
            "agents.sessions.protocol.choices",
            "",
            "choose another word",
        ),
        (
            "now?,",
            "now?, weights: [1],",
            "agents.sessions.protocol",
            "",
            "1 weights for 2 choices; give one each",
        ),
        (
            "now?,",
            "now?, weights: [0, 0],",
            "agents.sessions.protocol",
            "",
            "all weights are 0",
        ),
        (
            "{kind: poisson, rate: 40}",
            "{kind: piecewise, table: [[5, 1], [0, 2]]}",
            "workloads.web.arrivals.table",
            "",
            "in order of time",
        ),
        (
            "{kind: poisson, rate: 40}",
            "{kind: piecewise, table: [[0, 0]]}",
            "workloads.web.arrivals.table",
            "",
            "all rates are 0",
        ),
        (
            "reset_timeout: 2",
            "half_open_rule: rates",
            "services.breaker.half_open_rule",
            "'rates'",
            "did you mean 'rate'?",
        ),
        (
            "window: {kind: time, seconds: 5, failure_rate: 0.5, minimum_calls: 5}",
            "half_open_rule: rate",
            "services.breaker",
            "",
            "half_open_rule 'rate' judges probes by the rates of a window; add `window`",
        ),
        (
            "reset_timeout: 2",
            "reset_backoff: {kind: exponental, base: 1}",
            "services.breaker.reset_backoff.kind",
            "'exponental'",
            "'exponential'?",
        ),
        (
            "minimum_calls: 5}",
            "minimum_calls: 5, slow_rate: 0}",
            "services.breaker.window.slow_rate",
            "0",
            "greater than 0",
        ),
        (
            "reset_timeout: 2",
            "slow_call_duration: 0",
            "services.breaker.slow_call_duration",
            "0",
            "greater than 0",
        ),
        (", at_least: 0.5", "", "objectives[0]", "", "at_least or at_most"),
        ("name: opened", "name: errors", "alerts", "", "two rules are called 'errors'"),
    ],
)
def test_a_wrong_value_is_named_with_its_path_and_a_remedy(
    tmp_path: Path, *, old: str, new: str, path: str, value: str, says: str
) -> None:
    (found,) = wrong(tmp_path, (old, new))
    assert found.path == path
    assert value in found.value
    assert says in str(found)
    assert found.file == str(tmp_path / "shop.yaml")
    assert found.line > 0
    assert found.column > 0


def test_a_problem_points_at_the_line_and_column_of_the_value(tmp_path: Path) -> None:
    (found,) = wrong(tmp_path, ("rate: 40", "rate: -40"))
    path = tmp_path / "shop.yaml"
    line = line_of(path, "rate: -40")
    column = path.read_text().splitlines()[line - 1].index("-40") + 1
    assert str(found) == (
        f"{path}:{line}:{column}: workloads.web.arrivals.rate: "
        "expected a number greater than 0, not -40"
    )


def test_everything_that_is_wrong_is_reported_at_once_in_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    found = wrong(
        tmp_path, ("rate: 40", "rate: 0"), ("seed: 7", "sed: 7"), ("size: 3", "size: three")
    )
    paths = {problem.path for problem in found}
    assert paths == {"sed", "seed", "services.pool.size", "workloads.web.arrivals.rate"}
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize("key", ["name", "description", "seed", "horizon"])
def test_a_scenario_needs_its_name_question_seed_and_horizon(tmp_path: Path, key: str) -> None:
    line = next(line for line in SHOP.splitlines() if line.startswith(key))
    (found,) = wrong(tmp_path, (line + "\n", ""))
    assert found.path == key
    assert "is missing" in found.message


def test_a_rule_about_an_event_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    (found,) = wrong(tmp_path, ("event: request.finished", "event: request.finishd"))
    assert "foundation.request.finished" in str(found)
    assert found.path.startswith("alerts[0]")


def test_counts_whose_intervals_overlap_are_refused_in_words(tmp_path: Path) -> None:
    counts = "{kind: counts, counts: [1, 2], interval: 10, starts: [0, 5]}"
    (found,) = wrong(tmp_path, ("{kind: poisson, rate: 40}", counts))
    assert found.message.startswith("the interval that starts at 5 overlaps that at 0")
    counts = "{kind: counts, counts: [1, 2], interval: 10, starts: [0]}"
    (found,) = wrong(tmp_path, ("{kind: poisson, rate: 40}", counts))
    assert found.message == "1 starts for 2 counts; give one each"


# The schema for editors


def test_the_schema_beside_the_scenarios_is_that_of_the_model() -> None:
    kept = (ROOT / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8")
    assert json.loads(kept) == schema(Scenario), "make schema"


def test_every_key_of_the_schema_is_described() -> None:
    undescribed = [
        f"{name}.{key}"
        for name, part in {"Scenario": schema(Scenario), **schema(Scenario)["$defs"]}.items()
        for key, about in part.get("properties", {}).items()
        if key != "kind" and not about.get("description")
    ]
    assert undescribed == []


def test_the_shipped_scenarios_fit_their_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema(Scenario))
    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        data: dict[str, Any] = read_yaml(path).data
        assert [error.message for error in validator.iter_errors(data)] == []
        assert path.read_text(encoding="utf-8").startswith(
            "# yaml-language-server: $schema=scenario.schema.json\n"
        )
