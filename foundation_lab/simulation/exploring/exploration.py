"""Exploration: a simulation in which those of one instant need not go in the order of the queue.

```python
sim = Exploration(seed=17, schedule="pct")
```

Only wake-ups change places: that of a process or a task which goes on, or begins. What calls a
function, such as a timer, a deadline or asyncio's ``call_soon``, stays where it is, and nothing
overtakes it: asyncio promises that. Time and priority come before everything else, as always. A
simulation of the usual class knows nothing of all this, and loses no time by it.
"""

from __future__ import annotations

from hashlib import blake2b
from heapq import heappop
from itertools import count, islice, takewhile
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
from simpy.core import EmptySchedule
from simpy.events import NORMAL, Condition

from foundation_lab.simulation.agenda import ODD, PRIORITY
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.event_loop.blocking import is_of_a_loop
from foundation_lab.simulation.event_loop.clock import END_OF_SLEEP
from foundation_lab.simulation.event_loop.handle import Sleepers
from foundation_lab.simulation.event_loop.task import Task
from foundation_lab.simulation.events import GONE, Foreign
from foundation_lab.simulation.exploring.schedule import schedule_named
from foundation_lab.simulation.process import Process

if TYPE_CHECKING:
    import random
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator

    import simpy

    from foundation_lab.simulation.asyncio_loop import VirtualLoop
    from foundation_lab.simulation.events import Timeout
    from foundation_lab.simulation.exploring.schedule import Schedule

LOOKED_AT = 256
"""How far into the queue of an instant a choice looks."""


class Deviation(msgspec.Struct, frozen=True):
    """A choice that was not the first in the queue.

    Attributes:
        number: Which choice it was, from 0.
        time: When, in virtual seconds.
        first: The name of who went first.
        passed: The names of those who would have gone before.
    """

    number: int
    time: float
    first: str
    passed: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as a line."""
        return (
            f"choice {self.number} at t={self.time:.9g}: {self.first} went before "
            f"{', '.join(self.passed)}"
        )


class Exploration(Simulation):
    """A simulation with another order of things at each instant.

    Args:
        seed: The seed of every random stream, those of the schedule and of jitter among them.
        schedule: ``shuffle``, ``pct``, ``fifo``, or a schedule of your own.
        variant: Other numbers give other choices of the same seed.
        jitter: By how much at most each delay is made longer or shorter: 0.05 is 5 %. Delays are
            what processes and tasks wait for, not timers and deadlines.
        options: The others of `Simulation`.

    Attributes:
        deviations: The choices that were not the first in the queue.
        choices: How many choices there were.

    Raises:
        ValueError: There is no such schedule, or jitter is not from 0 to 1 (exclusive).
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        schedule: str | Schedule = "shuffle",
        variant: int = 0,
        jitter: float = 0.0,
        **options: Any,
    ) -> None:
        if not 0 <= jitter < 1:
            message = f"jitter={jitter!r}; give a fraction from 0 to 1, such as 0.05 for 5 %"
            raise ValueError(message)
        super().__init__(seed, **options)
        self._eid = count(step=2)  # each sleep is an entry of its own: see `LoopClock.call_later`
        self.deviations: list[Deviation] = []
        self.choices = 0
        self._chooser = (
            schedule_named(schedule, self.stream(f"schedule.{schedule}.{variant}"))
            if isinstance(schedule, str)
            else schedule
        )
        self._jitter = jitter
        self._shaken: random.Random = self.stream(f"schedule.jitter.{variant}")
        self._log = blake2b(digest_size=16)

    @property
    def schedule_digest(self) -> str:
        """A digest of all choices so far: equal for runs that took the same way."""
        return self._log.hexdigest()

    def timeout(self, delay: float = 0, value: Any = None) -> Timeout:
        """Return an event that happens `delay` seconds from now, give or take the jitter."""
        return super().timeout(self._shake(delay), value)

    def schedule(self, event: simpy.Event, priority: int = NORMAL, delay: float = 0) -> None:
        """Put an event in the queue; see `Agenda.schedule`. Its delay is subject to jitter."""
        super().schedule(event, priority, self._shake(delay))

    def event_loop(self, **options: Any) -> VirtualLoop:
        """Return the event loop; see `Coroutines.event_loop`. Its sleeps are subject to jitter."""
        loop = super().event_loop(**options)
        if self._jitter and "call_later" not in vars(loop):
            later = loop.call_later

            def call_later(
                delay: float, callback: Callable[..., object], *args: Any, context: Any = None
            ) -> Any:
                seconds = self._shake(delay) if callback is END_OF_SLEEP else delay
                return later(seconds, callback, *args, context=context)

            loop.call_later = call_later  # type: ignore[method-assign]
        return loop

    # -- private -------------------------------------------------------------------------------

    def _shake(self, delay: float) -> float:
        if not self._jitter or not delay > 0:
            return delay
        return delay * (1 + self._shaken.uniform(-self._jitter, self._jitter))

    def _process(self, steps: Iterable[None], unknown: int = 0) -> None:  # noqa: ARG002
        """Process as many events as there are `steps`, as `RunLoop._process` does."""
        urgent, ready = self._urgent, self._ready
        try:
            for _ in steps:
                if urgent:
                    if urgent[0] is not ODD:
                        self._put_first(urgent, list(starts(urgent)))
                    elif len(urgent) == 1:
                        self._put_first(ready, self._wake_ups())
                    self._happen(urgent.popleft())
                elif ready:
                    self._put_first(ready, self._wake_ups())
                    self._happen(ready.popleft())
                else:
                    self._next_instant()
        finally:
            self._active_proc = None

    def _next_instant(self) -> None:
        """Move the clock, and let happen what is due then."""
        if self.peek() == inf:  # which clears away what was cancelled
            raise EmptySchedule
        time, rank, place = heappop(self._later)
        later = self._later
        if 0 <= rank < PRIORITY and later and later[0][0] == time:
            self._now = time
            self._ready.append(place)
            self._gather(time)
            self._put_first(self._ready, self._wake_ups())
            self._happen(self._ready.popleft())
            return
        waiter = place._waiter  # asked before the clock moves, as lookouts want it
        place._waiter = GONE
        self._now = time
        self._gather(time)
        if waiter.__class__ is Process:
            waiter._resume(place)
        else:
            self._call(waiter, place)

    def _wake_ups(self) -> list[tuple[int, Any]]:
        """Return the places of those who may go on next, and who they are."""
        found = wake_ups(self._ready)
        if self._loops_are_blocked:  # their callbacks wait, and nobody overtakes them
            found = takewhile(lambda one: not is_of_a_loop(self._ready[one[0]]), found)
        return list(found)

    def _put_first(self, queue: deque[Any], candidates: list[tuple[int, Any]]) -> None:
        """Choose who goes first, and put them in front."""
        if len(candidates) < 2:
            return
        number, self.choices = self.choices, self.choices + 1
        chosen = self._chooser.choose([actor for _, actor in candidates])
        self._log.update(f"{number} {chosen} of {len(candidates)} at {self._now!r};".encode())
        if chosen:
            place, first = candidates[chosen]
            passed = tuple(name_of(actor) for _, actor in candidates[:chosen])
            self.deviations.append(Deviation(number, float(self._now), name_of(first), passed))
            event = queue[place]
            del queue[place]
            queue.appendleft(event)


