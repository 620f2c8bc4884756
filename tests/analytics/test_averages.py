import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.analytics import ewma, moving_average

SEED = 20_260_102


def irregular(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(SEED)
    time = np.round(np.cumsum(rng.exponential(2.0, rows) * (rng.random(rows) > 0.2)), 6)
    return pl.DataFrame(
        {"time": time, "queue": rng.normal(5.0, 2.0, rows), "node": rng.choice(["n1", "n2"], rows)}
    )


def test_the_average_over_seconds_is_that_of_the_rows_in_the_trailing_window() -> None:
    load = irregular(200)
    time, queue = load["time"].to_numpy(), load["queue"].to_numpy()
    expected = [queue[(time > t - 10.0) & (time <= t)].mean() for t in time]
    result = moving_average(load, "queue", window=10.0)["moving_average"]
    assert result.to_list() == pytest.approx(expected)


def test_the_average_over_rows_agrees_with_pandas() -> None:
    load = irregular(200)
    expected = pd.Series(load["queue"].to_numpy()).rolling(7, min_periods=1).mean()
    result = moving_average(load, "queue", window=7, unit="rows")["moving_average"]
    assert result.to_list() == pytest.approx(expected.to_list())


def test_a_row_exactly_one_window_old_has_left_the_window() -> None:
    load = pl.DataFrame({"time": [0.1, 0.3], "queue": [10.0, 20.0]})
    assert moving_average(load, "queue", window=0.2)["moving_average"].to_list() == [10.0, 20.0]


def test_null_and_nan_do_not_count_in_a_moving_average() -> None:
    load = pl.DataFrame({"time": [0.0, 1.0, 2.0], "queue": [None, math.nan, 4.0]})
    assert moving_average(load, "queue")["moving_average"].to_list() == [None, None, 4.0]
    by_rows = moving_average(load, "queue", window=2, unit="rows")
    assert by_rows["moving_average"].to_list() == [None, None, 4.0]


def test_the_exponential_average_agrees_with_pandas_on_irregular_times() -> None:
    load = irregular(300)
    instants = pd.Series(pd.to_datetime(load["time"].to_numpy(), unit="s"))
    values = pd.Series(load["queue"].to_numpy())
    half_life: Any = pd.Timedelta(seconds=15)  # pandas takes it, its stubs do not say so
    expected = values.ewm(halflife=half_life, times=instants).mean()
    result = ewma(load, "queue", half_life=15.0)["ewma"]
    assert result.to_list() == pytest.approx(expected.to_list(), rel=1e-6)


def test_values_at_one_instant_weigh_the_same() -> None:
    load = pl.DataFrame({"time": [5.0, 5.0, 5.0], "queue": [1.0, 2.0, 6.0]})
    assert ewma(load, "queue")["ewma"].to_list() == pytest.approx([1.0, 1.5, 3.0])


def test_a_missing_value_carries_the_average_on_but_time_goes_by() -> None:
    load = pl.DataFrame({"time": [0.0, 5.0, 10.0], "queue": [0.0, None, 9.0]})
    assert ewma(load, "queue", half_life=10.0)["ewma"].to_list() == pytest.approx([0.0, 0.0, 6.0])


def test_there_is_no_average_before_the_first_value() -> None:
    load = pl.DataFrame({"time": [0.0, 1.0], "queue": [None, 3.0]})
    assert ewma(load, "queue")["ewma"].to_list() == [None, 3.0]


def test_after_a_silence_of_many_half_lives_only_the_new_value_counts() -> None:
    load = pl.DataFrame({"time": [0.0, 1e9], "queue": [1e6, 3.0]})
    assert ewma(load, "queue", half_life=1.0)["ewma"].to_list() == [1e6, 3.0]


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    gaps=st.lists(st.floats(0.0, 100.0), min_size=30, max_size=30),
)
def test_the_exponential_average_stays_between_the_extremes_so_far(
    values: list[float], gaps: list[float]
) -> None:
    load = pl.DataFrame({"time": np.cumsum(gaps[: len(values)]), "queue": values})
    result = ewma(load, "queue", half_life=10.0)["ewma"].to_list()
    for row, average in enumerate(result):
        seen = values[: row + 1]
        assert min(seen) - 1e-6 <= average <= max(seen) + 1e-6


def test_each_group_is_averaged_by_itself_and_rows_keep_their_place() -> None:
    load = irregular(100)
    for node in ("n1", "n2"):
        alone = load.filter(pl.col("node") == node)
        together = ewma(load, "queue", by="node").filter(pl.col("node") == node)
        assert together["ewma"].to_list() == ewma(alone, "queue")["ewma"].to_list()
        mixed = moving_average(load, "queue", 10.0, "node").filter(pl.col("node") == node)
        expected = moving_average(alone, "queue", 10.0)["moving_average"].to_list()
        assert mixed["moving_average"].to_list() == pytest.approx(expected)
    assert ewma(load, "queue", by="node").drop("ewma").equals(load)


def test_an_empty_frame_stays_empty() -> None:
    empty = irregular(1).clear()
    assert ewma(empty, "queue").columns == ["time", "queue", "node", "ewma"]
    assert moving_average(empty, "queue", by="node").is_empty()
    assert ewma(empty, "queue", by="node").is_empty()
