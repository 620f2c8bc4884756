"""Arrivals whose rate changes with time: ramps, steps, spikes and waves."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from foundation_lab.scenario.section import Finite, NotNegative, Positive, Section
from foundation_lab.scenario.workloads.steady import refuse_silence
from foundation_lab.simulation.traffic import rates

if TYPE_CHECKING:
    from foundation_lab.simulation.traffic.arrivals import Arrivals


class RampArrivals(Section):
    """Arrivals at random, at a rate that changes steadily from one to another and stays there."""

    kind: Literal["ramp"]
    start_rate: NotNegative
    """Requests a second at the start."""
    end_rate: NotNegative
    """Requests a second at the end of the ramp."""
    duration: Positive
    """Seconds that the ramp takes."""
    hold: NotNegative | None = None
    """Seconds for which the end rate holds; then nothing arrives any more. For ever without it."""

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        refuse_silence([self.start_rate, self.end_rate])
        return self

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return rates.ramp(self.start_rate, self.end_rate, self.duration, hold=_limit(self.hold))


class StaircaseArrivals(Section):
    """Arrivals at random, at one rate after the other."""

    kind: Literal["staircase"]
    rates: Annotated[list[NotNegative], Field(min_length=1)]
    """Requests a second on each step."""
    interval: Positive
    """Seconds that each step takes."""
    hold: NotNegative | None = None
    """Seconds for which the last rate holds after its step; then nothing arrives any more. For
    ever without it."""

    @field_validator("rates")
    @classmethod
    def _has_a_rate(cls, given: list[float]) -> list[float]:
        refuse_silence(given)
        return given

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return rates.staircase(self.rates, self.interval, hold=_limit(self.hold))


class SpikeArrivals(Section):
    """Arrivals at random, at a constant rate but for some spikes."""

    kind: Literal["spikes"]
    rate: NotNegative
    """Requests a second outside of the spikes."""
    peaks: list[tuple[NotNegative, Positive, NotNegative]]
    """Rows of [start in seconds, length in seconds, requests a second], in order of time."""
    end: Positive | None = None
    """Seconds after which nothing arrives any more; never without it."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse_silence([self.rate, *(peak for _, _, peak in self.peaks)])
        before = 0.0
        for begin, length, _ in self.peaks:
            if begin < before:
                message = (
                    f"the spike at {begin:g} begins before the last one ends, at {before:g}; "
                    "put them in order, or make it shorter"
                )
                raise ValueError(message)
            before = begin + length
        return self

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return rates.spikes(self.rate, self.peaks, end=_limit(self.end))


class SinusoidalArrivals(Section):
    """Arrivals at random, at a rate that goes up and down in a wave."""

    kind: Literal["sinusoidal"]
    mean_rate: Positive
    """Requests a second on average."""
    amplitude: NotNegative
    """How many more there are at the top, and fewer at the bottom; at most the mean rate."""
    period: Positive
    """Seconds from one top to the next."""
    phase: Finite = 0.0
    """Seconds after the start at which the rate rises through its mean."""
    end: Positive | None = None
    """Seconds after which nothing arrives any more; never without it."""

    @field_validator("amplitude")
    @classmethod
    def _never_below_0(cls, amplitude: float, info: ValidationInfo) -> float:
        mean = info.data.get("mean_rate", inf)
        if amplitude > mean:
            message = (
                f"amplitude ({amplitude:g}) is above mean_rate ({mean:g}), and no rate is below "
                "0; give a smaller one"
            )
            raise ValueError(message)
        return amplitude

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return rates.sinusoidal(
            self.mean_rate,
            self.amplitude,
            self.period,
            phase=self.phase,
            end=_limit(self.end),
        )


class DiurnalArrivals(Section):
    """Arrivals at random, at a rate that goes with the hours of the day."""

    kind: Literal["diurnal"]
    low: NotNegative
    """Requests a second at the quietest hour."""
    high: Positive
    """Requests a second at the busiest hour."""
    peak: NotNegative = 14 * 3600.0
    """Seconds after the start at which that is; 14 hours without it."""
    period: Positive = 86_400.0
    """Seconds that a day has."""

    @field_validator("high")
    @classmethod
    def _not_below_low(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get("low", 0.0)
        if high < low:
            message = f"high ({high:g}) is below low ({low:g}); exchange them"
            raise ValueError(message)
        return high

    def build(self) -> Arrivals:
        """Return the arrivals."""
        return rates.diurnal(self.low, self.high, peak=self.peak, period=self.period)


def _limit(seconds: float | None) -> float:
    return inf if seconds is None else seconds
