from collections import Counter
from itertools import accumulate

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.analytics import tumbling

SEED = 20_260_101


def test_counts_rates_and_summaries_agree_with_numpy() -> None:
    rng = np.random.default_rng(SEED)
    time = np.sort(rng.uniform(0.0, 100.0, 500))
    duration = rng.exponential(1.0, 500)
    table = tumbling(
        pl.DataFrame({"time": time, "duration": duration}), 7.0, "duration", end=105.0, q=(0.5, 0.9)
    )
    expected, edges = np.histogram(time, bins=np.arange(0.0, 105.1, 7.0))
    assert table["count"].to_list() == expected.tolist()
    assert table["start"].to_list() == edges[:-1].tolist()
    assert table["rate"].to_list() == pytest.approx(expected / 7.0)
    parts = np.split(duration, np.cumsum(expected)[:-1])
    assert table["mean"].to_list() == pytest.approx([np.mean(part) for part in parts])
    assert table["p90"].to_list() == pytest.approx([np.quantile(part, 0.9) for part in parts])


@given(
    k=st.integers(0, 100_000),
    width=st.sampled_from([0.1, 0.3, 0.7, 1 / 3, 1.0, 2.5, 60.0]),
    start=st.sampled_from([0.0, 0.1, 17.3]),
)
def test_an_event_exactly_on_a_boundary_belongs_to_the_window_that_begins_there(
    k: int, width: float, start: float
) -> None:
    table = tumbling(pl.DataFrame({"time": [start + k * width]}), width, start=start, fill=False)
    assert table["window"].to_list() == [k]


def test_boundaries_reached_by_adding_up_steps_are_boundaries_too() -> None:
    steps = list(accumulate([0.1] * 1000))
    table = tumbling(pl.DataFrame({"time": [0.0, *steps]}), 0.1)
    assert set(table["count"].to_list()) == {1}


@given(
    times=st.lists(st.floats(0.0, 1e4), max_size=60),
    width=st.floats(0.5, 500.0),
    end=st.floats(1.0, 1e4),
)
def test_every_event_before_the_end_is_counted_once(
    times: list[float], width: float, end: float
) -> None:
    frame = pl.DataFrame({"time": times}, schema={"time": pl.Float64})
    table = tumbling(frame, width, end=end)
    inside = sum(time < end for time in times)
    on_the_edge = sum(abs(time - end) < 1e-6 * width for time in times)
    assert inside - on_the_edge <= table["count"].sum() <= inside
    assert table["end"].to_list()[:-1] == table["start"].to_list()[1:]
    assert table["end"].to_list()[-1] == pytest.approx(end)


def test_every_group_has_every_window() -> None:
    calls = pl.DataFrame({"time": [0.0, 2.5, 3.0], "service": ["web", None, "db"]})
    table = tumbling(calls, 1.0, by="service")
    assert Counter(table["service"].to_list()) == {"web": 4, None: 4, "db": 4}
    assert table.filter(pl.col("count") > 0).select("service", "window").rows() == [
        ("web", 0),
        (None, 2),
        ("db", 3),
    ]


def test_empty_windows_are_left_out_when_asked() -> None:
    table = tumbling(pl.DataFrame({"time": [0.0, 35.0]}), 10.0, fill=False)
    assert table.rows() == [(0, 0.0, 10.0, 1, 0.1), (3, 30.0, 40.0, 1, 0.1)]


def test_a_last_window_cut_short_has_the_rate_of_its_own_length() -> None:
    table = tumbling(pl.DataFrame({"time": [0.0, 10.0, 14.0, 15.0]}), 10.0, end=15.0)
    assert table.rows() == [(0, 0.0, 10.0, 1, 0.1), (1, 10.0, 15.0, 2, 0.4)]


def test_events_before_the_start_are_left_out() -> None:
    table = tumbling(pl.DataFrame({"time": [1, 4, 6]}), 5, start=3)
    assert table.rows() == [(0, 3.0, 8.0, 2, 0.4)]


def test_rows_without_a_value_are_counted_but_not_averaged() -> None:
    calls = pl.DataFrame({"time": [0.0, 0.5, 0.7], "duration": [None, 2.0, float("nan")]})
    table = tumbling(calls, 1.0, "duration", q=(0.5,))
    assert table.select("count", "mean", "p50").row(0) == (3, 2.0, 2.0)


def test_a_value_column_called_window_is_still_the_value() -> None:
    frame = pl.DataFrame({"time": [0.0, 1.0], "window": [7.0, 9.0]})
    assert tumbling(frame, 10.0, "window")["mean"].to_list() == [8.0]


def test_silence_is_windows_of_0_if_the_end_is_known_and_nothing_if_not() -> None:
    silence = pl.DataFrame(schema={"time": pl.Float64})
    assert tumbling(silence, 1.0, end=3.0)["count"].to_list() == [0, 0, 0]
    assert tumbling(silence, 1.0).is_empty()
    assert tumbling(pl.DataFrame({"time": [1.0]}), 1.0, start=5.0).is_empty()
