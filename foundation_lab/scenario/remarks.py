"""Remarks: what a scenario may say, but hardly means."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.scenario.model import Scenario


def remarks(scenario: Scenario) -> Iterator[str]:
    """Yield a line for each fault that would begin only when the run is over."""
    for number, fault in enumerate(scenario.faults):
        begins = fault.time().earliest
        if scenario.horizon <= begins < inf:  # of others it is not known
            yield (
                f"faults.{number}: the {fault.tag()} never happens: it would begin at {begins:g} "
                f"s, and horizon={scenario.horizon:g} ends the run"
            )
