"""How long an open circuit breaker stays open.

A number of seconds; a backoff strategy over the openings in a row, which is the interval function
of resilience4j and the failure accrual of Finagle; or a function of the opening, which is the break
duration generator of Polly. A jitter spreads any of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from foundation_lab.services.arguments import positive
from foundation_lab.services.retrying.backoff import Backoff
from foundation_lab.services.retrying.jitter import Jitter, NoJitter

if TYPE_CHECKING:
    import random


class Opening(msgspec.Struct, frozen=True):
    """An opening of a circuit breaker, for the function that says how long it lasts.

    Attributes:
        number: The how-manieth opening it is since the breaker was closed, from 1.
        error: The error that tripped it; ``None`` when a success, a wait or a hand did.
        previous: Seconds that the opening before lasted; 0 for the first.
    """

    number: int
    error: BaseException | None = None
    previous: float = 0.0


BreakDuration = Callable[[Opening], float]
"""Seconds to stay open, from the opening."""

ResetTimeout = float | Backoff | BreakDuration
"""Seconds, a backoff over the openings in a row, or a function of the opening."""


def retry_after_or(otherwise: float, *, cap: float = math.inf) -> BreakDuration:
    """Return a break as long as the error asks for, in its ``retry_after``, up to a cap.

    Args:
        otherwise: Seconds for an error that asks for nothing.
        cap: The longest break in seconds that an error can ask for.

    Example:
        >>> from foundation_lab.errors import RateLimited
        >>> duration = retry_after_or(30.0, cap=60.0)
        >>> duration(Opening(1, RateLimited("slow down", 7.0)))
        7.0
        >>> duration(Opening(1, RateLimited("slow down", 900.0)))
        60.0
        >>> duration(Opening(1))
        30.0
    """
    positive("otherwise", otherwise)
    if not cap > 0:
        message = f"cap={cap!r}; give seconds, more than 0"
        raise ValueError(message)

    def duration(opening: Opening) -> float:
        asked = getattr(opening.error, "retry_after", None)
        return min(cap, asked) if asked is not None and asked > 0 else otherwise

    return duration


def break_duration(
    wanted: ResetTimeout, jitter: Jitter, stream: Callable[[], random.Random]
) -> BreakDuration:
    """Return the function that says how long an opening lasts.

    Args:
        wanted: Seconds, a backoff, or a function of the opening.
        jitter: How the duration is spread.
        stream: Gives the random stream for it, when one is needed.

    Raises:
        ValueError: `wanted` is a number but not above 0. What is returned raises it, too, for a
            function that answers with no finite number from 0.
        TypeError: `wanted` is none of the three.
    """
    base = _base(wanted, stream)
    if isinstance(jitter, NoJitter):
        return base
    return lambda opening: jitter.spread(base(opening), stream())


def _base(wanted: ResetTimeout, stream: Callable[[], random.Random]) -> BreakDuration:
    if isinstance(wanted, int | float):
        seconds = positive("reset_timeout", wanted)
        return lambda _opening: seconds
    if hasattr(wanted, "delay"):
        backoff: Backoff = wanted.begin()  # type: ignore[union-attr]  # what has delays is one
        return lambda opening: backoff.delay(opening.number, opening.previous, stream())
    if callable(wanted):
        return lambda opening: positive("reset_timeout", wanted(opening), zero=True)
    message = f"reset_timeout={wanted!r}; give seconds, a backoff, or a function of the opening"
    raise TypeError(message)
