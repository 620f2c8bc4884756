import numpy as np
import polars as pl
import pytest
from scipy import stats

from foundation_lab.analytics import align, best_lag, lag_correlation

SEED = 20_260_104


def echo(rows: int, delay: int) -> pl.DataFrame:
    rng = np.random.default_rng(SEED)
    source = rng.normal(size=rows + delay)
    return pl.DataFrame(
        {
            "time": np.arange(rows, dtype=float),
            "api": source[delay:],
            "db": source[:rows] + 0.1 * rng.normal(size=rows),
        }
    )


def test_a_positive_lag_means_that_the_second_follows_the_first() -> None:
    table = lag_correlation(echo(200, 3), "api", "db", width=1.0, max_lag=10.0)
    assert best_lag(table).lag == 3.0
    assert best_lag(table, "spearman").lag == 3.0
    assert best_lag(table).correlation > 0.95


def test_swapping_the_columns_mirrors_the_lags() -> None:
    forth = lag_correlation(echo(100, 2), "api", "db", width=1.0, max_lag=5.0)
    back = lag_correlation(echo(100, 2), "db", "api", width=1.0, max_lag=5.0)
    assert forth["pearson"].to_list() == pytest.approx(back["pearson"].to_list()[::-1])
    assert forth["lag"].to_list() == [float(lag) for lag in range(-5, 6)]


@pytest.mark.parametrize("lag", [-4, 0, 3])
def test_correlations_agree_with_scipy_at_every_lag(lag: int) -> None:
    load = echo(60, 1)
    api, db = load["api"].to_numpy(), load["db"].to_numpy()
    now, later = (api[: 60 - lag], db[lag:]) if lag >= 0 else (api[-lag:], db[:lag])
    table = lag_correlation(load, "api", "db", width=1.0, max_lag=5.0)
    row = table.filter(pl.col("lag") == lag).row(0)
    expected = (stats.pearsonr(now, later).statistic, stats.spearmanr(now, later).statistic)
    assert row == pytest.approx((lag, *expected, 60 - abs(lag)))


def test_windows_without_a_value_take_no_part() -> None:
    load = echo(50, 0).with_columns(db=pl.when(pl.col("time") != 20).then("db"))
    table = lag_correlation(load, "api", "db", width=1.0, max_lag=0.0)
    assert table["pairs"].to_list() == [49]


def test_a_recording_that_begins_late_is_correlated_from_its_beginning() -> None:
    late = echo(50, 2).with_columns(pl.col("time") + 1e9)
    table = lag_correlation(late, "api", "db", width=1.0, max_lag=3.0)
    assert best_lag(table).lag == 2.0


def test_a_constant_side_has_no_correlation() -> None:
    flat = echo(50, 0).with_columns(db=0.1)
    table = lag_correlation(flat, "api", "db", width=2.0, max_lag=4.0)
    assert table["pearson"].null_count() == table.height
    assert table["spearman"].null_count() == table.height


def test_too_few_pairs_have_no_correlation() -> None:
    table = lag_correlation(echo(12, 0), "api", "db", width=1.0, max_lag=4.0, min_pairs=10)
    assert table.filter(pl.col("pearson").is_not_null())["lag"].to_list() == [-2, -1, 0, 1, 2]


def test_of_equally_strong_lags_the_one_nearest_to_0_is_best() -> None:
    table = pl.DataFrame(
        {
            "lag": [-2.0, -1.0, 0.0, 1.0, 2.0],
            "pearson": [0.9, -0.9, None, 0.9, 0.1],
            "spearman": [0.1, 0.2, 0.3, 0.4, 0.5],
            "pairs": [10, 11, 12, 11, 10],
        }
    )
    assert best_lag(table) == (-1.0, -0.9, 11)
    assert best_lag(table, "spearman") == (2.0, 0.5, 10)


def test_aligned_counts_show_which_service_follows_which() -> None:
    rng = np.random.default_rng(SEED)
    asked = np.repeat(np.arange(300.0), rng.poisson(5.0, 300)) + 0.5
    events = pl.concat(
        [
            pl.DataFrame({"time": asked, "service": "api"}),
            pl.DataFrame({"time": asked + 4.0, "service": "db"}),
        ]
    ).sort("time")
    counts = align(events, 1.0, start=4.0, end=300.0)
    found = best_lag(lag_correlation(counts, "api", "db", width=1.0, max_lag=10.0))
    assert found.lag == 4.0
    assert found.correlation == pytest.approx(1.0)
