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

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from foundation_lab.testing.clock import (
    advance,
    end_of_window,
    require_outside,
    require_seconds,
)
from foundation_lab.testing.failure import (
    before_the_block,
    circumstances,
    compose,
    describe_record,
    near_misses,
    seconds,
    why_it_ended,
)
from foundation_lab.testing.listening import Capture, Listener
from foundation_lab.testing.matchers import Wanted, wanted_event

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from simpy.events import Event

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.bus import Record
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.testing.clock import Ending

    Step = EventName | tuple[EventName, Mapping[str, Any]]

Order = Literal["simple", "strict"]


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


def assert_any(sim: Simulation, choices: Iterable[Step], /, *, within: float = 5.0) -> EventExpectation:
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


class Expectation(Listener):
    """What all expectations share: they are settled by an event, or by the end of the time.

    Attributes:
        within: For how many virtual seconds the simulation goes on after the block.
    """

    def __init__(
        self, sim: Simulation, call: str, wanted: Sequence[Wanted], within: float
    ) -> None:
        super().__init__(sim, wanted)
        self.within = require_seconds(within)
        self._call = call
        self._decisive: Record | None = None
        self._waited = False
        self._signal: Event | None = None

    @property
    def record(self) -> Record:
        """The record that settled it.

        Raises:
            RuntimeError: There is none (yet).
        """
        if self._decisive is None:
            message = f"nothing has settled {self}; look at its record after the block"
            raise RuntimeError(message)
        return self._decisive

    @property
    def event(self) -> Any:
        """The event that settled it."""
        return self.record.event

    @property
    def time(self) -> float:
        """When it was settled, in virtual seconds."""
        return self.record.time

    def wait(self) -> Generator[Event, Any, None]:
        """Wait in the running process, inside the block (``yield from``).

        The time `within` counts from here. The process goes on at the instant of the event, after
        what was due at that instant before it.

        Raises:
            AssertionError: It was not met.
        """
        if not self._is_attached:
            message = f"{self} listens only inside of its block; call wait() there"
            raise RuntimeError(message)
        self._waited = True
        if not self._settled:
            self._signal = self._sim.wait(str(self))
            end = end_of_window(self._sim, self.within)
            try:
                yield self._sim.any_of([self._signal, end])
            finally:
                self._sim.cancel(end)
                self._signal = None
        self._conclude("done" if self._settled else "deadline")

    def __str__(self) -> str:
        """Return how it was made."""
        return f"{self._call}({', '.join(map(str, self._wanted))})"

    def __del__(self) -> None:
        """Warn of an expectation that was made and never used: it has checked nothing."""
        if not getattr(self, "_entered", True):
            warnings.warn(
                f"{self} was never entered, so it checked nothing; write 'with {self._call}(...):'",
                RuntimeWarning,
                stacklevel=2,
            )

    # -- for subclasses ------------------------------------------------------------------------

    def _verdict(self, ending: Ending) -> str | None:
        """Return the message of the failure, or ``None`` when all is as expected."""
        raise NotImplementedError

    def _settle(self, record: Record) -> None:
        if self._decisive is None:
            self._decisive = record
            self._wake()

    @property
    def _span(self) -> str:
        return f"in the block and {seconds(self.within)} s after it"

    # -- private -------------------------------------------------------------------------------

    @property
    def _settled(self) -> bool:
        return self._decisive is not None or self._broken is not None or not self._can_see

    @property
    def _can_see(self) -> bool:
        return self._sim.telemetry.enabled and self._is_attached

    def _leave(self) -> None:
        __tracebackhide__ = True
        if self._waited:
            return
        if not self._settled:
            require_outside(self._sim, "use 'yield from expectation.wait()' inside the block")
        self._conclude(advance(self._sim, lambda: self._settled, self.within))

    def _conclude(self, ending: Ending) -> None:
        __tracebackhide__ = True
        if self._broken is not None:
            return
        if self._decisive is None and not self._can_see:
            message = (
                f"{self} can see nothing at t={seconds(self._sim.now)}: telemetry was disabled, or "
                "detach_all() took its handler away"
            )
            raise AssertionError(message)
        message_of_failure = self._verdict(ending)
        if message_of_failure is not None:
            raise AssertionError(message_of_failure)

    def _wake(self) -> None:
        if self._signal is not None and not self._signal.triggered:
            self._signal.succeed()


class EventExpectation(Expectation):
    """One of several events, or the only one, must come; made by `assert_event`, `assert_any`."""

    def _see(self, record: Record) -> None:
        if any(wanted.matches(record) for wanted in self._wanted):
            self.records.append(record)
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        if self._decisive is not None:
            return None
        none_of = "none of" if len(self._wanted) > 1 else "no"
        return compose(
            f"{none_of} {', '.join(map(str, self._wanted))} {self._span}",
            why_it_ended(self._sim, ending),
            *(_search(self._sim, wanted, self.since) for wanted in self._wanted),
            circumstances(self._sim),
        )


class Refutation(Expectation):
    """An event must not come; made by `refute_event`."""

    def _see(self, record: Record) -> None:
        if self._wanted[0].matches(record):
            self.records.append(record)
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        if self._decisive is None:
            return None
        return compose(
            f"{self._wanted[0]} happened, although it must not, {self._span}",
            [f"it was {describe_record(self._decisive)}"],
            circumstances(self._sim),
        )


class SequenceExpectation(Expectation):
    """Several events must come in order; made by `assert_sequence`."""

    def __init__(self, sim: Simulation, steps: Sequence[Wanted], within: float, order: Order) -> None:
        super().__init__(sim, "assert_sequence", steps, within)
        self.order = order
        self._intruder: Record | None = None

    def _see(self, record: Record) -> None:
        if len(self.records) == len(self._wanted) or self._intruder is not None:
            return
        if self._wanted[len(self.records)].matches(record):
            self.records.append(record)
            if len(self.records) == len(self._wanted):
                self._settle(record)
        elif self.order == "strict":
            self._intruder = record
            self._settle(record)

    def _verdict(self, ending: Ending) -> str | None:
        done, total = len(self.records), len(self._wanted)
        if done == total:
            return None
        missing = self._wanted[done]
        if self._intruder is not None:
            return compose(
                f"the order was broken at step {done + 1} of {total}, {missing}",
                [f"instead came {describe_record(self._intruder)}"],
                self._progress(),
                circumstances(self._sim),
            )
        after = self.records[-1].sequence + 1 if self.records else self.since
        return compose(
            f"step {done + 1} of {total}, {missing}, did not come {self._span}",
            why_it_ended(self._sim, ending),
            self._progress(),
            _search(self._sim, missing, after),
            circumstances(self._sim),
        )

    def _progress(self) -> list[str]:
        lines = [f"  {n}. {describe_record(r)}" for n, r in enumerate(self.records, 1)]
        lines += [f"  {n}. missing: {wanted}" for n, wanted in enumerate(self._wanted, 1)][len(lines) :]
        return ["so far:", *lines]


def _search(sim: Simulation, wanted: Wanted, since: int) -> list[str]:
    return [*near_misses(sim, wanted, since), *before_the_block(sim, wanted, since)]


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
