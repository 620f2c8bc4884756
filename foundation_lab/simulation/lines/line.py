"""Lines: who waits in front of `Slots`, and in which order they are served.

A line is as good as a deque where it is joined (`append`) and left (`popleft`); whoever has left it
before their turn stays in it, with an event that is triggered, until somebody comes across them.
`Fifo` is that deque itself. Lines that also send somebody away are in `shedding`.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simpy.events import PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foundation_lab.simulation.slots import Slots, Waiter


class Ticket(NamedTuple):
    """What a line may know of somebody who waits.

    Attributes:
        priority: Smaller is more urgent, as in SimPy.
        deadline: The virtual time after which the work is of no use any more.
    """

    priority: int = 0
    deadline: float = math.inf


class Line(Protocol):
    """The little of a deque that `Slots` needs, and what a discipline adds to it."""

    def attach(self, slots: Slots) -> None:
        """Become the line of these slots; a line serves one only."""

    def refuses(self, ticket: Ticket, now: float) -> str | None:
        """Return why somebody is not to be let in at all; ``None`` when they may join."""

    def append(self, waiter: Waiter, /) -> None:
        """Let somebody join, who is not counted in `Slots.waiting` yet."""

    def popleft(self) -> Waiter:
        """Take out who is next; they may have left before, then the one after is asked for.

        Raises:
            IndexError: Nobody is left.
        """

    def prune(self, stays: Callable[[Waiter], bool]) -> None:
        """Take out all others."""

    def clear(self) -> None:
        """Take out everybody, and begin anew."""

    def __iter__(self) -> Iterator[Waiter]:
        """Go through whoever is in the line."""

    def __len__(self) -> int:
        """Return how many are in the line, with those who have left."""


class Fifo(deque["Waiter"]):
    """First in, first out."""

    slots: Slots | None = None

    def attach(self, slots: Slots) -> None:
        """Become the line of these slots.

        Raises:
            ValueError: It is the line of others.
        """
        self.slots = only(self, slots)

    def refuses(self, ticket: Ticket, now: float) -> str | None:  # noqa: ARG002  (Line's)
        """Let everybody in."""
        return None

    def prune(self, stays: Callable[[Waiter], bool]) -> None:
        """Take out all others."""
        rest = [waiter for waiter in self if stays(waiter)]
        self.clear()
        self.extend(rest)


class Lifo(Fifo):
    """Last in, first out: who came last has waited least, and is the likeliest to wait still.

    Args:
        longest: How many may wait; the oldest is sent away for one more who comes. No limit
            without it.
    """

    def __init__(self, longest: int | None = None) -> None:
        super().__init__()
        self.longest = None if longest is None else number("longest", longest, 1)

    def append(self, waiter: Waiter, /) -> None:
        """Let somebody join, in place of the oldest where the line is full."""
        slots = self.slots
        if slots is not None and self.longest is not None:
            while slots.waiting >= self.longest:
                oldest = super().popleft()
                if oldest._value is PENDING:
                    slots.shed(oldest, "overflow")
        super().append(waiter)

    def popleft(self) -> Waiter:
        """Take out who came last."""
        return self.pop()


class AdaptiveLifo(Lifo):
    """First in, first out while few wait; last in, first out while more than `threshold` do.

    In an overload those who came first have waited longest and are gone soonest. Source: Maurer,
    "Fail at Scale", ACM Queue 13 (8), 2015.

    Args:
        threshold: How many may wait, the one whose turn it is among them, and still be served in
            the order of their arrival.
        longest: As for `Lifo`.
    """

    def __init__(self, threshold: int, longest: int | None = None) -> None:
        super().__init__(longest)
        self.threshold = number("threshold", threshold, 0)

    def popleft(self) -> Waiter:
        """Take out who came first, or in an overload who came last."""
        slots = self.slots
        if slots is not None and slots.waiting > self.threshold:
            return self.pop()
        return deque.popleft(self)


class Ranked:
    """A line in order of what a ticket says; those who are equal in it first in, first out."""

    slots: Slots | None = None

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Waiter]] = []
        self._joined = 0

    def rank(self, ticket: Ticket) -> float:
        """Return what decides: the smallest is next."""
        raise NotImplementedError

    def attach(self, slots: Slots) -> None:
        """Become the line of these slots.

        Raises:
            ValueError: It is the line of others.
        """
        self.slots = only(self, slots)

    def refuses(self, ticket: Ticket, now: float) -> str | None:  # noqa: ARG002  (Line's)
        """Let everybody in."""
        return None

    def append(self, waiter: Waiter, /) -> None:
        """Let somebody join behind all who are as urgent or more so."""
        self._joined += 1
        heappush(self._heap, (self.rank(waiter.ticket), self._joined, waiter))

    def popleft(self) -> Waiter:
        """Take out the most urgent."""
        return heappop(self._heap)[2]

    def prune(self, stays: Callable[[Waiter], bool]) -> None:
        """Take out all others."""
        self._heap = [entry for entry in self._heap if stays(entry[2])]
        heapify(self._heap)

    def clear(self) -> None:
        """Take out everybody."""
        self._heap.clear()

    def __iter__(self) -> Iterator[Waiter]:
        """Go through whoever is in the line, the most urgent first."""
        return (waiter for _, _, waiter in sorted(self._heap))

    def __len__(self) -> int:
        """Return how many are in the line, with those who have left."""
        return len(self._heap)


class Priority(Ranked):
    """The smallest priority first, and nobody is sent out of service for it (non-preemptive)."""

    def rank(self, ticket: Ticket) -> float:
        """Return the priority."""
        return ticket.priority


class EarliestDeadline(Ranked):
    """The earliest deadline first; those without one come last."""

    def rank(self, ticket: Ticket) -> float:
        """Return the deadline."""
        return ticket.deadline


def only(line: Fifo | Ranked, slots: Slots) -> Slots:
    """Return `slots`, if the line has none yet.

    Raises:
        ValueError: It has.
    """
    if line.slots is not None:
        message = (
            f"this {type(line).__name__} is the line of {line.slots.description}; make another"
        )
        raise ValueError(message)
    return slots


def number(name: str, value: int, least: int) -> int:
    """Return `value` if it is a whole number of at least `least`.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        message = f"{name}={value!r}; give a whole number from {least}"
        raise ValueError(message)
    return value


def ticket_for(priority: int, deadline: float | None) -> Ticket:
    """Return the ticket of a request with this priority and deadline; ``None`` is no deadline.

    Raises:
        ValueError: The priority is no whole number, or the deadline no number.
    """
    if isinstance(priority, bool) or not isinstance(priority, int):
        message = f"priority={priority!r}; give a whole number, smaller is more urgent"
        raise ValueError(message)  # noqa: TRY004  (as for every other number)
    if deadline is None:
        return Ticket(priority)
    if math.isnan(deadline):
        message = f"deadline={deadline!r}; give a virtual time in seconds, or None"
        raise ValueError(message)
    return Ticket(priority, deadline)
