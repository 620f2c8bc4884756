"""Artifacts: what is kept of a failure: the recording, a report to look at, and the words."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from foundation_lab.testing.trial import command, trial_of

if TYPE_CHECKING:
    import pytest

    from foundation_lab.simulation.engine import Simulation


def keep_failure(
    folder: str, nodeid: str, report: pytest.TestReport, sims: list[Simulation]
) -> None:
    """Keep what a failed test has recorded, and say in its report where that is.

    Args:
        folder: Where to; a folder for each test is made below it.
        nodeid: The test.
        report: The report of its failure.
        sims: The simulations that it used.
    """
    place = Path(folder) / folder_name(nodeid)
    told = "\n\n".join([report.longreprtext, *(f"-- {a} --\n{b}" for a, b in report.sections)])
    kept = [str(place), f"  {report.when}.txt"]
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{report.when}.txt").write_text(told + "\n", encoding="utf-8")
        for number, sim in enumerate(sims, 1):
            kept += _keep(place, f"-{number}" if len(sims) > 1 else "", sim, nodeid)
    except Exception as error:  # noqa: BLE001  (what cannot be kept must not break the report)
        kept = [f"{place}: not all could be kept: {type(error).__name__}: {error}"]
    report.sections.append(("artifacts", "\n".join(kept)))


def _keep(place: Path, suffix: str, sim: Simulation, nodeid: str) -> list[str]:
    from foundation_lab.reporting.report import write_report  # noqa: PLC0415  (heavy)

    recording = sim.recording
    recording.save(place / f"recording{suffix}", force=True)
    again = command(nodeid, trial_of(sim))
    write_report(recording, place / f"report{suffix}.html", command=again)
    return [f"  recording{suffix}/", f"  report{suffix}.html"]


def folder_name(nodeid: str) -> str:
    """Return a name for a test's folder: one that can be read, and is no other test's."""
    path, _, test = nodeid.partition("::")
    readable = re.sub(r"[^\w.=-]+", "_", f"{Path(path).stem}_{test}")
    return f"{readable[:80]}-{hashlib.blake2b(nodeid.encode(), digest_size=4).hexdigest()}"
