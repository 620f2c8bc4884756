"""Expectations: blocks that say which events must, or must not, come of what is done in them.

```python
with assert_event(sim, "circuit_breaker.state_change", {"to": "open"}, within=10.0) as opened:
    sim.process(three_failing_calls(sim))
assert opened.time == 3.0
```

An expectation listens from the beginning of the block. What happens inside the block counts,
whenever it does. When the block is left, the simulation runs until the expectation is settled, for
at most `within` virtual seconds (an event at exactly that time still counts), or until nothing is
left to run. It then stands right after the step that settled it. In a process, where nothing can
be run, ``yield from expectation.wait()`` inside the block waits instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from foundation_lab.telemetry.pattern import EventName
from foundation_lab.testing.blocks import EventExpectation, Refutation, SequenceExpectation
from foundation_lab.testing.listening import Capture
from foundation_lab.testing.matchers import wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.blocks import Order
    from foundation_lab.testing.matchers import Wanted

Step: TypeAlias = EventName | tuple[EventName, Mapping[str, Any]]
"""A name or pattern of an event, or a pair of it and the wanted values of its fields."""


def assert_event(
    sim: Simulation,
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    within: float = 5.0,
    where: Callable[[Record], object] | None = None,
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
        fields: More wanted fields; ``from_`` stands for ``from``.

    Returns:
        A context manager; its `record` is the first record that matches.

    Raises:
        AssertionError: When the block is left and no such event came.
        UnknownName: There is no such event or field.
    """
    return EventExpectation(
        sim, "assert_event", [wanted_event(name, {**(wanted or {}), **fields}, where)], within
    )


def refute_event(
    sim: Simulation,
    name: EventName,
    wanted: Mapping[str, Any] | None = None,
    /,
    *,
    within: float = 5.0,
    where: Callable[[Record], object] | None = None,
    **fields: Any,
) -> Refutation:
    """Expect that an event does not come, neither in the block nor `within` seconds after it.

    Arguments are those of `assert_event`. The whole time must pass, unless nothing is left to run.

    Raises:
        AssertionError: When the block is left and such an event came, or none could be seen because
            telemetry is disabled.
        UnknownName: There is no such event or field.
    """
    return Refutation(
        sim, "refute_event", [wanted_event(name, {**(wanted or {}), **fields}, where)], within
    )


def assert_sequence(
    sim: Simulation, steps: Iterable[Step], /, *, within: float = 5.0, order: Order = "simple"
) -> SequenceExpectation:
    """Expect several events, one after the other.

    Args:
        sim: The simulation.
        steps: Names, or pairs of a name and its wanted fields.
        within: For how many virtual seconds the simulation goes on after the block.
        order: With ``simple`` anything may happen between two steps. With ``strict`` the events
            that have the name of any step are exactly these, in this order, up to the last step;
            events of other names do not matter.

    Returns:
        A context manager; its `records` are those of the steps, its `record` is the last of them.

    Raises:
        AssertionError: When the block is left and a step is missing, or the order was broken.
        UnknownName: There is no such event or field.
    """
    if order not in ("simple", "strict"):
        message = f"order={order!r}; use 'simple' or 'strict'"
        raise ValueError(message)
    return SequenceExpectation(sim, _each(steps, "assert_sequence"), within, order)


def assert_any(
    sim: Simulation, choices: Iterable[Step], /, *, within: float = 5.0
) -> EventExpectation:
    """Expect one of several events.

    Args:
        sim: The simulation.
        choices: Names, or pairs of a name and its wanted fields.
        within: For how many virtual seconds the simulation goes on after the block.

    Returns:
        A context manager; its `record` is the first record that matches any of them.

    Raises:
        AssertionError: When the block is left and none of them came.
        UnknownName: There is no such event or field.
    """
    return EventExpectation(sim, "assert_any", _each(choices, "assert_any"), within)


def capture_events(sim: Simulation, *patterns: EventName) -> Capture:
    """Keep the events of a block; nothing is expected of them, and nothing is run.

    Args:
        sim: The simulation.
        patterns: Which events; all of them when none is given.

    Returns:
        A context manager with `records` and `events`.

    Raises:
        UnknownName: A pattern can match no event.
    """
    return Capture(sim, [wanted_event(pattern) for pattern in patterns or ("**",)])


assert_telemetry_event = assert_event
refute_telemetry_event = refute_event
assert_telemetry_sequence = assert_sequence
assert_telemetry_any = assert_any
capture_telemetry = capture_events


def _each(steps: Iterable[Step], call: str) -> list[Wanted]:
    found = []
    for step in steps:
        if isinstance(step, tuple) and isinstance(step[-1], Mapping):
            name, fields = step
            found.append(wanted_event(name, fields))
        else:
            found.append(wanted_event(step))
    if not found:
        message = f"{call} is given no event; name one at least"
        raise ValueError(message)
    return found
