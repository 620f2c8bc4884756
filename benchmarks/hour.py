"""One virtual hour at 50 requests a second through breaker, retry and pool, against plain SimPy.

Both models run in turn, several times, in this process; what is printed is the ratio of their CPU
times (medians), with telemetry and the finished dataframe on our side and nothing of the kind on
the other. Equal results are asserted.

    python benchmarks/hour.py [ROUNDS] [VIRTUAL_SECONDS]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, TypeVar

import by_hand

from foundation_lab.services import Backend, CircuitBreaker, ConnectionManager, Retry
from foundation_lab.services.backoff import exponential_backoff
from foundation_lab.simulation.arrivals import poisson
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import ErrorRate, inject
from foundation_lab.simulation.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.recording.recording import Recording

SEED = 7
T = TypeVar("T")


def with_foundation_lab(until: float) -> Recording:
    """Run the hour with stock components, and return the recording."""
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
    troubles = [
        ErrorRate(service="db", start=start, duration=duration, rate=rate)
        for start, duration, rate in by_hand.TROUBLES
    ]
    inject(sim, db, troubles)
    Workload(
        sim,
        "shop",
        poisson(by_hand.RATE),
        lambda: breaker.call(lambda: retry.call(lambda: pool.call(db.request))),
    )
    sim.run(until=until)
    recording = sim.recording
    _ = recording.events  # the dataframe is part of the job
    return recording


def without(until: float) -> by_hand.Shop:
    """Run the hour as written by hand."""
    shop = by_hand.Shop(SEED)
    shop.run(until)
    return shop


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    until = float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0
    ours, theirs = [], []
    for _ in range(rounds):
        seconds, shop = _timed(without, until)
        theirs.append(seconds)
        seconds, recording = _timed(with_foundation_lab, until)
        ours.append(seconds)
        _compare(recording, shop)
    events = len(recording)
    mine, bare = statistics.median(ours), statistics.median(theirs)
    print(f"requests {sum(shop.outcomes.values()):,}, events {events:,}, rounds {rounds}")
    print(f"plain SimPy by hand, no telemetry    {bare:6.2f} s CPU")
    print(f"foundation_lab, telemetry and frame  {mine:6.2f} s CPU")
    print(f"ratio {bare / mine:.2f} (1 is as fast as plain SimPy; higher is faster)")


def _timed(run: Callable[[float], T], until: float) -> tuple[float, T]:
    began = time.process_time()
    result = run(until)
    return time.process_time() - began, result


def _compare(recording: Recording, shop: by_hand.Shop) -> None:
    finished = recording.frame("foundation.request.finished")
    outcomes = finished["outcome"]
    ours = {
        "ok": int((outcomes == "ok").sum()),
        "rejected": int((outcomes == "rejected").sum()),
        "failed": int(outcomes.is_in(["error", "timeout"]).sum()),
    }
    if ours != {key: shop.outcomes[key] for key in ours}:
        message = f"the two models part: {ours} here, {dict(shop.outcomes)} by hand"
        raise SystemExit(message)
    if abs(finished["duration"].sum() - shop.latency) > 1e-6 * shop.latency:
        message = f"the latencies part: {finished['duration'].sum()} and {shop.latency}"
        raise SystemExit(message)


if __name__ == "__main__":
    main()
