import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.analytics import percentiles

FINITE = st.floats(min_value=-1e9, max_value=1e9)


@given(
    values=st.lists(FINITE, min_size=1, max_size=50),
    q=st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.999, 1.0]), min_size=1, unique=True),
)
def test_percentiles_agree_with_numpy(values: list[float], q: list[float]) -> None:
    row = percentiles(pl.DataFrame({"duration": values}), q=q).row(0)
    expected = [len(values), np.mean(values), min(values), max(values), *np.quantile(values, q)]
    assert row == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_columns_are_named_after_their_percentile() -> None:
    table = percentiles(pl.DataFrame({"duration": [1.0]}), q=(0.07, 0.5, 0.999, 0.9999))
    assert table.columns == ["count", "mean", "min", "max", "p7", "p50", "p99_9", "p99_99"]


def test_each_group_gets_a_row_in_order_of_first_appearance() -> None:
    calls = pl.DataFrame(
        {
            "service": ["web", "db", "web", None],
            "node": ["n1", "n1", "n1", "n2"],
            "duration": [1, 5, 3, 7],
        }
    )
    table = percentiles(calls, by=["service", "node"], q=(0.5,))
    assert table.select("service", "node", "count", "p50").rows() == [
        ("web", "n1", 2, 2.0),
        ("db", "n1", 1, 5.0),
        (None, "n2", 1, 7.0),
    ]


def test_null_and_nan_are_left_out() -> None:
    calls = pl.DataFrame({"duration": [None, 1.0, math.nan, 3.0]})
    assert percentiles(calls, q=(0.5,)).row(0) == (2, 2.0, 1.0, 3.0, 2.0)


def test_a_group_without_a_value_counts_0_and_has_no_percentile() -> None:
    calls = pl.DataFrame({"service": ["db"], "duration": [None]})
    assert percentiles(calls, by="service", q=(0.5,)).row(0) == ("db", 0, None, None, None, None)


def test_an_empty_frame_gives_a_count_of_0() -> None:
    empty = pl.DataFrame(schema={"service": pl.String, "duration": pl.Float64})
    assert percentiles(empty, q=(0.5,)).row(0) == (0, None, None, None, None)
    assert percentiles(empty, by="service").is_empty()
