"""What an event loop does with functions for threads, where threads are virtual ones."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.event_loop.task import Future, settle

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from foundation_lab.simulation.asyncio_loop import VirtualLoop


class VirtualExecutor:
    """Calls each function in a virtual thread of its own, so that it may sleep and wait there.

    An executor that is given for a call is used, as long as its threads are virtual, too.
    """

    def __init__(self) -> None:
        self._numbers = count()

    def run(
        self, loop: VirtualLoop, executor: Executor | None, function: Any, args: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        """Call a function in a thread, and return the future of its result."""
        if executor is not None:
            return asyncio.wrap_future(executor.submit(function, *args), loop=loop)
        future = Future(loop=loop)

        def settled(value: Any, error: BaseException | None) -> None:
            if not future.done() and not loop.is_closed():
                settle(future, value, error)

        def work() -> None:
            value, failure = None, None
            try:
                value = function(*args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001  (it is the future's)
                failure = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settled, value, failure)

        name = f"asyncio_{next(self._numbers)}"
        threading.Thread(target=work, name=name, daemon=True).start()
        return future

    def shutdown(self) -> None:
        """Do nothing: the threads end by themselves."""
