"""An hour of traffic: 50 requests a second through breaker, retry and pool, against plain SimPy.

Stock components, with telemetry and the finished dataframe on our side, and on the other the same
written by hand in SimPy, with two lists and nothing of the kind. In front of a backend that fails
now and then, and badly for a minute in every ten, stand a pool of ten connections, a retry of three
attempts and a breaker. The outcome and the latency of every request are compared with their twins,
as equal texts and equal floats, in the order in which the requests ended.

    python benchmarks/hour.py [ROUNDS] [VIRTUAL_SECONDS]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import by_hand
import program
from race import Contender, race, same
from row import Row

from foundation_lab.services import Backend, CircuitBreaker, ConnectionManager, Retry
from foundation_lab.services.retrying.backoff import exponential_backoff
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, inject
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.recording.recording import Recording

SEED = 7
BAR = 1.5


def simulate(
    until: float, troubles: Sequence[tuple[float, float, float]] = by_hand.TROUBLES
) -> Simulation:
    """Run the traffic with stock components, and return the simulation."""
    sim = Simulation(SEED)
    db = Backend(
        sim,
        "db",
        service_time=exponential(by_hand.MEAN),
        concurrency=by_hand.SERVERS,
        error_rate=by_hand.ERROR_RATE,
    )
    pool = ConnectionManager(
        sim, "pool", size=by_hand.POOL, checkout_timeout=by_hand.CHECKOUT_TIMEOUT
    )
    retry = Retry(
        sim,
        "payments",
        max_attempts=by_hand.ATTEMPTS,
        backoff=exponential_backoff(by_hand.BACKOFF, cap=by_hand.CAP),
        jitter="full",
    )
    breaker = CircuitBreaker(
        sim,
        "payments",
        failure_threshold=by_hand.THRESHOLD,
        reset_timeout=by_hand.RESET_TIMEOUT,
    )
    faults = [
        ErrorRate(service="db", start=start, duration=duration, rate=rate)
        for start, duration, rate in troubles
    ]
    inject(sim, db, faults)
    Workload(
        sim,
        "shop",
        poisson(by_hand.RATE),
        lambda: breaker.call(lambda: retry.call(lambda: pool.call(db.request))),
    )
    sim.run(until=until)
    return sim


def with_foundation_lab(until: float) -> Recording:
    """Run the traffic with stock components, and return the recording."""
    recording = simulate(until).recording
    _ = recording.events  # the dataframe is part of the job
    return recording


def without(until: float) -> by_hand.Shop:
    """Run the traffic as written by hand."""
    shop = by_hand.Shop(SEED)
    shop.run(until)
    return shop


def measure(rounds: int, size: int) -> list[Row]:
    """Return the one row."""
    counts = {}

    def agree(facts: dict[str, dict[str, Any]]) -> None:
        ours, theirs = facts["ours"], facts["by hand"]
        same("outcome", ours["outcomes"], theirs["outcomes"])
        same("latency", ours["latencies"], theirs["latencies"])
        counts.update(requests=len(ours["outcomes"]), events=ours["events"])

    contenders = {
        "by hand": Contender(without, _facts_by_hand),
        "ours": Contender(with_foundation_lab, _facts),
    }
    seconds = race(contenders, rounds=rounds, size=size, agree=agree)
    return [
        Row(
            what="retry, breaker and pool, recorded",
            unit="s",
            ours=seconds["ours"],
            theirs=seconds["by hand"],
            beside="SimPy by hand",
            at_least=BAR,
            note=f"{counts['requests']:,} requests, {counts['events']:,} events",
        )
    ]


def _facts(recording: Recording) -> dict[str, Any]:
    finished = recording.frame("request.finished")
    return {
        "outcomes": finished["outcome"].to_list(),
        "latencies": finished["duration"].to_list(),
        "events": len(recording),
    }


def _facts_by_hand(shop: by_hand.Shop) -> dict[str, Any]:
    return {"outcomes": shop.outcomes, "latencies": shop.latencies}


if __name__ == "__main__":
    program.run(__doc__, measure, rounds=3, size=3600)
