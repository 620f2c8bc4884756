"""Steps: finding several events, in order, among all that happen.

A candidate for a step need not be the right one: what it binds may not agree with a later step, or
the gap after it may be too long. So all beginnings of a sequence that could still come to an end
are kept, each with what it has bound, and every event is tried on each of them. Beginnings that
cannot be told apart by any later event are one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from foundation_lab.telemetry.pattern import EventName
from foundation_lab.testing.clock import require_seconds
from foundation_lab.testing.spelling import describe_wanted
from foundation_lab.testing.wanted import Wanted, wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foundation_lab.telemetry.record import Record

Order = Literal["simple", "strict", "none"]

ORDERS: tuple[Order, ...] = ("simple", "strict", "none")


class SequenceStep(msgspec.Struct, frozen=True):
    """One step of a sequence; made by `step`.

    Attributes:
        wanted: The event.
        within: At most so many seconds after the step before it.
    """

    wanted: Wanted
    within: float = math.inf

    def __str__(self) -> str:
        """Return what is wanted."""
        if self.within == math.inf:
            return str(self.wanted)
        return f"{self.wanted} within {self.within:.9g} s"


def step(
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    within: float = math.inf,
    where: Callable[[Record], object] | None = None,
    **fields: Any,
) -> SequenceStep:
    """Return a step of a sequence, for what a pair of name and fields cannot say.

    Args:
        name: An event class, a name, a prefix or a pattern.
        wanted: The wanted values of its fields.
        within: At most so many virtual seconds after the step before it (the first step: after the
            block was entered).
        where: A predicate on the whole record.
        fields: More wanted fields.

    Raises:
        UnknownName: There is no such event or field.
        ValueError: `within` is negative or no number.
    """
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return SequenceStep(sought, require_seconds(within))


Step: TypeAlias = EventName | tuple[EventName, Mapping[str, Any]] | SequenceStep
"""A name or pattern of an event, a pair of it and the wanted values of its fields, or a `step`."""


def as_step(given: Step) -> SequenceStep:
    """Return a step in whatever form it was given.

    Raises:
        UnknownName: There is no such event or field.
    """
    if isinstance(given, SequenceStep):
        return given
    if isinstance(given, tuple) and isinstance(given[-1], Mapping):
        name, fields = given
        return SequenceStep(wanted_event(name, fields))
    return SequenceStep(wanted_event(given))


class Rules(msgspec.Struct, frozen=True):
    """What holds between the steps.

    Attributes:
        order: ``simple``: one after the other, with anything between them. ``strict``: events that
            have the name of any step are exactly these, in this order. ``none``: in any order.
        gap: At most so many seconds from one step to the next.
        total: At most so many seconds from the first step to the last.
        causal: Whether each step is to be caused by the one before it, directly or not.
    """

    order: Order = "simple"
    gap: float = math.inf
    total: float = math.inf
    causal: bool = False


class Beginning(msgspec.Struct, frozen=True):
    """Some steps of a sequence that were found.

    Attributes:
        taken: For each step the record that was taken, or ``None``.
        count: How many were taken.
        bound: What names stand for; see `foundation_lab.testing.matchers.bind`.
        first: The first record that was taken.
        last: The last one.
    """

    taken: tuple[Record | None, ...]
    count: int = 0
    bound: dict[str, Any] = {}
    first: Record | None = None
    last: Record | None = None

    def and_then(self, place: int, record: Record, bound: dict[str, Any]) -> Beginning:
        """Return this with one step more."""
        taken = (*self.taken[:place], record, *self.taken[place + 1 :])
        return Beginning(taken, self.count + 1, bound, self.first or record, record)

    @property
    def records(self) -> list[Record]:
        """What was taken, in the order of the steps."""
        return [record for record in self.taken if record is not None]


class Search:
    """Looks for the steps of a sequence in a stream of records.

    Args:
        steps: The steps.
        rules: What holds between them.
        start: When the search begins, in virtual seconds; the first step is late by that.

    Attributes:
        found: The complete sequence, when it is found.
        furthest: The first of the longest beginnings that there were.
        intruder: The record that broke a strict order.
        why: What is wrong with the intruder, if it is not its fields.
    """

    def __init__(self, steps: Sequence[SequenceStep], rules: Rules, start: float) -> None:
        self.steps = steps
        self.found: Beginning | None = None
        self.intruder: Record | None = None
        self.why = ""
        self._rules = rules
        self._start = start
        nothing = Beginning((None,) * len(steps))
        self.furthest = nothing
        self._beginnings = [nothing]
        self._causes: dict[int, int | None] = {}
        limits = [min(each.within, rules.gap) for each in steps]
        self._limits = limits
        self._has_gaps = any(limit < math.inf for limit in limits)

    @property
    def settled(self) -> bool:
        """Whether no later record matters."""
        return self.found is not None or self.intruder is not None

    def take(self, record: Record) -> None:
        """Look at the next record."""
        if self._rules.causal:
            self._causes[record.sequence] = record.cause
        if self.settled or not any(each.wanted.matches_name(record.name) for each in self.steps):
            return
        if self._rules.order == "strict":
            self._take_strictly(record)
            return
        longer = [
            after
            for beginning in self._beginnings
            for place in self._open_places(beginning)
            if (after := self._extended(beginning, place, record)) is not None
        ]
        for after in longer:
            if after.count > self.furthest.count:
                self.furthest = after
            if after.count == len(self.steps):
                self.found = after
                return
        if longer:
            self._beginnings = self._without_twins([*self._beginnings, *longer], record.time)

    def objection(self, beginning: Beginning, place: int, record: Record) -> str:
        """Return why a record whose fields fit cannot be the next step; nothing if it can."""
        last = beginning.last
        since = self._start if last is None else last.time
        late = record.time - since
        if late > self._limits[place]:
            of_what = "after the block was entered" if last is None else "after the step before it"
            return f"it came {late:.9g} s {of_what}, not within {self._limits[place]:.9g} s"
        if beginning.first is not None and record.time - beginning.first.time > self._rules.total:
            length = record.time - beginning.first.time
            return f"it came {length:.9g} s after the first, not within {self._rules.total:.9g} s"
        if self._rules.causal and last is not None and not self._is_caused(record, last.sequence):
            return f"it was not caused by #{last.sequence}: {self._origin(record)}"
        return ""

    def missing(self) -> list[int]:
        """Return the places of the steps that the longest beginning lacks."""
        return [place for place, record in enumerate(self.furthest.taken) if record is None]

    # -- private -------------------------------------------------------------------------------

    def _open_places(self, beginning: Beginning) -> list[int]:
        if self._rules.order != "none":
            return [beginning.count]
        return [place for place, record in enumerate(beginning.taken) if record is None]

    def _extended(self, beginning: Beginning, place: int, record: Record) -> Beginning | None:
        bound = self.steps[place].wanted.match(record, beginning.bound)
        if bound is None or self.objection(beginning, place, record):
            return None
        return beginning.and_then(place, record, bound)

    def _take_strictly(self, record: Record) -> None:
        (beginning,) = self._beginnings
        after = self._extended(beginning, beginning.count, record)
        if after is None:
            self.intruder = record
            wanted = self.steps[beginning.count].wanted
            if wanted.match(record, beginning.bound) is not None:
                self.why = self.objection(beginning, beginning.count, record)
            return
        self._beginnings = [after]
        self.furthest = after
        if after.count == len(self.steps):
            self.found = after

    def _without_twins(self, beginnings: list[Beginning], now: float) -> list[Beginning]:
        """Return the beginnings that can still come to an end, each of its kind once."""
        kept: dict[Any, Beginning] = {}
        has_total = self._rules.total < math.inf
        for each in beginnings:
            if self._is_over(each, now):
                continue
            key: tuple[Any, ...] = (_which(each), _key(each.bound))
            if each.last is not None and (self._rules.causal or (has_total and self._has_gaps)):
                key = (*key, each.last.sequence)
            twin = kept.get(key)
            if twin is None or self._lasts_longer(each, twin, has_total=has_total):
                kept[key] = each
        return list(kept.values())

    def _is_over(self, beginning: Beginning, now: float) -> bool:
        if beginning.last is None or beginning.first is None:
            return False
        longest = max(self._limits[place] for place in self._open_places(beginning))
        return now - beginning.last.time > longest or now - beginning.first.time > self._rules.total

    def _lasts_longer(self, one: Beginning, other: Beginning, *, has_total: bool) -> bool:
        if one.first is None or other.first is None or one.last is None or other.last is None:
            return False
        if has_total:
            return one.first.time > other.first.time
        return self._has_gaps and one.last.time > other.last.time

    def _is_caused(self, record: Record, by: int) -> bool:
        cause = record.cause
        while cause is not None and cause > by:
            cause = self._causes.get(cause)
        return cause == by

    def _origin(self, record: Record) -> str:
        chain = []
        cause = record.cause
        while cause is not None:
            chain.append(f"#{cause}")
            cause = self._causes.get(cause)
        return f"its causes are {' ← '.join(chain)}" if chain else "it has no cause"


def _which(beginning: Beginning) -> tuple[bool, ...]:
    return tuple(record is not None for record in beginning.taken)


def _key(bound: dict[str, Any]) -> Any:
    """Return what two equal bindings have in common; values that cannot be hashed by their text."""
    items = tuple(sorted(bound.items(), key=lambda item: item[0]))
    try:
        hash(items)
    except TypeError:
        return tuple((name, describe_wanted(value)) for name, value in items)
    return items
