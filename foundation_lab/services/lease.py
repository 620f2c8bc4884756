"""Slots: a limited number of places with a first-in first-out line of waiters.

The base of backends, connection pools and resource managers. Whatever happens to a waiter at
whatever instant (a grant and a timeout at the same time, an interrupt, the end of its process), a
slot is never lost and never given twice.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.engine import Simulation


class Waiter(Wait):
    """Somebody's place in the line."""

    gone: bool = False


class Slots:
    """`capacity` places and a line in front of them.

    Args:
        sim: The simulation.
        capacity: How many places there are.
        description: What one waits for here, for the message of a deadlock.
    """

    def __init__(self, sim: Simulation, capacity: int, description: str) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            message = f"capacity={capacity!r} for {description}; give a whole number from 1"
            raise ValueError(message)
        self.capacity = capacity
        self.used = 0
        self.waiting = 0
        self._sim = sim
        self._description = description
        self._line: deque[Waiter] = deque()
        self._expelled: Callable[[], ServiceError] | None = None

    @property
    def free(self) -> int:
        """How many places nobody holds; negative after the capacity was reduced below their use."""
        return self.capacity - self.used

    def try_acquire(self) -> bool:
        """Take a place if one is free and nobody waits; return whether it was taken."""
        if self.used < self.capacity and not self.waiting:
            self.used += 1
            return True
        return False

    def acquire(
        self,
        timeout: float | None = None,
        on_timeout: Callable[[], ServiceError] | None = None,
        on_wait: Callable[[], object] | None = None,
    ) -> Generator[Any, Any, None]:
        """Wait for a place and take it (``yield from``).

        Args:
            timeout: How many seconds to wait at most; for ever without it.
            on_timeout: Makes the exception that is raised when the time is over.
            on_wait: Called once when there is no free place, with the caller in the line already.
        """
        if self.try_acquire():
            return
        waiter = Waiter(self._sim, self._description)
        self._line.append(waiter)
        self.waiting += 1
        before = self._expelled
        timer = None
        if timeout is not None and on_timeout is not None:
            timer = self._sim.call_in(timeout, lambda: self._give_up(waiter, on_timeout))
        try:
            if on_wait is not None:
                on_wait()
            yield waiter
        except BaseException:
            if waiter.gone:
                pass  # the timeout has taken it out of the line
            elif waiter.triggered:
                self.release()
            else:
                self._withdraw(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if self._expelled is not None and self._expelled is not before:
            self.release()  # sent away after the grant, at the same instant
            raise self._expelled()

    def release(self) -> None:
        """Give a place back; the first in the line gets it.

        Raises:
            RuntimeError: Nobody holds a place: it was given back twice.
        """
        if self.used < 1:
            message = f"{self._description}: a place was given back twice"
            raise RuntimeError(message)
        self.used -= 1
        self._serve()

    def resize(self, capacity: int) -> None:
        """Change the number of places; those in use stay in use."""
        self.capacity = capacity
        self._serve()

    def fail_all(self, error: Callable[[], ServiceError]) -> None:
        """Send away with an exception whoever is in the line or was granted a place just now."""
        self._expelled = error
        line, self._line = self._line, deque()
        for waiter in line:
            if not waiter.gone:
                waiter.gone = True
                self.waiting -= 1
                waiter.fail(error()).defused = True

    def violations(self) -> list[str]:
        """Return every law of slots that does not hold, in words."""
        broken = []
        if self.used < 0:
            broken.append(f"{self.used} places in use")
        if self.waiting and self.used < self.capacity:
            broken.append(f"{self.waiting} wait although {self.free} places are free")
        if self.waiting != sum(not waiter.gone for waiter in self._line):
            broken.append(f"{self.waiting} wait, but the line is of another length")
        return broken

    def _serve(self) -> None:
        line = self._line
        while line and self.used < self.capacity:
            waiter = line.popleft()
            if not waiter.gone:
                self.waiting -= 1
                self.used += 1
                waiter.succeed()

    def _withdraw(self, waiter: Waiter) -> None:
        waiter.gone = True
        self.waiting -= 1
        if len(self._line) > 2 * self.waiting + 16:
            self._line = deque(waiter for waiter in self._line if not waiter.gone)

    def _give_up(self, waiter: Waiter, on_timeout: Callable[[], ServiceError]) -> None:
        if not waiter.triggered:
            self._withdraw(waiter)
            waiter.fail(on_timeout()).defused = True
