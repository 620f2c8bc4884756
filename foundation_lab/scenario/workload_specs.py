"""Workloads and their arrivals in a scenario file."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from foundation_lab.scenario.keys import AnyKeys
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section
from foundation_lab.simulation import arrivals

if TYPE_CHECKING:
    from foundation_lab.simulation.arrivals import Arrivals

ROUNDING = 1e-9
"""By which share an interval may reach into the next one: decimal seconds are rounded."""


class PoissonArrivals(Section):
    """Arrivals at random, at a constant rate."""

    kind: Literal["poisson"]
    rate: Positive
    """Requests a second."""

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.poisson(self.rate)


class ConstantArrivals(Section):
    """Arrivals at equal distances."""

    kind: Literal["constant"]
    rate: Positive
    """Requests a second."""

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.constant_rate(self.rate)


class PiecewiseArrivals(Section):
    """Arrivals at random, at a rate that follows a table."""

    kind: Literal["piecewise"]
    table: Annotated[list[tuple[NotNegative, NotNegative]], Field(min_length=1)]
    """Rows of [seconds, requests a second], in order of time."""
    between: Literal["step", "linear"] = "step"
    """Between two rows: the earlier rate holds, or the rate changes steadily."""

    @field_validator("table")
    @classmethod
    def _rising(cls, table: list[tuple[float, float]]) -> list[tuple[float, float]]:
        times = [time for time, _ in table]
        if times != sorted(set(times)):
            message = "the rows must be in order of time, each time once"
            raise ValueError(message)
        if not any(rate for _, rate in table):
            message = "all rates are 0; give at least one above 0"
            raise ValueError(message)
        return table

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return arrivals.piecewise(self.table, between=self.between)


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


class FileArrivals(Section):
    """Arrivals from a CSV or Parquet file of timestamps, or of counts per interval."""

    kind: Literal["file"]
    file: Annotated[str, Field(min_length=1)]
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

    def build(self) -> Arrivals:
        """Refuse: the file must be read into the scenario before.

        Raises:
            TypeError: Always.
        """
        message = f"the arrivals in {self.file!r} must be read before a scenario can be built"
        raise TypeError(message)


class WorkloadSpec(Section):
    """Requests that arrive whether or not earlier ones are done."""

    arrivals: Annotated[
        PoissonArrivals
        | ConstantArrivals
        | PiecewiseArrivals
        | TimestampArrivals
        | CountArrivals
        | FileArrivals,
        Field(discriminator="kind"),
    ]
    """When they arrive."""
    call: Annotated[list[Name], Field(min_length=1)]
    """The services that each request goes through, from the outside in; the last one answers."""
    node: Name = "lab"
    """The simulated node that the requests run on."""
    keys: AnyKeys | None = None
    """What each request asks for; caches, limiters and balancers tell the keys apart."""
    priority: Annotated[int, Field(ge=-(10**9), le=10**9)] | None = None
    """How urgent a request is, for lines and load shedders that know it: smaller is more urgent."""
    deadline: Positive | None = None
    """Seconds from its start after which the answer is of no use, for lines that know deadlines."""
