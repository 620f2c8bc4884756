"""Load balancing against the supermarket model, and what a slow host does under each algorithm.

The supermarket model (Mitzenmacher, "The power of two choices in randomized load balancing", 1996;
Vvedenskaya, Dobrushin and Karpelevich, 1996): n queues of one exponential server each, arrivals at
the rate rho * n, each of which joins the shorter of d queues drawn at random. As n grows, the
fraction of queues with at least k customers comes to rho^((d^k - 1) / (d - 1)); with one choice it
is rho^k, as in M/M/1.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl
import pytest

from foundation_lab.analytics.batches import batch_means, confidence_interval
from foundation_lab.services import Backend, LoadBalancer
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import SlowDown, inject
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

HOSTS = 100
RHO = 0.9
WARM_UP = 500.0
UNTIL = 2900.0
"""Seconds; a service takes one on the average."""


@cache
def lengths(algorithm: str, seed: int) -> tuple[list[float], dict[int, list[float]]]:
    """Return second by second the mean length, and the share of queues of at least k for each k."""
    sim = Simulation(seed=seed, keep="aggregates")
    hosts = [Backend(sim, f"h{n}", service_time=exponential(1)) for n in range(HOSTS)]
    balancer = LoadBalancer(sim, "web", hosts, algorithm=algorithm)
    Workload(sim, "customers", poisson(RHO * HOSTS), balancer.request)
    means: list[float] = []
    tails: dict[int, list[float]] = {k: [] for k in range(1, 6)}

    def look() -> Generator[Any, Any, None]:
        yield WARM_UP
        while True:
            now = [host.serving + host.waiting for host in hosts]
            means.append(sum(now) / HOSTS)
            for k, shares in tails.items():
                shares.append(sum(length >= k for length in now) / HOSTS)
            yield 1.0

    sim.process(look(), daemon=True)
    sim.run(until=900 if algorithm == "least_loaded" else UNTIL)  # that settles quickly
    sim.check_invariants()
    return means, tails


def supermarket(k: int, choices: int = 2) -> float:
    """Return the fraction of queues with at least k customers."""
    exponent = k if choices == 1 else (choices**k - 1) / (choices - 1)
    return float(RHO**exponent)


def agrees(values: list[float], theory: float) -> bool:
    """Return whether the theory's value lies in the 99.9 % interval of the values' mean."""
    interval = confidence_interval(batch_means(values), confidence=0.999)
    assert interval.high - interval.low < 0.8 * theory, "too wide to tell anything"
    return interval.low <= theory <= interval.high


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize(
    ("algorithm", "choices", "seed"), [("random", 1, 2), ("power_of_two", 2, 1)], ids=["one", "two"]
)
def test_the_share_of_queues_of_some_length_is_that_of_the_supermarket_model(
    algorithm: str, choices: int, seed: int, k: int
) -> None:
    _, tails = lengths(algorithm, seed)
    assert agrees(tails[k], supermarket(k, choices))


def test_the_mean_queue_under_two_choices_is_that_of_the_model_and_far_below_one_choice() -> None:
    two = sum(supermarket(k) for k in range(1, 60))
    assert two == pytest.approx(2.353, abs=0.001)
    assert agrees(lengths("power_of_two", 1)[0], two)
    assert agrees(lengths("random", 2)[0], RHO / (1 - RHO))


def test_the_shortest_of_all_beats_two_choices_and_two_beat_one() -> None:
    best, two, one = (
        confidence_interval(batch_means(lengths(algorithm, seed)[0]), confidence=0.999)
        for algorithm, seed in (("least_loaded", 3), ("power_of_two", 1), ("random", 2))
    )
    assert best.high < two.low
    assert two.high < one.low


# -- a host that is slow and not down ------------------------------------------------------------


@cache
def gray(algorithm: str, factor: float = 10) -> tuple[float, float]:
    """Return the 99th percentile of latencies, and the share of requests that the slow host got."""
    sim = Simulation(seed=5)
    hosts = [Backend(sim, name, service_time=exponential(0.02), concurrency=8) for name in "abcde"]
    inject(sim, hosts[0], [SlowDown(service="a", start=0, factor=factor)])
    balancer = LoadBalancer(sim, "web", hosts, algorithm=algorithm)
    Workload(sim, "customers", poisson(250), balancer.request)
    sim.run(until=60)
    done = sim.recording.frame(events.request.Finished).filter(pl.col("time") > 10)
    shares = sim.recording.frame(LoadBalancer.Picked)["host"].value_counts(normalize=True)
    slow = dict(shares.rows()).get("a", 0.0)
    return float(done["duration"].quantile(0.99) or 0.0), slow


def test_a_slow_host_ruins_what_goes_round_and_hardly_touches_what_looks() -> None:
    """One of five hosts takes ten times as long: it serves 40 a second of the 50 it would get."""
    healthy, _ = gray("round_robin", factor=1)
    assert healthy < 0.1
    for blind in ("round_robin", "random"):
        slow, share = gray(blind)
        assert slow > 50 * healthy
        assert share == pytest.approx(0.2, abs=0.01)
    for looking in ("power_of_two", "least_loaded"):
        slow, share = gray(looking)
        assert slow < 4 * healthy
        assert 0.03 < share < 0.07
    slow, share = gray("peak_ewma")
    assert slow < 1.3 * healthy
    assert share < 0.02
