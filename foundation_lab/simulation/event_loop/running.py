"""What asyncio keeps of a thread of the operating system: its running loop, its task, its hooks.

A loop inside of another one and virtual threads share such a thread: whoever takes over puts aside
what is there, and puts it back when the other goes on.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, NamedTuple

_swap_current_task: Any = getattr(asyncio.tasks, "_swap_current_task", None)  # from 3.12 on


class Running(NamedTuple):
    """What ran in the thread.

    Attributes:
        loop: The event loop.
        task: Its task.
        hooks: What is called for asynchronous generators.
    """

    loop: Any
    task: Any
    hooks: Any


def put_aside() -> Running:
    """Let no loop be running, and return what was."""
    loop, task = asyncio._get_running_loop(), None
    if loop is not None and _swap_current_task is not None:
        task = asyncio.current_task(loop)
        if task is not None:  # 3.12 cannot swap none for none
            _swap_current_task(loop, None)
    running = Running(loop, task, sys.get_asyncgen_hooks())
    asyncio._set_running_loop(None)
    sys.set_asyncgen_hooks(None, None)
    return running


def put_back(running: Running) -> None:
    """Let go on what was put aside."""
    asyncio._set_running_loop(running.loop)
    if running.task is not None:
        _swap_current_task(running.loop, running.task)
    sys.set_asyncgen_hooks(*running.hooks)
