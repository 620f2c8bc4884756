import math

import polars as pl
import pytest

from foundation_lab.analytics import (
    align,
    anomalies,
    best_lag,
    correlate,
    ewma,
    journeys,
    lag_correlation,
    littles_law,
    moving_average,
    percentiles,
    trend,
    tumbling,
)

CALLS = pl.DataFrame(
    {"time": [0.0, 1.0], "service": ["db", "api"], "duration": [0.1, 0.2], "node": ["n1", "n2"]}
)


def test_an_unknown_column_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ValueError, match=r"column='durations' is not .* did you mean 'duration'"):
        percentiles(CALLS, "durations")


def test_a_column_like_no_other_is_refused_with_all_names() -> None:
    with pytest.raises(ValueError, match=r"'xyz' is not .* has 'time', 'service', 'duration'"):
        percentiles(CALLS, "xyz")


def test_a_column_of_text_is_refused_with_its_type() -> None:
    with pytest.raises(ValueError, match=r"column='service' holds String, not numbers"):
        tumbling(CALLS, 1.0, "service")


def test_an_unknown_group_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"by='servise' is not .* did you mean 'service'"):
        percentiles(CALLS, by="servise")


def test_a_group_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="names a column twice"):
        percentiles(CALLS, by=("node", "node"))


def test_a_group_with_the_name_of_a_result_is_refused() -> None:
    with pytest.raises(ValueError, match=r"by='p50' has the name of a result column"):
        percentiles(CALLS.rename({"node": "p50"}), by="p50", q=(0.5,))


@pytest.mark.parametrize("q", [-0.1, 1.1, 99, math.nan])
def test_a_quantile_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="outside 0 to 1; write the 99th percentile as"):
        percentiles(CALLS, q=(q,))


def test_no_quantile_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="is empty; give at least one quantile"):
        percentiles(CALLS, q=())


def test_a_quantile_asked_for_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="one quantile twice"):
        percentiles(CALLS, q=(0.5, 0.5))


@pytest.mark.parametrize("width", [0, -1.0, math.inf, math.nan])
def test_a_width_that_is_no_positive_length_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match=r"width=.* must be finite and above 0"):
        tumbling(CALLS, width)


@pytest.mark.parametrize("end", [0.0, -1.0, math.inf, math.nan])
def test_an_end_that_is_not_after_the_start_is_refused(end: float) -> None:
    with pytest.raises(ValueError, match=r"end=.* must be finite and after start=0.0"):
        tumbling(CALLS, 1.0, end=end)


def test_an_endless_start_is_refused() -> None:
    with pytest.raises(ValueError, match=r"start=-inf must be finite"):
        tumbling(CALLS, 1.0, start=-math.inf)


@pytest.mark.parametrize("time", [None, math.nan, math.inf])
def test_windows_refuse_a_time_that_is_no_instant(time: float | None) -> None:
    with pytest.raises(ValueError, match="'time' holds null, NaN or infinity"):
        tumbling(pl.DataFrame({"time": [0.0, time]}), 1.0)


def test_a_frame_out_of_time_order_is_refused_with_the_remedy() -> None:
    backwards = CALLS.reverse()
    for analysis in (moving_average, ewma, anomalies):
        with pytest.raises(ValueError, match=r"'time' goes back; .* frame.sort\('time'\)"):
            analysis(backwards)


def test_a_time_of_null_is_refused_where_order_matters() -> None:
    with pytest.raises(ValueError, match="'time' holds null or NaN"):
        ewma(pl.DataFrame({"time": [0.0, None], "duration": [1.0, 2.0]}))


def test_a_result_never_replaces_a_column_of_the_frame() -> None:
    with pytest.raises(ValueError, match="has a column 'ewma', the name of a result column"):
        ewma(CALLS.with_columns(ewma=0.0))
    with pytest.raises(ValueError, match="has a column 'moving_average'"):
        moving_average(CALLS.with_columns(moving_average=0.0))
    with pytest.raises(ValueError, match="has a column 'score'"):
        anomalies(CALLS.with_columns(score=0.0))


def test_a_moving_average_refuses_a_broken_window() -> None:
    with pytest.raises(ValueError, match=r"window=0 must be finite and above 0"):
        moving_average(CALLS, window=0)
    with pytest.raises(ValueError, match=r"window=1.5 is not a number of rows"):
        moving_average(CALLS, window=1.5, unit="rows")
    with pytest.raises(ValueError, match=r"window=1e-12 is under a nanosecond"):
        moving_average(CALLS, window=1e-12)
    with pytest.raises(ValueError, match=r"unit='hours' is unknown"):
        moving_average(CALLS, unit="hours")  # type: ignore[arg-type]


def test_a_half_life_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"half_life=0.0 must be finite and above 0"):
        ewma(CALLS, half_life=0.0)


def test_anomalies_refuse_broken_settings() -> None:
    with pytest.raises(ValueError, match=r"window=-1 must be finite and above 0"):
        anomalies(CALLS, window=-1)
    with pytest.raises(ValueError, match=r"threshold=0 must be finite and above 0"):
        anomalies(CALLS, threshold=0)
    with pytest.raises(ValueError, match=r"refractory=-1 must be finite and at least 0"):
        anomalies(CALLS, refractory=-1)
    with pytest.raises(ValueError, match=r"min_points=1 must be a whole number; give 2 or more"):
        anomalies(CALLS, min_points=1)


def test_a_confidence_of_certainty_is_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence=1 must lie between 0 and 1"):
        trend(CALLS, "duration", confidence=1)


def test_lag_correlation_refuses_a_lag_longer_than_the_series() -> None:
    with pytest.raises(ValueError, match=r"max_lag=2.0 must be shorter than the series, 2.0 s"):
        lag_correlation(CALLS, "time", "duration", width=1.0, max_lag=2.0)
    with pytest.raises(ValueError, match=r"must be shorter than the series, 0\.0 seconds"):
        lag_correlation(CALLS.clear(), "time", "duration", width=1.0, max_lag=0.0)


def test_best_lag_refuses_a_table_without_any_correlation() -> None:
    table = pl.DataFrame({"lag": [0.0], "pearson": [None], "pairs": [2]})
    with pytest.raises(ValueError, match=r"method='pearson' has no correlation at any lag"):
        best_lag(table)


def test_align_refuses_a_series_called_time() -> None:
    with pytest.raises(ValueError, match="holds a series called 'time'"):
        align(pl.DataFrame({"time": [0.0], "service": ["time"]}), 1.0)


def test_joins_refuse_frames_without_a_correlation_id() -> None:
    with pytest.raises(ValueError, match=r"left='correlation_id' is not a column"):
        correlate(CALLS, CALLS)
    with pytest.raises(ValueError, match=r"events='correlation_id' is not a column"):
        journeys(CALLS)


def test_littles_law_refuses_stays_that_end_before_they_start() -> None:
    with pytest.raises(ValueError, match=r"end=1.0 lies before start=2.0 in 1 rows"):
        littles_law(pl.DataFrame({"start": [2.0], "end": [1.0]}))
