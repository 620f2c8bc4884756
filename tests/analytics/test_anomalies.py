import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foundation_lab.analytics import anomalies

SEED = 20_260_105
QUIET = [9.0, 10.0, 11.0, 10.0, 9.0, 10.0, 11.0, 10.0, 9.0, 11.0]


def series(values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"time": [float(row) for row in range(len(values))], "value": values})


def test_scores_agree_with_median_and_mad_of_the_points_before() -> None:
    rng = np.random.default_rng(SEED)
    time = np.cumsum(rng.exponential(1.0, 300))
    value = rng.standard_t(2, 300)
    found = anomalies(pl.DataFrame({"time": time, "value": value}), "value", 50.0)
    expected = []
    for t, x in zip(time, value, strict=True):
        past = value[(time >= t - 50.0) & (time < t)]
        if len(past) >= 10:
            mad = stats.median_abs_deviation(past)
            score = (x - np.median(past)) / (1.4826 * mad)
            if abs(score) >= 3.5:
                expected.append((t, np.median(past), score, len(past)))
    rows = found.select("time", "baseline", "score", "points").rows()
    assert len(rows) > 5
    assert np.asarray(rows) == pytest.approx(np.asarray(expected))


def test_a_spike_is_flagged_with_the_sign_of_its_score() -> None:
    found = anomalies(series([*QUIET, 50.0, 10.0, -30.0]), "value")
    assert found["value"].to_list() == [50.0, -30.0]
    assert [math.copysign(1, score) for score in found["score"]] == [1, -1]


def test_a_point_is_not_part_of_its_own_baseline_nor_are_others_at_its_instant() -> None:
    frame = pl.DataFrame({"time": [*map(float, range(10)), 10.0, 10.0], "value": [*QUIET, 90, 90]})
    found = anomalies(frame, "value")
    assert found["points"].to_list() == [10, 10]
    assert found["baseline"].to_list() == [10.0, 10.0]


def test_points_that_left_the_window_are_forgotten_and_one_exactly_as_old_is_not() -> None:
    found = anomalies(series([*QUIET, 50.0]), "value", window=5.0, min_points=5)
    assert found["points"].to_list() == [5]


def test_nothing_is_judged_before_there_are_enough_points() -> None:
    assert anomalies(series([*QUIET[:9], 50.0]), "value").is_empty()
    assert anomalies(series([*QUIET, 50.0]), "value").height == 1


def test_anomalies_within_the_refractory_period_belong_to_the_episode_that_started_it() -> None:
    times = [*map(float, range(10)), 10.0, 12.0, 14.9, 15.0, 40.0]
    frame = pl.DataFrame({"time": times, "value": [*QUIET, 90.0, 91.0, 92.0, 93.0, 94.0]})
    found = anomalies(frame, "value", refractory=5.0)
    assert found["episode"].to_list() == [0, 0, 0, 1, 2]
    assert found.filter("is_start")["time"].to_list() == [10.0, 15.0, 40.0]


def test_the_refractory_period_ends_at_exactly_its_length_despite_float_rounding() -> None:
    times = [row / 100 for row in range(10)]
    frame = pl.DataFrame({"time": [*times, 0.1, 0.3], "value": [*QUIET, 90.0, 90.0]})
    assert anomalies(frame, "value", refractory=0.2)["is_start"].to_list() == [True, True]


def test_without_a_refractory_period_every_anomaly_is_a_start() -> None:
    found = anomalies(series([*QUIET, 90.0, 91.0]), "value")
    assert found["is_start"].to_list() == [True, True]


def test_if_mad_is_0_the_mean_absolute_deviation_takes_its_place() -> None:
    found = anomalies(series([5.0] * 9 + [15.0, 25.0]), "value", min_points=10)
    assert found["spread"].to_list() == pytest.approx([1.2533 * 1.0])
    assert found["score"].to_list() == pytest.approx([20.0 / 1.2533])


def test_a_mad_of_float_rounding_counts_as_0() -> None:
    noisy = [0.3, 0.1 + 0.2] * 4
    found = anomalies(series([*noisy, 1.3, 1.3, 2.3]), "value", threshold=1.0)
    assert found["spread"].to_list() == pytest.approx([1.2533 * 0.2])


def test_a_change_after_a_constant_past_scores_infinity() -> None:
    found = anomalies(series([5.0] * 10 + [6.0]), "value")
    assert found["score"].to_list() == [math.inf]


def test_float_rounding_around_a_constant_is_no_anomaly() -> None:
    ticks = [0.1 * row for row in range(200)]
    steps = np.diff(ticks).tolist()
    assert len(set(steps)) > 1
    assert anomalies(series(steps), "value").is_empty()


@given(st.floats(-1e6, 1e6), st.integers(2, 40))
def test_a_constant_series_has_no_anomalies(value: float, rows: int) -> None:
    assert anomalies(series([value] * rows), "value", min_points=2).is_empty()


def test_each_group_is_judged_by_itself_and_rows_come_in_time_order() -> None:
    fast = series([*QUIET, 50.0]).with_columns(service=pl.lit("fast"))
    slow = series([100 * value for value in QUIET] + [1000.0]).with_columns(service=pl.lit("slow"))
    frame = pl.concat([slow, fast]).sort("time", maintain_order=True)
    found = anomalies(frame, "value", by="service")
    assert found.select("service", "value", "episode").rows() == [("fast", 50.0, 0)]
    both = frame.with_columns(
        value=pl.when(pl.col("value") == 1000.0, pl.col("time") == 10.0)
        .then(9e9)
        .otherwise("value")
    )
    assert anomalies(both, "value", by="service")["service"].to_list() == ["slow", "fast"]


def test_null_and_nan_are_neither_judged_nor_part_of_a_baseline() -> None:
    found = anomalies(series([*QUIET, math.nan, 50.0]).with_columns(value=pl.col("value")), "value")
    assert found["points"].to_list() == [10]


def test_no_anomaly_still_gives_every_column() -> None:
    nothing = anomalies(series(QUIET).clear(), "value", by="time")
    assert nothing.columns == [
        "time",
        "value",
        "baseline",
        "spread",
        "score",
        "points",
        "episode",
        "is_start",
    ]
    assert nothing.schema["is_start"] == pl.Boolean
