"""The defaults of other libraries, as their documentation tells them."""

from __future__ import annotations

import pytest

from foundation_lab.services import CircuitBreaker, State, breaker_presets
from foundation_lab.simulation.engine import Simulation
from tests.services.breakers import calls, play, succeed, taking


@pytest.mark.parametrize(("failures", "state"), [(49, State.CLOSED), (50, State.OPEN)])
def test_resilience4j_opens_at_half_of_the_last_100_calls(failures: int, state: State) -> None:
    sim = Simulation(seed=1)
    breaker = CircuitBreaker(sim, "db", **breaker_presets.resilience4j())
    play(sim, breaker, "F" * failures + "S" * (99 - failures))
    assert breaker.status == "closed"
    play(sim, breaker, "S")
    assert breaker.state is state


def test_resilience4j_opens_when_all_of_100_calls_took_longer_than_a_minute() -> None:
    sim = Simulation(seed=2)
    breaker = CircuitBreaker(sim, "db", **breaker_presets.resilience4j())
    for number in range(100):
        sim.process(breaker.call(taking(sim, 60.5 if number else 61)))
    sim.run(until=60.75)
    assert breaker.status == "closed"
    sim.run(until=61.5)
    assert (breaker.status, breaker.slow_call_rate()) == ("open", 1)


@pytest.mark.parametrize(("failures", "to"), [(4, "closed"), (5, "open")])
def test_resilience4j_asks_a_call_after_a_minute_and_judges_ten(failures: int, to: str) -> None:
    sim = Simulation(seed=3)
    breaker = CircuitBreaker(sim, "db", **breaker_presets.resilience4j())
    breaker.trip()
    sim.run(until=59)
    assert calls(sim, breaker, succeed) == ["CircuitOpen"]
    sim.run(until=61)
    assert breaker.status == "open"  # nobody has called
    play(sim, breaker, "F" * failures + "S" * (9 - failures))
    assert breaker.status == "half_open"
    play(sim, breaker, "S")
    assert breaker.status == to


def test_polly_opens_at_a_tenth_of_100_calls_in_30_seconds() -> None:
    sim = Simulation(seed=4)
    breaker = CircuitBreaker(sim, "db", **breaker_presets.polly())
    play(sim, breaker, "F" * 10)
    sim.run(until=30)
    play(sim, breaker, "S" * 90 + "F" * 9)
    assert (breaker.status, breaker.failure_rate()) == ("closed", -1)  # the first ten are too old
    play(sim, breaker, "F")
    assert (breaker.status, breaker.retry_after) == ("open", 5)
    sim.run(until=35)
    assert play(sim, breaker, "F") == ["BackendError"]
    assert (breaker.status, breaker.retry_after) == ("open", 5)
    sim.run(until=40)
    assert play(sim, breaker, "S") == ["ok"]
    assert breaker.status == "closed"


def test_finagle_doubles_its_breaks_from_5_to_300_seconds() -> None:
    sim = Simulation(seed=5)
    breaker = CircuitBreaker(sim, "db", **breaker_presets.finagle())
    play(sim, breaker, "FFFF")
    assert breaker.status == "closed"
    durations = []
    for _ in range(8):
        play(sim, breaker, "F")
        durations.append(breaker.retry_after)
        sim.run()
    assert durations == [5, 10, 20, 40, 80, 160, 300, 300]


def test_two_breakers_of_a_preset_share_no_window() -> None:
    sim = Simulation(seed=6)
    one, two = (CircuitBreaker(sim, name, **breaker_presets.polly()) for name in ("one", "two"))
    play(sim, one, "F" * 100)
    assert (one.status, two.failure_rate()) == ("open", -1)
