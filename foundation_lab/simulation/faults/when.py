"""When a fault is on: data, apart from what is wrong.

A fault is on from the beginning of its first instant to the beginning of its last: what happens at
the very instant at which it begins finds it there, and at the one at which it ends, gone.

Each of these is given a function that begins the fault for so many seconds, and calls it when it is
time. What is drawn comes from the fault's own stream.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from foundation_lab.simulation.faults.fault import drawn, seconds_are_wrong
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry.pattern import dotted

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults.fault import Wrong
    from foundation_lab.telemetry.pattern import EventName
    from foundation_lab.telemetry.record import Record


class Begin(Protocol):
    """Begins a fault."""

    def __call__(self, seconds: float, cause: int | None = None) -> None:
        """Begin it for so many seconds; `cause` is the event that led to it."""


class When(msgspec.Struct, frozen=True, kw_only=True):
    """When a fault is on.

    Attributes:
        duration: How many seconds it lasts each time, or what they are drawn from; for ever by
            default.
    """

    duration: float | Distribution = math.inf

    @property
    def label(self) -> str:
        """How the fault is told from others of its kind and service, in its id."""
        raise NotImplementedError

    @property
    def earliest(self) -> float:
        """The virtual time at which it begins at the earliest, if that is known."""
        return math.inf

    def wrong(self, now: float) -> Iterator[Wrong]:  # noqa: ARG002  (the time matters to some)
        """Return what makes no sense about it at this time."""
        if isinstance(self.duration, int | float) and not self.duration > 0:
            yield "duration", self.duration, "give seconds > 0"

    def schedule(
        self, sim: Simulation, stream: random.Random, handler_id: str, begin: Begin
    ) -> None:
        """Set the timers, or listen to the events, that begin the fault."""
        raise NotImplementedError


class Once(When, frozen=True, kw_only=True):
    """Once, at an instant, for a while or for ever.

    Attributes:
        at: When, in virtual seconds.
    """

    at: float

    @property
    def label(self) -> str:
        """The instant."""
        return f"{self.at:.15g}"

    @property
    def earliest(self) -> float:
        """The instant."""
        return self.at

    def schedule(
        self,
        sim: Simulation,
        stream: random.Random,
        handler_id: str,  # noqa: ARG002  (no event is listened to)
        begin: Begin,
    ) -> None:
        """Set a timer."""
        Timer(sim, self.at, lambda: begin(drawn(self.duration, stream)), first=True)


class Window(When, frozen=True, kw_only=True):
    """Once, from an instant on, for a while.

    Attributes:
        start: From when on, in virtual seconds.
    """

    start: float

    @property
    def label(self) -> str:
        """The instant."""
        return f"{self.start:.15g}"

    @property
    def earliest(self) -> float:
        """The instant."""
        return self.start

    def wrong(self, now: float) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from When.wrong(self, now)
        if self.duration == math.inf:
            yield "duration", self.duration, "a window has an end: give seconds, or Once(at=...)"

    def schedule(
        self, sim: Simulation, stream: random.Random, handler_id: str, begin: Begin
    ) -> None:
        """Set a timer."""
        Once(at=self.start, duration=self.duration).schedule(sim, stream, handler_id, begin)


class Recurring(When, frozen=True, kw_only=True):
    """Again and again.

    Attributes:
        times: How often at most.
        until: None begins at this virtual time or later. A schedule with neither keeps a run going
            for ever: give the run an end.
    """

    times: int | None = None
    until: float = math.inf

    def wrong(self, now: float) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from When.wrong(self, now)
        yield from _times_are_wrong(self.times)
        if not self.until > now:
            yield "until", self.until, f"give a time to come; it is {now:g}"

    def instants(self, stream: random.Random, now: float) -> Iterator[float]:
        """Return the instants at which the fault begins, without an end."""
        raise NotImplementedError

    def schedule(
        self,
        sim: Simulation,
        stream: random.Random,
        handler_id: str,  # noqa: ARG002  (no event is listened to)
        begin: Begin,
    ) -> None:
        """Set a timer for the first time, which sets that of the next."""
        instants = self.instants(stream, sim.now)
        rounds = count() if self.times is None else iter(range(self.times))

        def set_timer() -> None:
            if next(rounds, None) is not None and (due := next(instants)) < self.until:
                Timer(sim, due, strike, first=True)

        def strike() -> None:
            begin(drawn(self.duration, stream))
            set_timer()

        set_timer()


class Periodic(Recurring, frozen=True, kw_only=True):
    """At regular instants: ``first``, ``first + every``, ``first + 2 * every``, ...

    Attributes:
        every: Seconds from one beginning to the next.
        first: The first one, in virtual seconds; by default one period after 0.
    """

    every: float
    first: float | None = None

    @property
    def label(self) -> str:
        """The first instant."""
        return f"{self.earliest:.15g}"

    @property
    def earliest(self) -> float:
        """The first instant."""
        return self.every if self.first is None else self.first

    def wrong(self, now: float) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from Recurring.wrong(self, now)
        yield from seconds_are_wrong("every", self.every, zero=False)

    def instants(self, stream: random.Random, now: float) -> Iterator[float]:  # noqa: ARG002
        """Return the instants at which the fault begins, without an end."""
        return (self.earliest + number * self.every for number in count())


class Poisson(Recurring, frozen=True, kw_only=True):
    """At random instants, `rate` a second on average, whether or not an earlier one is still on.

    Attributes:
        rate: How many a second.
        start: From when on, in virtual seconds.
    """

    rate: float
    start: float = 0.0

    @property
    def label(self) -> str:
        """The word: its instants are drawn."""
        return "poisson"

    def wrong(self, now: float) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from Recurring.wrong(self, now)
        if not (math.isfinite(self.rate) and self.rate > 0):
            yield "rate", self.rate, "give how many a second, > 0"
        yield from seconds_are_wrong("start", self.start)

    def instants(self, stream: random.Random, now: float) -> Iterator[float]:
        """Return the instants at which the fault begins, without an end."""
        time = max(self.start, now)
        while True:
            time -= math.log(1.0 - stream.random()) / self.rate
            yield time


class OnEvent(When, frozen=True, kw_only=True):
    """When an event happens. Nothing is triggered while telemetry is disabled.

    Attributes:
        event: The event's class or name, or a pattern.
        where: The values of its fields that are wanted.
        delay: Seconds from the event to the fault.
        times: How often at most; without a limit when ``None``.
    """

    event: Any
    where: dict[str, Any] = msgspec.field(default_factory=dict)
    delay: float = 0.0
    times: int | None = 1

    @property
    def label(self) -> str:
        """The name of the event."""
        name: EventName = self.event
        return f"on {dotted(name).removeprefix('foundation.')}"

    def wrong(self, now: float) -> Iterator[Wrong]:
        """Return what makes no sense about it."""
        yield from When.wrong(self, now)
        yield from seconds_are_wrong("delay", self.delay)
        yield from _times_are_wrong(self.times)

    def schedule(
        self, sim: Simulation, stream: random.Random, handler_id: str, begin: Begin
    ) -> None:
        """Listen to the event."""
        rounds = count(1)

        def notice(record: Record) -> None:
            if next(rounds) == self.times:
                sim.telemetry.detach(handler_id)
            cause = record.sequence
            Timer(sim, sim.now + self.delay, partial(strike, cause), first=True)

        def strike(cause: int) -> None:
            begin(drawn(self.duration, stream), cause)

        sim.telemetry.attach(
            handler_id, self.event, notice, where=self.where or None, on_error="raise"
        )


def _times_are_wrong(times: int | None) -> Iterator[Wrong]:
    if times is not None and not (isinstance(times, int) and times >= 1):
        yield "times", times, "give a whole number from 1"
