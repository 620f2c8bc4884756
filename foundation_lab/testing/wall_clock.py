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
        self._watched = threading.get_ident()
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None
        self._before: Any = None  # who hears an interrupt otherwise; None: it cannot be heard here

    def __enter__(self) -> Self:
        """Start the watch."""
        if self.limit is not None:
            if threading.current_thread() is threading.main_thread():
                self._before = signal.getsignal(signal.SIGINT)
            if self._before is not None:
                signal.signal(signal.SIGINT, self._hear)
            self._watcher = threading.Thread(target=self._wait, args=(self.limit,), daemon=True)
            self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Stop the watch; its own interrupt does not pass through."""
        if self._watcher is not None:
            try:
                self._over.set()
                self._watcher.join()  # no interrupt is sent after that, and none is heard in here
            finally:
                if self._before is not None:
                    signal.signal(signal.SIGINT, self._before)
        return isinstance(error, _Interrupt) and error.watch is self

    def _wait(self, limit: float) -> None:
        """Wait in a thread of its own until the block ends or its time is over."""
        if self._over.wait(limit):
            return
        frame = sys._current_frames().get(self._watched)
        self.stack = [] if frame is None else _below_the_engine(frame)
        self.expired = True
        while not self._over.wait(GRACE):
            if self._before is not None:
                _interrupt(self._watched)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the main thread, unless somebody else wants to."""
        if not self.expired:
            if callable(self._before):
                self._before(number, frame)
        elif frame is None or not frame.f_globals.get("__name__", "").startswith(_NEVER_IN):
            raise _Interrupt(self)


GRACE: Final = 0.1
"""Real seconds that a run has to notice by itself that its time is over."""

_NEVER_IN: Final = (__name__, "threading", "coverage.")
"""Modules in which no interrupt is raised: an exception between their lines leaves a lock locked.

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


def _below_the_engine(frame: FrameType) -> list[str]:
    """Return the lines of the program that the engine has called, innermost last."""
    frames = traceback.extract_stack(frame)
    engine = [n for n, one in enumerate(frames) if one.filename.endswith(_ENGINE)]
    return [
        f"{one.filename}:{one.lineno} in {one.name}: {(one.line or '').strip()}"
        for one in frames[engine[-1] + 1 if engine else 0 :]
    ]


_ENGINE = ("simulation/run_loop.py", "simulation\\run_loop.py")
