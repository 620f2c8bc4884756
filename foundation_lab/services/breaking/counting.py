"""When a circuit breaker trips: ways of counting calls.

Each way is a small state machine: `record` takes one completed call and says whether the breaker is
to open. Nothing here waits or emits. Every completed call is judged, a success too: it may be the
slow one that is too many, or the one that completes the minimum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Final, NamedTuple, Protocol

from foundation_lab.services.arguments import positive, whole
from foundation_lab.simulation.ability import able


class Rates(NamedTuple):
    """The shares of calls that failed and that were slow, from 0 to 1; -1 while too few came."""

    failed: float
    slow: float


TOO_FEW: Final = Rates(-1.0, -1.0)
"""The rates below the minimum of calls."""


class Counting(Protocol):
    """A way of counting completed calls."""

    def record(self, now: float, *, failed: bool, slow: bool = False) -> bool:
        """Count one completed call; return whether the breaker is to open."""

    def reset(self) -> None:
        """Forget everything."""

    def rates(self, now: float) -> Rates:
        """Return the rates that are judged."""

    def why(self) -> str:
        """Return in words what the counts are now."""


def counting_for(breaker: str, counting: Counting) -> Counting:
    """Return a way of counting for a breaker.

    Raises:
        TypeError: It is something else.
        ValueError: It is a window that counts for another breaker already.
    """
    able("counting", counting, "record", "give a CountWindow(...) or a TimeWindow(...)")
    if isinstance(counting, RateWindow):
        if counting.breaker is not None:
            message = (
                f"the window of circuit breaker {breaker!r} counts for {counting.breaker!r} "
                "already; give each its own"
            )
            raise ValueError(message)
        counting.breaker = breaker
    return counting


class Consecutive:
    """Opens at `threshold` failures in a row; a success, slow or not, starts again from zero."""

    def __init__(self, threshold: int) -> None:
        self.threshold = whole("failure_threshold", threshold)
        self._failures = 0

    def record(self, now: float, *, failed: bool, slow: bool = False) -> bool:  # noqa: ARG002
        """Count one completed call; return whether the breaker is to open."""
        self._failures = self._failures + 1 if failed else 0
        return self._failures >= self.threshold

    def reset(self) -> None:
        """Forget everything."""
        self._failures = 0

    def rates(self, now: float) -> Rates:  # noqa: ARG002  (no time plays a part)
        """Return -1 and -1: no rate is judged here."""
        return TOO_FEW

    def why(self) -> str:
        """Return in words what the counts are now."""
        return f"{self._failures} failures in a row"


class RateWindow(ABC):
    """What both windows share: at least `minimum_calls`, and rates that are reached by ``>=``.

    Args:
        failure_rate: The share of failed calls, above 0 and up to 1, that opens the breaker.
        slow_rate: The share of slow calls that opens it; a call may be slow and failed at once.
        minimum_calls: How many calls must be in the window before it is judged.

    Attributes:
        breaker: The circuit breaker that it counts for.
    """

    def __init__(self, failure_rate: float, slow_rate: float, minimum_calls: int) -> None:
        self.breaker: str | None = None
        self.failure_rate = _share("failure_rate", failure_rate)
        self.slow_rate = _share("slow_rate", slow_rate)
        self.minimum_calls = whole("minimum_calls", minimum_calls)
        self._failures = 0
        self._slow = 0
        self._calls: deque[tuple[float, bool, bool]] = deque()

    def record(self, now: float, *, failed: bool, slow: bool = False) -> bool:
        """Count one completed call; return whether the breaker is to open."""
        self._calls.append((now, failed, slow))
        self._failures += failed
        self._slow += slow
        self._expire(now)
        calls = len(self._calls)
        return calls >= self.minimum_calls and (
            self._failures / calls >= self.failure_rate or self._slow / calls >= self.slow_rate
        )

    def reset(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._failures = self._slow = 0

    def rates(self, now: float) -> Rates:
        """Return the rates in the window at a time; -1 and -1 below the minimum of calls."""
        self._expire(now)
        calls = len(self._calls)
        if calls < self.minimum_calls:
            return TOO_FEW
        return Rates(self._failures / calls, self._slow / calls)

    def why(self) -> str:
        """Return in words what the counts are now; slow calls only when it is them that trip."""
        calls = len(self._calls)
        failing = calls and self._failures / calls >= self.failure_rate
        if not failing and self._slow and self._slow / calls >= self.slow_rate:
            return f"{self._slow} of {calls} calls were slow"
        return f"{self._failures} of {calls} calls failed"

    @abstractmethod
    def _expire(self, now: float) -> None:
        """Drop what is no longer in the window."""

    def _drop(self) -> None:
        _, failed, slow = self._calls.popleft()
        self._failures -= failed
        self._slow -= slow


class CountWindow(RateWindow):
    """Opens when a rate among the last `size` calls is reached.

    Nothing is judged before `minimum_calls` are in the window (by default, and at most, its size).
    """

    def __init__(
        self,
        size: int,
        *,
        failure_rate: float = 0.5,
        slow_rate: float = 1.0,
        minimum_calls: int | None = None,
    ) -> None:
        self.size = whole("size", size)
        least = size if minimum_calls is None else min(minimum_calls, size)
        super().__init__(failure_rate, slow_rate, least)

    def _expire(self, now: float) -> None:  # noqa: ARG002  (no time plays a part)
        if len(self._calls) > self.size:
            self._drop()


class TimeWindow(RateWindow):
    """Opens when a rate among the calls of the last `seconds` is reached.

    The window slides exactly: a call of time t counts while now < t + `seconds`.
    """

    def __init__(
        self,
        seconds: float,
        *,
        failure_rate: float = 0.5,
        slow_rate: float = 1.0,
        minimum_calls: int = 10,
    ) -> None:
        self.seconds = positive("seconds", seconds)
        super().__init__(failure_rate, slow_rate, minimum_calls)

    def _expire(self, now: float) -> None:
        while self._calls and now >= self._calls[0][0] + self.seconds:
            self._drop()


def _share(name: str, value: float) -> float:
    if not 0 < value <= 1:
        message = f"{name}={value!r}; give a share of calls above 0 and up to 1"
        raise ValueError(message)
    return value
