"""The replay of a trace in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from foundation_lab.scenario.section import NotNegative, Positive, Whole
from foundation_lab.scenario.table_section import TableSection
from foundation_lab.scenario.workloads.workload import CallingSection, Many
from foundation_lab.simulation.workloads.trace_replay import TraceReplay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from foundation_lab.scenario.workloads.workload import Through
    from foundation_lab.simulation.engine import Simulation

Row = tuple[NotNegative, str | None]


class TraceReplaySpec(CallingSection, TableSection):
    """Recorded requests, sent again at their times and with their keys; the first one at once."""

    kind: Literal["trace_replay"]
    rows: Annotated[list[Row], Field(min_length=1)] | None = None
    """Rows of [seconds, key], in any order; null stands for no key."""
    time_column: str | None = None
    """The column of the file that holds the times: date-times, or seconds; `timestamp` without
    it."""
    key_column: str | None = None
    """The column of the file that holds what each request asks for; there is none without it."""
    speed: Positive = 1.0
    """How many times as fast it is replayed."""
    repeat: Whole | None = 1
    """How often it is replayed; null for ever."""
    period: Positive | None = None
    """Recorded seconds from the start of one round to that of the next; a mean gap after its last
    request without it."""
    max_in_flight: Many | None = None
    """How many requests the client has under way at most; others wait there. No limit without
    it."""

    @field_validator("period")
    @classmethod
    def _rounds_are_apart(cls, period: float | None, info: ValidationInfo) -> float | None:
        rows = info.data.get("rows")
        if period is not None and rows is not None and period < _span(rows):
            message = f"a round takes {_span(rows):g} s; give so many, or more"
            raise ValueError(message)
        return period

    @model_validator(mode="after")
    def _is_a_trace(self) -> Self:
        if (self.rows is None) == (self.file is None):
            message = "give rows, or the file that holds them; one of both"
            raise ValueError(message)
        self.refuse_beside_file("time_column", "key_column")
        if self.rows is None:
            return self
        if self.keys is not None and any(key is not None for _, key in self.rows):
            message = "the keys are drawn, and in the rows; leave one of both out"
            raise ValueError(message)
        if self.repeat != 1 and self.period is None and not _span(self.rows) > 0:
            message = "all rows have one time; give period, the seconds of a round"
            raise ValueError(message)
        return self

    def read(self, path: Path) -> TraceReplaySpec:
        """Return the replay with the rows that a file holds."""
        from foundation_lab.scenario import traffic  # noqa: PLC0415  (polars is heavy)

        rows = traffic.read_trace(path, self.time_column or "timestamp", self.key_column)
        here = {"rows": rows, "file": None, "time_column": None, "key_column": None}
        return TraceReplaySpec.model_validate({**dict(iter(self)), **here})

    def build(self, sim: Simulation, client: str, through: Through) -> TraceReplay:
        """Return the workload.

        Raises:
            TypeError: The rows still lie in a file.
        """
        if self.rows is None:
            message = f"the rows in {self.file!r} must be read before a scenario can be built"
            raise TypeError(message)
        facts = self.facts(sim, client)
        plain = through(self.call, facts)

        def call(row: Row) -> Callable[[], Any]:
            key = row[1]
            if key is None:
                return plain()  # type: ignore[no-any-return]
            return through(self.call, {**facts, "key": lambda: key})()  # type: ignore[no-any-return]

        return TraceReplay(
            sim,
            client,
            self.rows,
            call,
            time=0,
            speed=self.speed,
            repeat=self.repeat,
            period=self.period,
            node=self.node,
            max_in_flight=self.max_in_flight,
        )


def _span(rows: list[Row]) -> float:
    times = [time for time, _ in rows]
    return max(times) - min(times)
