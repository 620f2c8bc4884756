"""Arrivals that were recorded: their times, or how many there were in each interval."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from foundation_lab.scenario.section import ROUNDING, NotNegative, Positive, Section
from foundation_lab.scenario.table_section import FileName, TableSection
from foundation_lab.simulation.traffic import arrivals

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.simulation.traffic.arrivals import Arrivals


class TimestampArrivals(Section):
    """Arrivals at given times."""

    kind: Literal["timestamps"]
    seconds: list[NotNegative]
    """Seconds after the start."""

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.timestamps(self.seconds)


class CountArrivals(Section):
    """As many arrivals in each interval as were counted there."""

    kind: Literal["counts"]
    counts: list[NotNegative]
    """Requests in each interval."""
    interval: Positive
    """The length of an interval in seconds."""
    starts: list[NotNegative] | None = None
    """Where each interval begins, in seconds; one after the other without it."""

    @model_validator(mode="after")
    def _one_start_each(self) -> CountArrivals:
        if self.starts is None:
            return self
        if len(self.starts) != len(self.counts):
            message = f"{len(self.starts)} starts for {len(self.counts)} counts; give one each"
            raise ValueError(message)
        for before, start in pairwise(self.starts):
            if start - before < self.interval * (1 - ROUNDING):
                message = (
                    f"the interval that starts at {start:g} overlaps that at {before:g}, which "
                    f"takes {self.interval:g} s; put the starts in order, or set another interval"
                )
                raise ValueError(message)
        return self

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.counts_per_interval(self.counts, self.interval, starts=self.starts)


class FileArrivals(TableSection):
    """Arrivals from a CSV or Parquet file of timestamps, or of counts per interval."""

    kind: Literal["file"]
    file: FileName
    """The file, relative to the scenario file (relative to where you are when given by --set)."""
    holds: Literal["counts", "timestamps"]
    """Whether each row is an interval with a count, or one arrival."""
    time_column: str = "timestamp"
    """The column of times: date-times, or seconds."""
    count_column: str = "value"
    """The column of counts."""
    interval: Positive | None = None
    """The length of an interval in seconds; the most frequent distance of two rows without it."""
    count_scale: Positive = 1.0
    """Every count is multiplied by this."""
    time_scale: Positive = 1.0
    """Every time is multiplied by this: 0.1 makes ten hours of traffic pass in one."""

    def read(self, path: Path) -> CountArrivals | TimestampArrivals:
        """Return the arrivals that a file holds."""
        from foundation_lab.scenario import traffic  # noqa: PLC0415  (polars is heavy)

        if self.holds == "timestamps":
            times = traffic.read_times(path, self.time_column, "time_column", self.time_scale)
            return TimestampArrivals(kind="timestamps", seconds=times)
        found = traffic.read_counts(
            path,
            time_column=self.time_column,
            count_column=self.count_column,
            interval=self.interval,
            count_scale=self.count_scale,
            time_scale=self.time_scale,
        )
        return CountArrivals(
            kind="counts", counts=found.counts, interval=found.interval, starts=found.starts
        )

    def build(self) -> Arrivals:
        """Refuse: the file must be read into the scenario before.

        Raises:
            TypeError: Always.
        """
        message = f"the arrivals in {self.file!r} must be read before a scenario can be built"
        raise TypeError(message)
