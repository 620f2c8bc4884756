import math
import statistics

import pytest

from foundation_lab.simulation.distributions import (
    Distribution,
    as_distribution,
    constant,
    erlang,
    exponential,
    lognormal,
    uniform,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.streams import Streams, stream_seed

SEED = 36
PINNED_SEED = 223027814087360612956114493293647447388
PINNED_NUMBERS = [0.9121664982610718, 0.9259894636297686, 0.6758021445429605]
PINNED_BITS = 73351935565461410622478715235912537147
PINNED_ID = "69f534561ad13d92a938af180a6e82f9"


def test_streams_draw_the_same_numbers_on_any_machine_and_python_version() -> None:
    stream = Streams(7)("backend.db")
    assert stream_seed(7, "backend.db") == PINNED_SEED
    assert [stream.random() for _ in range(3)] == PINNED_NUMBERS
    assert stream.getrandbits(128) == PINNED_BITS
    assert Simulation(seed=7).telemetry.new_id() == PINNED_ID


def test_a_stream_depends_on_nothing_but_seed_and_name() -> None:
    plain, crowded = Simulation(seed=SEED), Simulation(seed=SEED)
    for number in range(50):
        crowded.stream(f"other.{number}").random()
    assert plain.stream("db").random() == crowded.stream("db").random()
    assert plain.stream("db") is plain.stream("db")
    assert (
        Simulation(seed=SEED + 1).stream("db").random()
        != Simulation(seed=SEED).stream("db").random()
    )


def test_streams_are_independent_of_each_other() -> None:
    streams = Streams(SEED)
    draws = {name: [streams(name).random() for _ in range(2000)] for name in ("a", "b", "aa", "")}
    names = list(draws)
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            assert abs(statistics.correlation(draws[one], draws[two])) < 4 / math.sqrt(2000)


def test_seed_and_name_do_not_run_together() -> None:
    assert stream_seed(1, "1.x") != stream_seed(11, ".x")
    assert stream_seed(-1, "x") != stream_seed(1, "x")


@pytest.mark.parametrize(
    ("distribution", "variance"),
    [
        (exponential(0.5), 0.25),
        (uniform(1.0, 3.0), 4 / 12),
        (lognormal(1.0, 0.5), (math.exp(0.25) - 1) * math.exp(0.25)),
        (erlang(2.0, 4), 1.0),
        (erlang(2.0, 1500), 4 / 1500),
        (constant(1.5), 0.0),
    ],
    ids=str,
)
def test_samples_have_the_mean_and_variance_of_their_distribution(
    distribution: Distribution, variance: float
) -> None:
    stream, count = Streams(SEED)(str(distribution)), 2000
    samples = [distribution.sample(stream) for _ in range(count)]
    error = math.sqrt(variance / count)
    assert statistics.fmean(samples) == pytest.approx(distribution.mean, abs=4 * error)
    assert statistics.pvariance(samples) == pytest.approx(variance, rel=0.3, abs=1e-12)
    assert min(samples) >= 0


def test_a_plain_number_is_a_constant_distribution() -> None:
    assert as_distribution(2) == constant(2.0)
    assert as_distribution(exponential(1.0)) == exponential(1.0)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_durations_are_finite_and_not_negative(value: float) -> None:
    for make in (constant, exponential, lambda v: uniform(v, v), lambda v: lognormal(v, 1.0)):
        with pytest.raises(ValueError, match="="):
            make(value)


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mean=0; it must be .* more than 0"):
        exponential(0)
    with pytest.raises(ValueError, match="low=3 is above high=1"):
        uniform(3, 1)
    for stages in (0, 2.5, True):
        with pytest.raises(ValueError, match="a whole number of stages, from 1"):
            erlang(1.0, stages)  # type: ignore[arg-type]
