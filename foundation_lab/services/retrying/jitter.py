"""How a delay is spread, so that callers who failed together do not come back together.

``none``, ``full`` and ``equal`` as in Marc Brooker, "Exponential Backoff and Jitter", AWS
Architecture Blog, 2015; `factor_jitter` as the randomized
intervals of resilience4j and gRPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from foundation_lab.services.arguments import positive

if TYPE_CHECKING:
    import random


class Jitter(Protocol):
    """A way of spreading a delay."""

    def spread(self, delay: float, stream: random.Random) -> float:
        """Return a delay in seconds made of the given one."""


class NoJitter(msgspec.Struct, frozen=True):
    """The delay as it is."""

    def spread(self, delay: float, stream: random.Random) -> float:  # noqa: ARG002  (no chance in it)
        """Return the delay in seconds."""
        return delay


class FullJitter(msgspec.Struct, frozen=True):
    """Uniform between 0 and the delay."""

    def spread(self, delay: float, stream: random.Random) -> float:
        """Return the delay in seconds."""
        return delay * stream.random()


class EqualJitter(msgspec.Struct, frozen=True):
    """Half of the delay, and a uniform share of the other half."""

    def spread(self, delay: float, stream: random.Random) -> float:
        """Return the delay in seconds."""
        return delay / 2 + delay / 2 * stream.random()


class FactorJitter(msgspec.Struct, frozen=True):
    """Uniform between ``delay * (1 - share)`` and ``delay * (1 + share)``."""

    share: float

    def spread(self, delay: float, stream: random.Random) -> float:
        """Return the delay in seconds."""
        return delay * (1 - self.share + 2 * self.share * stream.random())


class AdditiveJitter(msgspec.Struct, frozen=True):
    """Uniform between the delay and ``delay + extra``."""

    extra: float

    def spread(self, delay: float, stream: random.Random) -> float:
        """Return the delay in seconds."""
        return delay + self.extra * stream.random()


_BY_NAME: dict[str, Jitter] = {"none": NoJitter(), "full": FullJitter(), "equal": EqualJitter()}


def factor_jitter(share: float = 0.5) -> FactorJitter:
    """Return a jitter that makes a delay up to `share` of itself shorter or longer.

    resilience4j's randomized intervals have 0.5, gRPC has 0.2.
    """
    if not 0 <= share <= 1:
        message = f"share={share!r}; give a share of the delay from 0 to 1"
        raise ValueError(message)
    return FactorJitter(share)


def additive_jitter(extra: float) -> AdditiveJitter:
    """Return a jitter that makes a delay up to `extra` seconds longer."""
    return AdditiveJitter(positive("extra", extra, zero=True))


def as_jitter(jitter: str | Jitter, argument: str = "jitter") -> Jitter:
    """Return a jitter as it is, or by its name; `argument` is named in errors.

    Raises:
        ValueError: There is none of this name.
        TypeError: It is neither a name nor a jitter.
    """
    if isinstance(jitter, str):
        if jitter in _BY_NAME:
            return _BY_NAME[jitter]
        message = (
            f"{argument}={jitter!r}; use one of {', '.join(_BY_NAME)}, or factor_jitter(share), or "
            "additive_jitter(extra)"
        )
        raise ValueError(message)
    if not callable(getattr(jitter, "spread", None)):
        message = f"{argument}={jitter!r}; give a name, or something with spread(delay, stream)"
        raise TypeError(message)
    return jitter
