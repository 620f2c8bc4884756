"""Captures: the events of a block, to be looked at or to be used up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.testing.failure import circumstances, compose, near_misses
from foundation_lab.testing.listening import Listener
from foundation_lab.testing.spelling import describe_record
from foundation_lab.testing.wanted import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.marks import Mark
    from foundation_lab.testing.wanted import Wanted


class Capture(Listener):
    """Keeps every event that matches; made by `capture_events`.

    Attributes:
        records: What was kept and not popped, in order of sequence.
    """

    def __init__(
        self,
        sim: Simulation,
        wanted: Sequence[Wanted],
        *,
        consume: bool = False,
        since: Mark | int | None = None,
    ) -> None:
        super().__init__(sim, wanted, since)
        self._consume = consume

    def __len__(self) -> int:
        """Return how many events are kept."""
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        """Return the kept events, first to last; they stay."""
        return iter(tuple(self.records))

    def __str__(self) -> str:
        """Return how it was made."""
        names = [wanted.pattern for wanted in self._wanted] + ["consume=True"] * self._consume
        return f"capture_events({', '.join(names)})"

    def pop(
        self,
        name: EventName = "**",
        wanted: Mapping[str, Any] | None = None,
        /,
        *,
        where: Callable[[Record], object] | None = None,
        **fields: Any,
    ) -> Record:
        """Take out the first event that matches; without arguments, the first of all.

        Arguments are those of `assert_event`.

        Raises:
            AssertionError: There is none.
            UnknownName: There is no such event or field.
        """
        __tracebackhide__ = True
        sought = wanted_event(name, {**(wanted or {}), **fields}, where)
        for place, record in enumerate(self.records):
            if sought.matches(record):
                return self.records.pop(place)
        message = compose(
            f"{self} holds no {sought}",
            [f"it holds {len(self.records)}:", *map(_line, self.records)]
            if self.records
            else ["it holds nothing"],
            near_misses(self._sim, sought, self.since),
            circumstances(self._sim),
        )
        raise AssertionError(message)

    def clear(self) -> None:
        """Take out all of them."""
        self.records.clear()

    @property
    def _proper_use(self) -> str:
        return "'with capture_events(...) as kept:'"

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._consume and (self._was_blind or not self._can_see):
            message = (
                f"{self} has not seen all at t={self._sim.now:.9g}: telemetry was disabled, or "
                "detach_all() took its handler away"
            )
            raise AssertionError(message)
        if self._consume and self.records:
            message = compose(
                f"captured events that were never looked at: {len(self.records)}",
                [*map(_line, self.records), "pop() what is expected, clear() what does not matter"],
                circumstances(self._sim),
            )
            raise AssertionError(message)


def capture_events(
    sim: Simulation,
    *patterns: EventName,
    consume: bool = False,
    since: Mark | int | None = None,
) -> Capture:
    """Keep the events of a block; nothing is run.

    Args:
        sim: The simulation.
        patterns: Which events; all of them when none is given.
        consume: Whether each event must be popped before the block is left.
        since: A mark: what happened from there on is kept, too.

    Returns:
        A context manager with `records` and `events`, and `pop` to take one out.

    Raises:
        AssertionError: With `consume`, when the block is left and events are there still.
        UnknownName: A pattern can match no event.
    """
    wanted = [wanted_event(pattern) for pattern in patterns or ("**",)]
    return Capture(sim, wanted, consume=consume, since=since)


capture_telemetry = capture_events


def _line(record: Record) -> str:
    return f"  {describe_record(record)}"
