from io import StringIO

from rich.console import Console

from foundation_lab.reporting import summarise
from foundation_lab.services import Backend, CircuitBreaker, Retry
from foundation_lab.simulation.engine import Simulation
from foundation_lab.terminal import render


def text_of(sim: Simulation) -> str:
    """What a terminal of 120 columns shows of a simulation."""
    page = StringIO()
    Console(file=page, width=120).print(render(summarise(sim.recording)))
    return page.getvalue()


def line_of(sim: Simulation, service: str) -> str:
    """The line that begins with the name of a service."""
    return next(line for line in text_of(sim).splitlines() if line.strip().startswith(service))


def test_a_service_that_crashed_is_shown_as_down() -> None:
    sim = Simulation(seed=1)
    db = Backend(sim, "db", service_time=1.0)
    Retry(sim, "again")
    sim.call_at(1.0, lambda: db.kill("crashed"))
    sim.run()
    assert "down" in line_of(sim, "db")
    assert "up" in line_of(sim, "again")


def test_a_breaker_is_shown_in_the_state_of_the_last_instant() -> None:
    sim = Simulation(seed=1)
    breaker = CircuitBreaker(sim, "payments", reset_timeout=30.0)
    breaker.trip()
    sim.run()
    assert breaker.status == "half_open"
    assert "half_open" in line_of(sim, "payments")
