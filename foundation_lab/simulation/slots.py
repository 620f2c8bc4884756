"""Slots: a limited number of places with a line of waiters, by default first in first out.

What backends, connection pools and resource managers are made of, and the cheapest way to wait for
capacity in a model of one's own:

```python
turn = tills.claim()
if turn is not None:
    yield turn
yield 4.0
tills.release()
```

With `acquire` a place is never lost and never given twice, whatever happens to a waiter at whatever
instant: a grant and a timeout at the same time, an interrupt, the end of its process. Other lines
than first in first out are in `line` and `shedding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simpy.events import PENDING

from foundation_lab.errors import LoadShed
from foundation_lab.simulation.ability import able
from foundation_lab.simulation.lines.line import Fifo, Ticket
from foundation_lab.simulation.process import Process
from foundation_lab.simulation.timer import Timer
from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.lines.line import Line
    from foundation_lab.simulation.virtual_time import VirtualTime


class Waiter(Wait):
    """Somebody's place in the line: the event that a slot is granted."""

    slots: Slots
    ticket = Ticket()
    since: float
    limit: float

    __init__ = object.__init__  # `Slots.claim` fills it in

    @property
    def env(self) -> VirtualTime:  # type: ignore[override]
        """The simulation."""
        return self.slots._sim

    @property
    def description(self) -> str:  # type: ignore[override]
        """What is waited for, and who has it."""
        return self.slots.explain()


