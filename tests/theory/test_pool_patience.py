"""A pool with a checkout timeout is the queue M/M/c+D: its closed forms against simulated ones.

Each is one long run with its seed, its beginning cut off, and a 99.9 % confidence interval from the
means of 30 batches.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import polars as pl
import pytest

from foundation_lab.analytics import batch_means, confidence_interval, mmc_d
from foundation_lab.services import ConnectionManager
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

WARM_UP, UNTIL = 500.0, 20_500.0

POOLS = {
    "one connection, busy": (0.8, 1, 2.0, 301),
    "four connections at their limit": (4.0, 4, 0.5, 304),
    "three connections, overloaded": (4.5, 3, 1.0, 303),
}
pools = pytest.mark.parametrize(("rate", "size", "patience", "seed"), POOLS.values(), ids=POOLS)


@cache
def checkouts(rate: float, size: int, patience: float, seed: int) -> pl.DataFrame:
    """Return every checkout after the warm-up in order of arrival: its wait, and how it ended."""
    sim = Simulation(seed=seed)
    pool = ConnectionManager(sim, "db", size=size, checkout_timeout=patience)
    service, stream = exponential(1.0), sim.stream("test.service")

    def hold() -> Generator[Any, Any, None]:
        yield service.sample(stream)

    Workload(sim, "shop", poisson(rate), partial(pool.call, hold))
    sim.run(until=UNTIL)
    sim.check_invariants()
    ends = (ConnectionManager.ConnectionAcquired, 0.0), (ConnectionManager.Timeout, 1.0)
    found = pl.concat(
        sim.recording.frame(event).select("time", "duration", gave_up=pl.lit(gave_up))
        for event, gave_up in ends
    )
    arrived = found.with_columns(arrived=pl.col("time") - pl.col("duration")).sort("arrived")
    return arrived.filter(pl.col("arrived") >= WARM_UP)


def agrees(values: pl.Series, theory: float) -> bool:
    """Return whether the theory's value lies in the 99.9 % interval of the values' mean."""
    interval = confidence_interval(batch_means(values, batches=30), confidence=0.999)
    assert interval.high - interval.low < 0.4 * theory, "too wide to tell anything"
    return interval.low <= theory <= interval.high


@pools
def test_the_share_of_timeouts_is_that_of_theory(
    rate: float, size: int, patience: float, seed: int
) -> None:
    gave_up = checkouts(rate, size, patience, seed)["gave_up"]
    assert agrees(gave_up, mmc_d(rate, 1.0, size, patience).abandon_probability)


@pools
def test_the_mean_wait_is_that_of_theory(
    rate: float, size: int, patience: float, seed: int
) -> None:
    waits = checkouts(rate, size, patience, seed)["duration"]
    assert agrees(waits, mmc_d(rate, 1.0, size, patience).mean_wait)
    assert waits.max() == pytest.approx(patience)  # and nobody waits for longer


@pools
def test_the_mean_wait_of_those_who_get_a_connection_is_that_of_theory(
    rate: float, size: int, patience: float, seed: int
) -> None:
    served = checkouts(rate, size, patience, seed).filter(pl.col("gave_up") == 0)
    theory = mmc_d(rate, 1.0, size, patience)
    assert agrees(served["duration"], theory.mean_wait_served)


@pools
def test_the_share_of_those_who_wait_is_that_of_theory(
    rate: float, size: int, patience: float, seed: int
) -> None:
    waited = (checkouts(rate, size, patience, seed)["duration"] > 0).cast(pl.Float64)
    assert agrees(waited, mmc_d(rate, 1.0, size, patience).wait_probability)
