"""Rates that change with time: ramps, steps, spikes and waves, as Poisson arrivals.

Each returns a `VaryingRate`: a Poisson process whose rate is the given function of the time since
the start, exact by thinning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from foundation_lab.simulation.traffic.arrivals import VaryingRate, piecewise

if TYPE_CHECKING:
    from collections.abc import Sequence


def ramp(
    start_rate: float, end_rate: float, duration: float, *, hold: float = math.inf
) -> VaryingRate:
    """Return arrivals whose rate changes steadily from one to another, and stays there.

    Args:
        start_rate: Arrivals a second at the start, 0 or more.
        end_rate: Arrivals a second at the end of the ramp, 0 or more.
        duration: Seconds that the ramp takes.
        hold: Seconds for which the end rate holds; then the arrivals end.

    Raises:
        ValueError: A number is out of range, or both rates are 0.
    """
    _more_than_0("duration", duration)
    if not hold >= 0:
        message = f"hold={hold!r}; give seconds, 0 or more"
        raise ValueError(message)
    table = [(0.0, start_rate), (duration, end_rate)]
    return piecewise(table, between="linear", end=duration + hold)


def staircase(rates: Sequence[float], interval: float, *, hold: float = math.inf) -> VaryingRate:
    """Return arrivals with one rate after the other, `interval` seconds each.

    Args:
        rates: Arrivals a second, 0 or more.
        interval: Seconds that each of them holds.
        hold: Seconds for which the last one holds after its own interval; then the arrivals end.

    Raises:
        ValueError: A number is out of range, or all rates are 0.
    """
    _more_than_0("interval", interval)
    if not hold >= 0:
        message = f"hold={hold!r}; give seconds, 0 or more"
        raise ValueError(message)
    table = [(k * interval, rate) for k, rate in enumerate(rates)]
    return piecewise(table, end=len(rates) * interval + hold)


def spikes(
    rate: float, peaks: Sequence[tuple[float, float, float]], *, end: float = math.inf
) -> VaryingRate:
    """Return arrivals at a rate that is another one during some spikes.

    Args:
        rate: Arrivals a second outside of the spikes, 0 or more.
        peaks: Each spike as (seconds after the start, length in seconds, arrivals a second), in
            order of time, none of them overlapping.
        end: Seconds after the start at which the arrivals end.

    Raises:
        ValueError: A number is out of range, or two spikes overlap.
    """
    table = [(0.0, rate)]
    for begin, length, peak in peaks:
        _more_than_0("length", length)
        if begin < table[-1][0]:
            message = f"a spike at {begin:g} s begins before the last one ends, or before 0"
            raise ValueError(message)
        if begin == table[-1][0]:
            table.pop()
        table += [(begin, peak), (begin + length, rate)]
    return piecewise(table, end=end)


def sinusoidal(
    mean_rate: float, amplitude: float, period: float, *, phase: float = 0.0, end: float = math.inf
) -> VaryingRate:
    """Return arrivals at the rate ``mean + amplitude * sin(2 pi (t - phase) / period)``.

    Args:
        mean_rate: Arrivals a second on average, more than 0.
        amplitude: How much more there are at the top, 0 to `mean_rate`.
        period: Seconds from one top to the next.
        phase: Seconds after the start at which the rate rises through its mean.
        end: Seconds after the start at which the arrivals end.

    Raises:
        ValueError: A number is out of range.
    """
    _more_than_0("mean_rate", mean_rate)
    _more_than_0("period", period)
    if not 0 <= amplitude <= mean_rate:
        message = f"amplitude={amplitude!r}; give 0 to mean_rate={mean_rate!r}: no rate is below 0"
        raise ValueError(message)
    if not math.isfinite(phase):
        message = f"phase={phase!r}; give a finite number of seconds"
        raise ValueError(message)

    def rate_at(time: float) -> float:
        wave = math.sin(2 * math.pi * (time - phase) / period)
        return max(0.0, mean_rate + amplitude * wave)

    return VaryingRate(rate_at, mean_rate + amplitude, end)


def diurnal(
    low: float, high: float, *, peak: float = 14 * 3600.0, period: float = 86_400.0
) -> VaryingRate:
    """Return arrivals that come and go with the hours of the day, in a wave.

    Args:
        low: Arrivals a second at the quietest hour, 0 or more.
        high: Arrivals a second at the busiest hour.
        peak: Seconds after the start of the day at which that is; by default two in the afternoon.
        period: Seconds that a day has.

    Raises:
        ValueError: A number is out of range.
    """
    if not 0 <= low <= high:
        message = f"low={low!r}, high={high!r}; give rates of 0 or more, the higher one last"
        raise ValueError(message)
    phase = peak - period / 4
    return sinusoidal((low + high) / 2, (high - low) / 2, period, phase=phase)


def _more_than_0(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        message = f"{name}={value!r}; give a finite number, more than 0"
        raise ValueError(message)
