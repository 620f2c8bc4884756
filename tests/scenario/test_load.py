"""Loading a scenario: its file, the overrides, and the traffic files it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.load import load_scenario
from foundation_lab.scenario.workloads.open import OpenSpec
from foundation_lab.scenario.workloads.recorded import CountArrivals
from tests.scenario.plans import refused
from tests.scenario.shop import line_of, shop

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.scenario.model import Scenario

POISSON = "{kind: poisson, rate: 40}"


def with_file(folder: Path, name: str = "traffic/day.csv") -> Path:
    return shop(folder, (POISSON, f"{{kind: file, file: {name}, holds: counts}}"))


def day(path: Path, *counts: float) -> Path:
    rows = [f"{number * 60},{count}" for number, count in enumerate(counts)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["timestamp,value", *rows, ""]), encoding="utf-8")
    return path


def counted(scenario: Scenario) -> list[float]:
    return arrivals(scenario).counts


def arrivals(scenario: Scenario) -> CountArrivals:
    workload = scenario.workloads["web"]
    assert isinstance(workload, OpenSpec)
    assert isinstance(workload.arrivals, CountArrivals)
    return workload.arrivals


def test_seed_and_horizon_can_be_given_and_win_over_overrides(tmp_path: Path) -> None:
    path = shop(tmp_path)
    scenario = load_scenario(
        path, overrides=["seed=1", "services.db.concurrency=9"], seed=2, until=5
    )
    assert (scenario.seed, scenario.horizon) == (2, 5)
    assert scenario.services["db"].model_dump()["concurrency"] == 9


def test_the_file_may_be_named_by_text(tmp_path: Path) -> None:
    assert load_scenario(str(shop(tmp_path))) == load_scenario(shop(tmp_path))


# Traffic files


def test_a_traffic_file_is_looked_for_beside_the_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day(tmp_path / "scenarios" / "traffic" / "day.csv", 1, 2, 3)
    path = with_file(tmp_path / "scenarios")
    assert counted(load_scenario(path)) == [1, 2, 3]
    monkeypatch.chdir(tmp_path)
    assert counted(load_scenario("scenarios/shop.yaml")) == [1, 2, 3]


@pytest.mark.parametrize(
    "override",
    [
        "workloads.web.arrivals.file=mine.csv",
        'workloads["web"].arrivals.file=mine.csv',
        "workloads.web.arrivals={kind: file, file: mine.csv, holds: counts}",
        "workloads.web={arrivals: {kind: file, file: mine.csv, holds: counts}, call: [db]}",
    ],
)
def test_a_traffic_file_in_an_override_is_looked_for_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    day(tmp_path / "scenarios" / "traffic" / "day.csv", 1, 2)
    path = with_file(tmp_path / "scenarios")
    day(tmp_path / "elsewhere" / "mine.csv", 7, 8)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert counted(load_scenario(path, overrides=[override])) == [7, 8]


def test_another_override_does_not_change_where_the_file_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day(tmp_path / "scenarios" / "traffic" / "day.csv", 1, 2)
    path = with_file(tmp_path / "scenarios")
    monkeypatch.chdir(tmp_path)
    change = "workloads.web.arrivals.count_scale=10"
    assert counted(load_scenario(path, overrides=[change])) == [10, 20]


@pytest.mark.parametrize("name", ["../day.csv", "traffic/../../day.csv", "{root}/day.csv"])
def test_a_scenario_file_cannot_name_a_file_outside_of_its_folder(
    tmp_path: Path, name: str
) -> None:
    day(tmp_path / "day.csv", 1, 2)
    name = name.format(root=tmp_path)
    path = with_file(tmp_path / "scenarios", name)
    (found,) = refused(lambda: load_scenario(path))
    assert found.path == "workloads.web.arrivals.file"
    assert found.message.endswith("lies outside of the scenario's folder")
    assert found.line == line_of(path, "kind: file")
    assert f"--set 'workloads.web.arrivals.file={name}'" in found.hint


def test_a_link_does_not_lead_out_of_the_folder_either(tmp_path: Path) -> None:
    day(tmp_path / "day.csv", 1, 2)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "day.csv").symlink_to(tmp_path / "day.csv")
    path = with_file(tmp_path / "scenarios", "day.csv")
    with pytest.raises(InvalidFile, match="lies outside of the scenario's folder"):
        load_scenario(path)


def test_a_user_may_name_any_file(tmp_path: Path) -> None:
    mine = day(tmp_path / "day.csv", 1, 2)
    path = with_file(tmp_path / "scenarios")
    override = f"workloads.web.arrivals.file={mine}"
    assert counted(load_scenario(path, overrides=[override])) == [1, 2]


def test_a_file_that_does_not_exist_is_reported_where_it_is_named(tmp_path: Path) -> None:
    day(tmp_path / "traffic" / "day.csv", 1, 2)
    path = with_file(tmp_path, "traffic/dax.csv")
    (found,) = refused(lambda: load_scenario(path))
    assert found.line == line_of(path, "kind: file")
    assert found.value == "'traffic/dax.csv'"
    assert found.hint == "did you mean 'day.csv'?"
    override = "workloads.web.arrivals.file=nowhere.csv"
    (found,) = refused(lambda: load_scenario(path, overrides=[override]))
    assert str(found) == (
        f"--set {override}: workloads.web.arrivals.file: there is no file 'nowhere.csv' "
        "— check the path"
    )


def test_all_traffic_files_that_are_wrong_are_reported_at_once(tmp_path: Path) -> None:
    second = "  more:\n    arrivals: {kind: file, file: b.xlsx, holds: counts}\n    call: [db]\n"
    path = shop(
        tmp_path,
        (POISSON, "{kind: file, file: a.csv, holds: counts}"),
        ("\nfaults:\n", f"{second}\nfaults:\n"),
    )
    (tmp_path / "b.xlsx").write_text("")
    with pytest.raises(InvalidFile) as caught:
        load_scenario(path)
    first, last = map(str, caught.value.problems)
    assert "a.csv'" in first
    assert last.endswith("b.xlsx: .xlsx is not read; give a .csv or .parquet file")


def test_a_scenario_that_was_read_holds_its_traffic_itself(tmp_path: Path) -> None:
    file = day(tmp_path / "traffic" / "day.csv", 4, 5)
    scenario = load_scenario(with_file(tmp_path))
    file.unlink()
    assert arrivals(scenario).model_dump() == {
        "kind": "counts",
        "counts": [4, 5],
        "interval": 60,
        "starts": [0, 60],
    }


VARIANTS = (
    "variants:\n  more: [services.db.concurrency=9, seed=8]\n  wrong: [services.bd.concurrency=9]\n"
)


def test_a_variant_is_the_file_with_its_changes_and_options_win_over_it(tmp_path: Path) -> None:
    path = shop(tmp_path, ("objectives:\n", VARIANTS + "objectives:\n"))
    assert load_scenario(path).services["db"].model_dump()["concurrency"] == 4
    varied = load_scenario(path, variant="more", overrides=["horizon=9"], seed=3)
    assert varied.services["db"].model_dump()["concurrency"] == 9
    assert (varied.seed, varied.horizon) == (3, 9)


def test_an_unknown_variant_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = shop(tmp_path, ("objectives:\n", VARIANTS + "objectives:\n"))
    (found,) = refused(lambda: load_scenario(path, variant="mor"))
    assert (found.message, found.hint) == ("there is no variant 'mor'", "did you mean 'more'?")
    (found,) = refused(lambda: load_scenario(shop(tmp_path), variant="more"))
    assert found.hint == "there are: none"


def test_what_is_wrong_with_a_variant_is_reported_where_the_variant_stands(tmp_path: Path) -> None:
    path = shop(tmp_path, ("objectives:\n", VARIANTS + "objectives:\n"))
    (found,) = refused(lambda: load_scenario(path, variant="wrong"))
    assert found.line == line_of(path, "services.bd.concurrency=9")
    assert "there is no key 'bd'" in found.message


def test_a_variant_may_name_no_file_outside_of_the_scenarios_folder(tmp_path: Path) -> None:
    day(tmp_path / "secret.csv", 1, 2)
    arrivals = "{kind: file, file: ../secret.csv, holds: counts}"
    away = f"variants:\n  away: ['workloads.web.arrivals={arrivals}']\n"
    path = shop(tmp_path / "in", ("objectives:\n", away + "objectives:\n"))
    (found,) = refused(lambda: load_scenario(path, variant="away"))
    assert "lies outside of the scenario's folder" in found.message
