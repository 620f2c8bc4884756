"""Lines that send somebody away when their turn comes, rather than serve them too late.

Each is put around another line, which says whose turn it is: `Fifo` unless another is given.
Whoever is sent away is told so by `LoadShed`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simpy.events import PENDING

from foundation_lab.simulation.ability import able
from foundation_lab.simulation.lines.codel import DropControl
from foundation_lab.simulation.lines.line import EarliestDeadline, Fifo, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.lines.line import Line, Ticket
    from foundation_lab.simulation.slots import Slots, Waiter


class Shedding:
    """The base of these lines.

    Args:
        order: The line that says whose turn it is.
    """

    slots: Slots

    def __init__(self, order: Line | None = None) -> None:
        self.order: Line = (
            Fifo()
            if order is None
            else able("order", order, "attach", "give a line, such as Lifo()")
        )

    def verdict(self, waiter: Waiter, now: float) -> str | None:
        """Return why somebody whose turn it is is sent away; ``None`` when they are served."""
        raise NotImplementedError

    def attach(self, slots: Slots) -> None:
        """Become the line of these slots.

        Raises:
            ValueError: It is the line of others.
        """
        self.order.attach(slots)
        self.slots = slots

    def refuses(self, ticket: Ticket, now: float) -> str | None:
        """Return why the inner line does not let somebody in."""
        return self.order.refuses(ticket, now)

    def append(self, waiter: Waiter, /) -> None:
        """Let somebody join."""
        waiter.since = self.slots.now
        self.order.append(waiter)

    def popleft(self) -> Waiter:
        """Take out who is served next, and send away those before them who are not to be."""
        while True:
            waiter = self._take()
            reason = self.verdict(waiter, self.slots.now)
            if reason is None:
                return waiter
            self.slots.shed(waiter, reason)

    def prune(self, stays: Callable[[Waiter], bool]) -> None:
        """Take out all others."""
        self.order.prune(stays)

    def clear(self) -> None:
        """Take out everybody, and begin anew."""
        self.order.clear()

    def __iter__(self) -> Iterator[Waiter]:
        """Go through whoever is in the line."""
        return iter(self.order)

    def __len__(self) -> int:
        """Return how many are in the line, with those who have left."""
        return len(self.order)

    def _take(self) -> Waiter:
        waiter = self.order.popleft()
        while waiter._value is not PENDING:
            waiter = self.order.popleft()
        return waiter


class CoDel(Shedding):
    """Controlled delay as in RFC 8289; `DropControl` says how.

    Args:
        target: The delay in seconds that the line may have for good.
        interval: Seconds within which a burst should be gone.
        keep: Nobody is sent away while no more than so many wait behind them.
        order: The line that says whose turn it is.
    """

    def __init__(
        self,
        target: float = 0.005,
        interval: float = 0.1,
        *,
        keep: int = 1,
        order: Line | None = None,
    ) -> None:
        super().__init__(order)
        self.target = _seconds("target", target)
        self.interval = _seconds("interval", interval)
        self.keep = number("keep", keep, 0)
        self.control = DropControl(target, interval, keep)

    def append(self, waiter: Waiter, /) -> None:
        """Let somebody join."""
        if not self.slots.waiting:
            self.control.emptied()
        super().append(waiter)

    def popleft(self) -> Waiter:
        """Take out who is served next, and send away those whom the control law drops."""
        now = self.slots.now
        waiter = self.control.dequeue(now, self._leave, self._shed)
        if waiter is None:
            message = "nobody is left in the line"
            raise IndexError(message)
        return waiter

    def clear(self) -> None:
        """Take out everybody, and forget all delays."""
        super().clear()
        self.control = DropControl(self.target, self.interval, self.keep)

    def _leave(self) -> tuple[Waiter, float, int] | None:
        try:
            waiter = self._take()
        except IndexError:
            return None
        return waiter, self.slots.now - waiter.since, self.slots.waiting - 1

    def _shed(self, waiter: Waiter) -> None:
        self.slots.shed(waiter, "codel")


class ControlledDelay(Shedding):
    """Facebook's variant of controlled delay: the time that one may wait depends on the line.

    Who joins a line that nobody has waited in at some time within the last `interval` may wait for
    `interval`; who joins one that has been standing for longer may wait for `target` only. Whoever
    has waited longer than they may when their turn comes is sent away. Source: Maurer, "Fail at
    Scale", ACM Queue 13 (8), 2015, with its figures as defaults. The article puts it around
    `AdaptiveLifo`.

    Args:
        target: Seconds that one may wait in a standing line.
        interval: Seconds that one may wait otherwise, and after which a line is a standing one.
        order: The line that says whose turn it is.
    """

    def __init__(
        self, target: float = 0.005, interval: float = 0.1, *, order: Line | None = None
    ) -> None:
        super().__init__(order)
        self.target = _seconds("target", target)
        self.interval = _seconds("interval", interval)
        self._empty_at = -math.inf

    def limit(self, now: float) -> float:
        """Return how many seconds somebody who joins now may wait."""
        return self.target if self._empty_at < now - self.interval else self.interval

    def append(self, waiter: Waiter, /) -> None:
        """Let somebody join, and decide how long they may wait."""
        now = self.slots.now
        if not self.slots.waiting:
            self._empty_at = now
        waiter.limit = self.limit(now)
        super().append(waiter)

    def verdict(self, waiter: Waiter, now: float) -> str | None:
        """Send away who has waited longer than they may."""
        return "delay" if now - waiter.since > waiter.limit else None


class DeadlineAware(Shedding):
    """Sends away whose deadline has passed or cannot be met any more.

    It looks at arrival, where a backend refuses at once, and when somebody's turn comes; not in
    between.

    Args:
        needs: Seconds that the work takes at least: it has to begin so long before the deadline.
        earliest_first: Whether the earliest deadline comes first, in place of the first arrival.
        order: Another line that says whose turn it is.

    Raises:
        ValueError: Both `earliest_first` and an `order` are given.
    """

    def __init__(
        self, needs: float = 0.0, *, earliest_first: bool = False, order: Line | None = None
    ) -> None:
        if earliest_first and order is not None:
            message = "earliest_first and order both say whose turn it is; give one of them"
            raise ValueError(message)
        super().__init__(EarliestDeadline() if earliest_first else order)
        self.needs = _seconds("needs", needs, zero=True)

    def refuses(self, ticket: Ticket, now: float) -> str | None:
        """Return whether the deadline has passed already, or cannot be met."""
        return self._late(ticket, now) or super().refuses(ticket, now)

    def verdict(self, waiter: Waiter, now: float) -> str | None:
        """Send away whose deadline has passed or cannot be met any more."""
        return self._late(waiter.ticket, now)

    def _late(self, ticket: Ticket, now: float) -> str | None:
        late = now >= ticket.deadline or now + self.needs > ticket.deadline
        return "deadline" if late else None


def _seconds(name: str, value: float, *, zero: bool = False) -> float:
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        message = (
            f"{name}={value!r}; give a finite number of seconds {'from' if zero else 'above'} 0"
        )
        raise ValueError(message)
    return value
