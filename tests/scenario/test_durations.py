"""Distributions in scenario files: all of them, what is refused, and samples in tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import polars as pl
import pytest

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.build import build
from foundation_lab.scenario.duration_specs import AnyDistribution, distribution
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.model import Scenario
from foundation_lab.simulation.engine import Simulation
from tests.scenario.shop import line_of, shop, wrong

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    get_args(each.model_fields["kind"].annotation)[0]
    for each in get_args(get_args(AnyDistribution)[0])
}

DISTRIBUTIONS: list[tuple[dict[str, Any], float]] = [
    ({"kind": "constant", "value": 0.2}, 0.2),
    ({"kind": "exponential", "mean": 0.2}, 0.2),
    ({"kind": "uniform", "low": 0.1, "high": 0.3}, 0.2),
    ({"kind": "lognormal", "median": 0.2, "sigma": 0}, 0.2),
    ({"kind": "erlang", "mean": 0.2, "stages": 3}, 0.2),
    ({"kind": "gamma", "mean": 0.2, "shape": 0.5}, 0.2),
    ({"kind": "weibull", "scale": 0.2, "shape": 1}, 0.2),
    ({"kind": "pareto", "smallest": 0.1, "shape": 2}, 0.2),
    ({"kind": "pareto", "smallest": 1, "shape": 1, "largest": 2}, 1.386),
    ({"kind": "hyperexponential", "parts": [[3, 0.1], [1, 0.5]]}, 0.2),
    (
        {
            "kind": "mixture",
            "parts": [[1, 0.1], [1, {"kind": "shifted", "offset": 0.1, "rest": 0.2}]],
        },
        0.2,
    ),
    ({"kind": "shifted", "offset": 0.1, "rest": {"kind": "exponential", "mean": 0.1}}, 0.2),
    ({"kind": "triangular", "low": 0.1, "mode": 0.2, "high": 0.3}, 0.2),
    ({"kind": "empirical", "values": [0.3, 0.1]}, 0.2),
    ({"kind": "empirical", "values": [0.3, 0.1], "interpolate": True}, 0.2),
]


def with_service_time(spec: dict[str, Any]) -> Scenario:
    data = {
        "name": "n",
        "description": "d",
        "seed": 1,
        "horizon": 9,
        "services": {"db": {"kind": "backend", "service_time": spec}},
    }
    return Scenario.model_validate_json(json.dumps(data))


@pytest.mark.parametrize(("spec", "mean"), DISTRIBUTIONS, ids=str)
def test_every_distribution_of_a_file_has_the_mean_that_its_words_say(
    spec: dict[str, Any], mean: float
) -> None:
    backend: Any = with_service_time(spec).services["db"]
    made = distribution(backend.service_time)
    stream = Simulation(1).stream("test")
    assert made.mean == pytest.approx(mean, abs=1e-3)
    assert all(made.sample(stream) >= 0 for _ in range(100))


def test_every_kind_of_distribution_is_among_those_that_are_built_here() -> None:
    assert {spec["kind"] for spec, _ in DISTRIBUTIONS} == KINDS


WRONG = [
    ("{kind: gama, mean: 1}", "kind", "did you mean 'gamma'?"),
    ("{kind: gamma, mean: 1, shape: 0}", "shape", "0.01 or a greater number"),
    ("{kind: weibull, scale: 0, shape: 1}", "scale", "greater than 0"),
    ("{kind: pareto, smallest: 1, shape: 1}", "", "infinite mean; give a shape above 1, or"),
    ("{kind: pareto, smallest: 1, shape: 2, largest: 1}", "largest", "is not above smallest"),
    ("{kind: hyperexponential, parts: [[0, 1]]}", "parts", "all weights are 0"),
    ("{kind: hyperexponential, parts: [[1, 0]]}", "parts[0][1]", "greater than 0"),
    ("{kind: mixture, parts: []}", "parts", "1 or more entries"),
    ("{kind: mixture, parts: [[0, 1]]}", "parts", "all weights are 0"),
    ("{kind: mixture, parts: [[1, {kind: exponential, mean: -1}]]}", "parts[0][1].mean", "than 0"),
    ("{kind: shifted, offset: 1, rest: {kind: constant}}", "rest.value", "is missing"),
    ("{kind: triangular, low: 1, mode: 3, high: 2}", "", "not in order of size"),
    ("{kind: empirical}", "", "give values, or the file that holds them"),
    ("{kind: empirical, values: [1], interpolate: true}", "", "give 2 or more"),
    ("{kind: empirical, values: [1], scale: 2}", "", "scale says how a file is read"),
    ("{kind: empirical, values: [1, -1]}", "values[1]", "0 or a greater number"),
]


@pytest.mark.parametrize(("spec", "place", "says"), WRONG)
def test_a_wrong_distribution_is_refused_at_its_place(
    tmp_path: Path, spec: str, place: str, says: str
) -> None:
    (found,) = wrong(tmp_path, ("{kind: exponential, mean: 0.05}", spec))
    assert found.path == ".".join(filter(None, ["services.db.service_time", place]))
    assert says in str(found)
    assert found.line == line_of(tmp_path / "shop.yaml", spec)


def with_file(folder: Path, options: str = "") -> Path:
    spec = f"{{kind: empirical, file: times.csv{options}}}"
    return shop(folder, ("{kind: exponential, mean: 0.05}", spec))


def service_times(path: Path, *overrides: str) -> list[float]:
    backend: Any = load_scenario(path, overrides=overrides).services["db"]
    assert backend.service_time.file is None
    return list(backend.service_time.values)


def test_a_sample_may_lie_in_a_table_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("ms,duration\n100,0.1\n300,0.3\n")
    pl.DataFrame({"duration": [0.5]}).write_parquet(tmp_path / "times.parquet")
    assert service_times(with_file(tmp_path)) == [0.1, 0.3]
    assert service_times(with_file(tmp_path, ", column: ms, scale: 0.001")) == [0.1, 0.3]
    override = f"services.db.service_time.file={tmp_path / 'times.parquet'}"
    assert service_times(with_file(tmp_path), override) == [0.5]


def test_a_sample_from_a_table_is_part_of_what_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("duration\n0.1\n0.3\n")
    scenario = load_scenario(with_file(tmp_path))
    (tmp_path / "times.csv").unlink()
    kept = build(scenario).recording.facts.scenario
    assert Scenario.model_validate_json(json.dumps(kept)) == scenario


def test_samples_are_found_wherever_a_duration_may_stand(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("duration\n0.25\n")
    sample = "{kind: empirical, file: times.csv}"
    path = shop(
        tmp_path,
        ("{kind: exponential, mean: 0.05}", f"{{kind: mixture, parts: [[1, 2], [1, {sample}]]}}"),
        ("{kind: uniform, low: 0.1, high: 0.4}", sample),
        (
            "{kind: outage, service: db, start: 20, duration: 5}",
            f"{{kind: latency, service: db, start: 20, delay: {sample}}}",
        ),
    )
    scenario = load_scenario(path)
    assert str(scenario).count("values=[0.25]") == 3
    sim = build(scenario)
    sim.run(until=25)
    sim.check_invariants()


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ("duration\n0.1\n-1\n", "", "row 2: -1 in 'duration'; durations are 0 or more"),
        ("durations\n0.1\n", "", "did you mean 'durations'? (set column)"),
        ("duration\n0.1\n", ", interpolate: true", "give 2 or more"),
        ("duration\n", "", "the table has no rows"),
    ],
)
def test_a_wrong_sample_in_a_table_is_refused(
    tmp_path: Path, rows: str, options: str, says: str
) -> None:
    (tmp_path / "times.csv").write_text(rows)
    with pytest.raises(InvalidFile) as caught:
        load_scenario(with_file(tmp_path, options))
    assert says in str(caught.value)


def test_a_sample_outside_of_the_scenarios_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("duration\n0.1\n")
    path = shop(
        tmp_path / "in",
        ("{kind: exponential, mean: 0.05}", "{kind: empirical, file: ../times.csv}"),
    )
    with pytest.raises(InvalidFile, match="lies outside of the scenario's folder"):
        load_scenario(path)


def test_a_table_that_does_not_fit_what_holds_it_is_refused_there(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("duration\n0\n")
    sample = "{kind: empirical, file: times.csv}"
    path = shop(
        tmp_path,
        ("{kind: poisson, rate: 40}", f"{{kind: on_off, rate: 1, on: {sample}, off: {sample}}}"),
    )
    with pytest.raises(InvalidFile, match="every stay takes 0 s") as caught:
        load_scenario(path)
    assert "workloads.web.arrivals" in str(caught.value)


def test_a_sample_that_still_lies_in_a_file_cannot_be_built() -> None:
    given = with_service_time({"kind": "empirical", "file": "times.csv"})
    with pytest.raises(TypeError, match="must be read before"):
        build(given)
