"""Loading a scenario: the file, the overrides, and the traffic files that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foundation_lab.errors import InvalidFile
from foundation_lab.scenario.files import load
from foundation_lab.scenario.model import Scenario
from foundation_lab.scenario.workload_specs import FileArrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.scenario.workload_specs import WorkloadSpec


def load_scenario(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    until: float | None = None,
) -> Scenario:
    """Return the scenario in a file, ready to be built.

    Traffic files are read in, so that the scenario holds all it needs to be run again.

    Args:
        path: The YAML file.
        overrides: Changes as ``services.db.concurrency=8``.
        seed: Another seed.
        until: Another horizon, in virtual seconds.

    Raises:
        InvalidFile: The file, an override or a traffic file is wrong; the message lists everything.
    """
    changes = list(overrides)
    if seed is not None:
        changes.append(f"seed={seed}")
    if until is not None:
        changes.append(f"horizon={until!r}")
    scenario = load(path, Scenario, overrides=changes)
    own = {change.split("=", 1)[0].strip() for change in overrides}
    workloads = {
        client: _with_traffic(workload, Path(path), f"workloads.{client}.arrivals", own)
        for client, workload in scenario.workloads.items()
    }
    return scenario.model_copy(update={"workloads": workloads})


def _with_traffic(
    workload: WorkloadSpec, scenario_file: Path, place: str, own: set[str]
) -> WorkloadSpec:
    from foundation_lab.scenario.traffic import read_arrivals  # noqa: PLC0415  (polars is heavy)

    spec = workload.arrivals
    if not isinstance(spec, FileArrivals):
        return workload
    given_by_user = not own.isdisjoint({f"{place}.file", place})
    file = Path(spec.file) if given_by_user else _beside(scenario_file, spec.file, place)
    return workload.model_copy(update={"arrivals": read_arrivals(spec, file)})


def _beside(scenario_file: Path, name: str, place: str) -> Path:
    """Return a file that a scenario names; it must lie in the scenario's folder or below."""
    folder = scenario_file.resolve().parent
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        message = (
            f"{scenario_file}: {place}.file: {name!r} lies outside of the scenario's folder; "
            f"copy it there, or name it yourself with --set {place}.file={name}"
        )
        raise InvalidFile(message)
    return file
