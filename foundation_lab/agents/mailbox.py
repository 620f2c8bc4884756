"""A mailbox: messages in order of arrival, and somebody who waits for them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.agents.message import Message
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.waiting import Wait


class Mailbox:
    """The messages that one process has yet to handle.

    Args:
        sim: The simulation.
        description: What its owner waits for, for the message of a deadlock.
    """

    def __init__(self, sim: Simulation, description: str) -> None:
        self._sim = sim
        self._description = description
        self._messages: deque[Message] = deque()
        self._wake: Wait | None = None

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self._messages)

    def put(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self.nudge()

    def take(self, ready: Callable[[], bool]) -> Generator[Any, Any, Message]:
        """Wait until there is a message and its owner is ready, and return it (``yield from``)."""
        yield from self.until(lambda: bool(self._messages) and ready())
        return self._messages.popleft()

    def until(self, condition: Callable[[], bool]) -> Generator[Any, Any, None]:
        """Wait until a condition holds (``yield from``); it is looked at after each `nudge`."""
        while not condition():
            self._wake = self._sim.wait(self._description)
            yield self._wake

    def nudge(self) -> None:
        """Make its owner look again whether to go on."""
        trigger(self._wake)

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()


def trigger(wait: Wait | None) -> None:
    """Trigger an event, unless it has been or there is none."""
    if wait is not None and not wait.triggered:
        wait.succeed()
