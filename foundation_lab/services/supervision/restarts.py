"""When a supervisor restarts, whom, and when it gives up: OTP's rules, as plain functions.

Source: ``lib/stdlib/src/supervisor.erl`` of Erlang/OTP (``do_restart``, ``add_restart``,
``restart/3``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from foundation_lab.services.arguments import positive, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

SHUTDOWN: Final = "shutdown"
"""The reason of an orderly end."""

STRATEGIES: Final = ("one_for_one", "one_for_all", "rest_for_one")
RESTARTS: Final = ("permanent", "transient", "temporary")

T = TypeVar("T")


def is_normal(reason: str) -> bool:
    """Return whether an exit is none of a crash: OTP's ``{shutdown, Term}`` is ``shutdown:term``.

    >>> is_normal("normal"), is_normal("shutdown:done"), is_normal("killed")
    (True, True, False)
    """
    return reason in {"normal", SHUTDOWN} or reason.startswith(f"{SHUTDOWN}:")


def restarts_after(restart: str, reason: str) -> bool:
    """Return whether a child of a kind (`RESTARTS`) is restarted when it exits with a reason.

    >>> [restarts_after(kind, "shutdown") for kind in RESTARTS]
    [True, False, False]
    >>> [restarts_after(kind, "killed") for kind in RESTARTS]
    [True, True, False]
    """
    return restart == "permanent" or (restart == "transient" and not is_normal(reason))


def affected(strategy: str, children: Sequence[T], child: T) -> list[T]:
    """Return who is restarted with a child, in the order of their start.

    >>> affected("rest_for_one", ["db", "cache", "web"], "cache")
    ['cache', 'web']
    """
    if strategy == "one_for_one":
        return [child]
    first = 0 if strategy == "one_for_all" else children.index(child)
    return list(children[first:])


class RestartLog:
    """Counts restarts: more than `intensity` within `period` seconds are too many.

    The border is included, as in OTP: two restarts exactly `period` apart are within it.

    Args:
        intensity: How many restarts are allowed.
        period: Within how many seconds.

    Raises:
        ValueError: `intensity` is no whole number from 0, or `period` is not above 0.
    """

    def __init__(self, intensity: int, period: float) -> None:
        self.intensity = whole("intensity", intensity, 0)
        self.period = positive("period", period)
        self._times: deque[float] = deque()

    def add(self, now: float) -> bool:
        """Note a restart; return whether it is allowed."""
        times = self._times
        while times and now > times[0] + self.period:
            times.popleft()
        times.append(now)
        return len(times) <= self.intensity

    def __len__(self) -> int:
        """Return how many restarts there were within the period that ended with the last one."""
        return len(self._times)

    def clear(self) -> None:
        """Forget all restarts."""
        self._times.clear()
