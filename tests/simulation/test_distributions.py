"""Distributions: their exact means against their samples, and their samples against scipy."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from foundation_lab.simulation.distributions import constant, erlang, exponential, uniform
from foundation_lab.simulation.durations.compositions import (
    Empirical,
    empirical,
    hyperexponential,
    mixture,
    shifted,
    triangular,
)
from foundation_lab.simulation.durations.tails import gamma, pareto, weibull
from foundation_lab.simulation.streams import Streams

if TYPE_CHECKING:
    from foundation_lab.simulation.distributions import Distribution

SEED = 66
DRAWS = 20_000
SURPRISE = 1e-4
"""A p-value below which a sample is taken for wrong."""


def draw(distribution: Distribution, number: int = DRAWS) -> list[float]:
    stream = Streams(SEED)("draws")
    return [distribution.sample(stream) for _ in range(number)]


def bounded_pareto(x: Any) -> Any:
    return (1 - (2 / x) ** 1.5) / (1 - (2 / 50) ** 1.5)


KNOWN: dict[str, tuple[Distribution, Any]] = {
    "gamma": (gamma(3.0, 0.7), stats.gamma(0.7, scale=3 / 0.7).cdf),
    "gamma as Erlang": (gamma(2.0, 3), stats.erlang(3, scale=2 / 3).cdf),
    "weibull": (weibull(2.0, 0.6), stats.weibull_min(0.6, scale=2).cdf),
    "pareto": (pareto(2.0, 2.5), stats.pareto(2.5, scale=2).cdf),
    "pareto with a cap": (pareto(2.0, 1.5, largest=50), bounded_pareto),
    "triangular": (triangular(1, 2, 5), stats.triang(0.25, loc=1, scale=4).cdf),
    "shifted": (shifted(3, exponential(2)), stats.expon(3, 2).cdf),
    "hyperexponential": (
        hyperexponential([(0.9, 1.0), (0.1, 20.0)]),
        lambda x: 0.9 * stats.expon(0, 1).cdf(x) + 0.1 * stats.expon(0, 20).cdf(x),
    ),
    "mixture": (
        mixture([(3, uniform(0, 1)), (1, erlang(4, 2))]),
        lambda x: 0.75 * stats.uniform(0, 1).cdf(x) + 0.25 * stats.erlang(2, scale=2).cdf(x),
    ),
    "interpolated sample": (
        empirical([0, 1, 5], interpolate=True),
        lambda x: (x <= 1) * x / 2 + (x > 1) * (0.5 + (x - 1) / 8),
    ),
}


@pytest.mark.parametrize(("distribution", "cdf"), KNOWN.values(), ids=KNOWN)
def test_samples_have_the_distribution_and_the_mean(distribution: Distribution, cdf: Any) -> None:
    found = draw(distribution)
    assert stats.kstest(found, cdf).pvalue > SURPRISE
    error = statistics.stdev(found) / math.sqrt(DRAWS)
    assert statistics.mean(found) == pytest.approx(distribution.mean, abs=4 * error)


@pytest.mark.parametrize(
    ("distribution", "mean"),
    [
        (gamma(3, 0.5), 3),
        (weibull(2, 1), 2),
        (weibull(3, 0.5), 6),
        (pareto(2, 3), 3),
        (pareto(1, 1, largest=math.e), 1 / (1 - 1 / math.e)),
        (pareto(1, 2, largest=2), 4 / 3),
        (triangular(0, 3, 3), 2),
        (shifted(1, 2), 3),
        (hyperexponential([(1, 2), (3, 6)]), 5),
        (mixture([(1, 2), (0, 100)]), 2),
        (empirical([4, 1, 1]), 2),
        (empirical([4, 1, 1], interpolate=True), 1.75),
    ],
)
def test_a_mean_is_exact(distribution: Distribution, mean: float) -> None:
    assert distribution.mean == pytest.approx(mean, rel=1e-12)


def test_a_sample_is_drawn_from_its_own_values_unless_it_is_interpolated() -> None:
    assert set(draw(empirical([3, 1, 1, 2]))) == {1, 2, 3}
    between = draw(empirical([3, 1, 1, 2], interpolate=True))
    assert min(between) == 1
    assert max(between) <= 3
    assert between.count(1) / DRAWS == pytest.approx(1 / 3, abs=0.02)
    assert empirical([2, 1]) == Empirical((1.0, 2.0))


def test_a_cut_pareto_stays_within_its_bounds() -> None:
    found = draw(pareto(1, 0.5, largest=3))
    assert min(found) >= 1
    assert max(found) <= 3


def test_a_distribution_without_width_is_constant() -> None:
    assert set(draw(triangular(2, 2, 2), 10)) == {2}
    assert set(draw(mixture([(1, constant(4))]), 10)) == {4}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gamma(0, 1), "mean=0"),
        (lambda: gamma(1, 0), "shape=0"),
        (lambda: weibull(1, math.inf), "shape=inf"),
        (lambda: pareto(1, 1), "infinite mean"),
        (lambda: pareto(2, 1, largest=2), "largest=2"),
        (lambda: pareto(0, 2), "smallest=0"),
        (lambda: triangular(2, 1, 3), "low=2, mode=1, high=3"),
        (lambda: shifted(-1, 1), "offset=-1"),
        (lambda: mixture([]), "not all 0"),
        (lambda: mixture([(-1, 1)]), "weights are finite"),
        (lambda: hyperexponential([(1, 0)]), "mean=0"),
        (lambda: empirical([]), "values holds 0; give 1 or more"),
        (lambda: empirical([1], interpolate=True), "values holds 1; give 2 or more"),
        (lambda: empirical([-1]), "value=-1"),
    ],
    ids=range(14),
)
def test_a_distribution_that_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
