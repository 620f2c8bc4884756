import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest

from foundation_lab.errors import TimedOut
from foundation_lab.services import Retry, fixed_backoff
from foundation_lab.simulation.engine import Simulation

ENDS_WITH_REQUESTS_IN_FLIGHT = """
from foundation_lab import Backend, CircuitBreaker, Simulation, Workload, poisson

sim = Simulation(seed=1)
db = Backend(sim, "db", service_time=5.0, concurrency=10)
breaker = CircuitBreaker(sim, "breaker", call_timeout=60.0)
Workload(sim, "shop", poisson(10.0), lambda: breaker.call(db.request))
sim.run(until=3.0)
"""


def test_a_program_that_ends_with_requests_in_flight_ends_in_silence() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ENDS_WITH_REQUESTS_IN_FLIGHT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_deadline_around_a_retry_ends_it_and_is_not_tried_again() -> None:
    sim = Simulation(seed=1)
    retry = Retry(sim, "retry", max_attempts=5, backoff=fixed_backoff(0.1))
    too_late = TimedOut("the whole took too long")
    ended: list[tuple[float, BaseException]] = []

    def customer() -> Generator[Any, Any, None]:
        try:
            with sim.deadline(1.0, too_late):
                yield from retry.call(lambda: sim.timeout(10.0))
        except TimedOut as error:
            ended.append((sim.now, error))

    sim.process(customer())
    sim.run_to_completion()
    assert ended == [(1.0, too_late)]
    assert sim.recording.frame(Retry.AttemptStart).height == 1


def test_of_nested_deadlines_the_inner_one_does_not_hide_the_outer_one() -> None:
    sim = Simulation(seed=1)
    inner, outer = TimedOut("inner"), TimedOut("outer")
    seen: list[BaseException] = []

    def work() -> Generator[Any, Any, None]:
        try:
            with sim.deadline(2.0, inner):
                yield sim.timeout(10.0)
        except TimedOut as error:
            seen.append(error)
            raise

    def customer() -> Generator[Any, Any, None]:
        with sim.deadline(1.0, outer):
            yield from work()

    process = sim.process(customer())
    with pytest.raises(TimedOut) as caught:
        sim.run(until=process)
    assert caught.value is outer
    assert seen != [inner]
