"""Waits: let virtual time go on until something holds.

Every wait is triggered by a level, not by an edge: what holds already, or has happened already, is
seen and nothing is run. Times are virtual seconds; the steps of the very instant of the deadline
still count. A wait that is not met raises an `AssertionError` that says why.

In the main program a wait runs the simulation and returns the value. While the simulation runs it
returns an expectation: ``yield from wait_for(...)`` in a process and ``await wait_for(...)`` in a
coroutine give the value.

With ``since=`` a mark (`mark`, or a sequence number) only what happened from there on counts, and a
state that has not changed since warns that the wait is vacuous. With ``block=`` the wait does
something first, and warns when it held before that already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.testing.conditions import ConditionExpectation
from foundation_lab.testing.spelling import describe_wanted
from foundation_lab.testing.waiting import Wait, unchanged, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.testing.marks import Mark


def wait_for(
    sim: Simulation,
    predicate: Callable[[], object],
    within: float = 5.0,
    *,
    what: str | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> Any:
    """Wait until a predicate holds.

    It needs no events, so it works with telemetry disabled too.

    Args:
        sim: The simulation.
        predicate: Called without arguments; it should be cheap, and change nothing. In the main
            program it is asked now and after every step, elsewhere at the end of every instant.
        within: For how many virtual seconds the simulation may go on.
        what: What is waited for, in words, for the message of a failure.
        since: A mark; the wait warns when nothing at all has happened since.
        block: What is to be done first; the wait warns when the predicate held before.

    Returns:
        The first true value that the predicate returned.

    Raises:
        AssertionError: It did not hold in time.
    """
    __tracebackhide__ = True
    wait = Wait(
        predicate=_called(predicate),
        within=within,
        what=what or describe_wanted(predicate),
        held_before=unchanged(sim, predicate, since),
    )
    return until(sim, "wait_for", wait, block=block)


def assert_condition(
    sim: Simulation,
    predicate: Callable[[], object],
    /,
    *,
    within: float = 5.0,
    what: str | None = None,
    block: Callable[[], object] | None = None,
) -> ConditionExpectation:
    """Expect that a predicate comes to hold: `wait_for` with all the forms of an expectation.

    Args:
        sim: The simulation.
        predicate: Called without arguments; it should be cheap, and change nothing.
        within: For how many virtual seconds the simulation goes on after the block.
        what: What is waited for, in words.
        block: What is to be done.

    Returns:
        The expectation; its `value` is the first true value of the predicate.

    Raises:
        AssertionError: When the block is left and it did not hold in time.
    """
    __tracebackhide__ = True
    words = what or describe_wanted(predicate)
    wait = Wait(predicate=_called(predicate), within=within, what=words)
    return ConditionExpectation(sim, "assert_condition", wait, block=block).called()


def _called(predicate: Callable[[], object]) -> Callable[[], object]:
    """Return what is to be called; a value that was computed once would never change."""
    if not callable(predicate):
        message = f"{predicate!r} cannot be asked again; give a function, as 'lambda: db.up'"
        raise TypeError(message)
    return predicate
