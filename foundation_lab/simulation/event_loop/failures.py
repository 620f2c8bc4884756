"""What goes wrong in the virtual loop with nobody to see it."""

from __future__ import annotations

import gc
from typing import Any

from foundation_lab.errors import TaskFailed
from foundation_lab.simulation.event_loop.network import LoopNetwork


class LoopFailures(LoopNetwork):
    """An event loop that keeps the failures of tasks and callbacks, to be raised at its end."""

    unhandled: list[dict[str, Any]]
    _kept: set[int]

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what went wrong with nobody to see it, and keep it for `raise_unhandled`."""
        super().default_exception_handler(context)
        self.unhandled.append(context)

    def find_unseen(self) -> None:
        """Report the tasks that have failed without anybody having asked for their result."""
        for task in self._unseen():
            task._log_traceback = False
            self.call_exception_handler(
                {
                    "message": "Task exception was never retrieved",
                    "exception": task._exception,
                    "task": task,
                }
            )

    def find_dropped(self) -> None:
        """Let the tasks that have failed and that nobody keeps report it.

        They do so when they are gone; from Python 3.12 on the frames of what they raised keep them,
        and they wait for a garbage collection.
        """
        unseen = {task.number for task in self._unseen()}
        if not unseen <= self._kept:
            gc.collect()
        self._kept = unseen

    def _unseen(self) -> list[Any]:
        return [
            task
            for task in self.known_tasks()
            if task.done() and getattr(task, "_log_traceback", False)
        ]

    def explanations(self) -> list[str]:
        """Return a line for each thing that went wrong with nobody to see it."""
        return [explain(context) for context in self.unhandled]

    def raise_unhandled(self) -> None:
        """Raise what went wrong with nobody to see it.

        With an exception handler of your own (`set_exception_handler`) there is nothing to raise.

        Raises:
            TaskFailed: Tasks or callbacks have failed; the message names all of them.
        """
        if self.unhandled:
            contexts, self.unhandled = self.unhandled, []
            errors = [c["exception"] for c in contexts if c.get("exception") is not None]
            raise TaskFailed("\n".join(map(explain, contexts)), errors) from next(
                iter(errors), None
            )


def explain(context: dict[str, Any]) -> str:
    """Return in a line what a loop tells its exception handler."""
    task = context.get("task") or context.get("future")
    name = getattr(task, "get_name", None)
    error = context.get("exception")
    where = "" if name is None else f" (task {name()!r})"
    what = "" if error is None else f": {type(error).__name__}: {error}"
    return f"{context.get('message', 'something went wrong')}{where}{what}"
