"""Blocking an event loop: what happens when a coroutine calls a function that blocks.

A real loop is held up then: its callbacks are late, while threads and the rest of the world go on.
"""

from __future__ import annotations

from heapq import heappop
from math import inf
from typing import TYPE_CHECKING, Any

from simpy.core import StopSimulation

from foundation_lab.simulation.event_loop.clock import LoopClock
from foundation_lab.simulation.event_loop.handle import Later, Soon
from foundation_lab.simulation.events import GONE, Event
from foundation_lab.simulation.waiting import describe_event

if TYPE_CHECKING:
    from foundation_lab.simulation.engine import Simulation


def block_the_loop(sim: Simulation, event: Any) -> Any:
    """Run all but the callbacks of event loops until an event has happened; return its value.

    It is called from a callback of a loop. What loops had to do meanwhile comes right after it, in
    its order; so does the end of a run that fell into this time.

    Raises:
        DeadlockError: Nothing but loops could bring the event about.
        BaseException: What the event has failed with.
    """
    active, late, ending = sim._active_proc, [], None
    before, sim._loops_are_blocked = sim._loops_are_blocked, True
    try:
        while event._waiter is not GONE:
            if _next_is_of_a_loop(sim):
                late.append(sim._ready.popleft() if sim._ready else heappop(sim._later)[2])
                continue
            if sim.peek() == inf:
                who = "the event loop" if active is None else f"the task {active.name!r}"
                message = f"{who} blocks the loop, and waits for {describe_event(event)}"
                raise sim.deadlock(message)
            try:
                sim.step()
            except StopSimulation as stop:
                ending = stop
    finally:
        sim._ready.extendleft(reversed(late))
        if ending is not None:
            sim._urgent.appendleft(_end_of_the_run(sim, ending))
        sim._active_proc = active
        sim._loops_are_blocked = before
    if not event.ok:
        event.defused = True
        raise event.value
    return event.value


def _next_is_of_a_loop(sim: Simulation) -> bool:
    """Return whether the next thing that is due is the callback of an event loop."""
    sim.peek()  # clears away what was cancelled
    if sim._ready:
        return is_of_a_loop(sim._ready[0])
    return not sim._urgent and bool(sim._later) and is_of_a_loop(sim._later[0][2])


def is_of_a_loop(place: Any) -> bool:
    """Return whether what is due is the callback of an event loop."""
    is_handle = place.__class__ in {Soon, Later}
    loop = place._loop if is_handle else getattr(getattr(place, "_waiter", None), "__self__", None)
    # One that is apart only takes in what is due.
    return isinstance(loop, LoopClock) and (loop._here or not loop.apart)


def _end_of_the_run(sim: Simulation, ending: StopSimulation) -> Event:
    """Return an event that ends the run once more."""
    again = Event(sim)
    again._value = ending.args[0] if ending.args else None
    again._waiter = [StopSimulation.callback]
    return again
