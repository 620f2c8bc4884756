"""Properties of a whole run: what must hold of all its events.

A property is a description. `monitor` puts it to a run while that goes on, `judge` to a recording;
both feed the same events to the same machine, so that the verdict is the same. A predicate that
looks at anything but the record it is given may, of course, see another state afterwards.

How the end of a run is taken: what must happen some day and has not, is violated; what must happen
within a time that is not over yet is left open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from foundation_lab.testing.matchers import Wanted, wanted_event
from foundation_lab.testing.steps import as_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.steps import Step


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


def always(
    what: EventName | Callable[[Record], object],
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    where: Callable[[Record], object] | None = None,
    **fields: Any,
) -> Property:
    """Return the property that every event of a name is as wanted.

    Args:
        what: The event; or a predicate, which must hold of every record of any event.
        wanted: The wanted values of its fields.
        where: A predicate on the whole record.
        fields: More wanted fields.

    Raises:
        UnknownName: There is no such event or field.
        ValueError: Nothing is wanted of the event.
    """
    if callable(what) and not isinstance(what, type):
        return always("**", where=what)
    sought = wanted_event(what, {**(wanted or {}), **fields}, where)
    if not sought.fields and sought.where is None:
        message = f"always({sought.pattern!r}) wants nothing of the event; name a field or where="
        raise ValueError(message)
    return Property(f"always {sought}", (sought,), _Always)


def never(
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    where: Callable[[Record], object] | None = None,
    **fields: Any,
) -> Property:
    """Return the property that an event does not happen; arguments are those of `assert_event`."""
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return Property(f"never {sought}", (sought,), _Never)


def eventually(
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    within: float = math.inf,
    where: Callable[[Record], object] | None = None,
    **fields: Any,
) -> Property:
    """Return the property that an event happens, at most `within` seconds after the beginning.

    A run that ends without it violates the property, however early it ends. Other arguments are
    those of `assert_event`.

    Raises:
        UnknownName: There is no such event or field.
        ValueError: `within` is negative or no number.
    """
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return Property(
        f"eventually {sought}{_within(within)}",
        (sought,),
        lambda property_, start: _Eventually(property_, start, within),
    )


def never_after(first: Step, then: Step, /) -> Property:
    """Return the property that one event does not happen any more after another.

    What `first` binds must agree with `then`: with ``bind("id")`` in both, only events of the same
    id are compared.

    Raises:
        UnknownName: There is no such event or field.
    """
    one, other = as_step(first).wanted, as_step(then).wanted
    return Property(f"never {other} after {one}", (one, other), _NeverAfter)


def leads_to(first: Step, then: Step, /, *, within: float = math.inf) -> Property:
    """Return the property that each event of one kind is followed by one of another.

    One follower is enough for all that came before it; an event does not follow itself. What
    `first` binds must agree with `then`. At the end of the run, a follower that is not late yet is
    left open; without a limit of time it is late.

    Args:
        first: What happens.
        then: What must follow.
        within: At most so many seconds after it.

    Raises:
        UnknownName: There is no such event or field.
        ValueError: `within` is negative or no number.
    """
    one, other = as_step(first).wanted, as_step(then).wanted
    return Property(
        f"{one} leads to {other}{_within(within)}",
        (one, other),
        lambda property_, start: _LeadsTo(property_, start, within),
    )


def sometimes(
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    where: Callable[[Record], object] | None = None,
    **fields: Any,
) -> Property:
    """Return the property that an event happens in some run of a sweep; see `Sweep`.

    It proves that the sweep has tried what it is for: that the fault really hit, that the rare
    branch was really taken. A single run cannot violate it. Arguments are those of `assert_event`.
    """
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return Property(f"sometimes {sought}", (sought,), _Sometimes)


# -- the machines --------------------------------------------------------------------------------


class _Always(Machine):
    def _take(self, record: Record) -> None:
        (wanted,) = self._property.wanted
        if not wanted.matches_name(record.name):
            return
        self._hits += 1
        if not wanted.matches(record):
            differs = [f"{name} is {got!r}" for name, (_, got) in wanted.difference(record).items()]
            self._violate(", ".join(differs) or "the predicate does not hold", record)


class _Never(Machine):
    def _take(self, record: Record) -> None:
        if self._property.wanted[0].matches(record):
            self._hits += 1
            self._violate("it happened", record)


class _Eventually(Machine):
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


class _NeverAfter(Machine):
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


class _LeadsTo(Machine):
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


class _Sometimes(Machine):
    def _take(self, record: Record) -> None:
        if self._property.wanted[0].matches(record):
            self._hits += 1

    def verdict(self, end: float) -> Verdict:
        """Return how often it was hit."""
        return msgspec.structs.replace(super().verdict(end), must_be_hit=True)


def _within(seconds: float) -> str:
    """Return a limit of time in words, and refuse one that is none."""
    if not (isinstance(seconds, int | float) and seconds >= 0):
        message = f"within={seconds!r}; give virtual seconds, 0 or more"
        raise ValueError(message)
    return "" if seconds == math.inf else f" within {seconds:.9g} s"
