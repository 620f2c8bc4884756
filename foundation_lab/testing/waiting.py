"""Waiting until something holds, with the words for when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from foundation_lab.testing.clock import is_running, require_seconds
from foundation_lab.testing.conditions import ConditionExpectation
from foundation_lab.testing.history import past_records
from foundation_lab.testing.listening import free_id
from foundation_lab.testing.marks import Mark, sequence_at
from foundation_lab.testing.wanted import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.event import Event
    from foundation_lab.telemetry.record import Record


def _accept(_value: object) -> None:
    """Refuse nothing."""


def _same(value: Any) -> Any:
    return value


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What is waited for.

    Attributes:
        predicate: Asked until it returns something true.
        within: For how many virtual seconds the simulation may go on.
        what: What is waited for, in words.
        seen: Says how things stand, for the message of a failure.
        refuse: Given the value, returns a headline and its lines when that is a failure after all.
        give: Makes of the value what whoever waits is given.
        held_before: Says whether it held before the action; by default the predicate is asked.
        during: What lasts as long as the wait.
    """

    predicate: Callable[[], Any]
    within: float
    what: str
    seen: Callable[[], list[str]] = list
    refuse: Callable[[Any], tuple[str, list[str]] | None] = _accept
    give: Callable[[Any], Any] = _same
    held_before: Callable[[], bool] | None = None
    during: Any = None


def until(
    sim: Simulation, call: str, wait: Wait, *, block: Callable[[], object] | None = None
) -> Any:
    """Wait: in the main program at once, in a process or coroutine when that yields the result.

    Returns:
        In the main program the first true value of the predicate. While the simulation runs, an
        expectation; ``yield from`` or ``await`` it for the value.

    Raises:
        AssertionError: It did not hold in time.
    """
    __tracebackhide__ = True
    require_seconds(wait.within)
    expectation = ConditionExpectation(sim, call, wait, block=block)
    if is_running(sim):
        return expectation
    return (expectation if block is not None else expectation.wait_only()).waited()


def nothing_since(sim: Simulation, since: Mark | int) -> bool:
    """Return whether nothing has happened since a mark: no event, and no time, where it tells."""
    if isinstance(since, Mark):
        return sim.telemetry.sequence == since.sequence and sim.now == since.time
    return sim.telemetry.sequence == since


def unchanged(
    sim: Simulation, predicate: Callable[[], object], since: Mark | int | None
) -> Callable[[], bool] | None:
    """Return what says whether a predicate holds and nothing has happened since a mark."""
    if since is None:
        return None
    sequence_at(sim, since)
    return lambda: nothing_since(sim, since) and bool(predicate())


class Told:
    """The events of some kinds: what happened so far, and, while the block lasts, what happens.

    Attributes:
        records: The events.
    """

    def __init__(
        self,
        sim: Simulation,
        kinds: Iterable[type[Event]],
        since: Mark | int | None = None,
        **fields: str,
    ) -> None:
        self.records: list[Record] = []
        self._sim = sim
        self._wanted = [wanted_event(kind, fields) for kind in kinds]
        self._fields = fields
        self._since = sequence_at(sim, since or 0)
        self._handler = ""

    def __enter__(self) -> Self:
        """Look back, and begin to listen."""
        names = {one.pattern for one in self._wanted}
        past = past_records(self._sim.recording, names.__contains__, since=self._since)
        self.records += [r for r in past if any(one.matches(r) for one in self._wanted)]
        telemetry = self._sim.telemetry
        self._handler = free_id(telemetry, "wait")
        telemetry.attach_many(self._handler, sorted(names), self.records.append, where=self._fields)
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop listening."""
        if any(one.id == self._handler for one in self._sim.telemetry.handlers()):
            self._sim.telemetry.detach(self._handler)
