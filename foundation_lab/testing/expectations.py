"""Expectations: which events must, or must not, come of what is done.

```python
with assert_event(sim, "circuit_breaker.state_change", {"to": "open"}, within=10.0) as opened:
    sim.process(three_failing_calls(sim))
assert opened.time == 3.0
```

An expectation listens from the beginning of the block. What happens inside the block counts,
whenever it does. When the block is left, the simulation runs until the expectation is settled, for
at most `within` virtual seconds (an event at exactly that time still counts), or until nothing is
left to run. It then stands right after the step that settled it.

Every function here returns an expectation, which has all forms: ``with`` in the main program; given
a `block`, the call alone; in a process ``yield from`` or ``yield``, or ``with`` and ``yield from
expectation.wait()`` inside; in a coroutine on the virtual clock ``async with`` or ``await``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from foundation_lab.testing.clock import require_seconds
from foundation_lab.testing.counting import CountExpectation, bounds
from foundation_lab.testing.occurrences import EventExpectation, Refutation
from foundation_lab.testing.sequences import SequenceExpectation
from foundation_lab.testing.steps import ORDERS, Rules, Step, as_step
from foundation_lab.testing.wanted import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.marks import Mark
    from foundation_lab.testing.steps import Order


def assert_event(
    sim: Simulation,
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    within: float = 5.0,
    where: Callable[[Record], object] | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
    **fields: Any,
) -> EventExpectation:
    """Expect an event.

    Args:
        sim: The simulation.
        name: An event class, a name (dotted or as a tuple), a prefix or a pattern.
        wanted: The wanted values of its fields; the values may be any of those that
            `foundation_lab.testing.matchers` lists.
        within: For how many virtual seconds the simulation goes on after the block.
        where: A predicate on the whole record, for what fields cannot say.
        since: A mark, or a sequence number: what happened from there on counts, too.
        block: What is to be done; in the main program, it is done at once.
        fields: More wanted fields; ``from_`` stands for ``from``.

    Returns:
        The expectation; its `record` is the first record that matches, its `result` what `block`
        returned.

    Raises:
        AssertionError: When the block is left and no such event came.
        UnknownName: There is no such event or field.
    """
    __tracebackhide__ = True
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return EventExpectation(
        sim, "assert_event", [sought], within, since=since, block=block
    ).called()


def refute_event(
    sim: Simulation,
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    within: float = 5.0,
    where: Callable[[Record], object] | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
    **fields: Any,
) -> Refutation:
    """Expect that an event does not come, neither in the block nor `within` seconds after it.

    Arguments are those of `assert_event`. The whole time must pass, its very last instant included,
    unless nothing is left to run.

    Raises:
        AssertionError: When the block is left and such an event came; the run was stopped before
            the time was over; or none could be seen because telemetry is disabled.
        UnknownName: There is no such event or field.
    """
    __tracebackhide__ = True
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return Refutation(sim, "refute_event", [sought], within, since=since, block=block).called()


def assert_count(
    sim: Simulation,
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    exactly: int | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    within: float = 5.0,
    where: Callable[[Record], object] | None = None,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
    **fields: Any,
) -> CountExpectation:
    """Expect an event so many times in the block and `within` seconds after it.

    Other arguments are those of `assert_event`. Without an upper limit it ends with the last event
    that was missing; with one, the whole time must pass, unless one event too many comes.

    Args:
        sim: The simulation.
        name: An event class, a name, a prefix or a pattern.
        wanted: The wanted values of its fields.
        exactly: How many; or else
        at_least: how many at least, and
        at_most: how many at most.
        within: For how many virtual seconds the simulation goes on after the block.
        where: A predicate on the whole record.
        since: A mark: what happened from there on counts, too.
        block: What is to be done.
        fields: More wanted fields.

    Returns:
        The expectation; its `records` are what came.

    Raises:
        AssertionError: When the block is left and there were too few or too many.
        ValueError: The numbers say nothing, or contradict each other.
        UnknownName: There is no such event or field.
    """
    __tracebackhide__ = True
    least, most = bounds(exactly, at_least, at_most)
    sought = wanted_event(name, {**(wanted or {}), **fields}, where)
    return CountExpectation(
        sim, sought, within, least=least, most=most, since=since, block=block
    ).called()


def assert_sequence(
    sim: Simulation,
    steps: Iterable[Step],
    /,
    *,
    within: float = 5.0,
    order: Order = "simple",
    gap: float = math.inf,
    total: float = math.inf,
    causal: bool = False,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> SequenceExpectation:
    """Expect several events; each of them is one step only.

    Whatever could be a step is tried: when an event fits a step, but what it binds, or when it
    came, does not agree with the later steps, another event may take its place.

    Args:
        sim: The simulation.
        steps: Names, pairs of a name and its wanted fields, or what `step` returns.
        within: For how many virtual seconds the simulation goes on after the block.
        order: With ``simple`` anything may happen between two steps. With ``strict`` the events
            that have the name of any step are exactly these, in this order, up to the last step;
            events of other names do not matter. With ``none`` the steps may come in any order.
        gap: At most so many seconds from one step to the next, the first one counted from when the
            block was entered.
        total: At most so many seconds from the first step to the last.
        causal: Whether each step must be caused by the one before it, directly or through other
            events.
        since: A mark: what happened from there on counts, too.
        block: What is to be done.

    Returns:
        The expectation; its `records` are those of the steps, in their order, its `record` is the
        one that came last, its `bound` what the names given by `bind` stand for.

    Raises:
        AssertionError: When the block is left and a step is missing, or the order was broken.
        UnknownName: There is no such event or field.
        ValueError: There are no steps, or rules that do not go together.
    """
    __tracebackhide__ = True
    if order not in ORDERS:
        message = f"order={order!r}; use 'simple', 'strict' or 'none'"
        raise ValueError(message)
    found = [as_step(each) for each in _some(steps, "assert_sequence")]
    if order == "none" and (causal or any(each.within < math.inf for each in found)):
        message = "order='none': no step is before another, so leave out causal and step(within)"
        raise ValueError(message)
    rules = Rules(order, require_seconds(gap, "gap"), require_seconds(total, "total"), causal)
    return SequenceExpectation(sim, found, within, rules, since=since, block=block).called()


def assert_any(
    sim: Simulation,
    choices: Iterable[Step],
    /,
    *,
    within: float = 5.0,
    since: Mark | int | None = None,
    block: Callable[[], object] | None = None,
) -> EventExpectation:
    """Expect one of several events.

    Args:
        sim: The simulation.
        choices: Names, pairs of a name and its wanted fields, or what `step` returns.
        within: For how many virtual seconds the simulation goes on after the block.
        since: A mark: what happened from there on counts, too.
        block: What is to be done.

    Returns:
        The expectation; its `record` is the first record that matches any of them.

    Raises:
        AssertionError: When the block is left and none of them came.
        UnknownName: There is no such event or field.
    """
    __tracebackhide__ = True
    sought = [as_step(each).wanted for each in _some(choices, "assert_any")]
    return EventExpectation(sim, "assert_any", sought, within, since=since, block=block).called()


assert_telemetry_event = assert_event
refute_telemetry_event = refute_event
assert_telemetry_sequence = assert_sequence
assert_telemetry_any = assert_any


def _some(steps: Iterable[Step], call: str) -> list[Step]:
    if isinstance(steps, str | type):
        message = f"{call} is given {steps!r}; give a list of events"
        raise TypeError(message)
    found = list(steps)
    if not found:
        message = f"{call} is given no event; name one at least"
        raise ValueError(message)
    return found
