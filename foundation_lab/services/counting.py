"""When a circuit breaker trips: ways of counting calls.

Each way is a small state machine: `record` takes one completed call and says whether the breaker is
to open. Nothing here waits or emits.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from foundation_lab.services.arguments import positive, whole


class Counting(Protocol):
    """A way of counting completed calls."""

    def record(self, now: float, *, failed: bool) -> bool:
        """Count one completed call; return whether the breaker is to open."""

    def reset(self) -> None:
        """Forget everything."""

    def why(self) -> str:
        """Return in words what the counts are now."""


class Consecutive:
    """Opens at `threshold` failures in a row; a success starts again from zero."""

    def __init__(self, threshold: int) -> None:
        self.threshold = whole("failure_threshold", threshold)
        self._failures = 0

    def record(self, now: float, *, failed: bool) -> bool:  # noqa: ARG002  (time plays no part)
        """Count one completed call; return whether the breaker is to open."""
        self._failures = self._failures + 1 if failed else 0
        return self._failures >= self.threshold

    def reset(self) -> None:
        """Forget everything."""
        self._failures = 0

    def why(self) -> str:
        """Return in words what the counts are now."""
        return f"{self._failures} failures in a row"


class _FailureRate:
    """What both windows share: at least `minimum_calls`, and a failure rate of `>=`."""

    def __init__(self, failure_rate: float, minimum_calls: int) -> None:
        if not 0 < failure_rate <= 1:
            message = f"failure_rate={failure_rate!r}; give a share of calls above 0 and up to 1"
            raise ValueError(message)
        self.failure_rate = failure_rate
        self.minimum_calls = whole("minimum_calls", minimum_calls)
        self._failures = 0
        self._calls: deque[tuple[float, bool]] = deque()

    def _add(self, now: float, *, failed: bool) -> None:
        self._calls.append((now, failed))
        self._failures += failed

    def _drop(self) -> None:
        self._failures -= self._calls.popleft()[1]

    def _trips(self) -> bool:
        calls = len(self._calls)
        return calls >= self.minimum_calls and self._failures / calls >= self.failure_rate

    def reset(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._failures = 0

    def why(self) -> str:
        """Return in words what the counts are now."""
        return f"{self._failures} of {len(self._calls)} calls failed"


class CountWindow(_FailureRate):
    """Opens when the failure rate among the last `size` calls reaches `failure_rate`.

    Nothing is judged before `minimum_calls` are in the window (by default, before it is full).
    """

    def __init__(
        self, size: int, *, failure_rate: float = 0.5, minimum_calls: int | None = None
    ) -> None:
        self.size = whole("size", size)
        super().__init__(failure_rate, size if minimum_calls is None else min(minimum_calls, size))

    def record(self, now: float, *, failed: bool) -> bool:
        """Count one completed call; return whether the breaker is to open."""
        self._add(now, failed=failed)
        if len(self._calls) > self.size:
            self._drop()
        return self._trips()


class TimeWindow(_FailureRate):
    """Opens when the failure rate of the last `seconds` reaches `failure_rate`.

    The window slides exactly: a call of time t counts while now < t + `seconds`.
    """

    def __init__(
        self, seconds: float, *, failure_rate: float = 0.5, minimum_calls: int = 10
    ) -> None:
        self.seconds = positive("seconds", seconds)
        super().__init__(failure_rate, minimum_calls)

    def record(self, now: float, *, failed: bool) -> bool:
        """Count one completed call; return whether the breaker is to open."""
        while self._calls and now >= self._calls[0][0] + self.seconds:
            self._drop()
        self._add(now, failed=failed)
        return self._trips()
