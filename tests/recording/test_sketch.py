import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from foundation_lab.analytics import percentiles
from foundation_lab.recording import sketch
from foundation_lab.recording.moments import SCALE, Moments, add_moments
from foundation_lab.recording.sketch import Sketch, Sketches, numbers_at, places_of

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

SEED = 33
QS = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)

DISTRIBUTIONS: dict[str, Draw] = {
    "exponential": lambda rng, n: rng.exponential(0.02, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "Pareto": lambda rng, n: rng.pareto(1.1, n) + 1,
    "uniform": lambda rng, n: rng.uniform(5, 6, n),
    "counts": lambda rng, n: rng.poisson(3.0, n).astype(float),
    "mostly zero": lambda rng, n: rng.exponential(1.0, n) * (rng.random(n) < 0.3),
    "normal": lambda rng, n: rng.normal(0.5, 3.0, n),
    "negative": lambda rng, n: -rng.lognormal(0, 1, n),
    "far apart": lambda rng, n: 10.0 ** rng.uniform(-8, 8, n),
    "one value": lambda rng, n: np.full(n, 0.1),
}

NUMBER = st.floats(allow_nan=False, width=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def array(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def same(left: Sketch, right: Sketch) -> bool:
    return np.array_equal(left.places, right.places) and np.array_equal(left.counts, right.counts)


# -- sketches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 17, 20_000])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_quantiles_are_within_one_percent_of_those_of_the_values(name: str, size: int) -> None:
    values = DISTRIBUTIONS[name](np.random.default_rng(SEED), size)
    found = Sketch.of(values)
    for q in QS:
        beside = np.quantile(values, q, method="lower"), np.quantile(values, q, method="higher")
        near = np.abs(beside).max()
        assert found.quantile(q) == pytest.approx(np.quantile(values, q), abs=near / 128), q


def test_quantiles_are_those_of_the_analytics() -> None:
    values = np.random.default_rng(SEED).exponential(1.0, 999)
    row = percentiles(pl.DataFrame({"duration": values}), q=QS).row(0)
    found = Sketch.of(values)
    assert [found.quantile(q) for q in QS] == pytest.approx(row[4:], rel=1 / 128)


def test_small_whole_numbers_come_back_as_they_are() -> None:
    whole = np.arange(-128.0, 129.0)
    assert numbers_at(places_of(whole)).tolist() == whole.tolist()
    assert Sketch.of(whole).quantile(0.5) == 0
    assert Sketch.of(array([1, 2, 3])).quantile(0.75) == 2.5


@given(st.lists(NUMBER, min_size=1))
def test_rounding_keeps_the_order_the_sign_and_all_but_a_128th(values: list[float]) -> None:
    numbers = np.sort(array(values))
    places = places_of(numbers)
    assert (np.diff(places) >= 0).all()
    assert places_of(-numbers).tolist() == (-places).tolist()
    rounded = numbers_at(places)
    for number, near in zip(numbers.tolist(), rounded.tolist(), strict=True):
        if abs(number) >= 1.79e308:
            assert near == math.copysign(math.inf, number)
        elif abs(number) >= 2.3e-308:
            assert abs(Fraction(near) - Fraction(number)) <= abs(Fraction(number)) / 128
        else:
            assert abs(near - number) <= 2.0**-1028


def test_infinities_are_the_least_and_the_largest() -> None:
    found = Sketch.of(array([-math.inf, 1.0, math.inf, math.inf]))
    assert [found.quantile(q / 3) for q in range(4)] == [-math.inf, 1.0, math.inf, math.inf]
    assert found.quantile(0.5) == math.inf


def test_a_sketch_of_nothing_has_no_quantile() -> None:
    nothing = Sketch.of(array([]))
    assert math.isnan(nothing.quantile(0.5))
    assert nothing.count == Sketch.merged([]).count == 0
    assert same(Sketch.merged([nothing, Sketch.of(array([1.0]))]), Sketch.of(array([1.0])))


def test_a_sketch_has_no_more_places_than_its_limit_and_its_upper_quantiles_stay_exact() -> None:
    values = 10.0 ** np.random.default_rng(SEED).uniform(-300, 300, 20_000)
    found = Sketch.of(values)
    assert len(found.places) == sketch.MOST
    assert found.count == len(values)
    above = np.mean(values >= numbers_at(found.places[1:2])[0])
    assert 0.03 < above < 0.5
    for q in (1 - above / 2, 1 - above / 10, 1.0):
        assert found.quantile(q) == pytest.approx(np.quantile(values, q), rel=1 / 128)


@pytest.mark.parametrize("most", [3, 4096])
@given(st.lists(st.lists(NUMBER, max_size=9), max_size=6), st.randoms(use_true_random=False))
def test_sketches_merge_in_any_order_to_that_of_all_values(
    most: int, parts: list[list[float]], order: Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketch, "MOST", most)
        whole = Sketch.of(array([value for part in parts for value in part]))
        order.shuffle(parts)
        one_by_one = Sketch.of(array([]))
        for part in parts:
            one_by_one = Sketch.merged([Sketch.of(array(part)), one_by_one])
        assert same(Sketch.merged(Sketch.of(array(part)) for part in parts), whole)
        assert same(one_by_one, whole)
        assert len(whole.places) <= most


@pytest.mark.parametrize("most", [3, 4096])
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), NUMBER), max_size=9), max_size=6))
def test_many_sketches_at_once_are_those_of_each_series(
    most: int, batches: list[list[tuple[int, float]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketch, "MOST", most)
        many = Sketches()
        for batch in batches:
            many.add(
                np.array([series for series, _ in batch], dtype=np.int64),
                array([value for _, value in batch]),
            )
        for series in range(5):
            alone = [value for batch in batches for key, value in batch if key == series]
            assert same(many.of(series), Sketch.of(array(alone)))
        assert many.bytes == 16 * len(many.keys) <= 16 * 4 * most


def test_a_sketch_that_was_taken_does_not_change() -> None:
    many, series = Sketches(), np.zeros(2, dtype=np.int64)
    many.add(series, array([1.0, 2.0]))
    taken = many.of(0)
    many.add(series, array([1.0, 3.0]))
    assert same(taken, Sketch.of(array([1.0, 2.0])))


# -- moments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_moments_are_those_of_numpy_and_polars(name: str) -> None:
    values = DISTRIBUTIONS[name](np.random.default_rng(SEED), 20_000)
    found = Moments.of(values)
    assert (found.count, found.low, found.high) == (20_000, values.min(), values.max())
    assert found.sum == math.fsum(values)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.std == pytest.approx(values.std(ddof=1), rel=1e-12, abs=1e-16)
    assert found.std == pytest.approx(pl.Series(values).std(), rel=1e-12, abs=1e-16)


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    values = 1e9 + np.array([0.25, 0.5, 0.75])
    assert (Moments.of(values).mean, Moments.of(values).std) == (1e9 + 0.5, 0.25)


@given(st.lists(FINITE, min_size=2))
def test_sums_are_exact_and_the_rest_is_rounded_once(values: list[float]) -> None:
    found = Moments.of(array(values))
    numbers = [Fraction(value) for value in values]
    total = sum(numbers, start=Fraction(0))
    assert Fraction(found.total, 1 << SCALE) == total
    assert Fraction(found.squares, 1 << 2 * SCALE) == sum(number**2 for number in numbers)
    largest = Fraction(math.nextafter(math.inf, 0))
    if abs(total) <= largest:
        assert found.sum == float(total)
        assert found.mean == float(total / len(numbers))
    variance = Fraction(statistics.variance(numbers))
    if variance < largest**2:
        assert found.std is not None
        near, ulp = Fraction(found.std), Fraction(math.ulp(found.std))
        assert max(near - ulp, Fraction(0)) ** 2 <= variance <= (near + ulp) ** 2


@given(st.lists(st.lists(NUMBER, max_size=9), max_size=5), st.randoms(use_true_random=False))
def test_moments_merge_in_any_order_to_those_of_all_values(
    parts: list[list[float]], order: Random
) -> None:
    whole = Moments.of(array([value for part in parts for value in part]))
    order.shuffle(parts)
    merged = Moments()
    for part in parts:
        merged = Moments.of(array(part)).merged(merged)
    assert facts(merged) == facts(whole)


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), NUMBER), max_size=9), max_size=5))
def test_many_moments_at_once_are_those_of_each_series(
    batches: list[list[tuple[int, float]]],
) -> None:
    many: dict[int, Moments] = {}
    for batch in batches:
        keys = np.array([key for key, _ in batch], dtype=np.int64)
        add_moments(many, keys, array([value for _, value in batch]))
    for series in range(4):
        alone = array([value for batch in batches for key, value in batch if key == series])
        assert facts(many.get(series, Moments())) == facts(Moments.of(alone))


