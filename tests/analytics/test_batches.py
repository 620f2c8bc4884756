import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from foundation_lab.analytics import batch_means, confidence_interval

SEED = 20_260_108


def test_batches_have_equal_length_and_the_oldest_values_are_dropped() -> None:
    assert batch_means([100.0, *map(float, range(6))], batches=3) == [0.5, 2.5, 4.5]


def test_a_polars_series_and_an_array_will_do() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    assert batch_means(pl.Series(values), 2) == batch_means(np.asarray(values), 2) == [1.5, 3.5]


def test_the_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(SEED).normal(3.0, 2.0, 15)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert confidence_interval(values, 0.9) == pytest.approx((values.mean(), low, high))


def test_intervals_from_batches_hold_the_true_mean_of_a_correlated_series_as_often_as_claimed() -> (
    None
):
    rng = np.random.default_rng(SEED)
    hits, naive_hits = 0, 0
    for _ in range(200):
        series = np.empty(4000)
        noise, value = rng.normal(size=4000), 0.0
        for step in range(4000):
            value = 0.8 * value + noise[step]
            series[step] = value
        interval = confidence_interval(batch_means(series))
        hits += interval.low <= 0.0 <= interval.high
        naive = confidence_interval(series)
        naive_hits += naive.low <= 0.0 <= naive.high
    assert 180 <= hits <= 199  # binomial(200, 0.95): mean 190, three standard deviations 9
    assert naive_hits < 150


def test_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values holds 3 numbers for batches=20"):
        batch_means([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"means holds 1 numbers; an interval needs at least 2"):
        confidence_interval([1.0])
    with pytest.raises(ValueError, match=r"batches=1 must be a whole number; give 2 or more"):
        batch_means([1.0, 2.0], batches=1)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_values_that_are_no_numbers_are_refused(value: float | None) -> None:
    with pytest.raises(ValueError, match="values holds null, NaN or infinity"):
        batch_means(pl.Series([1.0, value]), batches=2)
