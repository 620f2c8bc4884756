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
    """A fresh simulation; after a test that passed, its laws and its leaks are checked.

    So are the properties of monitors that nobody has asked.
    """
    from foundation_lab.testing.unasked import keeping_monitors  # noqa: PLC0415  (as the others)

    bench = bench_of(request.node)
    simulation = bench.trial.simulation(name=request.node.nodeid, failures=bench.plan.failures)
    simulation.remembers = True
    bench.sims.append(simulation)
    with keeping_monitors(simulation) as monitors:
        yield simulation
    try:
        if bench.passed:
            for monitor in monitors:
                monitor.conclude()
            simulation.check_invariants()
            if bench.plan.leaks != "allow":
                from foundation_lab.testing.leaks import check_leaks  # noqa: PLC0415  (heavy)

                check_leaks(simulation, bench.plan.leaks)
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
