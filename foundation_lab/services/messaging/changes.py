"""Waiting until a condition holds that changes now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.waiting import Wait


class Changes:
    """Whoever waits looks again after each change.

    Args:
        sim: The simulation.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._waiting: list[Wait] = []

    def until(self, condition: Callable[[], bool], what: str) -> Generator[Any, Any, None]:
        """Wait until a condition holds (``yield from``).

        Args:
            condition: Looked at now and after each `tell`.
            what: What is waited for, for the message of a deadlock.
        """
        while not condition():
            change = self._sim.wait(what)
            self._waiting.append(change)
            yield change

    def tell(self) -> None:
        """Have everybody look again."""
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            change.succeed()
