import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.analytics import littles_law, mm1

SEED = 20_260_107
STAYS = st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 50.0)), max_size=40)


def stays(pairs: list[tuple[float, float]]) -> pl.DataFrame:
    schema = {"start": pl.Float64, "end": pl.Float64}
    return pl.DataFrame([(a, a + stay) for a, stay in pairs], schema=schema, orient="row")


@given(STAYS, st.floats(0.0, 60.0), st.floats(1.0, 100.0))
def test_littles_law_holds_as_an_identity_on_any_horizon(
    pairs: list[tuple[float, float]], begin: float, length: float
) -> None:
    law = littles_law(stays(pairs), horizon=(begin, begin + length))
    assert law.difference == pytest.approx(0.0, abs=1e-9)


@given(STAYS)
def test_the_mean_number_is_the_total_overlap_with_the_horizon(
    pairs: list[tuple[float, float]],
) -> None:
    law = littles_law(stays(pairs), horizon=(20.0, 70.0))
    overlap = sum(max(0.0, min(a + stay, 70.0) - max(a, 20.0)) for a, stay in pairs)
    assert law.mean_number == pytest.approx(overlap / 50.0, abs=1e-9)


def test_stays_are_cut_at_the_ends_of_the_horizon() -> None:
    frame = pl.DataFrame({"start": [-5.0, 4.0, 20.0], "end": [5.0, None, 30.0]})
    assert littles_law(frame, horizon=(0.0, 10.0)) == pytest.approx((1.1, 0.2, 5.5, 0.0))


def test_a_long_queue_agrees_with_the_closed_form() -> None:
    rng = np.random.default_rng(SEED)
    arrivals = np.cumsum(rng.exponential(1.0, 200_000))
    services = rng.exponential(0.5, 200_000)
    work_before = np.cumsum(services) - services
    begins = work_before + np.maximum.accumulate(arrivals - work_before)
    law = littles_law(pl.DataFrame({"start": arrivals, "end": begins + services}))
    expected = mm1(1.0, 2.0)
    assert law.mean_time == pytest.approx(expected.mean_time, rel=0.05)
    assert law.mean_number == pytest.approx(expected.mean_number, rel=0.05)
    assert law.difference == pytest.approx(0.0, abs=1e-6)


def test_columns_may_have_other_names() -> None:
    frame = pl.DataFrame({"came": [0, 4], "went": [4, 6]})
    assert littles_law(frame, "came", "went").mean_time == 3.0


def test_an_empty_system_has_nobody_in_it() -> None:
    assert littles_law(stays([]), horizon=(0.0, 1.0)) == (0.0, 0.0, 0.0, 0.0)


def test_a_horizon_is_needed_if_a_stay_goes_on_or_there_is_none() -> None:
    for frame in (stays([]), pl.DataFrame({"start": [0.0], "end": [None]})):
        with pytest.raises(ValueError, match="horizon=None needs at least one stay"):
            littles_law(frame)


def test_a_horizon_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"horizon=\(1.0, 1.0\) is empty"):
        littles_law(stays([(0.0, 2.0)]), horizon=(1.0, 1.0))
