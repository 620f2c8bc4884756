"""Fixtures: a simulation, its clock and its events."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.testing.plugin.bench import bench_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.events import Events
    from foundation_lab.testing.hands import Clock


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Generator[Simulation, None, None]:
    """A fresh simulation; after a test that passed, its laws and its leaks are checked."""
    bench = bench_of(request.node)
    simulation = bench.trial.simulation(name=request.node.nodeid)
    simulation.remembers = True
    bench.sims.append(simulation)
    yield simulation
    try:
        if bench.passed:
            simulation.check_invariants()
            if bench.leaks != "allow":
                from foundation_lab.testing.leaks import check_leaks  # noqa: PLC0415  (heavy)

                check_leaks(simulation, bench.leaks)
            _warn_of_undecided(simulation)
    finally:
        simulation.telemetry.seal()


def _warn_of_undecided(simulation: Simulation) -> None:
    """Warn of what a test has not waited for to the end: it has checked nothing."""
    from foundation_lab.testing.undecided import undecided  # noqa: PLC0415  (heavy)

    for expectation in undecided(simulation):
        warnings.warn(
            f"the test ended at t={simulation.now:.9g}, before {expectation} was decided, so it "
            "checked nothing; run the simulation until whoever waits for it has ended, or make "
            "that a daemon",
            RuntimeWarning,
            stacklevel=2,
        )


@pytest.fixture
def lab(sim: Simulation) -> Simulation:
    """The fixture `sim` under another name."""
    return sim


@pytest.fixture
def events(sim: Simulation) -> Events:
    """What the fixture `sim` has recorded so far, as frames."""
    from foundation_lab.testing.events import Events  # noqa: PLC0415  (heavy)

    return Events(sim)


@pytest.fixture
def clock(sim: Simulation) -> Clock:
    """The clock of the fixture `sim`, to be moved by hand."""
    from foundation_lab.testing.hands import Clock  # noqa: PLC0415  (heavy)

    return Clock(sim)


@pytest.fixture
def virtual_time(request: pytest.FixtureRequest, sim: Simulation) -> Iterator[Any]:
    """The wall clock, `time.sleep`, asyncio's loops and threads on the clock of `sim`."""
    from foundation_lab.testing.plugin.virtual import in_virtual_time  # noqa: PLC0415  (heavy)

    with in_virtual_time(request.config, sim):
        yield sim
