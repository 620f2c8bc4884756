import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.analytics import Trend, trend

SEED = 20_260_103


def series(values: list[float], step: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame({"time": [step * row for row in range(len(values))], "value": values})


def test_the_slope_of_a_line_is_per_second() -> None:
    found = trend(series([4.0 - 0.5 * row for row in range(20)], step=10.0))
    assert found.direction == "decreasing"
    assert (found.slope_per_second, found.low, found.high) == pytest.approx((-0.05, -0.05, -0.05))
    assert found.tau == pytest.approx(-1.0)


def test_tau_and_the_slope_agree_with_counting_every_pair() -> None:
    rng = np.random.default_rng(SEED)
    values = (0.3 * np.arange(40) + rng.normal(0.0, 5.0, 40)).tolist()
    found = trend(series(values))
    pairs = list(itertools.combinations(enumerate(values), 2))
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in pairs]
    assert found.slope_per_second == pytest.approx(np.median(slopes))
    assert found.tau == pytest.approx(sum(np.sign(slopes)) / len(pairs))
    assert found.low < found.slope_per_second < found.high


def test_the_p_value_of_a_long_series_agrees_with_mann_kendall_by_hand() -> None:
    rng = np.random.default_rng(SEED)
    values = np.round(0.02 * np.arange(100) + rng.normal(0.0, 1.0, 100), 1).tolist()
    score = sum(np.sign(b - a) for a, b in itertools.combinations(values, 2))
    ties = np.unique(values, return_counts=True)[1]
    n = len(values)
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    expected = math.erfc(abs(score) / math.sqrt(variance) / math.sqrt(2))
    assert trend(series(values)).p_value == pytest.approx(expected, rel=1e-6)


def test_noise_without_a_trend_is_called_a_trend_about_as_often_as_it_should() -> None:
    rng = np.random.default_rng(SEED)
    found = [trend(series(rng.normal(size=30).tolist())).direction for _ in range(400)]
    false_alarms = sum(direction != "none" for direction in found)
    assert 8 <= false_alarms <= 34  # binomial(400, 0.05): mean 20, three standard deviations 13


def test_one_wild_outlier_does_not_bend_the_slope() -> None:
    values = [float(row) for row in range(21)]
    values[3] = 1e9
    assert trend(series(values)).slope_per_second == pytest.approx(1.0)


def test_a_constant_series_has_no_trend() -> None:
    assert trend(series([7.0] * 6)) == Trend("none", 1.0, 0.0, 0.0, 0.0, 0.0, 6)


def test_a_series_of_steps_with_many_ties_still_rises() -> None:
    found = trend(series([float(row // 5) for row in range(40)]))
    assert found.direction == "increasing"
    assert found.slope_per_second == pytest.approx(0.2, rel=0.1)


def test_values_at_one_instant_do_not_disturb_the_slope() -> None:
    points = pl.DataFrame({"time": [0.0, 0.0, 1.0, 1.0, 2.0, 2.0], "value": [0, 0, 2, 2, 4, 4]})
    found = trend(points)
    assert found.slope_per_second == pytest.approx(2.0)
    assert found.direction == "increasing"


@given(
    values=st.lists(st.integers(-50, 50), min_size=5, max_size=25),
    shift=st.integers(-1000, 1000),
)
def test_mirroring_a_series_mirrors_its_trend(values: list[int], shift: int) -> None:
    found = trend(series([float(value) for value in values]))
    mirrored = trend(series([float(shift - value) for value in values]))
    assert mirrored.tau == pytest.approx(-found.tau)
    assert mirrored.slope_per_second == pytest.approx(-found.slope_per_second)
    assert mirrored.p_value == pytest.approx(found.p_value)
    assert found.low <= found.slope_per_second <= found.high


def test_null_and_nan_are_left_out() -> None:
    values = [0.0, None, 1.0, math.nan, 2.0, 3.0, 4.0]
    points = pl.DataFrame({"time": [0.0, 9.0, 1.0, 9.0, 2.0, 3.0, 4.0], "value": values})
    assert trend(points).count == 5
    assert trend(points).slope_per_second == pytest.approx(1.0)


def test_too_few_points_are_refused_with_what_is_needed() -> None:
    with pytest.raises(ValueError, match=r"column='value' has 4 values; a trend needs at least 5"):
        trend(series([1.0, 2.0, 3.0, 4.0]))


def test_too_many_points_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"3001 values, above the limit of 3000; .* tumbling"):
        trend(series([1.0] * 3001))


def test_points_at_one_single_instant_are_refused() -> None:
    with pytest.raises(ValueError, match=r"time=0.0 is the same for every value"):
        trend(series([1.0, 2.0, 3.0, 4.0, 5.0], step=0.0))
