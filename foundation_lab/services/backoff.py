"""How long to wait before the next attempt: pure functions of the attempt and the last delay.

A strategy gives the delay after failed attempt n (from 1), in seconds; *jitter* spreads it. Names
and formulas of full, equal and decorrelated jitter follow Marc Brooker, "Exponential Backoff and
Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, get_args

import msgspec

from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    import random

Jitter = Literal["none", "full", "equal"]

_LONGEST = 1e9


class Backoff(Protocol):
    """A backoff strategy."""

    strategy: ClassVar[str]

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:
        """Return the seconds to wait after failed `attempt`; `previous` is the last delay."""


class Fixed(msgspec.Struct, frozen=True):
    """Always the same delay."""

    strategy: ClassVar[str] = "fixed"

    seconds: float

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        return self.seconds


class Linear(msgspec.Struct, frozen=True):
    """``base * n``, at most `cap`."""

    strategy: ClassVar[str] = "linear"

    base: float
    cap: float = math.inf

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:  # noqa: ARG002
        """Return the delay in seconds."""
        return min(self.cap, self.base * attempt)


class Exponential(msgspec.Struct, frozen=True):
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


class Decorrelated(msgspec.Struct, frozen=True):
    """Uniform between `base` and three times the last delay, at most `cap`."""

    strategy: ClassVar[str] = "decorrelated"

    base: float
    cap: float = math.inf

    def delay(self, attempt: int, previous: float, stream: random.Random) -> float:
        """Return the delay in seconds."""
        longest = 3 * (self.base if attempt == 1 else previous)
        spread = max(0.0, longest - self.base)  # another jitter may have cut the last delay
        return min(self.cap, self.base + spread * stream.random())


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


def decorrelated_backoff(base: float, *, cap: float = math.inf) -> Decorrelated:
    """Return a random backoff that remembers the last delay only."""
    return Decorrelated(positive("base", base), _cap(cap))


def jittered(delay: float, jitter: Jitter, stream: random.Random) -> float:
    """Return a delay spread by jitter.

    ``none`` keeps it, ``full`` is uniform between 0 and it, ``equal`` is half of it plus a uniform
    half.
    """
    if jitter == "full":
        return delay * stream.random()
    if jitter == "equal":
        return delay / 2 + delay / 2 * stream.random()
    return delay


def as_jitter(name: str, argument: str = "jitter") -> Jitter:
    """Return a jitter by its name.

    Raises:
        ValueError: There is none of this name; the message names the `argument`.
    """
    for known in get_args(Jitter):
        if name == known:
            return known  # type: ignore[no-any-return]  # get_args forgets the literal
    message = f"{argument}={name!r}; use one of {', '.join(get_args(Jitter))}"
    raise ValueError(message)


def _cap(cap: float) -> float:
    if not cap > 0:
        message = f"cap={cap!r}; give seconds, more than 0"
        raise ValueError(message)
    return cap
