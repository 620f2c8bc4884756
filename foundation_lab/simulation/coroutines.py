"""Coroutines in virtual time: asyncio code and processes on one clock.

```python
async def customer(sim, breaker):
    await asyncio.sleep(3)
    await sim.do(breaker.call(lambda: fetch()))  # a service, made of generators, from a coroutine

def process(sim):
    yield 3.0
    yield from sim.call(fetch())                 # a coroutine, from a process

sim.run_async(customer(sim, breaker))
```

asyncio is imported when a simulation first needs it.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.simulation.call import Call
from foundation_lab.simulation.virtual_time import VirtualTime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
    from contextvars import Context as Variables

    from foundation_lab.simulation.asyncio_loop import VirtualLoop
    from foundation_lab.simulation.event_loop.task import EventFuture, Task
    from foundation_lab.simulation.process import Process
    from foundation_lab.simulation.waiting import Blocked


class Coroutines(VirtualTime):
    """What a simulation offers to coroutines."""

    _loop: VirtualLoop | None = None
    _loops_are_blocked = False

    def event_loop(self, **options: Any) -> VirtualLoop:
        """Return the simulation's event loop; it is made on first use, and anew once it is closed.

        The method itself is a loop factory: ``asyncio.Runner(loop_factory=sim.event_loop)``.

        Args:
            options: What the loop is made with; see `VirtualLoop`.

        Raises:
            ValueError: There are options, but there is a loop already.
        """
        loop = self._loop
        if loop is None or loop.is_closed() or (loop.apart and not loop.is_running()):
            from foundation_lab.simulation.asyncio_loop import (  # noqa: PLC0415  (asyncio is heavy)
                VirtualLoop,
            )

            loop = self._loop = VirtualLoop(self, **options)  # type: ignore[arg-type]
        elif options:
            message = f"{', '.join(options)}: the simulation has its event loop already; close it"
            raise ValueError(message)
        return loop

    def run_async(self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None) -> Any:
        """Run a coroutine to its end, as `asyncio.run` does, but in virtual time.

        Whatever else is due meanwhile happens. At the end the tasks that are left are cancelled and
        the loop is closed; processes stay. It also works where another loop runs, as in Jupyter.

        Args:
            coroutine: What is run.
            name: What its task is called; by default its function's name.

        Returns:
            What the coroutine returns.

        Raises:
            BaseException: What the coroutine raised, the original exception.
            DeadlockError: Nothing is left to run; the message names who waits for what.
            TaskFailed: A task has failed, and nobody has awaited it.
            RuntimeError: The simulation runs already, or was stopped.
        """
        loop = self.event_loop()
        if loop.is_running() or self.active_process is not None:
            coroutine.close()
            message = (
                "the simulation runs already: a process calls a coroutine with "
                "'yield from sim.call(coroutine)', a coroutine with 'await'"
            )
            raise RuntimeError(message)
        try:
            result = loop.run_until_complete(self.task(coroutine, name=name))
        except BaseException as error:
            try:
                loop.close()
            except BaseException as later:  # noqa: BLE001  (the first error is the one to see)
                error.add_note(f"and then, when the rest was cancelled: {later!r}")
            for line in loop.explanations():
                error.add_note(line)
            raise
        loop.close()
        loop.raise_unhandled()
        return result

    def task(self, coroutine: Coroutine[Any, Any, Any], *, name: str | None = None) -> Task:
        """Start a coroutine as a task; it goes on whenever the simulation runs.

        It inherits node, correlation id and cause from whoever starts it.

        Args:
            coroutine: What the task does.
            name: What it is called; by default its function's name.
        """
        words = getattr(coroutine, "__name__", None) if name is None else name
        return self.event_loop().create_task(coroutine, name=words)  # type: ignore[no-any-return]

    # -- for coroutines ------------------------------------------------------------------------

    def as_future(self, event: simpy.Event) -> EventFuture:
        """Return the future of an event or a process, for ``await``.

        An event of the simulation may be awaited as it is, too: ``await sim.timeout(3)``. A request
        for a slot is given back at the end of ``async with sim.as_future(desk.request())``.
        """
        from foundation_lab.simulation.event_loop.task import EventFuture  # noqa: PLC0415  (asyncio is heavy)

        return EventFuture(event, self.event_loop())

    async def do(self, generator: Generator[Any, Any, Any], *, name: str | None = None) -> Any:
        """Do what a generator does, such as the call of a service, and return its result.

        It runs in a process of its own with the task's context. When the task is cancelled, the
        process is interrupted, and the cancellation goes on once the process has ended.

        Args:
            generator: What is done: ``breaker.call(fetch)``.
            name: What the process is called; by default as the task.
        """
        emitter: Any = self._active_proc
        words = getattr(emitter, "name", None) if name is None else name
        sim: Any = self
        process: Process = sim.process(WithVariables(generator, copy_context()), name=words)
        try:
            return await self.as_future(process)
        except BaseException:
            if process.is_alive:
                failure = await self._end(process)
                if failure is not None:
                    raise failure from None
            raise
        finally:
            if emitter is not None:
                emitter.cause = max(emitter.cause, process.cause)

    async def items(self, store: simpy.Store) -> AsyncIterator[Any]:
        """Yield what comes into a store, item by item, for ever: for ``async for``."""
        while True:
            yield await self.as_future(store.get())

    # -- for processes -------------------------------------------------------------------------

    def call(
        self, awaitable: Awaitable[Any], *, name: str | None = None
    ) -> Generator[Any, Any, Any]:
        """Wait for a coroutine, a task or a future in a process (``yield from``).

        When the process is interrupted meanwhile, the task is cancelled, and the interrupt goes on
        once the task has ended.

        Args:
            awaitable: What is awaited.
            name: What the task of a coroutine is called; by default its function's name.

        Returns:
            The result.

        Raises:
            BaseException: What the coroutine raised, the original exception.
        """
        return Call(awaitable, name).wait()

    # -- running -------------------------------------------------------------------------------

    def run(
        self,
        until: float | simpy.Event | None = None,
        *,
        progress: Callable[[float], object] | None = None,
    ) -> Any:
        """Run until a time, an event, or the end; see `RunLoop.run`. Tasks run, too.

        Raises:
            TaskFailed: A task failed and was dropped, or a callback failed.
        """
        loop = self._loop
        if loop is None or loop.is_closed() or loop.is_running() or loop.apart:
            return super().run(until, progress=progress)
        with loop.entered():
            result = super().run(until, progress=progress)
            loop.find_dropped()
        loop.raise_unhandled()
        return result

    def blocked_tasks(self) -> list[Blocked]:
        """Return what each task waits for, in threads, too."""
        threads = (getattr(process._target, "loop", None) for process in self._living)
        loops = [loop for loop in dict.fromkeys([self._loop, *threads]) if loop is not None]
        if not loops:
            return []
        from foundation_lab.simulation.event_loop.task_waits import (  # noqa: PLC0415  (asyncio is heavy)
            blocked_tasks,
        )

        return blocked_tasks(task for loop in loops for task in loop.pending_tasks())

    # -- private -------------------------------------------------------------------------------

    async def _end(self, process: Process) -> BaseException | None:
        """Interrupt a process, and wait for its end, however often that is cancelled.

        Returns:
            What it has failed with at that, if it is more than the interrupt.
        """
        while process.is_alive:
            process.interrupt("the task was cancelled")
            with suppress(BaseException):  # it is the process's, and looked at below
                await self.as_future(process)
        error = None if process.ok else process.value
        return None if isinstance(error, simpy.Interrupt) else error


class WithVariables:
    """A generator that runs with certain context variables, as a task does.

    Args:
        generator: The generator.
        variables: The variables; what the generator sets in them stays there.
    """

    def __init__(self, generator: Generator[Any, Any, Any], variables: Variables) -> None:
        if not hasattr(generator, "throw"):
            message = f"{generator!r} is no generator: give what a service's call returns"
            raise TypeError(message)
        self.gi_yieldfrom = generator
        self.gi_frame = getattr(generator, "gi_frame", None)
        self.__name__ = getattr(generator, "__name__", "generator")
        self._run = variables.run
        self._generator = generator

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._run(self._generator.send, value)

    def throw(self, error: BaseException) -> Any:
        """Raise an exception where the generator waits."""
        return self._run(self._generator.throw, error)

    def close(self) -> None:
        """End the generator."""
        self._run(self._generator.close)
