"""Faults that strike single requests, each with a chance of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from foundation_lab.simulation.faults.fault import (
    Impairment,
    drawn,
    seconds_are_wrong,
    share_is_wrong,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from foundation_lab.simulation.distributions import Distribution
    from foundation_lab.simulation.faults.fault import Wrong


class RequestFault(Impairment, frozen=True, kw_only=True):
    """A fault that strikes each request with some chance.

    Attributes:
        probability: The chance of a request, from 0 to 1; all by default.
    """

    probability: float = 1.0

    @property
    def chance(self) -> float:
        """The chance that a request is struck."""
        return self.probability

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        yield from share_is_wrong("probability", self.probability)


class Latency(RequestFault, frozen=True, kw_only=True):
    """A request comes later: it is on its way, before the work, and holds no place meanwhile.

    Attributes:
        delay: How many seconds later, or what they are drawn from.
        jitter: By how many seconds the delay differs at most, up or down, evenly spread; it is
            never below 0. As the toxic `latency` of Toxiproxy (toxics/latency.go).
    """

    kind: ClassVar[str] = "latency"

    delay: float | Distribution
    jitter: float = 0.0

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        yield from RequestFault.wrong(self)
        yield from seconds_are_wrong("delay", self.delay)
        yield from seconds_are_wrong("jitter", self.jitter)

    def draw(self, stream: random.Random) -> float:
        """Return how many seconds later one request comes."""
        delay = drawn(self.delay, stream)
        if self.jitter:
            delay = max(0.0, delay + self.jitter * (2 * stream.random() - 1))
        return delay


class ErrorRate(Impairment, frozen=True, kw_only=True):
    """Each request fails with this chance, beside the errors that the service has anyway."""

    kind: ClassVar[str] = "error_rate"

    rate: float

    @property
    def chance(self) -> float:
        """The chance that a request is struck."""
        return self.rate

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        yield from share_is_wrong("rate", self.rate)


class Hang(RequestFault, frozen=True, kw_only=True):
    """A request is never answered; it holds its place until its caller gives up.

    Attributes:
        release: Whether a request that hangs goes on when the fault is over, with all of its work
            still before it. Otherwise only its caller or the service's end sets it free.
    """

    kind: ClassVar[str] = "hang"

    release: bool = True


class Reset(RequestFault, frozen=True, kw_only=True):
    """The connection of a request breaks during the service: the work is lost, the place is free.

    The caller gets `ConnectionReset`. A service that is over first is not struck, nor is one whose
    instant comes when the fault is over.

    Attributes:
        after: Seconds of service after which it breaks, or what they are drawn from; by default
            anywhere in the service with equal chance.
    """

    kind: ClassVar[str] = "connection_reset"

    after: float | Distribution | None = None

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        yield from RequestFault.wrong(self)
        yield from seconds_are_wrong("after", self.after)

    def instant(self, stream: random.Random, service_time: float) -> float:
        """Return after how many seconds of a service it breaks."""
        if self.after is None:
            place = stream.random()
            return service_time * place if math.isfinite(service_time) else math.inf
        return drawn(self.after, stream)


class Loss(RequestFault, frozen=True, kw_only=True):
    """A fault that leaves a caller without an answer.

    Attributes:
        detect_after: Seconds after which the caller learns of it, by `ConnectionLost`; without it
            the caller waits until a limit of its own.
    """

    detect_after: float | None = None

    def wrong(self) -> Iterator[Wrong]:
        """Return what makes no sense about its strength."""
        yield from RequestFault.wrong(self)
        yield from seconds_are_wrong("detect_after", self.detect_after)


class LostRequest(Loss, frozen=True, kw_only=True):
    """A request never arrives: nothing is done, no place is taken, no answer comes."""

    kind: ClassVar[str] = "lost_request"


class LostResponse(Loss, frozen=True, kw_only=True):
    """The work is done and counts as served, its place is free, but the caller never hears."""

    kind: ClassVar[str] = "lost_response"


class Partition(Loss, frozen=True, kw_only=True):
    """Nothing comes through, neither way: neither requests nor the answers to earlier ones.

    What was lost stays lost when the partition heals.
    """

    kind: ClassVar[str] = "partition"
