"""Who emits: the context that travels with every process and asyncio task.

`Context` is shared and immutable, so a process that emits nothing pays two references for it.
`Emitter` is what a process carries: its context, and the last event that led to where it stands.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

DEFAULT_NODE = "lab"
MAIN = "main"
"""The process name of events that are emitted outside of any process."""


class Context(msgspec.Struct, frozen=True):
    """Where and for whom something happens.

    Attributes:
        node: The simulated node that the emitter runs on.
        correlation_id: The request or session it serves, in hex, if any.
        span_id: The innermost open span, if any.
    """

    node: str = DEFAULT_NODE
    correlation_id: str | None = None
    span_id: str | None = None


NO_CAUSE: Final = -1
"""The cause of an event that nothing recorded led to."""

UNRECORDED: Final = -1
"""The `origin` of an emitter that the recorder has not met yet, or not in its present context."""


class Emitter(Protocol):
    """What the bus reads from whoever is running: a process, a task, or the main program.

    Attributes:
        context: Where and for whom it does what it does. A new one makes it `UNRECORDED`.
        cause: The sequence of its last event.
        origin: The number that the recorder knows it by.
    """

    context: Context
    cause: int
    origin: int

    @property
    def name(self) -> str:
        """The name of the process or task."""


class Main:
    """The emitter outside of any process: building a model, timers, handlers."""

    name = MAIN

    def __init__(self, node: str = DEFAULT_NODE) -> None:
        self.context = Context(node)
        self.cause: int = NO_CAUSE

    @property
    def context(self) -> Context:
        """Where and for whom it does what it does."""
        return self._context

    @context.setter
    def context(self, context: Context) -> None:
        self._context = context
        self.origin = UNRECORDED


class Clock(Protocol):
    """What the bus needs of an engine: the virtual time, and who is running."""

    @property
    def now(self) -> float:
        """The virtual time in seconds."""

    @property
    def emitter(self) -> Emitter | None:
        """The running process or task; ``None`` outside of any."""
