"""The agenda: what is due, in SimPy's order of (time, priority, sequence).

It lies in three places: `_later` is a heap of what comes later; `_urgent` and `_ready` hold, first
in first out, what was triggered at this instant. Most events are triggered for the present
instant, and need no heap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from operator import itemgetter
from typing import Any, Final
from weakref import ref

import simpy
from simpy.core import StopSimulation
from simpy.events import NORMAL
from simpy.resources.resource import Request

from foundation_lab.simulation.events import GONE, Event, Foreign, Initialize, Timeout
from foundation_lab.simulation.process import Nap, Process

Entry = tuple[float, int, Any]
"""What the heap holds: a time, a rank, and what happens then.

The rank is the sequence number, shifted by priority: for a native wait, that of the process.
"""

PRIORITY: Final = 2**62
"""How far apart the ranks of two priorities are; sequence numbers never come near it."""


class Agenda(simpy.Environment):
    """What is due. Scheduled events can be withdrawn.

    Attributes:
        now: The virtual time in seconds.
        stopped: Whether the last run was ended by `stop`.
        resources: The resources that there are, in the order in which they came up: those of this
            project when they were made, SimPy's own when a slot was first granted.
        remembers: Whether resources stay when nobody else knows them any more, so that whoever asks
            at the end does not depend on what the garbage collector has found.
    """

    __slots__ = ("now",)  # a slot is read faster than a property

    def __init__(self, initial_time: float = 0.0) -> None:
        self.stopped = False
        self._now = initial_time
        self._active_proc: Any = None
        self._eid = count()
        self._later: list[Entry] = []
        self._urgent: deque[Any] = deque()
        self._ready: deque[Any] = deque()
        self._odd: list[tuple[int, Any]] = []
        self._living: dict[Process, None] = {}
        self._dead = 0
        self.resources: dict[ref[Any], Any] = {}
        self.remembers = False

    def schedule(self, event: simpy.Event, priority: int = NORMAL, delay: float = 0) -> None:
        """Put an event that was triggered in the queue.

        Args:
            event: The event.
            priority: Among events of one instant, those with a smaller number come first.
            delay: Seconds from now.

        Raises:
            TypeError: The priority is no whole number.
        """
        place: Any = event
        if not isinstance(event, Event):
            place = Foreign(event)
            if isinstance(event, Request) and ref(event.resource) not in self.resources:
                self.know(event.resource)
        elif not event._ok:
            event.make_list()
        self.schedule_at(place, self._now + delay, priority)

    def know(self, resource: Any) -> None:
        """Add a resource to those that there are."""
        known = self.resources
        known[ref(resource, lambda gone: known.pop(gone, None))] = self.remembers and resource

    def schedule_at(self, place: Any, time: float, priority: int = NORMAL) -> None:
        """Put something in the queue that is to happen at a virtual time; see `schedule`."""
        rank = next(self._eid) + (priority - NORMAL) * PRIORITY
        if not isinstance(rank, int):
            message = f"priority={priority!r}; a priority is a whole number"
            raise TypeError(message)
        if time == self._now:
            self._place(place, rank)
        else:
            heappush(self._later, (time, rank, place))

    def peek(self) -> float:
        """Return the time of the next scheduled event, infinity when there is none."""
        if self._odd:
            self._sweep_odd()
        urgent, ready, later = self._urgent, self._ready, self._later
        while ready and ready[0]._waiter is GONE:
            ready.popleft()
        if ready or any(event is not STOP and event._waiter is not GONE for event in urgent):
            return self._now
        while later and _is_dead(later[0]):
            heappop(later)
            self._dead -= 1
        return later[0][0] if later else simpy.core.Infinity

    def cancel(self, event: simpy.Event) -> None:
        """Withdraw a scheduled event, such as a timeout that nobody waits for any more.

        It leaves no trace: it does not move the clock and keeps no run alive. Yielding it later
        goes on at once. An event that has happened already stays as it is.

        Raises:
            ValueError: Nothing has scheduled the event.
        """
        if not event.triggered:
            message = f"{event} is not scheduled, so it cannot be cancelled"
            raise ValueError(message)
        if event.callbacks is not None:
            event.callbacks = None  # type: ignore[assignment]  # the mark of a dead event
            self.buried()

    def stop(self) -> None:
        """End the run before the next event; safe to call from a signal handler.

        The next `run` goes on where this one ended. Outside of a run there is nothing to end.
        """
        if not self.stopped:
            self.stopped = True
            self._urgent.appendleft(STOP)

    def go_on(self) -> None:
        """Forget a stop, so that steps can be taken again; `run` does so itself."""
        self.stopped = False
        if STOP in self._urgent:
            self._urgent.remove(STOP)

    def buried(self) -> None:
        """Note that a scheduled event was cancelled; sweep when most of the queue is dead."""
        self._dead += 1
        if self._dead > 64 and 2 * self._dead > len(self._later):
            self._later[:] = [entry for entry in self._later if not _is_dead(entry)]
            heapify(self._later)
            self._dead = 0

    def start_event(self, process: Process) -> Event:
        """Return the event that starts a process, in its place in the queue."""
        event = Initialize(self, process)
        self._urgent[self._urgent.index(process)] = event
        return event

    def timeout_event(self, process: Process, rank: int) -> Timeout:
        """Return the event that a process waits for that waits for a number of seconds."""
        later = self._later
        place = next(n for n, entry in enumerate(later) if entry[1] == rank)
        time = later[place][0]
        timeout = Nap.due(self, time - self._now, process)
        later[place] = (time, rank, timeout)
        return timeout

    # -- private -------------------------------------------------------------------------------

    @property
    def _queue(self) -> Any:  # type: ignore[override]
        """What is due, as SimPy lays it out: time, priority, sequence number, event.

        What was triggered at this instant has no number of its own and bears 0. The first entry is
        the next one; the order of the others is not to be relied on, as with SimPy's heap.
        """
        return _Due(self)

    def _gather(self, time: float) -> None:
        """Bring what has waited for an instant to what is triggered while it lasts."""
        later = self._later
        while later and later[0][0] == time:
            entry = heappop(later)
            _, rank, event = entry
            if _is_dead(entry):
                self._dead -= 1
                continue
            if event.__class__ is Process:
                event._target = Nap.due(self, 0.0, event)
                event = event._target
            self._place(event, rank)

    def _place(self, event: Any, rank: int) -> None:
        """Line up an event of this instant."""
        if 0 <= rank < PRIORITY:
            self._ready.append(event)
        elif -PRIORITY <= rank < 0:
            self._urgent.append(event)
        else:
            if not self._odd:
                self._urgent.appendleft(ODD)
            heappush(self._odd, (rank, event))

    def _pop_odd(self) -> Any:
        """Return the next event of this instant, when some have a priority of their own."""
        odd = self._odd
        if odd[0][0] > 0 and self._urgent:
            event = self._urgent.popleft()
        elif odd[0][0] > 0 and self._ready:
            event = self._ready.popleft()
        else:
            event = heappop(odd)[1]
        if odd:
            self._urgent.appendleft(ODD)
        return event

    def _sweep_odd(self) -> None:
        """Forget what was cancelled among the events that have priorities of their own."""
        self._odd = [entry for entry in self._odd if entry[1]._waiter is not GONE]
        heapify(self._odd)
        if not self._odd and ODD in self._urgent:
            self._urgent.remove(ODD)


# SimPy's two names for the clock are one slot here.
Agenda._now = Agenda.now  # type: ignore[assignment]


class _Marker:
    """Stands in front of what is due: to end a run, or because priorities have to be looked at."""

    __slots__ = ()
    ok = True
    value = None

    @property
    def _waiter(self) -> Any:
        return StopSimulation.callback

    @_waiter.setter
    def _waiter(self, gone: bool) -> None:
        """Be used again."""


STOP: Final = _Marker()
ODD: Final = _Marker()


class _Due(Sequence[tuple[float, int, int, Any]]):
    """A view of what is due."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda

    def __len__(self) -> int:
        agenda = self._agenda
        agenda.peek()  # clears away what was cancelled
        markers = sum(isinstance(event, _Marker) for event in agenda._urgent)
        present = len(agenda._urgent) - markers + len(agenda._ready) + len(agenda._odd)
        return present + len(agenda._later)

    def __bool__(self) -> bool:
        return self._agenda.peek() < simpy.core.Infinity

    def __getitem__(self, index: Any) -> Any:
        agenda, now = self._agenda, self._agenda._now
        agenda.peek()
        due = [(0, event) for event in agenda._urgent if not isinstance(event, _Marker)]
        due += [(1, event) for event in agenda._ready]
        present = [(now, place * PRIORITY - PRIORITY, event) for place, event in due]
        present += [(now, rank, event) for rank, event in agenda._odd]
        if index == 0 and (present or agenda._later):
            return _as_in_simpy(min(present, key=itemgetter(1)) if present else agenda._later[0])
        later = [entry for entry in sorted(agenda._later) if not _is_dead(entry)]
        return [_as_in_simpy(entry) for entry in (*sorted(present, key=itemgetter(1)), *later)][
            index
        ]


def _as_in_simpy(entry: Entry) -> tuple[float, int, int, Any]:
    """Return an entry as SimPy would keep it."""
    time, rank, due = entry
    if due.__class__ is Process and due.is_alive:
        due = due.target
    elif due.__class__ is Foreign:
        due = due.event
    return time, rank // PRIORITY + NORMAL, rank % PRIORITY, due


def _is_dead(entry: Entry) -> bool:
    """Whether an entry of the heap was cancelled."""
    _, rank, event = entry
    if event.__class__ is Process:
        return event._target is not rank
    return event._waiter is GONE
