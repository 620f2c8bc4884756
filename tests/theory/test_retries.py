"""Retries and hedges against closed forms, and against Brooker's simulation of jitter.

Each has its seed; an estimate must lie within 3.3 standard errors of the closed form: 99.9 %.
"""

from __future__ import annotations

import math
import statistics
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import BackendError
from foundation_lab.services import (
    Hedge,
    Retry,
    decorrelated_backoff,
    exponential_backoff,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.services.retrying.backoff import Backoff

CALLS = 20_000
RUNS = 200
"""How often the contention is repeated; its mean is then within 1 % of what it would come to."""


@pytest.mark.parametrize("most", [1, 3, 6])
@pytest.mark.parametrize("failure", [0.1, 0.5, 0.9])
def test_attempts_and_success_are_those_of_a_geometric_distribution_cut_off(
    failure: float, most: int
) -> None:
    """With q the chance to fail: E[attempts] = (1 - q^n) / (1 - q), P(success) = 1 - q^n."""
    sim = Simulation(seed=31)
    chance = sim.stream("chance")
    retry = Retry(sim, "orders", max_attempts=most, backoff=fixed_backoff(0))

    def attempt() -> None:
        if chance.random() < failure:
            raise BackendError

    def callers() -> Generator[Any, Any, None]:
        for _ in range(CALLS):
            with suppress(BackendError):
                yield from retry.call(attempt)

    sim.process(callers())
    sim.run()
    starts = sim.recording.frame(Retry.AttemptStart)["attempt"]
    succeeded = sim.recording.counts.get("foundation.retry.attempt_success", 0)
    probability = [failure ** (k - 1) * (1 - failure) for k in range(1, most)]
    probability.append(failure ** (most - 1))
    mean = (1 - failure**most) / (1 - failure)
    assert mean == pytest.approx(sum(k * p for k, p in enumerate(probability, 1)))
    variance = sum((k - mean) ** 2 * p for k, p in enumerate(probability, 1))
    assert len(starts) / CALLS == pytest.approx(mean, abs=3.3 * math.sqrt(variance / CALLS) + 1e-9)
    good = 1 - failure**most
    error = math.sqrt(good * (1 - good) / CALLS)
    assert succeeded / CALLS == pytest.approx(good, abs=3.3 * error)


@pytest.mark.parametrize("delay", [0.0, 0.5, 2.0])
def test_hedged_exponential_latencies_have_the_mean_of_their_minimum(delay: float) -> None:
    """With a = exp(-delay / m), of three attempts: m (1 - a + a (1 - a^2) / 2 + a^3 / 3).

    Until the second attempt the answer comes at rate 1 / m, until the third at 2 / m, then 3 / m.
    A second attempt is sent with probability a, a third one with a^3.
    """
    sim = Simulation(seed=32)
    latency = sim.stream("latency")
    hedge = Hedge(sim, "orders", delay=delay, max_attempts=3)

    def callers() -> Generator[Any, Any, None]:
        for _ in range(CALLS):
            yield from hedge.call(lambda: sim.sleep(latency.expovariate(1.0)))

    sim.process(callers())
    sim.run()
    durations = list(sim.recording.frame(Hedge.Won)["duration"])
    a = math.exp(-delay)
    mean = 1 - a + a * (1 - a**2) / 2 + a**3 / 3
    error = statistics.stdev(durations) / math.sqrt(CALLS)
    assert statistics.mean(durations) == pytest.approx(mean, abs=3.3 * error)
    sent = sim.recording.frame(Hedge.AttemptStarted)["attempt"]
    for attempt, share in ((2, a), (3, a**3)):
        bound = 3.3 * math.sqrt(share * (1 - share) / CALLS)
        assert (sent == attempt).sum() / CALLS == pytest.approx(share, abs=bound)


@pytest.mark.parametrize("delay", [0.0, 0.5, 2.0])
def test_a_hedged_exponential_latency_has_the_distribution_of_a_minimum_with_a_late_start(
    delay: float,
) -> None:
    """With mean 1 and two attempts: P(T > t) = exp(-t) up to the delay d, then exp(-t - (t - d)).

    The extra load is the share of calls that send a second attempt, P(latency > d) = exp(-d).
    """
    sim = Simulation(seed=33)
    latency = sim.stream("latency")
    hedge = Hedge(sim, "orders", delay=delay)

    def callers() -> Generator[Any, Any, None]:
        for _ in range(CALLS):
            yield from hedge.call(lambda: sim.sleep(latency.expovariate(1.0)))

    sim.process(callers())
    sim.run()
    durations = sim.recording.frame(Hedge.Won)["duration"]
    for t in (0.1, 0.25, 0.5, 1.0, 2.0, 3.0):
        longer = math.exp(-t - max(0.0, t - delay))
        bound = 3.3 * math.sqrt(longer * (1 - longer) / CALLS)
        assert (durations > t).sum() / CALLS == pytest.approx(longer, abs=bound)
    extra = sim.recording.frame(Hedge.AttemptStarted).height / CALLS - 1
    bound = 3.3 * math.sqrt(math.exp(-delay) * (1 - math.exp(-delay)) / CALLS)
    assert extra == pytest.approx(math.exp(-delay), abs=bound + 1e-9)


def contend(seed: int, backoff: Backoff, jitter: str) -> int:
    """Return how many writes it takes until each of 100 clients has updated the row once.

    The model of Brooker's simulator: one row with a version. A client reads it and writes it back;
    the write fails when somebody else's came between. Each of the four messages takes as many
    milliseconds as the size of a normal draw of mean 10 and deviation 2.
    """
    sim = Simulation(seed=seed)
    network = sim.stream("network")
    version = writes = 0
    retry = Retry(sim, "row", max_attempts=10**6, backoff=backoff, jitter=jitter)

    def message() -> float:
        return abs(network.normalvariate(0.010, 0.002))

    def update() -> Generator[Any, Any, None]:
        nonlocal version, writes
        yield message()
        seen = version
        yield message()
        yield message()
        writes += 1
        conflict = seen != version
        version += not conflict
        yield message()
        if conflict:
            raise BackendError

    for _ in range(100):
        sim.process(retry.call(update))
    sim.run()
    assert version == 100
    return writes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backoff", "jitter", "writes"),
    [
        (fixed_backoff(0), "none", 2426),
        (exponential_backoff(0.010, cap=2), "none", 1863),
        (exponential_backoff(0.010, cap=2), "equal", 812),
        (exponential_backoff(0.010, cap=2), "full", 796),
        (decorrelated_backoff(0.005, cap=2), "none", 1000),
    ],
    ids=["no backoff", "no jitter", "equal", "full", "decorrelated"],
)
def test_contending_clients_write_as_often_as_in_brookers_simulation(
    backoff: Backoff, jitter: str, writes: int
) -> None:
    """Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015: base 5 ms, cap 2 s.

    Its first delay is 2 * base, for it counts retries from 1.
    """
    counts = [contend(seed, backoff, jitter) for seed in range(RUNS)]
    assert statistics.mean(counts) == pytest.approx(writes, rel=0.02)
