"""The wall clock: the one place that knows of real time.

Deadlines of expectations are virtual, and nothing here shortens or lengthens them. This watch is
for what virtual time cannot see: a step that never ends. It says where the program stood.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class Watch:
    """Ends a block that takes too long; the interrupt is its own, and ends here.

    In the main thread the block is interrupted wherever it stands, in a sleep, too. In another
    thread that is not possible: there somebody has to ask `expired` now and then.

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
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        """Start the watch."""
        if self.limit is not None:
            self._timer = threading.Timer(self.limit, self._expire)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Stop the watch; its own interrupt does not pass through."""
        if self._timer is None:
            return False
        try:
            with self._lock:
                self._timer.cancel()
                self._timer = None
            if self.expired and error is None and self._interrupts:
                for _ in range(1000):  # the interrupt was sent, and arrives any moment
                    pass
        except KeyboardInterrupt:
            if not self.expired:
                raise
            return error is None or isinstance(error, KeyboardInterrupt)
        return self.expired and isinstance(error, KeyboardInterrupt)

    @property
    def _interrupts(self) -> bool:
        return self._thread == threading.main_thread().ident

    def _expire(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            frame = sys._current_frames().get(self._thread)
            self.stack = [] if frame is None else _below_the_engine(frame)
            self.expired = True
            if self._interrupts:
                signal.pthread_kill(self._thread, signal.SIGINT)


def _below_the_engine(frame: FrameType) -> list[str]:
    """Return the lines of the program that the engine has called, innermost last."""
    frames = traceback.extract_stack(frame)
    engine = [n for n, one in enumerate(frames) if one.filename.endswith(_ENGINE)]
    return [
        f"{one.filename}:{one.lineno} in {one.name}: {(one.line or '').strip()}"
        for one in frames[engine[-1] + 1 if engine else 0 :]
    ]


_ENGINE = ("simulation/run_loop.py", "simulation\\run_loop.py")
