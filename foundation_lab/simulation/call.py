"""What a process yields to wait for a coroutine."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from foundation_lab.simulation.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Generator


class Ended(Wait):
    """The end of a task or a future, with its result or with the original exception.

    Args:
        env: The simulation.
        future: The task or future.
        owned: Whether nobody else knows it: it is cancelled when who waits is interrupted.
    """

    original = True

    def __init__(self, env: Any, future: Any, *, owned: bool) -> None:
        super().__init__(env, "the end of a task")
        self.future = future
        self._owned = owned
        future.add_done_callback(self._happen)

    @property
    def description(self) -> str:
        """What is waited for."""
        name = getattr(self.future, "get_name", None)
        return "a future of asyncio" if name is None else f"the task {name()} to end"

    @description.setter
    def description(self, words: str) -> None:
        """Stay with the task's name, which may change."""

    def abandon(self) -> None:
        """Note that who waited has gone."""
        self.defused = True
        if self._owned:
            self.future.cancel()

    def _happen(self, future: Any) -> None:
        error = None
        try:
            value = future.result()
        except BaseException as raised:  # noqa: BLE001  (whatever it is, it is for who waits)
            error = raised
        if error is None:
            self.succeed(value)
        else:
            self.fail(error)


class Call:
    """A coroutine, a task or a future that a process waits for: what it yields.

    Args:
        awaitable: What is awaited.
        name: What the task of a coroutine is called.
    """

    def __init__(self, awaitable: Any, name: str | None = None) -> None:
        self._awaitable = awaitable
        self._name = name
        self.end: Ended | None = None

    @classmethod
    def of(cls, target: Any) -> Call | None:
        """Return the call that a process means that yields `target`, if it means one."""
        if isinstance(target, cls):
            return target
        return cls(target) if is_awaitable(target) else None

    def start(self, sim: Any) -> Ended:
        """Start the task if need be, and return its end."""
        if self.end is None:
            awaitable = self._awaitable
            if getattr(awaitable, "_asyncio_future_blocking", None) is not None:
                self.end = Ended(sim, awaitable, owned=False)
            else:
                task = sim.task(_coroutine_of(awaitable), name=self._name)
                # It ends with whoever waits for it, at the latest with the run: nobody forgot it.
                task._log_destroy_pending = False
                self.end = Ended(sim, task, owned=True)
        return self.end

    def wait(self) -> Generator[Any, Any, Any]:
        """Wait for the result (``yield from``).

        An exception that is raised in the process meanwhile cancels the task, and is raised further
        once the task has ended. When the task fails at that, its own exception is raised.
        """
        try:
            result = yield self
        except GeneratorExit:
            self._cancel()
            raise
        except BaseException as error:
            if self.end is None or self.end.processed:
                self._come_back()
                raise
            latest = yield from self._ending(self.end, error)
            if latest is error:
                raise
            raise latest from error
        self._come_back()
        return result

    # -- private -------------------------------------------------------------------------------

    def _ending(self, end: Ended, error: BaseException) -> Generator[Any, Any, BaseException]:
        """Cancel the task, and wait for its end; return what is to be raised then."""
        while not end.processed:
            self._cancel()
            try:
                yield end
            except GeneratorExit:
                raise
            except BaseException as other:  # noqa: BLE001  (it is raised once the task has ended)
                if not end.processed:
                    error = other
        self._come_back()
        future = end.future
        failure = None if future.cancelled() else future.exception()
        return error if failure is None else failure

    def _cancel(self) -> None:
        if self.end is not None:
            self.end.defused = True
            self.end.future.cancel()

    def _come_back(self) -> None:
        """Note that what the process does next follows from what the task did last."""
        if self.end is not None:
            emitter = getattr(self.end.future, "emitter", None)
            process: Any = self.end.env._active_proc
            if emitter is not None and process is not None:
                process.cause = max(process.cause, emitter.cause)


def is_awaitable(target: Any) -> bool:
    """Whether something is there to be awaited: a coroutine, a task, a future."""
    return target.__class__ is CoroutineType or hasattr(target, "__await__")


def _coroutine_of(awaitable: Any) -> Any:
    if hasattr(awaitable, "send"):
        return awaitable

    async def wait() -> Any:
        return await awaitable

    return wait()
