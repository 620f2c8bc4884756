"""Events: what a simulation has recorded so far, as frames, whenever a test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.pattern import EventName


class Events:
    """The events of a simulation; each call looks anew.

    Args:
        sim: The simulation.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def __call__(self) -> pl.DataFrame:
        """Return all events, one a row: sequence, time, event, service, process, ..."""
        return self._sim.recording.events

    def frame(self, event: EventName | None = None) -> pl.DataFrame:
        """Return the events of one name with their fields as columns; without a name, all events.

        Raises:
            UnknownName: There is no such event.
        """
        return self() if event is None else self._sim.recording.frame(event)

    def to_pandas(self, event: EventName | None = None) -> pd.DataFrame:
        """Return the same for pandas."""
        return self._sim.recording.to_pandas(event)

    @property
    def counts(self) -> dict[str, int]:
        """How many events there are of each name, in the order in which the names came up."""
        return self._sim.recording.counts

    def __len__(self) -> int:
        return len(self._sim.recording)

    def __repr__(self) -> str:
        """Return one line."""
        return f"<{len(self):,} events of {self._sim.name!r}>"
