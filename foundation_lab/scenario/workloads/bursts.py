"""Bursty arrivals: rates that switch at random, and recorded gaps drawn again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from foundation_lab.scenario.duration_specs import PositiveDuration, takes_time
from foundation_lab.scenario.section import NotNegative, Positive, Section, Whole
from foundation_lab.scenario.table_section import TableSection
from foundation_lab.scenario.workloads.steady import refuse_silence
from foundation_lab.simulation.traffic import bursts

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.traffic.arrivals import Arrivals


class OnOffArrivals(Section):
    """Bursts: arrivals at random while on, none while off; the first burst begins at once."""

    kind: Literal["on_off"]
    rate: Positive
    """Requests a second while on."""
    on: PositiveDuration
    """How long a burst takes: the mean of exponential seconds, or a distribution."""
    off: PositiveDuration
    """How long it is quiet: the mean of exponential seconds, or a distribution."""

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        _refuse_instants([self.on, self.off])
        return self

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return bursts.on_off(self.rate, _stay(self.on), _stay(self.off))


class SwitchingArrivals(Section):
    """Arrivals at random, at a rate that goes through several in a circle: an MMPP."""

    kind: Literal["switching"]
    rates: Annotated[list[NotNegative], Field(min_length=1)]
    """Requests a second in each state."""
    stays: Annotated[list[PositiveDuration], Field(min_length=1)]
    """How long each state lasts: the mean of exponential seconds, or a distribution."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.rates) != len(self.stays):
            message = f"{len(self.stays)} stays for {len(self.rates)} rates; give one each"
            raise ValueError(message)
        refuse_silence(self.rates)
        _refuse_instants(self.stays)
        return self

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return bursts.switching(self.rates, [_stay(stay) for stay in self.stays])


class BootstrapArrivals(TableSection):
    """Arrivals whose gaps are drawn again from those of a sample, one by one or in blocks."""

    kind: Literal["bootstrap"]
    gaps: list[NotNegative] | None = None
    """The seconds between one arrival and the next, in order."""
    times: list[NotNegative] | None = None
    """When requests arrived, in seconds and in order."""
    holds: Literal["times", "gaps"] | None = None
    """What the file holds; times without it."""
    column: str | None = None
    """The column of the file; `timestamp` or `gap` without it."""
    block: Whole = 1
    """How many neighbouring gaps are drawn together; more keep bursts together."""

    @model_validator(mode="after")
    def _is_a_sample(self) -> Self:
        if sum(each is not None for each in (self.gaps, self.times, self.file)) != 1:
            message = "give gaps, times, or the file that holds one of them; one of the three"
            raise ValueError(message)
        self.refuse_beside_file("holds", "column")
        if self.file is None:
            self._refuse_bad_sample(self._sample())
        return self

    def _sample(self) -> list[float]:
        if self.gaps is not None:
            return self.gaps
        return [after - before for before, after in pairwise(self.times or ())]

    def _refuse_bad_sample(self, gaps: list[float]) -> None:
        if any(gap < 0 for gap in gaps):
            message = "the times go back; put them in order"
            raise ValueError(message)
        if not any(gaps):
            message = "the sample has no gap above 0; give more of it"
            raise ValueError(message)
        if self.block > len(gaps):
            message = f"a block of {self.block} is longer than the sample of {len(gaps)} gaps"
            raise ValueError(f"{message}; make it shorter")

    def read(self, path: Path) -> BootstrapArrivals:
        """Return the arrivals with the sample that a file holds."""
        from foundation_lab.scenario import traffic  # noqa: PLC0415  (polars is heavy)

        if self.holds == "gaps":
            gaps = traffic.read_numbers(path, self.column or "gap", "column")
            return BootstrapArrivals(kind=self.kind, gaps=gaps, block=self.block)
        times = traffic.read_times(path, self.column or "timestamp", "column")
        return BootstrapArrivals(kind=self.kind, times=times, block=self.block)

    def build(self) -> Arrivals:
        """Return the arrivals.

        Raises:
            TypeError: The sample still lies in a file.
        """
        if self.file is not None:
            message = f"the arrivals in {self.file!r} must be read before a scenario can be built"
            raise TypeError(message)
        return bursts.bootstrap_arrivals(gaps=self._sample(), block=self.block)


def _stay(spec: PositiveDuration) -> float | Distribution:
    """Return a stay as `switching` takes it; a number is the mean of an exponential one."""
    return spec if isinstance(spec, float | int) else spec.build()


def _refuse_instants(stays: list[PositiveDuration]) -> None:
    if not any(map(takes_time, stays)):
        message = "every stay takes 0 s; give at least one that takes time"
        raise ValueError(message)
