"""Calling what services are given to call, and naming how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.errors import ServiceError, TimedOut
from foundation_lab.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation


class DeadlinePassed(TimedOut):
    """The time of a call further outside is over; on its way to whoever set the limit.

    What it passes through may count it as a failure, but must not try again: nobody waits for the
    answer any more.
    """


def invoke(fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
    """Call `fn` and wait for what it returns: a generator, a SimPy event, or a plain value.

    A process given as an event is interrupted when the caller is.
    """
    result = fn()
    if hasattr(result, "send") and hasattr(result, "throw"):
        return (yield from result)
    if isinstance(result, simpy.Event):
        try:
            return (yield result)
        except GeneratorExit:
            raise
        except BaseException:
            if isinstance(result, Process) and result.is_alive:
                result.throw(simpy.Interrupt("the caller gave up"))
                result.defused = True
            raise
    return result


def invoke_within(
    sim: Simulation, fn: Callable[[], Any], seconds: float, overdue: TimedOut
) -> Generator[Any, Any, Any]:
    """Call `fn` as `invoke` does, and raise `overdue` when it takes `seconds` or longer."""
    passed = DeadlinePassed(str(overdue))
    try:
        with sim.deadline(seconds, passed):
            return (yield from invoke(fn))
    except DeadlinePassed as error:
        if error is passed:
            raise overdue from None
        raise


def outcome_of(error: BaseException | None) -> str:
    """Return how a call that ended with `error` is classified.

    One of ``ok`` (no error), ``error``, ``timeout``, ``rejected`` and ``cancelled`` (an interrupt,
    or the end of the calling process).
    """
    if error is None:
        return "ok"
    return error.outcome if isinstance(error, ServiceError) else "cancelled"


def error_name(error: BaseException) -> str:
    """Return the name under which an exception is recorded: its class."""
    return type(error).__name__
