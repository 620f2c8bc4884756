"""What is wrong with one service now, and what that does to a request on its way through."""

from __future__ import annotations

import math
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.errors import ConnectionLost, ConnectionReset
from foundation_lab.simulation.faults.request_faults import (
    ErrorRate,
    Hang,
    Latency,
    LostRequest,
    LostResponse,
    Partition,
    Reset,
)
from foundation_lab.simulation.faults.service_faults import (
    CapacityLoss,
    CpuStress,
    Outage,
    Pause,
    SlowDown,
    Slowing,
    SlowNode,
)
from foundation_lab.simulation.faults.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from foundation_lab.simulation.faults.fault import Fault
    from foundation_lab.simulation.faults.injection import Injection
    from foundation_lab.simulation.process import Process

BASIC: Final[tuple[type[Fault], ...]] = (ErrorRate, Outage, SlowDown, SlowNode, CpuStress)
"""The faults for which a service need only know that it is down or slow, and draw errors."""

EVERY: Final[tuple[type[Fault], ...]] = (
    *BASIC,
    Latency,
    Hang,
    Reset,
    LostRequest,
    LostResponse,
    Partition,
    Pause,
    CapacityLoss,
)
"""Every fault that can be on a service."""


class Impairments:
    """The faults that are on one service now.

    A service asks `active` first, and only then goes the long way: `arrive` before a request takes
    a place, `serve` in place of the wait for its service time, `draws_error` at the end of it, and
    `answer` when its place is free again.

    Args:
        takes: The faults that the service can have; any other is refused when it is injected. By
            default `BASIC`: those for which a service need not ask more than `down`, `slowdown`
            and `draws_error`.

    Attributes:
        active: Whether any fault is on.
        down: Whether an outage is on.
        paused: Whether a pause is on.
        slowdown: By which factor everything takes longer: the product of all slow-downs.
    """

    def __init__(self, takes: Iterable[type[Fault]] = BASIC) -> None:
        self.takes = tuple(takes)
        self.active = False
        self.down = False
        self.paused = False
        self.slowdown = 1.0
        self._on: list[Injection] = []
        self._standstill: Standstill | None = None

    def add(self, injection: Injection) -> None:
        """Put a fault on."""
        self._on.append(injection)
        self._sum_up()

    def remove(self, injection: Injection) -> None:
        """Take a fault off."""
        self._on.remove(injection)
        self._sum_up()

    def __bool__(self) -> bool:
        """Return whether any fault is on."""
        return self.active

    # -- the way of a request ------------------------------------------------------------------

    def arrive(self) -> Generator[Any, Any, None]:
        """Let a request be on its way to the service (``yield from``).

        Raises:
            ConnectionLost: The request was lost, and its caller has learned of it.
        """
        lost = self._struck(LostRequest, Partition)
        late = self._struck(Latency)
        if lost:
            yield from _wait_in_vain(lost, "request")
        delay = math.fsum(each.fault.draw(each.stream) for each in late)  # type: ignore[attr-defined]
        if delay > 0:
            yield delay
        for each in self._those(Outage, Pause):
            each.strike()

    def serve(self, seconds: float) -> Generator[Any, Any, None]:
        """Let a request be served that takes so many seconds (``yield from``).

        Raises:
            ConnectionReset: Its connection broke.
        """
        yield from self._go_on()
        hanging = self._struck(Hang)
        for each in hanging:
            released = each.fault.release  # type: ignore[attr-defined]
            if not released:
                yield each.sim.wait(f"an answer of {each.subject}, where it hangs")
            elif not each.ended:
                yield each.over
        yield from self._go_on()
        for each in self._those(Slowing):
            each.strike()
        seconds *= self.slowdown
        resets = self.resets(seconds)
        instant, reset = min(resets, key=itemgetter(0), default=(seconds, None))
        if reset is not None and instant < seconds:
            yield instant
            if not reset.ended:
                raise broken(reset)
            seconds -= instant
        yield seconds

    def draws_error(self) -> bool:
        """Return whether one of the active error rates makes this request fail."""
        return bool(self._struck(ErrorRate))

    def answer(self) -> Generator[Any, Any, None]:
        """Let an answer be on its way to the caller (``yield from``).

        Raises:
            ConnectionLost: The answer was lost, and the caller has learned of it.
        """
        lost = self._struck(LostResponse, Partition)
        if lost:
            yield from _wait_in_vain(lost, "answer")

    def resets(self, seconds: float) -> list[tuple[float, Injection]]:
        """Return the resets that are to break the connection of this request, and when.

        Args:
            seconds: How long its service takes; infinity when nobody knows: what may break it
                anywhere in the service does so at infinity then.
        """
        return [
            (each.fault.instant(each.stream, seconds), each)  # type: ignore[attr-defined]
            for each in self._those(Reset)
            if each.draws()
        ]

    # -- the service as a whole ----------------------------------------------------------------

    def places(self, capacity: int) -> int:
        """Return how many of so many places there are now: none in a pause."""
        if self.paused:
            return 0
        lost = sum(each.fault.lost_of(capacity) for each in self._those(CapacityLoss))  # type: ignore[attr-defined]
        return max(0, capacity - lost)

    def hold(self, working: Iterable[Process]) -> None:
        """Let what is being served stand still when a pause begins, and go on when all are over."""
        if self._standstill is None and self.paused:
            self._standstill = Standstill(self._on[0].sim, working)
        elif self._standstill is not None and not self.paused:
            self._standstill.end()
            self._standstill = None

    # -- private -------------------------------------------------------------------------------

    def _sum_up(self) -> None:
        self.active = bool(self._on)
        self.down = bool(self._those(Outage))
        self.paused = bool(self._those(Pause))
        self.slowdown = math.prod(each.fault.slowdown for each in self._those(Slowing))  # type: ignore[attr-defined]

    def _those(self, *kinds: type[Fault]) -> list[Injection]:
        return [each for each in self._on if isinstance(each.fault, kinds)]

    def _struck(self, *kinds: type[Fault]) -> list[Injection]:
        """Return the faults of some kinds that strike this request; each draws, and tells."""
        struck = [each for each in self._those(*kinds) if each.draws()]
        for each in struck:
            each.strike()
        return struck

    def _go_on(self) -> Generator[Any, Any, None]:
        """Wait until no pause is on (``yield from``)."""
        while paused := self._those(Pause):
            yield paused[0].over


def broken(reset: Injection) -> ConnectionReset:
    """Tell that a reset strikes the running request, and return its error."""
    reset.strike()
    return ConnectionReset(f"the connection to {reset.subject} was reset")


def _wait_in_vain(lost: list[Injection], what: str) -> Generator[Any, Any, None]:
    """Wait for what never comes, until it is noticed."""
    first = lost[0]
    limits = [each.fault.detect_after for each in lost]  # type: ignore[attr-defined]
    noticed = [float(limit) for limit in limits if limit is not None]
    if not noticed:
        yield first.sim.wait(f"an answer of {first.subject}: the {what} was lost")
    else:
        yield min(noticed)
    raise ConnectionLost(f"the {what} was lost on its way: no answer of {first.subject}")
