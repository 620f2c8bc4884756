"""Listening to the bus for the length of a block."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.handlers import Handlers
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.matchers import Wanted


class Listener:
    """A context manager that is told of events while its block lasts.

    Args:
        sim: The simulation that it listens to.
        wanted: Which events; one of them is enough.

    Attributes:
        records: What was kept, in order of sequence.
        since: The sequence number of the first event that could be seen.
    """

    def __init__(self, sim: Simulation, wanted: Sequence[Wanted]) -> None:
        self.records: list[Record] = []
        self.since = 0
        self._sim = sim
        self._wanted = wanted
        self._id = ""
        self._entered = False
        self._broken: Exception | None = None

    @property
    def events(self) -> list[Any]:
        """The events of `records`."""
        return [record.event for record in self.records]

    def __enter__(self) -> Self:
        """Begin to listen."""
        if self._entered:
            message = f"{self} was entered before; make a new one for each block"
            raise RuntimeError(message)
        self._entered = True
        self.since = self._sim.telemetry.sequence
        self._id = free_id(self._sim.telemetry, type(self).__name__)
        # First in line, so that events come in order of sequence even when a handler emits more.
        self._sim.telemetry.attach_many(
            self._id, [wanted.pattern for wanted in self._wanted], self._hear, order=-sys.maxsize
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening; an exception of the block passes through."""
        __tracebackhide__ = True
        try:
            if error is None:
                self._leave()
        finally:
            if self._is_attached:
                self._sim.telemetry.detach(self._id)
        if error is None and self._broken is not None:
            raise self._broken

    # -- for subclasses ------------------------------------------------------------------------

    def _see(self, record: Record) -> None:
        """Take a record whose name is one of those that are wanted."""
        if any(wanted.matches(record) for wanted in self._wanted):
            self.records.append(record)

    def _leave(self) -> None:
        """Do what is to be done at the end of the block, still listening."""

    # -- private -------------------------------------------------------------------------------

    @property
    def _is_attached(self) -> bool:
        # After `detach_all` in the block, the next listener may have got the same number.
        attached = self._sim.telemetry.handlers()
        return any(one.id == self._id and one.handler == self._hear for one in attached)

    def _hear(self, record: Record) -> None:
        if self._broken is not None:
            return
        try:
            self._see(record)
        except Exception as error:  # noqa: BLE001  (the emitter is not to blame for a predicate)
            self._broken = error
            self._wake()

    def _wake(self) -> None:
        """End a wait in a process."""


class Capture(Listener):
    """Keeps every event that matches; made by `capture_events`."""

    def __len__(self) -> int:
        """Return how many events were kept."""
        return len(self.records)

    def __str__(self) -> str:
        """Return how it was made."""
        return f"capture_events({', '.join(wanted.pattern for wanted in self._wanted)})"


def free_id(telemetry: Handlers, label: str) -> str:
    """Return a label with the first number from 1 that no attached handler has with it.

    Equal runs get equal ids, so that a ``foundation.telemetry.handler.failure`` is the same too.
    """
    taken = {handler.id for handler in telemetry.handlers()}
    return next(name for name in (f"{label} {n}" for n in count(1)) if name not in taken)
