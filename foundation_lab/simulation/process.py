"""Processes that carry a telemetry context, and exceptions on their way into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import URGENT, Event

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.telemetry.context import Context


class Process(simpy.Process):
    """A SimPy process with a name, a telemetry context and the last event that led to it.

    Args:
        env: The simulation.
        generator: The process generator.
        name: What the process is called in recordings; by default its function's name.
        daemon: Whether it may still be waiting when a run is otherwise complete.
    """

    env: Simulation

    def __init__(
        self,
        env: Simulation,
        generator: Generator[Event, Any, Any],
        *,
        name: str | None = None,
        daemon: bool = False,
    ) -> None:
        if name is not None and not isinstance(name, str):
            message = f"name={name!r}; the name of a process is a string"
            raise TypeError(message)
        starter = env.telemetry.running
        self.context: Context = starter.context
        self.cause: int = starter.cause
        self.daemon = daemon
        super().__init__(env, generator)
        own_name: str = getattr(generator, "__name__", type(generator).__name__)
        self._name = own_name if name is None else name

    @property
    def name(self) -> str:
        """What the process is called: the given name, or its function's."""
        return self._name

    @property
    def generator(self) -> Generator[Event, Any, Any]:
        """The generator that the process runs."""
        return self._generator

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
            return
        carrier = _Thrown(self.env, error)
        carrier.callbacks.append(lambda _event: self.deliver(error))
        self.env.schedule(carrier, URGENT)

    def deliver(self, error: BaseException) -> None:
        """Raise `error` in the process now, from a timer or another callback of the engine."""
        if not self.is_alive:
            return
        waiting_for = self.target
        if waiting_for is not None and waiting_for.callbacks is not None:
            waiting_for.callbacks.remove(self._resume)
        self._resume(_Thrown(self.env, error))

    @property
    def _is_being_resumed(self) -> bool:
        """Whether the event that the process waits for is happening right now."""
        return self.target is not None and self.target.callbacks is None

    def _resume(self, event: Event) -> None:
        # As in SimPy, but an exception reaches the generator with its attributes, whatever
        # signature its constructor has.
        env = self.env
        env._active_proc = self
        generator = self._generator
        while True:
            try:
                if event._ok:
                    event = generator.send(event._value)
                else:
                    event._defused = True
                    event = generator.throw(_fresh(event))
            except StopIteration as stop:
                self._ok = True
                self._value = stop.value
                env.schedule(self)
                break
            except BaseException as error:  # noqa: BLE001  (it becomes the process's value)
                trace = error.__traceback__
                error.__traceback__ = trace.tb_next if trace is not None else None
                self._ok = False
                self._value = error
                env.schedule(self)
                break
            callbacks: Any = getattr(event, "callbacks", _NO_EVENT)
            if callbacks is _NO_EVENT:
                env._active_proc = None
                message = (
                    f'Invalid yield value "{event}": process {self.name!r} may yield events of the '
                    "simulation only; call services with 'yield from'"
                )
                raise RuntimeError(message)
            if callbacks is not None:
                callbacks.append(self._resume)
                self._target = event
                break
        env._active_proc = None


class _Thrown(Event):
    """An exception on its way into a process."""

    def __init__(self, env: Simulation, error: BaseException) -> None:
        super().__init__(env)
        self._value = error
        self._ok = False
        self._defused = True


_NO_EVENT = object()


def _fresh(event: Event) -> BaseException:
    """Return the exception of a failed event, as a copy of its own for each process that waits.

    The copy is made without the class's constructor, whatever that takes. An exception that holds
    more than its arguments and attributes (`OSError`, a class with slots) is not copied.
    """
    error: BaseException = event._value
    if isinstance(event, _Thrown) or not _is_plain(type(error)):
        return error
    copy = BaseException.__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error
    return copy


def _is_plain(cls: type[BaseException]) -> bool:
    """Whether exceptions of a class have room for arguments and attributes and for nothing else."""
    weak_reference = tuple.__itemsize__ if cls.__weakrefoffset__ > 0 else 0
    size = cls.__basicsize__ - weak_reference
    return issubclass(cls, Exception) and size == Exception.__basicsize__
