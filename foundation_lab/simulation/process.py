"""Processes that carry a telemetry context."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import simpy
from simpy.events import PENDING

from foundation_lab.simulation.call import Call, Ended
from foundation_lab.simulation.events import GONE, Event, Initialize, Timeout, impossible_delay
from foundation_lab.simulation.thrown import Interruption, Thrown, fresh
from foundation_lab.telemetry.context import UNRECORDED

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.context import Context

STARTING: Final = True
"""Stands for what a process waits for that was made and has not begun."""


class Process(Event, simpy.Process):
    """A SimPy process with a name, a telemetry context and the last event that led to it.

    What it may yield: an event, or a number of seconds to wait. The number is the cheaper way to
    wait: it takes no event, and an interrupt takes the wait away with it. A coroutine becomes a
    task, which an interrupt cancels; ``yield from sim.call(coroutine)`` also waits for its end.

    Args:
        env: The simulation.
        generator: The process generator.
        name: What the process is called in recordings; by default its function's name.
        daemon: Whether it may still be waiting when a run is otherwise complete.
    """

    env: Simulation
    origin = UNRECORDED
    daemon = False
    _name: str | None = None
    _waiter: Any = None
    # The event it waits for; for a number of seconds, the rank of the queue's entry.
    _target: Any = STARTING

    def __init__(
        self,
        env: Simulation,
        generator: Generator[Any, Any, Any],
        *,
        name: str | None = None,
        daemon: bool = False,
    ) -> None:
        if not hasattr(generator, "throw"):
            message = f"{generator} is not a generator."
            raise ValueError(message)
        if name is not None and not isinstance(name, str):
            message = f"name={name!r}; the name of a process is a string"
            raise TypeError(message)
        starter = env.telemetry.running
        self.env = env
        self._generator = generator
        self._context: Context = starter.context
        self.cause: int = starter.cause
        if name is not None:
            self._name = name
        if daemon:
            self.daemon = True
        env._urgent.append(self)
        env._living[self] = None

    def __init_subclass__(cls) -> None:
        """Refuse: the engine knows its processes by their class."""
        message = f"{cls.__qualname__}: a process is not subclassed; what it does is its generator"
        raise TypeError(message)

    @property
    def name(self) -> str:
        """What the process is called: the given name, or its function's."""
        if self._name is not None:
            return self._name
        return str(getattr(self._generator, "__name__", type(self._generator).__name__))

    @property
    def context(self) -> Context:
        """Where and for whom the process does what it does; processes that it starts inherit it."""
        return self._context

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context
        self.origin = UNRECORDED

    @property
    def generator(self) -> Generator[Any, Any, Any]:
        """The generator that the process runs."""
        return self._generator

    @property
    def target(self) -> Any:
        """The event that the process waits for; ``None`` when it has ended."""
        target = self._target
        if self._value is not PENDING:
            return None
        if self is self.env._active_proc:
            return target if isinstance(target, simpy.Event) else Initialize(self.env, GONE)
        if target is STARTING:
            target = self._target = self.env.start_event(self)
        elif type(target) is int:
            target = self._target = self.env.timeout_event(self, target)
        return target

    def make_list(self) -> list[Any]:
        """Make a list of whoever waits.

        Callbacks need not refer to the process; it refers to itself then, so that the engine does
        not take its end for one that nobody waits for.
        """
        self._itself = self
        return super().make_list()

    def begin(self) -> None:
        """Run from the start to where the process first waits; the engine calls this."""
        self._resume(_BEGIN)

    # -- exceptions on their way in ------------------------------------------------------------

    def interrupt(self, cause: object = None) -> None:
        """Raise `simpy.Interrupt` in the process where it waits, at this instant.

        Raises:
            RuntimeError: The process has ended already, or is the one that runs.
        """
        if self._value is not PENDING:
            message = f"{self} has terminated and cannot be interrupted."
            raise RuntimeError(message)
        if self is self.env.active_process:
            message = "A process is not allowed to interrupt itself."
            raise RuntimeError(message)
        Interruption(self.env, simpy.Interrupt(cause)).aim(self)

    def throw(self, error: BaseException) -> None:
        """Raise `error` in the process where it waits, at this instant.

        Like `interrupt`, but with an exception of one's own. From a timer or a callback it arrives
        at once; from another process, once that process waits, and while the event is processed
        that the process waited for, once it waits again.

        Raises:
            RuntimeError: The process has ended already, or is the one that runs.
        """
        if not self.is_alive:
            message = f"{self.name} has ended; nothing can be thrown into it"
            raise RuntimeError(message)
        if self is self.env.active_process:
            message = f"{self.name} cannot throw into itself; raise the exception instead"
            raise RuntimeError(message)
        if self.env.active_process is None and not self._is_being_resumed:
            self.deliver(error)
        else:
            Thrown(self.env, error).aim(self)

    def deliver(self, error: BaseException) -> None:
        """Raise `error` in the process now, from a timer or another callback of the engine."""
        Thrown(self.env, error).hit(self)

    # -- private -------------------------------------------------------------------------------

    @property
    def _is_being_resumed(self) -> bool:
        """Whether the event that the process waits for is happening right now."""
        target = self._target
        return isinstance(target, simpy.Event) and target.callbacks is None

    def _stop_waiting(self) -> None:
        target = self._target
        if type(target) is int:
            self._target = None
            self.env.buried()
        elif target is STARTING:
            self.env._urgent.remove(self)
        elif isinstance(target, Event):
            if target._waiter is self:
                target._waiter = None
            elif target._waiter is not GONE:
                target._waiter.remove(self._resume)
            if type(target) is Nap and not target._waiter:
                self.env.cancel(target)  # nobody else has come to know of it
            elif type(target) is Ended:
                target.abandon()
        elif isinstance(target, simpy.Event) and target.callbacks is not None:
            target.callbacks.remove(self._resume)

    def _resume(self, event: Any) -> None:
        """Go on with what `event` came to, until the next event that is still to come."""
        env = self.env
        while event is not None:
            env._active_proc = self
            try:
                ok = event._ok
                target = self._generator.send(event._value) if ok else self._raise(event)
            except StopIteration as stop:
                self._value = stop.value
                del env._living[self]
                env._ready.append(self)
                break
            except BaseException as error:  # noqa: BLE001  (it becomes the process's value)
                self._fail(error)
                break
            event = self._wait_for(target)
        env._active_proc = None

    def _raise(self, event: Any) -> Any:
        event._defused = True
        return self._generator.throw(fresh(event))

    def _fail(self, error: BaseException) -> None:
        trace = error.__traceback__
        error.__traceback__ = trace.tb_next if trace is not None else None
        self._ok = False
        self._value = error
        del self.env._living[self]
        self.env.schedule(self)
        if isinstance(error, KeyboardInterrupt):  # somebody wants the run to end, and not later
            self._defused = True
            self.env._active_proc = None
            raise error

    def _wait_for(self, target: Any) -> Any:
        """Wait for whatever the process has yielded.

        Returns:
            The event, when it has happened already and the process goes on at once.
        """
        if isinstance(target, Event):
            if target._waiter is GONE:
                return target
            if target._waiter is None:
                target._waiter = self
            else:
                target.callbacks.append(self._resume)
        elif isinstance(target, Real) and not isinstance(target, bool):
            seconds = target if isinstance(target, int) else float(target)
            if not seconds >= 0:
                return Thrown(self.env, impossible_delay(seconds))
            target = Nap(self.env, seconds)
            target._waiter = self
        elif isinstance(target, simpy.Event):
            if target.callbacks is None:
                return target
            target.callbacks.append(self._resume)
        elif hasattr(target, "as_event"):  # something that knows the event that it stands for
            return self._wait_for(target.as_event())
        elif (call := Call.of(target)) is not None:
            return self._wait_for(call.start(self.env))
        else:
            self.env._active_proc = None
            message = (
                f'Invalid yield value "{target}": process {self.name!r} may yield events of the '
                "simulation and numbers of seconds only; call services with 'yield from'"
            )
            raise RuntimeError(message)
        self._target = target
        return None


class _Begin:
    """What a process is resumed with that has just begun."""

    _ok = True
    _value = None


_BEGIN: Final = _Begin()


class Nap(Timeout):
    """A wait for a number of seconds; an interrupt takes it away, unless others wait for it too."""


Nap.__name__ = Nap.__qualname__ = "Timeout"
