"""Exceptions on their way into processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simpy.events import PENDING

from foundation_lab.simulation.events import Event

if TYPE_CHECKING:
    from foundation_lab.simulation.process import Process


class Thrown(Event):
    """An exception on its way into a process."""

    original = True

    def __init__(self, env: Any, error: BaseException) -> None:
        self.env = env
        self._waiter = None
        self._value = error
        self._ok = False
        self._defused = True

    def aim(self, process: Process) -> None:
        """Deliver the exception at this instant, before what is due anyway."""
        self._waiter = lambda _event: self.hit(process)
        self.env._urgent.append(self)

    def hit(self, process: Process) -> None:
        """Raise the exception in the process, unless it has ended meanwhile."""
        if process._value is PENDING:
            process._stop_waiting()
            process._resume(self)


class ForTheMainProgram(KeyboardInterrupt):
    """Carries an exception out of a virtual thread to where the main program waits.

    Args:
        error: What is raised there.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Interruption(Thrown):
    """An interrupt on its way; what is raised is a copy, caused by the one that was sent."""

    original = False


def fresh(event: Any) -> BaseException:
    """Return the exception of a failed event, as a copy of its own for each process that waits.

    The copy is made without the class's constructor, whatever that takes. An exception that holds
    more than its arguments and attributes (`OSError`, a class with slots) is not copied.
    """
    error: BaseException = event._value
    if getattr(event, "original", False) or not _is_plain(type(error)):
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
