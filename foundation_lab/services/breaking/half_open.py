"""Half-open: so many probes, and what becomes of the breaker when they end.

Two rules are known. ``every``: the first failed probe opens the breaker, and when as many as are
permitted have succeeded it closes, which is how a breaker that counts failures in a row goes on
thinking. ``rate``: the probes are judged as the window judges calls, by the same rates, as soon as
the minimum of the window, or all that are permitted if those are fewer, have ended; that is the
rule of resilience4j (https://resilience4j.readme.io/docs/circuitbreaker).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from foundation_lab.services.breaking.counting import TOO_FEW, CountWindow, Rates, RateWindow
from foundation_lab.services.breaking.state import State

if TYPE_CHECKING:
    from foundation_lab.services.breaking.counting import Counting

HalfOpenRule = Literal["every", "rate"]


class HalfOpen:
    """The probes of one half-open state.

    Args:
        permitted: How many probes there may be; one that is given back may be taken again.
        window: Judges them by their rates; without it, every probe must succeed.
    """

    def __init__(self, permitted: int, window: CountWindow | None = None) -> None:
        self.permitted = permitted
        self.taken = 0
        self.ended = 0
        self._successes = 0
        self._window = window

    @property
    def in_flight(self) -> int:
        """How many probes have not ended."""
        return self.taken - self.ended

    def take(self) -> bool:
        """Take a permit for a probe; return whether there was one."""
        if self.taken >= self.permitted:
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """Give the permit of a probe back that ended in a way that does not count."""
        self.taken -= 1

    def record(self, *, failed: bool, slow: bool) -> State | None:
        """Count a probe that ended; return the state to go to, ``None`` to wait for more."""
        self.ended += 1
        if self._window is None:
            self._successes += not failed
            if failed:
                return State.OPEN
            return State.CLOSED if self._successes >= self.permitted else None
        if self._window.record(0.0, failed=failed, slow=slow):
            return State.OPEN
        return None if self.rates() == TOO_FEW else State.CLOSED

    def rates(self) -> Rates:
        """Return the rates of the probes that ended; -1 and -1 while they are not judged."""
        return TOO_FEW if self._window is None else self._window.rates(0.0)

    def why(self, to: State) -> str:
        """Return in words why the probes lead to a state."""
        if self._window is not None:
            return self._window.why()
        if to is State.OPEN:
            return "a probe failed"
        return f"{self._successes} of {self.permitted} probes succeeded"


def half_open(rule: str, permitted: int, counting: Counting) -> HalfOpen:
    """Return a half-open state at its beginning.

    Args:
        rule: ``every`` or ``rate``.
        permitted: How many probes there may be.
        counting: How the breaker counts while it is closed; ``rate`` takes its rates from there.

    Raises:
        ValueError: There is no such rule, or ``rate`` has no window to take the rates from.
    """
    if rule not in get_args(HalfOpenRule):
        message = f"half_open_rule={rule!r}; use one of {', '.join(get_args(HalfOpenRule))}"
        raise ValueError(message)
    if rule == "every":
        return HalfOpen(permitted)
    if not isinstance(counting, RateWindow):
        message = (
            "half_open_rule='rate' judges probes by the rates of a window; "
            "give counting=CountWindow(...) or TimeWindow(...)"
        )
        raise ValueError(message)  # noqa: TRY004  (the two arguments do not go together)
    window = CountWindow(
        permitted,
        failure_rate=counting.failure_rate,
        slow_rate=counting.slow_rate,
        minimum_calls=counting.minimum_calls,
    )
    return HalfOpen(permitted, window)
