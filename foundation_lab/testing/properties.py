"""Properties of a whole run: what must hold of all its events.

A property is a description. `monitor` puts it to a run while that goes on, `judge` to a recording;
both feed the same events to the same machine, so that the verdict is the same. A predicate that
looks at anything but the record it is given may, of course, see another state afterwards.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from foundation_lab.testing.clock import require_seconds
from foundation_lab.testing.machines import (
    Always,
    Eventually,
    LeadsTo,
    Never,
    NeverAfter,
    Property,
    Sometimes,
)
from foundation_lab.testing.steps import as_step
from foundation_lab.testing.wanted import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.steps import Step


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
    return Property(f"always {sought}", (sought,), Always)


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
    return Property(f"never {sought}", (sought,), Never)


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
        lambda property_, start: Eventually(property_, start, within),
    )


def never_after(first: Step, then: Step, /) -> Property:
    """Return the property that one event does not happen any more after another.

    What `first` binds must agree with `then`: with ``bind("id")`` in both, only events of the same
    id are compared.

    Raises:
        UnknownName: There is no such event or field.
    """
    one, other = as_step(first).wanted, as_step(then).wanted
    return Property(f"never {other} after {one}", (one, other), NeverAfter)


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
        lambda property_, start: LeadsTo(property_, start, within),
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
    return Property(f"sometimes {sought}", (sought,), Sometimes)


def _within(seconds: float) -> str:
    """Return a limit of time in words, and refuse one that is none."""
    return "" if require_seconds(seconds) == math.inf else f" within {seconds:.9g} s"
