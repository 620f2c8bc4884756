"""Calling what services are given to call, and naming what it raised."""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.simulation.call import Call, is_awaitable
from foundation_lab.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def invoke(fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
    """Call `fn`, and return the generator that waits for what came of it (``yield from``).

    `fn` returns a generator, an event, something to be awaited (a coroutine, a task, a future of
    asyncio), or a plain value. A process given as an event is interrupted when the caller is, and
    what is awaited is cancelled then.
    """
    result = fn()
    if result.__class__ is GeneratorType:
        return result
    if isinstance(result, simpy.Event):
        return _settle(result)
    if is_awaitable(result):
        return Call(result).wait()
    if hasattr(result, "send") and hasattr(result, "throw"):
        return result  # type: ignore[no-any-return]
    return _settle(result)


def _settle(result: Any) -> Generator[Any, Any, Any]:
    if not isinstance(result, simpy.Event):
        return result
    try:
        return (yield result)
    except GeneratorExit:
        raise
    except BaseException:
        if isinstance(result, Process) and result.is_alive:
            result.throw(simpy.Interrupt("the caller gave up"))
            result.defused = True
        raise


def contain(process: Any) -> None:
    """Let a process fail, or be interrupted, although nobody waits for it; a bug comes through.

    To be called back by the process, at its end.
    """
    if not process.ok and isinstance(process.value, process.env.endings):
        process.defused = True


def error_name(error: BaseException) -> str:
    """Return the name under which an exception is recorded: its class."""
    return type(error).__name__
