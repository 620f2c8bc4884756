"""Virtual time for tests: for those that ask, or with ``--lab-virtual`` for all as they are."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.safety_net import SafetyNet


@contextmanager
def in_virtual_time(config: pytest.Config, sim: Simulation) -> Iterator[Simulation]:
    """Run what the block does on the clock of a simulation, as the options say."""
    from foundation_lab.testing.virtual_clocks import virtual_time  # noqa: PLC0415  (heavy)

    cost = config.getoption("--lab-read-cost")
    with virtual_time(sim, start=start_of(config), read_cost=cost):
        yield sim


def start_of(config: pytest.Config) -> float | None:
    """Return the wall-clock time at virtual 0 that an option names.

    Raises:
        pytest.UsageError: It is no date.
    """
    text = config.getoption("--lab-start")
    if text is None:
        return None
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        message = f"--lab-start={text}: give a date as 2025-01-01T00:00:00Z"
        raise pytest.UsageError(message) from None
    return (start if start.tzinfo is not None else start.replace(tzinfo=UTC)).timestamp()


class Everything:
    """Runs each test in virtual time, on one clock for all of them.

    One simulation serves the whole run of pytest, so that loops that outlive a test see
    one clock. Tests of the lab have their own simulation, and stay as they are.
    """

    def __init__(self, config: pytest.Config, wall: float | None) -> None:
        self._config = config
        self._wall = wall
        self._sim: Any = None
        self._net: Any = None

    @property
    def sim(self) -> Simulation:
        """The simulation of all tests."""
        if self._sim is None:
            from foundation_lab.simulation.engine import Simulation  # noqa: PLC0415  (heavy)

            self._sim = Simulation(self._config.getoption("--lab-seed"), name="pytest")
        return self._sim  # type: ignore[no-any-return]

    @property
    def net(self) -> SafetyNet:
        """What ends a test that hangs."""
        if self._net is None:
            from foundation_lab.testing.safety_net import LIMIT, SafetyNet  # noqa: PLC0415  (heavy)

            limit = LIMIT if self._wall is None else self._wall
            self._net = SafetyNet(limit, self.sim, partial(pytest.fail.Exception, pytrace=False))
            self._net.spread()
            self._config.add_cleanup(self._net.take_away)
        return self._net  # type: ignore[no-any-return]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Begin virtual time before the first fixture."""
        from foundation_lab.testing.plugin.plan import is_of_the_lab  # noqa: PLC0415

        if is_of_the_lab(item):
            yield
            return
        net, block = self.net, ExitStack()
        item.stash[_BLOCK] = block
        block.enter_context(in_virtual_time(self._config, self.sim))
        with net.under(item.nodeid):
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Fail a test that hangs."""
        if _BLOCK not in item.stash:
            yield
            return
        with self.net.under(item.nodeid):
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """End virtual time after the last fixture; a thread that never ends fails the test."""
        block = item.stash.get(_BLOCK, None)
        if block is None:
            yield
            return
        del item.stash[_BLOCK]
        try:
            with self.net.under(item.nodeid):
                yield
        finally:
            with self.net.under(item.nodeid, closes=True):
                block.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how much time went by that nobody waited for."""
        if self._sim is not None:
            terminalreporter.write_line(f"virtual time: {self._sim.now:.9g} s went by")


_BLOCK = pytest.StashKey[ExitStack]()