def starts(queue: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the places and names of the processes that begin, up to something else."""
    for place, event in enumerate(islice(queue, LOOKED_AT)):
        if event.__class__ is not Process or not event.is_alive:
            return
        yield place, event


def wake_ups(queue: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the places of those who go on, and who they are, up to something else."""
    for place, event in enumerate(islice(queue, LOOKED_AT)):
        waiter = event.event.callbacks if event.__class__ is Foreign else event._waiter
        if waiter is None or waiter is GONE:
            continue  # nobody waits
        actor = actor_of(event, waiter)
        if actor is None:
            return
        yield place, actor


def actor_of(event: Any, waiter: Any) -> Any:
    """Return which process or task goes on with an event, ``None`` when it calls a function."""
    if waiter.__class__ is Process:
        return waiter
    if waiter.__class__ is list:
        owners = [getattr(call, "__self__", None) for call in waiter]
        return next((o for o in owners if isinstance(o, Process | Condition)), None)
    callback = getattr(event, "_callback", None)
    owner = getattr(callback, "__self__", None)
    if owner.__class__ is Task:
        return owner
    if event.__class__ is Sleepers:
        return sleeper(event[0])
    return sleeper(event._args[0]) if callback is END_OF_SLEEP else None  # of a loop that debugs


def sleeper(future: Any) -> Any:
    """Return the task that sleeps until a future is done; the future, when there is none."""
    owners = [getattr(call, "__self__", None) for call, _ in future._callbacks or ()]
    return next((owner for owner in owners if owner.__class__ is Task), future)


def name_of(actor: Any) -> str:
    """Return what whoever goes on is called."""
    name = getattr(actor, "name", None)
    if name is None:
        return "a condition" if isinstance(actor, Condition) else "a sleeper"
    return str(name)
