"""Running a simulation until something holds, with the words for when it does not."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from foundation_lab.testing.clock import advance, require_outside, require_seconds
from foundation_lab.testing.failure import circumstances, compose, seconds, why_it_ended
from foundation_lab.testing.history import past_records
from foundation_lab.testing.listening import free_id
from foundation_lab.testing.matchers import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.record import Record

T = TypeVar("T")


def until(
    sim: Simulation,
    predicate: Callable[[], T],
    within: float,
    what: str,
    seen: Callable[[], list[str]] = list,
) -> T:
    """Run until a predicate holds.

    Args:
        sim: The simulation.
        predicate: Asked now and after every step.
        within: For how many virtual seconds the simulation may go on.
        what: What is waited for, in words.
        seen: Says how things stand, for the message of a failure.

    Returns:
        The first true value of the predicate.

    Raises:
        AssertionError: It did not hold in time.
        RuntimeError: A process of the simulation is running.
    """
    __tracebackhide__ = True
    require_seconds(within)
    require_outside(sim, "yield the event, or use an expectation's wait()")
    answer: list[T] = []

    def holds() -> bool:
        answer[:] = [predicate()]
        return bool(answer[0])

    ending = advance(sim, holds, within)
    if ending != "done":
        message = compose(
            f"waited {seconds(within)} s for {what}",
            why_it_ended(sim, ending),
            seen(),
            circumstances(sim),
        )
        raise AssertionError(message)
    return answer[0]


@contextmanager
def told_of(sim: Simulation, kinds: Iterable[type[Event]], **fields: str) -> Iterator[list[Record]]:
    """Give the list of what happened so far, and let it grow while the block lasts."""
    wanted = [wanted_event(kind, fields) for kind in kinds]
    names = {one.pattern for one in wanted}
    past = past_records(sim.recording, names.__contains__)
    told = [record for record in past if any(one.matches(record) for one in wanted)]
    handler = free_id(sim.telemetry, "wait")
    sim.telemetry.attach_many(handler, sorted(names), told.append, where=fields)
    try:
        yield told
    finally:
        sim.telemetry.detach(handler)


def present(value: T | None) -> T:
    """Return a value that a successful wait has made sure of."""
    if value is None:
        raise LookupError
    return value
