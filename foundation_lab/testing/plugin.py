"""The pytest plugin: a simulation as a fixture, and expectations bound to it.

It does nothing until a test asks for one of its fixtures:

```python
@pytest.mark.lab(seed=7)
def test_the_breaker_opens_after_three_failures(sim, assert_event):
    breaker = CircuitBreaker(sim, "payments", failure_threshold=3)
    with assert_event("circuit_breaker.state_change", to="open"):
        sim.process(three_failing_calls(breaker))
```

`sim` is a fresh `Simulation` named after the test. Its seed is the one of the nearest
``@pytest.mark.lab(seed=...)``, else the option ``--lab-seed``, else 0. After a test that passed,
the conservation laws of all its components are checked. A test that fails gets a report section
"virtual time": seed, virtual time, who waits, and the last events.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.blocks import EventExpectation, Refutation
    from foundation_lab.testing.capture import Capture
    from foundation_lab.testing.sequences import SequenceExpectation

LAST_EVENTS = 20
"""How many events the report section of a failed test shows."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--lab-seed`` and ``--lab-wall-limit``."""
    group = parser.getgroup("foundation-lab", "simulations in virtual time")
    group.addoption(
        "--lab-wall-limit",
        type=float,
        default=None,
        metavar="SECONDS",
        help="seconds of real time after which a wait in virtual time is given up (default: the "
        "setting lab_wall_limit, which is 0: never)",
    )
    parser.addini("lab_wall_limit", "default of --lab-wall-limit", default="0")
    group.addoption(
        "--lab-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the fixture 'sim' in tests without @pytest.mark.lab(seed=...) (default: 0)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and tell the test kit what the options say."""
    from foundation_lab.testing.configuration import configure  # noqa: PLC0415  (as the others)

    limit = config.getoption("--lab-wall-limit")
    if limit is None:
        limit = float(config.getini("lab_wall_limit"))
    before = configure(wall=limit or None, verbose=config.get_verbosity() > 1)

    # A run inside of a run, such as pytester's, leaves the outer one as it was.
    def restore() -> None:
        configure(wall=before.wall, verbose=before.verbose)

    config.add_cleanup(restore)
    config.addinivalue_line(
        "markers", "lab(seed): the seed of the fixture 'sim' (default: --lab-seed, which is 0)"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test passed, and add the section "virtual time" when it did not."""
    report = yield
    sim = item.stash.get(_SIM, None)
    if sim is not None:
        if report.when == "call":
            item.stash[_PASSED] = report.passed
        if report.failed:
            report.sections.append(("virtual time", _virtual_time(sim)))
    return report


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Generator[Simulation, None, None]:
    """A fresh simulation; its conservation laws are checked after a test that passed."""
    from foundation_lab.simulation.engine import Simulation  # noqa: PLC0415  (heavy)

    simulation = Simulation(_seed(request), name=request.node.nodeid)
    request.node.stash[_SIM] = simulation
    yield simulation
    try:
        if request.node.stash.get(_PASSED, False):
            simulation.check_invariants()
    finally:
        simulation.telemetry.seal()


@pytest.fixture
def assert_event(sim: Simulation) -> Callable[..., EventExpectation]:
    """`foundation_lab.testing.assert_event` for the fixture `sim`."""
    from foundation_lab import testing  # noqa: PLC0415  (heavy)

    return partial(testing.assert_event, sim)


@pytest.fixture
def refute_event(sim: Simulation) -> Callable[..., Refutation]:
    """`foundation_lab.testing.refute_event` for the fixture `sim`."""
    from foundation_lab import testing  # noqa: PLC0415  (heavy)

    return partial(testing.refute_event, sim)


@pytest.fixture
def assert_sequence(sim: Simulation) -> Callable[..., SequenceExpectation]:
    """`foundation_lab.testing.assert_sequence` for the fixture `sim`."""
    from foundation_lab import testing  # noqa: PLC0415  (heavy)

    return partial(testing.assert_sequence, sim)


@pytest.fixture
def assert_any(sim: Simulation) -> Callable[..., EventExpectation]:
    """`foundation_lab.testing.assert_any` for the fixture `sim`."""
    from foundation_lab import testing  # noqa: PLC0415  (heavy)

    return partial(testing.assert_any, sim)


@pytest.fixture
def capture_events(sim: Simulation) -> Callable[..., Capture]:
    """`foundation_lab.testing.capture_events` for the fixture `sim`."""
    from foundation_lab import testing  # noqa: PLC0415  (heavy)

    return partial(testing.capture_events, sim)


def _seed(request: pytest.FixtureRequest) -> int:
    marker = request.node.get_closest_marker("lab")
    if marker is None:
        seed: Any = request.config.getoption("--lab-seed")
        return int(seed)
    seed = marker.kwargs.get("seed")
    if marker.args or set(marker.kwargs) != {"seed"} or not isinstance(seed, int):
        given = ", ".join(
            [*map(repr, marker.args), *(f"{k}={v!r}" for k, v in marker.kwargs.items())]
        )
        message = f"@pytest.mark.lab({given}): give a whole number as @pytest.mark.lab(seed=7)"
        raise ValueError(message)
    return seed


def _virtual_time(sim: Simulation) -> str:
    from foundation_lab.testing.failure import excerpt, seconds, who_waits  # noqa: PLC0415

    lines = [f"seed {sim.seed}, t={seconds(sim.now)}"]
    try:
        lines += [*who_waits(sim), *excerpt(sim, LAST_EVENTS)]
    except Exception as error:  # noqa: BLE001  (a broken recording must not break the report)
        lines.append(f"nothing more can be told: {type(error).__name__}: {error}")
    return "\n".join(lines)


_SIM = pytest.StashKey["Simulation"]()
_PASSED = pytest.StashKey[bool]()
