"""`asyncio.as_completed` in the order of its arguments."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.event_loop.clock import LoopClock

if TYPE_CHECKING:
    from collections.abc import Iterator

_original: Any = asyncio.as_completed

_USERS: dict[object, None] = {}
"""The blocks that are open; those of virtual threads overlap."""


@contextmanager
def as_completed_in_order() -> Iterator[None]:
    """Start what `asyncio.as_completed` is given in the order of the arguments.

    Python puts coroutines into a set first, and starts them in the order of their addresses. A name
    imported before, as by ``from asyncio import as_completed``, stays as it is.
    """
    token = object()
    _USERS[token] = None
    asyncio.as_completed = asyncio.tasks.as_completed = _as_completed
    try:
        yield
    finally:
        del _USERS[token]
        if not _USERS:
            asyncio.as_completed = asyncio.tasks.as_completed = _original


def _as_completed(fs: Any, **options: Any) -> Any:
    loop = asyncio._get_running_loop()
    if isinstance(loop, LoopClock) and not (asyncio.isfuture(fs) or asyncio.iscoroutine(fs)):
        fs = [asyncio.ensure_future(one, loop=loop) for one in dict.fromkeys(fs)]
    return _original(fs, **options)
