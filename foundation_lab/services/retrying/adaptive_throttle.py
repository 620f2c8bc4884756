"""Client-side throttling: a retry budget that turns first attempts away, too."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    import random


class AdaptiveThrottle:
    """Turns attempts away, first ones too, in the measure in which the other side refuses them.

    Over the last `window` seconds it counts the attempts that were asked for, and those that the
    other side accepted: all that ended well or with an error that is not to be tried again. An
    attempt that was made is counted when it ends, so that a burst whose answers are still to come
    turns nothing away. The probability is `rejection_probability`. Source: Site Reliability
    Engineering, chapter 21, "Handling Overload: Client-Side Throttling", whose values the defaults
    are.

    Args:
        k: How many attempts are asked for each accepted one before any is turned away.
        window: Seconds.
        label: What the budget is called in events.
    """

    def __init__(
        self, k: float = 2.0, *, window: float = 120.0, label: str = "adaptive_throttle"
    ) -> None:
        if not k >= 1:
            message = f"k={k!r}; give a number from 1, or what is accepted would be turned away"
            raise ValueError(message)
        self.k = positive("k", k)
        self.window = positive("window", window)
        self.label = label
        self._requests: deque[float] = deque()
        self._accepts: deque[float] = deque()

    def rejection(self, now: float) -> float:
        """Return the probability with which an attempt is turned away now."""
        for times in (self._requests, self._accepts):
            while times and now >= times[0] + self.window:
                times.popleft()
        return rejection_probability(len(self._requests), len(self._accepts), self.k)

    def admit(self, now: float, stream: random.Random) -> bool:
        """Return whether an attempt may be made; count it if not."""
        turned_away = stream.random() < self.rejection(now)
        if turned_away:
            self._requests.append(now)
        return not turned_away

    def failed(self, now: float, *, retryable: bool) -> None:
        """Count an attempt; an acceptance, too, when the other side did answer, with an error."""
        self._requests.append(now)
        if not retryable:
            self._accepts.append(now)

    def withdraw(
        self,
        now: float,
        stream: random.Random,
        *,
        timed_out: bool,  # noqa: ARG002  (a refusal is a refusal)
    ) -> float | None:
        """Return 0 when another attempt may be made, else ``None``."""
        return 0.0 if self.admit(now, stream) else None

    def succeeded(self, now: float, paid: float | None) -> None:  # noqa: ARG002  (each counts as one)
        """Count an attempt and an acceptance."""
        self._requests.append(now)
        self._accepts.append(now)


def rejection_probability(requests: int, accepts: int, k: float = 2.0) -> float:
    """Return the probability with which a client turns its own attempts away.

    ``max(0, (requests - k * accepts) / (requests + 1))``: Site Reliability Engineering, chapter 21,
    equation 21-1.

    >>> rejection_probability(9, 2), rejection_probability(9, 5)
    (0.5, 0.0)
    """
    return max(0.0, (requests - k * accepts) / (requests + 1))
