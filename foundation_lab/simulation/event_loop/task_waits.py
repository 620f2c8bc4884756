"""What tasks wait for, and where: the words for a deadlock and for a busy wait."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.simulation.waiting import Blocked, describe_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

OURS: Final = str(Path(__file__).parents[2])
ASYNCIO: Final = str(Path(asyncio.__file__).parent)


def blocked_tasks(tasks: Iterable[Any]) -> list[Blocked]:
    """Return what each task waits for."""
    return [Blocked(task.get_name(), describe_wait(task), line_of_task(task)) for task in tasks]


def line_of_task(task: Any) -> str:
    """Return the innermost line of the user's at which a task waits, as ``file:line``."""
    frames = list(_frames(task.get_coro()))
    users = [frame for frame in frames if _is_users(frame)]
    return _line(users[-1] if users else frames[-1] if frames else None)


def calling_line() -> str:
    """Return the innermost line of the user's that runs, as ``file:line``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_users(frame):
        frame = frame.f_back
    return _line(frame)


def describe_wait(task: Any) -> str:
    """Return in words what a task waits for."""
    future = task._fut_waiter
    event = getattr(future, "event", None)
    if event is not None:
        return describe_event(event)
    if isinstance(future, asyncio.Task):
        return f"the task {future.get_name()} to end"
    if hasattr(future, "_children"):  # what `asyncio.gather` returns
        return f"all of [{_names(future._children)}]"
    frames = list(_frames(task.get_coro()))
    called = None
    for frame in reversed(frames):
        if _is_users(frame):
            break
        called = frame
    if called is None:
        return "its turn" if future is None else "a future that nobody has completed"
    name = called.f_code.co_qualname
    if name == "TaskGroup.__aexit__":
        return f"the tasks of a group: {_names(called.f_locals['self']._tasks)}"
    return f"asyncio's {name}"


def _names(futures: Iterable[Any]) -> str:
    names = [f.get_name() if isinstance(f, asyncio.Task) else "a future" for f in futures]
    left = [name for f, name in zip(futures, names, strict=True) if not f.done()]
    return ", ".join(left)


def _frames(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of what it awaits, the outermost first."""
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                break
        else:
            return
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)


def _is_users(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith((ASYNCIO, OURS))


def _line(frame: FrameType | None) -> str:
    if frame is None:
        return "unknown line"
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
