"""Rates that change with time, bursts, and samples drawn again."""

from __future__ import annotations

import math
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

import pytest
from scipy import integrate

from foundation_lab.simulation.distributions import constant
from foundation_lab.simulation.streams import Streams
from foundation_lab.simulation.traffic.bursts import bootstrap_arrivals, on_off, switching
from foundation_lab.simulation.traffic.rates import diurnal, ramp, sinusoidal, spikes, staircase

if TYPE_CHECKING:
    from foundation_lab.simulation.traffic.arrivals import Arrivals, VaryingRate

SEED = 65


def times(arrivals: Arrivals, until: float, start: float = 0.0) -> list[float]:
    drawn = arrivals.times(Streams(SEED)("arrivals"), start)
    found = list(takewhile(lambda time: time < until, drawn))
    assert found == sorted(found)
    return found


RATES: dict[str, tuple[VaryingRate, float]] = {
    "ramp": (ramp(5, 50, 100, hold=50), 200),
    "ramp from nothing": (ramp(0, 40, 100), 150),
    "ramp down": (ramp(40, 0, 100), 200),
    "staircase": (staircase([10, 0, 30], 20, hold=20), 100),
    "spikes": (spikes(5, [(0, 10, 50), (30, 10, 0), (40, 5, 80)]), 100),
    "sinusoidal": (sinusoidal(20, 15, 50, phase=10), 120),
    "diurnal": (diurnal(2, 40, peak=30, period=100), 100),
}


@pytest.mark.parametrize(("arrivals", "until"), RATES.values(), ids=RATES)
def test_each_tenth_of_the_time_has_as_many_arrivals_as_its_rate_says(
    arrivals: VaryingRate, until: float
) -> None:
    found = times(arrivals, until)
    width = until / 10
    for k in range(10):
        end = min((k + 1) * width, max(arrivals.end, k * width))
        steps = [k * width + (end - k * width) * (j + 0.5) / 2000 for j in range(2000)]
        expected = sum(map(arrivals.rate, steps)) * (end - k * width) / 2000
        count = sum(k * width <= time < (k + 1) * width for time in found)
        assert abs(count - expected) <= 4 * math.sqrt(expected) + 1


def test_a_wave_is_at_its_top_at_the_peak_and_lowest_half_a_day_later() -> None:
    day = diurnal(1, 9)
    assert day.rate(14 * 3600) == pytest.approx(9)
    assert day.rate(2 * 3600) == pytest.approx(1)
    mean = integrate.quad(day.rate, 0, 86_400)[0] / 86_400
    assert mean == pytest.approx(5)


def test_a_ramp_ends_after_its_hold() -> None:
    assert max(times(ramp(10, 20, 5, hold=5), 100)) < 10


def test_bursts_have_their_mean_rate_and_come_in_a_row() -> None:
    arrivals = on_off(20.0, on=2.0, off=8.0)
    assert arrivals.mean_rate == 4
    found = times(arrivals, 20_000)
    # the variance of the count grows at rate lambda + 2 lambda^2 s, with s of the on-off process
    assert len(found) == pytest.approx(80_000, rel=0.05)
    gaps = [b - a for a, b in pairwise(found)]
    mean = math.fsum(gaps) / len(gaps)
    variation = math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps) / mean**2
    # a renewal process: hyperexponential gaps; with these rates c^2 = 1 + 2 * 20 * 0.5 / 0.625^2
    assert variation == pytest.approx(1 + 2 * 20 * 0.5 / (0.5 + 0.125) ** 2, rel=0.1)


def test_stays_of_fixed_length_keep_their_hours() -> None:
    found = times(on_off(50, on=constant(1), off=constant(3)), 40.0, start=0.0)
    assert {int(time % 4) for time in found} == {0}
    assert len(found) == pytest.approx(500, abs=4 * math.sqrt(500))


def test_three_states_follow_each_other_in_a_circle() -> None:
    arrivals = switching([10, 0, 40], [constant(2), constant(1), constant(1)])
    assert arrivals.mean_rate == 15
    found = times(arrivals, 400)
    counts = [sum(time % 4 // 1 == second for time in found) for second in range(4)]
    for count, expected in zip(counts, (1000, 1000, 0, 4000), strict=True):
        assert count == pytest.approx(expected, abs=4 * math.sqrt(expected) + 0.1)


def test_a_bootstrap_draws_the_gaps_of_its_sample_and_their_mean() -> None:
    gaps = [0.5, 1.0, 2.5]
    found = times(bootstrap_arrivals(gaps=gaps), 30_000, start=0.0)
    drawn = [round(b - a, 9) for a, b in pairwise([0.0, *found])]
    assert set(drawn) == set(gaps)
    for gap in gaps:
        share = drawn.count(gap) / len(drawn)
        assert share == pytest.approx(1 / 3, abs=4 * math.sqrt(2 / 9 / len(drawn)))


def test_blocks_keep_short_gaps_together() -> None:
    """Twenty gaps of 1 s and twenty of 10 s: how often is a short one followed by a short one?"""
    sample = ([1.0] * 20 + [10.0] * 20) * 5
    shares = {}
    for block in (1, 20):
        found = times(bootstrap_arrivals(gaps=sample, block=block), 50_000)
        drawn = [round(b - a, 9) for a, b in pairwise(found)]
        after_short = [b for a, b in pairwise(drawn) if a == 1]
        shares[block] = after_short.count(1.0) / len(after_short)
    assert shares[1] == pytest.approx(0.5, abs=0.03)
    assert shares[20] > 0.9


def test_times_are_as_good_as_gaps() -> None:
    assert bootstrap_arrivals(times=[3, 4, 6]) == bootstrap_arrivals(gaps=[1, 2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ramp(1, 2, 0), "duration=0"),
        (lambda: ramp(1, 2, 1, hold=-1), "hold=-1"),
        (lambda: ramp(-1, 2, 1), "rates are finite, 0 or more"),
        (lambda: staircase([1], 0), "interval=0"),
        (lambda: staircase([1], 1, hold=-1), "hold=-1"),
        (lambda: spikes(1, [(5, 10, 9), (10, 1, 9)]), "a spike at 10 s begins before"),
        (lambda: spikes(1, [(5, 0, 9)]), "length=0"),
        (lambda: sinusoidal(1, 2, 10), "amplitude=2"),
        (lambda: sinusoidal(1, 1, 0), "period=0"),
        (lambda: sinusoidal(1, 1, 1, phase=math.inf), "phase=inf"),
        (lambda: diurnal(3, 1), "low=3, high=1"),
        (lambda: switching([1], [1, 2]), "1 rates and 2 stays"),
        (lambda: switching([0, 0], [1, 2]), "not all 0"),
        (lambda: switching([1, 1], [constant(0), constant(0)]), "every stay takes 0 s"),
        (lambda: on_off(1, -1, 1), "mean=-1"),
        (bootstrap_arrivals, "one of both"),
        (lambda: bootstrap_arrivals(gaps=[0, 0]), "not all 0"),
        (lambda: bootstrap_arrivals(times=[1]), "not all 0"),
        (lambda: bootstrap_arrivals(times=[2, 1]), "gaps are finite, 0 or more"),
        (lambda: bootstrap_arrivals(gaps=[1, 2], block=3), "block=3"),
    ],
    ids=range(20),
)
def test_arrivals_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
