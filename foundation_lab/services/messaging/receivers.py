"""Those who wait for a message of a queue; who has waited longest comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class Turn(Wait):
    """A receiver's place in line: the event that a message is delivered to it.

    Attributes:
        consumer: Who receives, for the events.
    """

    def __init__(self, sim: Simulation, description: str, consumer: str) -> None:
        super().__init__(sim, description)
        self.consumer = consumer


class Receivers:
    """The line of receivers.

    Args:
        sim: The simulation.
        description: What they wait for, for the message of a deadlock.
    """

    def __init__(self, sim: Simulation, description: str) -> None:
        self._sim = sim
        self._description = description
        self._turns: dict[Process, Turn] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._turns)

    def join(self, consumer: str = "") -> tuple[Process, Turn]:
        """Let the running process join the line, and return it and its place."""
        process = self._sim.running_process(self._description)
        turn = Turn(self._sim, self._description, consumer or process.name)
        self._turns[process] = turn
        return process, turn

    def leave(self, process: Process) -> None:
        """Take a process out of the line, if it is in it."""
        self._turns.pop(process, None)

    def first(self) -> Turn:
        """Take the first place out of the line, and return it."""
        return self._turns.pop(next(iter(self._turns)))

    def send_away(self, error: Callable[[], ServiceError]) -> None:
        """Raise an exception in everybody who waits."""
        turns, self._turns = self._turns, {}
        for turn in turns.values():
            turn.fail(error()).defused = True
