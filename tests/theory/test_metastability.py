"""An outage that ends and a failure that does not: the first example of the HotOS paper.

A database serves 300 queries a second and is asked 280 times a second by clients who wait for a
second and try once more. It stands still for ten seconds; afterwards it is as fast as before, but
its line is longer than anybody's patience, so that everything is asked twice and 560 a second is
more than it can do. Source: Bronson, Aghayev, Charapko, Zhu, "Metastable failures in distributed
systems", HotOS 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from foundation_lab.services import Backend, Retry, Timeout, fixed_backoff
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.faults import SlowDown, inject
from foundation_lab.simulation.lines.line import AdaptiveLifo, Lifo
from foundation_lab.simulation.lines.shedding import CoDel, ControlledDelay, DeadlineAware
from foundation_lab.simulation.traffic.arrivals import poisson
from foundation_lab.simulation.workload import Workload
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATIENCE = 1.0
SERVICE_TIME = 0.01

LINES: dict[str, Callable[[], dict[str, Any]]] = {
    "last in, first out": lambda: {"line": Lifo()},
    "last in, first out when more than 30 wait": lambda: {"line": AdaptiveLifo(30)},
    "no more than 100 in line": lambda: {"queue_limit": 100},
    "nothing that cannot be in time": lambda: {"line": DeadlineAware(SERVICE_TIME)},
    "Facebook's controlled delay": lambda: {"line": ControlledDelay(order=AdaptiveLifo(30))},
}


def share_served(
    options: dict[str, Any], *, standstill: float = 10.0, until: float = 40.0
) -> float:
    """Return the share of clients who got their answer in the last ten seconds."""
    sim = Simulation(seed=7)
    db = Backend(sim, "db", service_time=SERVICE_TIME, concurrency=3, **options)
    timeout = Timeout(sim, "client", PATIENCE, "ghost")  # the database is not told who has left
    retry = Retry(sim, "client", max_attempts=2, backoff=fixed_backoff(0))
    if standstill:
        slow = SlowDown(service="db", start=10, duration=standstill, factor=standstill * 100)
        inject(sim, db, [slow])

    def query() -> Generator[Any, Any, None]:
        return db.request(deadline=sim.now + PATIENCE)

    Workload(sim, "web", poisson(280), lambda: retry.call(lambda: timeout.call(query)))
    sim.run(until=until)
    sim.check_invariants()
    finished = sim.recording.frame(events.request.Finished).filter(pl.col("time") > until - 10)
    return finished.filter(outcome="ok").height / finished.height


def test_without_an_outage_everybody_is_served() -> None:
    assert share_served({}, standstill=0, until=30) == 1


def test_first_in_first_out_never_recovers() -> None:
    assert share_served({}) == 0


@pytest.mark.parametrize("remedy", LINES)
def test_with_a_line_that_sheds_or_turns_round_it_recovers(remedy: str) -> None:
    assert share_served(LINES[remedy]()) > 0.95


def test_codel_recovers_too_but_takes_its_time() -> None:
    """The drops come faster and faster, but they begin slowly."""
    assert share_served({"line": CoDel()}, until=60) > 0.95


def test_dropping_only_what_is_too_late_already_is_not_enough() -> None:
    """Whoever is served then has so little time left that the answer comes too late."""
    assert share_served({"line": DeadlineAware(needs=0.0)}) < 0.1