class Slots:
    """`capacity` places and a line in front of them.

    Args:
        sim: The simulation.
        capacity: How many places there are.
        description: What one waits for here, for the message of a deadlock.
        holders: Returns the processes that hold places, for the same message.
        line: Who is served first, and who is sent away; first in first out without it.
    """

    def __init__(
        self,
        sim: VirtualTime,
        capacity: int,
        description: str = "one of several slots",
        holders: Callable[[], Iterable[Process]] | None = None,
        line: Line | None = None,
    ) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            message = f"capacity={capacity!r} for {description}; give a whole number from 1"
            raise ValueError(message)
        self.capacity = capacity
        self.used = 0
        self.waiting = 0
        self.description = description
        self._holders = holders
        self._sim = sim
        self._line: Line = (
            Fifo()
            if line is None
            else able("line", line, "attach", "give one, such as Lifo() or CoDel()")
        )
        self._line.attach(self)
        self._expelled: Callable[[], ServiceError] | None = None

    @property
    def now(self) -> float:
        """The virtual time."""
        return self._sim.now

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

    def claim(self, ticket: Ticket | None = None) -> Waiter | None:
        """Take a place, or join the line; `None` when the place is the caller's already.

        Otherwise it is the caller's when the event that is returned happens. Whoever may be
        interrupted meanwhile gives it to `wait`, which leaves the line then.

        Args:
            ticket: What the line may know of the caller.
        """
        if self.used < self.capacity and not self.waiting:
            self.used += 1
            return None
        waiter: Any = Waiter()
        waiter.slots = self
        waiter._waiter = None
        waiter._value = PENDING
        if ticket is not None:
            waiter.ticket = ticket
        self._line.append(waiter)
        self.waiting += 1
        return waiter  # type: ignore[no-any-return]

    def acquire(
        self,
        timeout: float | None = None,
        on_timeout: Callable[[], ServiceError] | None = None,
        on_wait: Callable[[], object] | None = None,
    ) -> Generator[Any, Any, None]:
        """Wait for a place and take it (``yield from``).

        Args:
            timeout: How many seconds to wait at most; for ever without it. A place that comes free
                at the very instant at which the time is over is in time.
            on_timeout: Makes the exception that is raised when the time is over.
            on_wait: Called once when there is no free place, with the caller in the line already.
        """
        waiter = self.claim()
        if waiter is not None:
            yield from self.wait(waiter, timeout, on_timeout, on_wait)

    def wait(
        self,
        waiter: Waiter,
        timeout: float | None = None,
        on_timeout: Callable[[], ServiceError] | None = None,
        on_wait: Callable[[], object] | None = None,
    ) -> Generator[Any, Any, None]:
        """Wait for what `claim` returned (``yield from``); arguments as for `acquire`.

        Whatever ends the wait before its time takes the waiter out of the line.
        """
        before = self._expelled
        timer = None
        if timeout is not None and on_timeout is not None:
            until = self._sim.now + timeout
            timer = Timer(self._sim, until, lambda: self._give_up(waiter, on_timeout), last=True)
        try:
            if on_wait is not None:
                on_wait()
            yield waiter
        except BaseException:
            if not waiter.triggered:
                self._withdraw(waiter)
                waiter._value = None
            elif waiter.ok:
                self.release()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if self._expelled is not None and self._expelled is not before:
            self.release()  # sent away after the grant, at the same instant
            raise self._expelled()

    def release(self) -> None:
        """Give a place back; whoever is next in the line gets it.

        Raises:
            RuntimeError: Nobody holds a place: it was given back twice.
        """
        if self.used < 1:
            message = f"{self.description}: a place was given back twice"
            raise RuntimeError(message)
        if not self.waiting or self.used > self.capacity:
            self.used -= 1
            return
        try:
            waiter = self._line.popleft()
            while waiter._value is not PENDING:  # has left the line
                waiter = self._line.popleft()
        except IndexError:
            if self.waiting:
                raise
            self.used -= 1  # the line sent everybody away
            return
        self.waiting -= 1
        waiter._value = None
        self._sim._ready.append(waiter)

    def resize(self, capacity: int) -> None:
        """Change the number of places; those in use stay in use."""
        self.capacity = capacity
        self._serve()

    def shed(self, waiter: Waiter, reason: str) -> None:
        """Send somebody away with `LoadShed`, whom the line has let out; lines call this."""
        self.waiting -= 1
        message = f"sent out of the line for {self.description} ({reason})"
        waiter.fail(LoadShed(message, reason)).defused = True

    def fail_all(self, error: Callable[[], ServiceError]) -> None:
        """Send away with an exception whoever is in the line or was granted a place just now."""
        self._expelled = error
        line = list(self._line)
        self._line.clear()
        self.waiting = 0
        for waiter in line:
            if waiter._value is PENDING:
                waiter.fail(error()).defused = True

    def waiters(self) -> list[Process]:
        """Return the processes in the line, the first in it first."""
        waiting = [waiter._waiter for waiter in self._line if waiter._value is PENDING]
        return [each for each in waiting if isinstance(each, Process)]

    def explain(self) -> str:
        """Return in words what one waits for here, and who has it."""
        words = f"{self.description} (capacity {self.capacity}"
        if self._holders is not None:
            names = ", ".join(process.name for process in self._holders()) or "nobody"
            words += f", held by {names}"
        return f"{words}, {self.waiting} waiting)"

    def violations(self) -> list[str]:
        """Return every law of slots that does not hold, in words."""
        broken = []
        if self.used < 0:
            broken.append(f"{self.used} places in use")
        if self.waiting and self.used < self.capacity:
            broken.append(f"{self.waiting} wait although {self.free} places are free")
        if self.waiting != sum(not waiter.triggered for waiter in self._line):
            broken.append(f"{self.waiting} wait, but the line is of another length")
        return broken

    def _serve(self) -> None:
        while self.waiting and self.used < self.capacity:
            self.used += 1
            self.release()  # to the first in the line

    def _withdraw(self, waiter: Waiter) -> None:
        """Take somebody out of the line, whose event is triggered right after."""
        self.waiting -= 1
        if len(self._line) > 2 * self.waiting + 16:
            self._line.prune(lambda other: other._value is PENDING and other is not waiter)

    def _give_up(self, waiter: Waiter, on_timeout: Callable[[], ServiceError]) -> None:
        if not waiter.triggered:
            self._withdraw(waiter)
            waiter.fail(on_timeout()).defused = True
