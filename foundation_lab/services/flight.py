"""One load for many who want the same: its leader, and the line of those who wait for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.waiting import Wait

YOURS: Final = (True, None)
"""What a hand-over says: the load is yours; otherwise it is false, and what the load came to."""


class Flight:
    """A load under way: who does it, and who waits for it.

    Args:
        leader: The process that loads.
    """

    def __init__(self, leader: Process) -> None:
        self.leader: Process | None = leader  # nobody between a hand-over and its arrival
        self.line: deque[Wait] = deque()

    def hand_over(self) -> bool:
        """Let the first in line do it; return whether there is one."""
        self.leader = None
        if not self.line:
            return False
        self.line.popleft().succeed(YOURS)
        return True

    def settle(self, value: Any, error: Exception | None) -> None:
        """Give all who wait what the load came to."""
        line, self.line = self.line, deque()
        for turn in line:
            if error is None:
                turn.succeed((False, value))
            else:
                turn.fail(error).defused = True