@pytest.mark.parametrize(
    ("values", "total", "mean", "std"),
    [
        pytest.param([], 0.0, None, None, id="nothing"),
        pytest.param([2.0], 2.0, 2.0, None, id="one"),
        pytest.param([math.inf], math.inf, math.inf, None, id="infinity"),
        pytest.param([1.0, -math.inf, -math.inf], -math.inf, -math.inf, math.nan, id="two"),
        pytest.param([1.0, -math.inf, math.inf], math.nan, math.nan, math.nan, id="both"),
        pytest.param([1.7e308, 1.7e308], math.inf, 1.7e308, 0.0, id="a sum that is no float"),
        pytest.param([5e-324, -5e-324], 0.0, 0.0, 5e-324, id="the smallest numbers"),
        pytest.param([-1.7e308, 1.7e308], 0.0, 0.0, math.inf, id="a spread that is no float"),
    ],
)
def test_moments_at_the_ends_of_the_scale(
    values: list[float], total: float, mean: float | None, std: float | None
) -> None:
    found = Moments.of(array(values))
    assert found.sum == pytest.approx(total, nan_ok=True)
    assert found.mean == (pytest.approx(mean, nan_ok=True) if mean is not None else None)
    assert found.std == (pytest.approx(std, nan_ok=True) if std is not None else None)


def facts(moments: Moments) -> tuple[int, float, float, int, int]:
    return moments.count, moments.low, moments.high, moments.total, moments.squares
