import math
from itertools import islice, takewhile
from typing import Any

import pytest
from scipy import stats

from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.streams import Streams
from foundation_lab.simulation.traffic.arrivals import (
    Arrivals,
    VaryingRate,
    constant_rate,
    counts_per_interval,
    piecewise,
    poisson,
    timestamps,
)
from foundation_lab.simulation.workload import Workload

SEED = 37
SURPRISE = 1e-4
"""A p-value below which a sample is taken for wrong."""


def times(
    arrivals: Arrivals, until: float, name: str = "arrivals", start: float = 0.0
) -> list[float]:
    drawn = arrivals.times(Streams(SEED)(name), start)
    found = list(takewhile(lambda time: time < until, drawn))
    assert found == sorted(found)
    return found


def test_a_constant_rate_has_equal_gaps_without_drift() -> None:
    found = times(constant_rate(10), 1000.05, start=5.0)
    assert found[0] == 5.1
    assert found[-1] == 5 + 9950 / 10
    assert len(found) == 9950


def test_a_poisson_process_has_its_rate_and_exponential_gaps() -> None:
    rate, horizon = 5.0, 2000.0
    found = times(poisson(rate), horizon)
    assert len(found) == pytest.approx(rate * horizon, abs=4 * math.sqrt(rate * horizon))
    gaps = [b - a for a, b in zip([0.0, *found], found, strict=False)]
    assert stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue > SURPRISE


def test_counts_of_a_poisson_process_in_equal_windows_have_the_poisson_variance() -> None:
    windows = 1000
    counts = [0] * windows
    for time in times(poisson(4.0), windows):
        counts[int(time)] += 1
    dispersion = sum((count - 4.0) ** 2 / 4.0 for count in counts)
    assert SURPRISE < stats.chi2.sf(dispersion, windows) < 1 - SURPRISE


def test_a_varying_rate_is_right_on_both_sides_of_every_jump() -> None:
    table = [(0.0, 10.0), (10.0, 0.0), (20.0, 40.0), (30.0, 1.0), (40.0, 25.0)]
    cycles, edge = 40, 1.0
    seen: dict[tuple[float, str], int] = {}
    for cycle in range(cycles):
        found = times(piecewise(table, end=50.0), 50.0, f"cycle {cycle}")
        for begin, _ in table:
            for part, low in (("first", begin), ("last", begin + 10 - edge)):
                count = sum(low <= time < low + edge for time in found)
                seen[begin, part] = seen.get((begin, part), 0) + count
    for begin, rate in table:
        for part in ("first", "last"):
            expected = rate * edge * cycles
            if rate == 0:
                assert seen[begin, part] == 0
            else:
                assert stats.chi2.sf((seen[begin, part] - expected) ** 2 / expected, 1) > SURPRISE


def test_between_two_rows_a_linear_rate_is_the_mean_of_both() -> None:
    found = times(piecewise([(0, 0), (100, 40)], between="linear", end=100), 200)
    assert len(found) == pytest.approx(2000, abs=4 * math.sqrt(2000))
    first_half = sum(time < 50 for time in found)
    assert first_half == pytest.approx(500, abs=4 * math.sqrt(500))
    assert max(found) < 100


@pytest.mark.parametrize("between", ["step", "linear"])
@pytest.mark.timeout(20)
def test_arrivals_end_where_a_table_ends_with_rate_0(between: Any) -> None:
    arrivals = piecewise([(0, 50), (10, 0)], between=between)
    found = list(islice(arrivals.times(Streams(SEED)("end"), 0.0), 10_000))
    assert 100 < len(found) < 700
    assert max(found) < 10


def test_nothing_arrives_before_the_first_row_of_a_table() -> None:
    assert min(times(piecewise([(5, 100)], end=10), 10)) >= 5


def test_a_rate_above_its_maximum_is_an_error_and_no_wrong_result() -> None:
    with pytest.raises(ValueError, match="is not between 0 and max_rate=1"):
        times(VaryingRate(lambda _time: 2.0, 1.0), 10)


def test_counts_are_exact_and_uniform_in_their_interval() -> None:
    counts = [3, 0, 500, 1]
    found = times(counts_per_interval(counts, 10.0), 100, start=2.0)
    assert [sum(2 + 10 * k <= t < 12 + 10 * k for t in found) for k in range(4)] == counts
    inside = [time - 22 for time in found if 22 <= time < 32]
    assert stats.kstest(inside, "uniform", args=(0, 10)).pvalue > SURPRISE


def test_a_fraction_of_an_arrival_comes_with_that_chance() -> None:
    found = times(counts_per_interval([0.25] * 4000, 1.0), 4000)
    assert len(found) == pytest.approx(1000, abs=4 * math.sqrt(4000 * 0.25 * 0.75))


def test_timestamps_are_kept_as_they_are() -> None:
    assert times(timestamps([3.5, 1.25, 1.25]), 100, start=1.0) == [2.25, 2.25, 4.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: poisson(0), "rate=0; give arrivals a second, more than 0"),
        (lambda: constant_rate(math.inf), "rate=inf"),
        (lambda: piecewise([]), "one row or more, in order of time"),
        (lambda: piecewise([(1, 1), (0, 1)]), "in order of time"),
        (lambda: piecewise([(0, 0)]), "not all 0"),
        (lambda: piecewise([(0, -1)]), "rates are finite, 0 or more"),
        (lambda: timestamps([-1]), "arrival times are finite and 0 or more, not -1"),
        (lambda: counts_per_interval([1], 0), "interval=0"),
        (lambda: counts_per_interval([-1], 1), "counts are finite and 0 or more, not -1"),
        (lambda: counts_per_interval([1, 2], 1, starts=[0]), "1 starts for 2 counts"),
        (
            lambda: counts_per_interval([1, 2], 10, starts=[0, 5]),
            "each 10 s after the last or more",
        ),
    ],
    ids=range(11),
)
def test_arrivals_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_workload_starts_a_request_at_each_arrival_with_a_correlation_id_of_its_own() -> None:
    sim = Simulation(seed=SEED)
    Workload(sim, "web", timestamps([0, 1.1, 3.3]), lambda: sim.timeout(1))
    sim.run_to_completion()
    frame = sim.recording.wide("request")
    assert frame["time"].to_list() == [0, 1, 1.1, 2.1, 3.3, 4.3]
    assert frame["correlation_id"].n_unique() == 3
    assert frame["outcome"].drop_nulls().to_list() == ["ok"] * 3
