"""How long to wait before the next attempt: pure functions of the attempt and the last delay.

A strategy gives the delay after failed attempt n (from 1), in seconds; a *jitter* (jitter.py)
spreads it.

A `cap` limits what the strategy says, before the jitter: so do Brooker's formulas, the AWS SDK and
gRPC, whose ±20 % may go beyond the cap. `Retry(max_delay=...)` limits what comes out, after the
jitter: so do Polly's ``MaxDelay`` and resilience4j's ``ofExponentialRandomBackoff``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import msgspec

from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_LONGEST = 1e9
_STEEPEST = 1000.0  # 2 ** t overflows soon after
_GOLDEN = (1 + math.sqrt(5)) / 2


class Backoff(Protocol):
    """A backoff strategy."""

    strategy: ClassVar[str]

    def begin(self) -> Backoff:
        """Return what gives the delays of one call: itself, unless it remembers something."""

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:
        """Return the seconds to wait after failed `attempt`; `previous` is the last delay."""


class _Forgetful(msgspec.Struct, frozen=True):
    """What remembers nothing from one delay to the next is the same for all calls."""

    def begin(self) -> Self:
        """Return itself."""
        return self


class Fixed(_Forgetful, frozen=True):
    """Always the same delay."""

    strategy: ClassVar[str] = "fixed"

    seconds: float

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        return self.seconds


class Linear(_Forgetful, frozen=True):
    """``base * n``, at most `cap`."""

    strategy: ClassVar[str] = "linear"

    base: float
    cap: float = math.inf

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        return min(self.cap, self.base * attempt)


class Exponential(_Forgetful, frozen=True):
    """``base * factor ** (n - 1)``, at most `cap`."""

    strategy: ClassVar[str] = "exponential"

    base: float
    factor: float = 2.0
    cap: float = math.inf

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        if math.log(self.base) + (attempt - 1) * math.log(self.factor) > math.log(_LONGEST):
            return min(self.cap, _LONGEST)  # factor ** n would overflow
        return min(self.cap, self.base * self.factor ** (attempt - 1))


class Fibonacci(_Forgetful, frozen=True):
    """``base`` times the Fibonacci numbers 1, 1, 2, 3, 5, ..., at most `cap`."""

    strategy: ClassVar[str] = "fibonacci"

    base: float
    cap: float = math.inf

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        if math.log(self.base) + (attempt - 2) * math.log(_GOLDEN) > math.log(_LONGEST):
            return min(self.cap, _LONGEST)  # F(n) is at least golden ** (n - 2)
        number, following = 1, 1
        for _ in range(attempt - 1):
            number, following = following, number + following
        return min(self.cap, self.base * number)


class Decorrelated(_Forgetful, frozen=True):
    """Uniform between `base` and three times the last delay, at most `cap`.

    Formula: "decorrelated jitter" in Brooker, "Exponential Backoff and Jitter", 2015.
    """

    strategy: ClassVar[str] = "decorrelated"

    base: float
    cap: float = math.inf

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:
        """Return the delay in seconds."""
        longest = 3 * (self.base if attempt == 1 else previous)
        spread = max(0.0, longest - self.base)  # another jitter may have cut the last delay
        return min(self.cap, _LONGEST, self.base + spread * stream.random())


class DecorrelatedV2(msgspec.Struct, frozen=True):
    """Smooth, without peaks, about `median` seconds before the first retry, at most `cap`.

    Formula: ``DecorrelatedJitterBackoffV2`` of Polly.Contrib.WaitAndRetry, which Polly 8 took over;
    see `smooth`.
    """

    strategy: ClassVar[str] = "decorrelated_v2"

    median: float
    cap: float = math.inf

    def begin(self) -> _DelaysV2:
        """Return the delays of one call."""
        return _DelaysV2(self)

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:
        """Return the delay in seconds, as if the last attempt had been the first of its call."""
        return self.begin().delay(attempt, previous, stream)


class _DelaysV2:
    """The delays of one call: each is a step of `smooth`, from where the last one ended."""

    strategy: ClassVar[str] = DecorrelatedV2.strategy

    def __init__(self, backoff: DecorrelatedV2) -> None:
        self._backoff = backoff
        self._reached = 0.0

    def begin(self) -> _DelaysV2:
        """Return the delays of another call."""
        return self._backoff.begin()

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        t = attempt - 1 + stream.random()
        if t >= _STEEPEST:
            return min(self._backoff.cap, _LONGEST)
        last, self._reached = self._reached, smooth(t)
        step = max(0.0, self._reached - last)
        return min(self._backoff.cap, _LONGEST, step / 1.4 * self._backoff.median)


def smooth(t: float) -> float:
    """Return ``2 ** t * tanh(sqrt(4 t))``: the curve along which Polly's second jitter steps.

    It rises from 0 and nears 2 ** t; the delay after failed attempt n goes from a random point of
    [n - 2, n - 1) to one of [n - 1, n), in units of the median delay over 1.4.

    >>> smooth(0.0), round(smooth(1.0), 3), round(smooth(6.0), 3)
    (0.0, 1.928, 63.993)
    """
    return float(2 ** min(t, _STEEPEST) * math.tanh(math.sqrt(4 * t)))


class Custom(_Forgetful, frozen=True):
    """What a function of the attempt says."""

    strategy: ClassVar[str] = "custom"

    function: Callable[[int], float]

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds.

        Raises:
            ValueError: The function gave something else.
        """
        return positive(f"delay after attempt {attempt}", self.function(attempt), zero=True)


def fixed_backoff(seconds: float) -> Fixed:
    """Return a backoff that always waits `seconds`."""
    return Fixed(positive("seconds", seconds, zero=True))


def linear_backoff(base: float, *, cap: float = math.inf) -> Linear:
    """Return a backoff of ``base, 2 base, 3 base, ...`` seconds, at most `cap`."""
    return Linear(positive("base", base), _cap(cap))


def exponential_backoff(base: float, *, factor: float = 2.0, cap: float = math.inf) -> Exponential:
    """Return a backoff of ``base, base factor, base factor ** 2, ...`` seconds, at most `cap`."""
    if not (math.isfinite(factor) and factor >= 1):
        message = f"factor={factor!r}; a backoff does not shrink, give a finite number from 1"
        raise ValueError(message)
    return Exponential(positive("base", base), factor, _cap(cap))


def fibonacci_backoff(base: float, *, cap: float = math.inf) -> Fibonacci:
    """Return a backoff of ``base, base, 2 base, 3 base, 5 base, ...`` seconds, at most `cap`."""
    return Fibonacci(positive("base", base), _cap(cap))


def decorrelated_backoff(base: float, *, cap: float = math.inf) -> Decorrelated:
    """Return a random backoff that remembers the last delay only."""
    return Decorrelated(positive("base", base), _cap(cap))


def decorrelated_v2_backoff(median: float, *, cap: float = math.inf) -> DecorrelatedV2:
    """Return Polly's random backoff; the first delay is about `median` seconds."""
    return DecorrelatedV2(positive("median", median), _cap(cap))


def custom_backoff(function: Callable[[int], float]) -> Custom:
    """Return a backoff of ``function(n)`` seconds after failed attempt n, which counts from 1."""
    if not callable(function):
        message = f"function={function!r}; give a function of the attempt that returns seconds"
        raise TypeError(message)
    return Custom(function)


def _cap(cap: float) -> float:
    if not cap > 0:
        message = f"cap={cap!r}; give seconds, more than 0"
        raise ValueError(message)
    return cap
