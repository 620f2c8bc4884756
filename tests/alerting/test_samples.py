import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.alerting.samples import Count, Mean, Ordered

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30)
MODEST = st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=1, max_size=30)


@given(numbers=NUMBERS, dropped=st.integers(min_value=0, max_value=29))
def test_the_mean_of_what_is_left_is_the_exact_one_correctly_rounded(
    numbers: list[float], dropped: int
) -> None:
    mean = Mean()
    for number in numbers:
        mean.add(number)
    dropped = min(dropped, len(numbers) - 1)
    for _ in range(dropped):
        mean.drop()
    left = [Fraction(number) for number in numbers[dropped:]]
    assert mean.value == float(statistics.mean(left))


@given(
    numbers=MODEST,
    dropped=st.integers(min_value=0, max_value=29),
    quantile=st.sampled_from([0.0, 0.25, 0.5, 0.99, 1.0]),
)
def test_a_quantile_of_what_is_left_agrees_with_numpy(
    numbers: list[float], dropped: int, quantile: float
) -> None:
    ordered = Ordered(quantile)
    for number in numbers:
        ordered.add(number)
    dropped = min(dropped, len(numbers) - 1)
    for _ in range(dropped):
        ordered.drop()
    expected = np.quantile(numbers[dropped:], quantile)
    assert ordered.value == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_a_count_is_divided_by_the_window_for_a_rate() -> None:
    rate = Count(10.0)
    for _ in range(6):
        rate.add(1.0)
    rate.drop()
    assert rate.value == 0.5
