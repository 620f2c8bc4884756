"""Tasks and futures of the virtual loop: numbered, so that no order hangs on an address.

asyncio keeps tasks in sets, and cancels, waits for and gathers them in the order of those. A hash
that counts makes this order the same in every run.
"""

from __future__ import annotations

import asyncio
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Self

from foundation_lab.simulation.resources import withdraw
from foundation_lab.telemetry.context import UNRECORDED, Context

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from foundation_lab.simulation.event_loop.clock import LoopClock


class TaskEmitter(weakref.ref[Any]):
    """What a task is to the telemetry bus; see `foundation_lab.telemetry.context.Emitter`.

    It refers to the task weakly: that is gone, and reported if it failed unseen, as soon as nobody
    knows it. Being the reference itself, it saves one more for each task, and so much of the work
    of the garbage collector.

    Attributes:
        loop: The loop of the task.
        name: The name of the task.
        cause: The last event of the task; at first, that of who started it.
        origin: The number that the recorder knows it by.
    """

    __slots__ = ("_context", "cause", "loop", "name", "origin")

    loop: LoopClock
    name: str
    cause: int
    origin: int

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @classmethod
    def of(cls, owner: Any, loop: LoopClock, name: str) -> Self:
        """Return the emitter of a task or a server, in the context of who starts it."""
        emitter = cls(owner)
        starter: Any = loop.sim._active_proc
        if starter.__class__ is cls:
            emitter._context = starter._context
        else:
            starter = loop.sim.telemetry.running
            emitter._context = starter.context
        emitter.loop = loop
        emitter.name = name
        emitter.cause = starter.cause
        emitter.origin = UNRECORDED
        return emitter

    @property
    def context(self) -> Context:
        """Where and for whom the task does what it does."""
        return self._context

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context
        self.origin = UNRECORDED

    def interrupt(self, cause: object = None) -> None:
        """Cancel the task, as when a slot that it holds is given to somebody else."""
        task = self()
        if isinstance(task, Task):
            task.cancel(f"interrupted: {cause!r}")

    def __repr__(self) -> str:
        """Return one line: the name."""
        return f"<TaskEmitter {self.name!r}>"


EMITTER: Final[ContextVar[TaskEmitter | None]] = ContextVar("foundation_lab_emitter", default=None)
"""The emitter in whose name a callback runs: that of the task that asked for the call."""


class Task(asyncio.Task[Any]):
    """A task with a number, in whose name its events are recorded.

    It gets both before asyncio's own constructor runs, which asks for the hash and may take the
    first step. See `LoopTasks.create_task`; a constructor in Python would be a tenth of the cost
    of a task.
    """

    __slots__ = ("emitter", "number")

    emitter: TaskEmitter
    number: int

    @property
    def name(self) -> str:
        """What the task is called."""
        return self.emitter.name

    def set_name(self, value: object) -> None:
        """Call the task something else; its later events bear the new name."""
        super().set_name(value)
        self.emitter.name = str(value)
        self.emitter.origin = UNRECORDED

    def __hash__(self) -> int:
        return self.number


class Future(asyncio.Future[Any]):
    """A future that gets its number when somebody first puts it into a set."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = next(self.get_loop().numbers)  # type: ignore[attr-defined]
            return self._number


class EventFuture(Future):
    """The future of an event of the simulation.

    A request, a get or a put whose awaiting task is cancelled is taken back, also when it was
    granted at this very instant: no slot is kept and no item lost. ``async with`` waits for a
    request and gives the slot back at the end of the block.
    """

    def __init__(self, event: simpy.Event, loop: LoopClock) -> None:
        super().__init__(loop=loop)
        self.event = event
        if event.callbacks is None:
            self._follow(event)
        else:
            event.callbacks.append(self._follow)

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the event.

        Raises:
            BaseException: What the event failed with, the original exception.
        """
        try:
            return (yield from super().__await__())
        except asyncio.CancelledError:
            withdraw(self.event)
            raise

    async def __aenter__(self) -> Any:
        return await self

    async def __aexit__(self, *_: object) -> None:
        withdraw(self.event)

    def _follow(self, event: simpy.Event) -> None:
        if not event.ok:
            event.defused = True
        if not self.done():
            settle(self, event.value, None if event.ok else event.value)


class Numbered:
    """Things in the order in which they came, as long as somebody else knows them."""

    def __init__(self) -> None:
        self._known: dict[weakref.ref[Any], None] = {}

    def add(self, thing: Any) -> None:
        """Note a thing."""
        self._known[weakref.ref(thing, self._forget)] = None

    def discard(self, thing: Any) -> None:
        """Forget a thing."""
        self._known.pop(weakref.ref(thing), None)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Any:
        return iter([thing for known in list(self._known) if (thing := known()) is not None])

    def _forget(self, known: weakref.ref[Any]) -> None:
        self._known.pop(known, None)


def settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    """Give a future its value, or the exception that it failed with."""
    if error is None:
        future.set_result(value)
    elif isinstance(error, asyncio.CancelledError):
        future.cancel(*error.args)
    elif isinstance(error, StopIteration):  # a coroutine cannot raise it
        future.set_exception(RuntimeError(f"{error!r} ended what a task waited for"))
    else:
        future.set_exception(error)
