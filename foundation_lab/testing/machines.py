"""Machines: each judges one run by one property, event by event.

How the end of a run is taken: what must happen some day and has not, is violated; what must happen
within a time that is not over yet is left open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.wanted import Wanted


class Verdict(msgspec.Struct, frozen=True):
    """What became of a property in one run.

    Attributes:
        name: The property, in words.
        holds: Whether it is not violated.
        hits: How often the run put it to the test.
        left_open: How often the run ended before it was decided.
        why: What is wrong, when it is violated.
        counterexample: The events that show it, in order.
        must_be_hit: Whether some run of a sweep must hit it: `sometimes`.
    """

    name: str
    holds: bool
    hits: int
    left_open: int = 0
    why: str = ""
    counterexample: tuple[Record, ...] = ()
    must_be_hit: bool = False


class Property(msgspec.Struct, frozen=True):
    """A property; made by the functions of this module.

    Attributes:
        name: The property, in words.
        wanted: The events that it is about.
        machine: Returns what judges one run, given when that begins.
    """

    name: str
    wanted: tuple[Wanted, ...]
    machine: Callable[[Property, float], Machine]

    def begin(self, start: float) -> Machine:
        """Return what judges a run that begins at `start`, in virtual seconds."""
        return self.machine(self, start)

    def __str__(self) -> str:
        """Return the property in words."""
        return self.name


class Machine:
    """Judges one run.

    Args:
        property_: The property.
        start: When the run begins.

    Attributes:
        why: What is wrong; nothing as long as all is well.
    """

    def __init__(self, property_: Property, start: float) -> None:
        self.why = ""
        self._property = property_
        self._start = start
        self._hits = 0
        self._counterexample: tuple[Record, ...] = ()

    def take(self, record: Record) -> None:
        """Look at the next event that the property is about; nothing more once it is violated."""
        if not self.why:
            self._take(record)

    def verdict(self, end: float) -> Verdict:
        """Return what is to be said if the run ends at `end`; it may go on afterwards."""
        why, counterexample, left_open = self.why, self._counterexample, 0
        if not why:
            why, counterexample, left_open = self._at_the_end(end)
        return Verdict(self._property.name, not why, self._hits, left_open, why, counterexample)

    # -- for subclasses ------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        raise NotImplementedError

    def _at_the_end(self, end: float) -> tuple[str, tuple[Record, ...], int]:  # noqa: ARG002
        """Return what is wrong at the end, what shows it, and how much is left open."""
        return "", (), 0

    def _violate(self, why: str, *counterexample: Record) -> None:
        self.why = why
        self._counterexample = counterexample


class Always(Machine):
    """Every event is as wanted."""

    def _take(self, record: Record) -> None:
        (wanted,) = self._property.wanted
        if not wanted.matches_name(record.name):
            return
        self._hits += 1
        if not wanted.matches(record):
            differs = [f"{name} is {got!r}" for name, (_, got) in wanted.difference(record).items()]
            self._violate(", ".join(differs) or "the predicate does not hold", record)


class Never(Machine):
    """The event does not happen."""

    def _take(self, record: Record) -> None:
        if self._property.wanted[0].matches(record):
            self._hits += 1
            self._violate("it happened", record)


class Eventually(Machine):
    """The event happens, in time."""

    def __init__(self, property_: Property, start: float, within: float) -> None:
        super().__init__(property_, start)
        self._end = start + within

    def _take(self, record: Record) -> None:
        if self._hits or not self._property.wanted[0].matches(record):
            return
        if record.time > self._end:
            late = record.time - self._end
            self._violate(f"it happened {late:.9g} s too late", record)
        else:
            self._hits = 1

    def _at_the_end(self, end: float) -> tuple[str, tuple[Record, ...], int]:
        if self._hits:
            return "", (), 0
        return f"it had not happened when the run ended at t={end:.9g}", (), 0


class NeverAfter(Machine):
    """One event does not happen after another."""

    def __init__(self, property_: Property, start: float) -> None:
        super().__init__(property_, start)
        self._before: list[tuple[dict[str, Any], Record]] = []

    def _take(self, record: Record) -> None:
        first, then = self._property.wanted
        for bound, earlier in self._before:
            if then.match(record, bound) is not None:
                self._violate("it happened after it", earlier, record)
                return
        found = first.match(record, {})
        if found is not None:
            self._hits += 1
            if all(found != known for known, _ in self._before):
                self._before.append((found, record))


class LeadsTo(Machine):
    """Each event of one kind is followed by one of another."""

    def __init__(self, property_: Property, start: float, within: float) -> None:
        super().__init__(property_, start)
        self._within = within
        self._waiting: list[tuple[dict[str, Any], Record]] = []

    def _take(self, record: Record) -> None:
        first, then = self._property.wanted
        late = self._first_late(record.time)
        if late is not None:
            self._violate(*self._nothing_followed(late))
            return
        self._waiting = [
            (bound, earlier)
            for bound, earlier in self._waiting
            if then.match(record, bound) is None
        ]
        found = first.match(record, {})
        if found is not None:
            self._hits += 1
            self._waiting.append((found, record))

    def _at_the_end(self, end: float) -> tuple[str, tuple[Record, ...], int]:
        late = self._first_late(end)
        if late is None and self._waiting and self._within == math.inf:
            late = self._waiting[0][1]
        if late is not None:
            why, record = self._nothing_followed(late)
            return why, (record,), 0
        return "", (), len(self._waiting)

    def _first_late(self, now: float) -> Record | None:
        if self._waiting and self._waiting[0][1].time + self._within < now:
            return self._waiting[0][1]
        return None

    def _nothing_followed(self, record: Record) -> tuple[str, Record]:
        limit = "" if self._within == math.inf else f" by t={record.time + self._within:.9g}"
        return f"nothing followed it{limit}", record


class Sometimes(Machine):
    """Nothing is required of one run; its hits are counted for the sweep."""

    def _take(self, record: Record) -> None:
        if self._property.wanted[0].matches(record):
            self._hits += 1

    def verdict(self, end: float) -> Verdict:
        """Return how often it was hit."""
        return msgspec.structs.replace(super().verdict(end), must_be_hit=True)
