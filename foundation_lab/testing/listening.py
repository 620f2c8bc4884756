"""Listening to the bus for the length of a block."""

from __future__ import annotations

import sys
import warnings
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from foundation_lab.testing.attempts import attempt
from foundation_lab.testing.history import past_records
from foundation_lab.testing.marks import sequence_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.handlers import Handlers
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.marks import Mark
    from foundation_lab.testing.wanted import Wanted


class Listener:
    """A context manager that is told of events while its block lasts.

    Args:
        sim: The simulation that it listens to.
        wanted: Which events; one of them is enough.
        since: A mark: what happened from there on counts, too.

    Attributes:
        records: What was kept, in order of sequence.
        since: The sequence number of the first event that could be seen.
    """

    listens_to_all = False
    """Whether events of other names are needed, too."""

    def __init__(
        self, sim: Simulation, wanted: Sequence[Wanted], since: Mark | int | None = None
    ) -> None:
        self.records: list[Record] = []
        self.since = 0
        self._sim = sim
        self._wanted = wanted
        self._mark = None if since is None else sequence_at(sim, since)
        self._id = ""
        self._entered = False
        self._attempt = attempt()
        self._broken: Exception | None = None
        self._pauses = 0

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
        self._pauses = self._sim.telemetry.pauses
        self._attach()
        if self._mark is not None:
            self._look_back(self._mark)
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
            self._detach()
        if error is None:
            self._raise_broken()

    async def __aenter__(self) -> Self:
        """Begin to listen, in a coroutine."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, in a coroutine."""
        __tracebackhide__ = True
        try:
            if error is None:
                await self._leave_async()
        finally:
            self._detach()
        if error is None:
            self._raise_broken()

    def __del__(self) -> None:
        """Warn of a listener that was made and never used: it has heard nothing."""
        if not getattr(self, "_entered", True) and not self._attempt.cut_short:
            warnings.warn(
                f"{self} was never entered, so it checked nothing; write {self._proper_use}",
                RuntimeWarning,
                stacklevel=2,
            )

    # -- for subclasses ------------------------------------------------------------------------

    @property
    def _proper_use(self) -> str:
        """How it should have been written."""
        raise NotImplementedError

    def _see(self, record: Record) -> None:
        """Take a record whose name is one of those that are wanted."""
        if any(wanted.matches(record) for wanted in self._wanted):
            self.records.append(record)

    def _leave(self) -> None:
        """Do what is to be done at the end of the block, still listening."""

    async def _leave_async(self) -> None:
        """Do the same in a coroutine."""
        self._leave()

    # -- private -------------------------------------------------------------------------------

    def _attach(self) -> None:
        telemetry = self._sim.telemetry
        self._id = free_id(telemetry, type(self).__name__)
        # First in line, so that events come in order of sequence even when a handler emits more.
        if len(self._wanted) == 1 and not self.listens_to_all:
            (wanted,) = self._wanted
            plain = wanted.plain  # what the bus compares itself comes here only when it fits
            telemetry.attach(self._id, wanted.spelt, self._hear, where=plain, order=-sys.maxsize)
        else:
            names = ["**"] if self.listens_to_all else [wanted.spelt for wanted in self._wanted]
            telemetry.attach_many(self._id, names, self._hear, order=-sys.maxsize)

    def _detach(self) -> None:
        if self._is_attached:
            self._sim.telemetry.detach(self._id)

    def _look_back(self, mark: int) -> None:
        """Take what happened since a mark as if it happened now."""
        names = [wanted.matches_name for wanted in self._wanted]
        if self.listens_to_all:
            names = [lambda _name: True]
        for record in past_records(
            self._sim.recording,
            lambda name: any(matches(name) for matches in names),
            since=mark,
            before=self.since,
        ):
            self._hear(record)
        self.since = mark

    @property
    def _is_attached(self) -> bool:
        # After `detach_all` in the block, the next listener may have got the same number.
        attached = self._sim.telemetry.handlers()
        return any(one.id == self._id and one.handler == self._hear for one in attached)

    @property
    def _can_see(self) -> bool:
        return self._sim.telemetry.enabled and self._is_attached

    @property
    def _was_blind(self) -> bool:
        """Whether telemetry was disabled in the block, even if it is enabled again."""
        return self._sim.telemetry.pauses != self._pauses

    def _hear(self, record: Record) -> None:
        if self._broken is not None:
            return
        try:
            self._see(record)
        except Exception as error:  # noqa: BLE001  (the emitter is not to blame for a predicate)
            self._broken = from_the_test(error)
            self._wake()

    def _raise_broken(self) -> None:
        __tracebackhide__ = True
        if self._broken is not None:
            raise self._broken

    def _wake(self) -> None:
        """End a wait."""


def from_the_test(error: Exception) -> Exception:
    """Return an error of a predicate without the steps of this package that led to the predicate.

    An error that no line of the test has raised stays as it is.
    """
    traceback = error.__traceback__
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    return error if traceback is None else error.with_traceback(traceback)


def _is_ours(traceback: TracebackType) -> bool:
    return str(traceback.tb_frame.f_globals.get("__name__")).startswith("foundation_lab.testing.")


def free_id(telemetry: Handlers, label: str) -> str:
    """Return a label with the first number from 1 that no attached handler has with it.

    Equal runs get equal ids, so that a ``foundation.telemetry.handler.failure`` is the same too.
    """
    taken = {handler.id for handler in telemetry.handlers()}
    return next(name for name in (f"{label} {n}" for n in count(1)) if name not in taken)
