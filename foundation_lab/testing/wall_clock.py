"""The wall clock: the one place that knows of real time.

Deadlines of expectations are virtual, and nothing here shortens or lengthens them. This watch is
for what virtual time cannot see: a step that never ends. It says where the program stood.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, Final, Self

from foundation_lab.simulation.patches.real_threads import new_lock, running_thread, start_thread

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class Watch:
    """Ends a block that takes too long; the interrupt is its own, and ends here.

    Whoever runs the simulation asks `expired` now and then. Only a step that does not end for
    `GRACE` seconds more is interrupted where it stands, in a sleep, too, and again until it ends;
    that is possible in the main thread alone.

    Args:
        limit: Seconds of real time; ``None`` watches nothing.

    Attributes:
        expired: Whether the time is over.
        stack: Where the program stood then, innermost last.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.expired = False
        self.stack: list[str] = []
        self._watched = running_thread()
        self._going_on = new_lock()
        self._watching = new_lock()
        self._before: Any = None  # who hears an interrupt otherwise; None: it cannot be heard here
        self._spared = 0

    def __enter__(self) -> Self:
        """Start the watch."""
        if self.limit is not None:
            if self._watched == threading.main_thread().ident:
                self._before = signal.getsignal(signal.SIGINT)
            if self._before is not None:
                signal.signal(signal.SIGINT, self._hear)
            self._going_on.acquire()
            self._watching.acquire()
            start_thread(self._wait, (self.limit,))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Stop the watch; its own interrupt does not pass through."""
        if self.limit is not None:
            try:
                self._going_on.release()
                self._watching.acquire()  # no interrupt is sent after that, and none is heard here
            finally:
                if self._before is not None:
                    signal.signal(signal.SIGINT, self._before)
        return isinstance(error, _Interrupt) and error.watch is self

    def _wait(self, limit: float) -> None:
        """Wait in a thread of its own until the block ends or its time is over."""
        try:
            if self._going_on.acquire(timeout=min(limit, LONGEST)):
                return
            frame = sys._current_frames().get(self._watched)
            self.stack = [] if frame is None else below_the_engine(frame)
            self.expired = True
            while not self._going_on.acquire(timeout=GRACE):
                if self._before is not None:
                    _interrupt(self._watched)
        finally:
            self._watching.release()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the main thread, unless somebody else wants to."""
        if self.expired:
            if self._may_interrupt(frame):
                raise _Interrupt(self)
        elif callable(self._before):
            self._before(number, frame)
        elif self._before is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _may_interrupt(self, frame: FrameType | None) -> bool:
        """Return whether an interrupt does no harm where the program stands."""
        in_a_lock = False
        while frame is not None and frame.f_globals.get("__name__") == threading.__name__:
            frame, in_a_lock = frame.f_back, True
        if frame is not None and str(frame.f_globals.get("__name__")).startswith(_NEVER_IN):
            return False
        self._spared += in_a_lock
        return not in_a_lock or self._spared > SPARED


GRACE: Final = 0.1
"""Real seconds that a run has to notice by itself that its time is over."""

SPARED: Final = 5
"""How many interrupts find the program in `threading` before one is raised there.

An exception between lines of that module may leave a lock locked; but whoever is there each time
waits for something, such as the end of a thread or an entry of a queue, that does not come.
"""

LONGEST: Final = 1e6
"""Seconds; no lock waits for much longer."""

_NEVER_IN: Final = (__name__, "coverage.")
"""Modules in which no interrupt is raised, nor in what they call of `threading`.

The next one comes `GRACE` later.
"""


class _Interrupt(KeyboardInterrupt):
    """The time of a watch is over."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch


def _interrupt(thread: int) -> None:
    """Send the interrupt of a keyboard to the main thread."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)  # ends a system call, too
    else:
        _thread.interrupt_main()


def below_the_engine(frame: FrameType) -> list[str]:
    """Return the lines of the program that the engine or a wait has called, innermost last."""
    frames = traceback.extract_stack(frame)
    engine = [n for n, one in enumerate(frames) if one.filename.endswith(_CALLERS)]
    return [
        f"{one.filename}:{one.lineno} in {one.name}: {(one.line or '').strip()}"
        for one in frames[engine[-1] + 1 if engine else 0 :]
    ]


_CALLERS = tuple(
    separator.join(module)
    for module in (("simulation", "run_loop.py"), ("testing", "conditions.py"))
    for separator in "/\\"
)
