"""The tasks of the virtual event loop."""

from __future__ import annotations

import asyncio
import weakref
from contextvars import copy_context
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.simulation.event_loop.clock import LoopClock
from foundation_lab.simulation.event_loop.task import EMITTER, Task, TaskEmitter

if TYPE_CHECKING:
    from contextvars import Context as Variables

    from foundation_lab.simulation.engine import Simulation

_new_task: Final[Any] = asyncio.Task.__new__
_start_task: Final[Any] = asyncio.Task.__init__


class LoopTasks(LoopClock):
    """An event loop that starts tasks in somebody's name, and knows them in their order."""

    _task_factory: Any

    def __init__(
        self, sim: Simulation, reads_at_once: int, callbacks_at_once: int, read_cost: float
    ) -> None:
        super().__init__(sim, reads_at_once, callbacks_at_once, read_cost)
        self._tasks: list[weakref.ref[Any]] = []
        self._crowd = 1000
        self._names = count(1)

    # -- tasks ---------------------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        """Return a new future: of asyncio's own class, for it is awaited faster than others."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: object = None, context: Variables | None = None, **options: Any
    ) -> Any:
        """Start a task.

        It inherits node, correlation id and cause from whoever starts it, and its events bear its
        name. Without a name it is called ``Task-1`` and so on, counted for each loop.

        Args:
            coro: What the task does.
            name: What it is called.
            context: The context variables that it runs with; by default a copy of the present ones.
            options: ``eager_start``, from Python 3.12 on.
        """
        if self._closed:
            self._check_closed()
        words = f"Task-{next(self._names)}" if name is None else str(name)
        factory = self._task_factory
        if factory is not None:
            if factory is not getattr(asyncio, "eager_task_factory", None):
                return self._made_elsewhere(factory, coro, words, context)
            options.setdefault("eager_start", True)
        sim = self.sim
        task = _new_task(Task)
        task.number = next(self.numbers)
        task.emitter = emitter = TaskEmitter.of(task, self, words)
        variables = copy_context() if context is None else context
        variables.run(EMITTER.set, emitter)
        if not options:
            _start_task(task, coro, loop=self, name=words, context=variables)
        else:
            before, sim._active_proc = sim._active_proc, emitter
            try:
                _start_task(task, coro, loop=self, name=words, context=variables, **options)
            finally:
                sim._active_proc = before
        self._remember(emitter)
        return task

    def known_tasks(self) -> list[Any]:
        """Return the tasks that somebody knows, in the order of their start."""
        return [task for known in self._tasks if (task := known()) is not None]

    def pending_tasks(self) -> list[Any]:
        """Return the tasks that are not done, in the order of their start."""
        return [task for task in self.known_tasks() if not task.done()]

    # -- private -------------------------------------------------------------------------------

    def _made_elsewhere(
        self, factory: Any, coro: Any, name: str, context: Variables | None
    ) -> asyncio.Future[Any]:
        """Return a task that a factory of the user's makes; it has no number."""
        options = {} if context is None else {"context": context}
        task: asyncio.Future[Any] = factory(self, coro, **options)
        rename = getattr(task, "set_name", None)
        if rename is not None:
            rename(name)
        self._remember(weakref.ref(task))
        return task

    def _remember(self, task: weakref.ref[Any]) -> None:
        self._tasks.append(task)
        if len(self._tasks) > self._crowd:
            self._tasks = [known for known in self._tasks if known() is not None]
            self._crowd = 1000 + 2 * len(self._tasks)
