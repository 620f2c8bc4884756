"""Ghosts: work that goes on although nobody waits for it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from foundation_lab.simulation.engine import Simulation


class Ghosts:
    """Runs work in processes of its own, which outlive whoever waits for them.

    A failure of a ghost is lost; any other error is a bug and ends the run.

    Args:
        sim: The simulation.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._left: dict[simpy.Event, None] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._left)

    def wait_for(self, work: Generator[Any, Any, Any], name: str) -> Generator[Any, Any, Any]:
        """Start some work, and wait for it until its end, or the waiter's (``yield from``).

        Returns:
            What the work came to.
        """
        process = self._sim.process(work, name=name)
        try:
            return (yield process)
        except BaseException:
            if not process.processed:
                self._left[process] = None
                process.callbacks.append(self._laid)
            raise

    def violations(self) -> list[str]:
        """Return every law of ghosts that does not hold, in words."""
        ended = sum(ghost.processed for ghost in self._left)
        return [f"{ended} of {len(self)} ghosts have ended"] if ended else []

    def _laid(self, ghost: simpy.Event) -> None:
        del self._left[ghost]
        if not ghost.ok and isinstance(ghost.value, self._sim.endings):
            ghost.defused = True
