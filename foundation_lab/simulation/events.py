"""Events as SimPy knows them, made lean.

An event is *pending*, then *triggered* (it has a value and a place in the queue), then *processed*
(whoever waited goes on). SimPy keeps a list of callbacks for each; nearly always there is one
process in it. So an event here keeps whoever waits as it is, and becomes a list of callbacks only
when somebody asks for one: everything that works with SimPy's events works with these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import simpy
from simpy.core import StopSimulation
from simpy.events import NORMAL, PENDING

from foundation_lab.errors import SchedulingError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from foundation_lab.simulation.agenda import Agenda

GONE: Final = False
"""Stands where an event keeps who waits for it, once it was processed or cancelled."""


class Event(simpy.Event):
    """Something that may happen, and that processes can wait for.

    `_waiter` is who waits: ``None``, a single process, a function of the engine's own, a list of
    callbacks, or `GONE`. The event of a failure always has a list, so that a process alone, the
    usual case, need not ask how the event ended.
    """

    env: Agenda
    _ok = True

    def __init__(self, env: Agenda) -> None:
        self.env = env
        self._waiter: Any = None
        self._value: Any = PENDING

    @property
    def callbacks(self) -> Any:
        """The functions that are called when the event is processed; ``None`` afterwards."""
        waiter = self._waiter
        if waiter is GONE:
            return None
        if type(waiter) is list:
            return waiter
        return self.make_list()

    @callbacks.setter
    def callbacks(self, calls: Any) -> None:
        self._waiter = GONE if calls is None else calls

    def make_list(self) -> list[Any]:
        """Make a list of whoever waits, for more to come."""
        waiter = self._waiter
        if type(waiter) is not list:
            waiter = [] if waiter is None else [getattr(waiter, "_resume", waiter)]
            self._waiter = waiter
        return waiter

    @property
    def ok(self) -> bool:
        """Whether the event was triggered successfully.

        Raises:
            AttributeError: It is not triggered yet.
        """
        if self._value is PENDING:
            message = f"{self} is not triggered yet"
            raise AttributeError(message)
        return self._ok

    def succeed(self, value: Any = None) -> Self:
        """Trigger the event, with a value for whoever waits.

        Raises:
            RuntimeError: It was triggered before.
        """
        if self._value is not PENDING:
            message = f"{self} has already been triggered"
            raise RuntimeError(message)
        self._value = value
        self.env._ready.append(self)
        return self

    def fail(self, exception: BaseException) -> Self:
        """Trigger the event with an exception, which is raised in whoever waits.

        Raises:
            RuntimeError: It was triggered before.
            TypeError: That is no exception.
        """
        if self._value is not PENDING:
            message = f"{self} has already been triggered"
            raise RuntimeError(message)
        if not isinstance(exception, BaseException):
            message = f"{exception} is not an exception."
            raise TypeError(message)
        self._ok = False
        self._value = exception
        self.env.schedule(self)
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the event in a coroutine; see `Coroutines.as_future`."""
        return self.env.as_future(self).__await__()  # type: ignore[attr-defined,no-any-return]

    def __and__(self, other: simpy.Event) -> Condition:
        """Return the condition that both events have happened."""
        return Condition(self.env, Condition.all_events, [self, other])

    def __or__(self, other: simpy.Event) -> Condition:
        """Return the condition that one of the events has happened."""
        return Condition(self.env, Condition.any_events, [self, other])


class Timeout(Event, simpy.Timeout):
    """Happens after a delay.

    Args:
        env: The simulation.
        delay: Virtual seconds.
        value: What a process that waits is given.

    Raises:
        SchedulingError: The delay is negative or no number.
    """

    def __init__(self, env: Agenda, delay: float, value: Any = None) -> None:
        if not delay >= 0:
            raise impossible_delay(delay)
        self.env = env
        self._waiter = None
        self._value = value
        self._delay = delay
        env.schedule(self, NORMAL, delay)

    @classmethod
    def due(cls, env: Agenda, delay: float, process: object) -> Self:
        """Return the event that a process waits for, to be put in its place in the queue."""
        timeout = cls.__new__(cls)
        timeout.env = env
        timeout._waiter = process
        timeout._value = None
        timeout._delay = delay
        return timeout


class QuickTimeout(Timeout):
    """A timeout as `Simulation.timeout` makes it: without a constructor, which would cost more."""

    __init__ = object.__init__


QuickTimeout.__name__ = QuickTimeout.__qualname__ = "Timeout"


class Condition(simpy.events.Condition, Event):
    """Happens when enough of several events have happened; see `simpy.events.Condition`."""


class AllOf(Condition, simpy.AllOf):
    """Happens when all of several events have happened."""


class AnyOf(Condition, simpy.AnyOf):
    """Happens when one of several events has happened."""


class Initialize(Event, simpy.events.Initialize):
    """The beginning of a process, for whoever asks what it waits for."""

    def __init__(self, env: Agenda, process: object) -> None:
        super().__init__(env)
        self._value = None
        self._waiter = process


class Foreign:
    """The place in the queue of an event that SimPy's own classes made."""

    __slots__ = ("event",)

    _value = None

    def __init__(self, event: simpy.Event) -> None:
        self.event = event

    @property
    def _waiter(self) -> Any:
        return GONE if self.event.callbacks is None else self._happen

    @_waiter.setter
    def _waiter(self, gone: bool) -> None:
        """Leave it to `_happen`: the event keeps its callbacks itself."""

    def _happen(self, _place: Foreign) -> None:
        calls = self.event.callbacks
        self.event.callbacks = None  # type: ignore[assignment]  # SimPy's mark: it is processed
        process_callbacks(self.event, calls)


def process_callbacks(event: Any, calls: Sequence[Callable[[Any], object]]) -> None:
    """Call whoever waits for an event, and see to it that no failure goes unnoticed."""
    try:
        for call in calls:
            call(event)
    except StopSimulation:
        rest = calls[calls.index(call) + 1 :]
        if rest:
            event.callbacks = rest
            event.env.schedule(event, BEFORE_ALL)
        raise
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value


def impossible_delay(delay: object) -> SchedulingError:
    """Return the error for a delay that no clock can wait for."""
    message = f"Negative delay {delay!r}; delays are numbers of seconds from 0"
    return SchedulingError(message)


BEFORE_ALL: Any = -1
"""The priority of what a stopped run has left to do in an instant."""
