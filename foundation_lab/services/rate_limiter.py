"""The rate limiter: at most so many permits in so much virtual time, for each key.

What is counted and how is up to a `Limit`; here is who waits for it, and in which order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import RateLimited, ServiceDown
from foundation_lab.services.arguments import positive
from foundation_lab.services.limiting.limits import Reserving
from foundation_lab.services.service import Service
from foundation_lab.simulation.ability import a_function
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.errors import ServiceError
    from foundation_lab.services.limiting.limits import Limit
    from foundation_lab.simulation.clock import Clock, NodeClock
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.waiting import Wait


class _Place:
    """Somebody's place in the line of one key."""

    def __init__(self, amount: float) -> None:
        self.amount = amount
        self.turn: Wait | None = None
        self.expelled: ServiceError | None = None

    def go_on(self) -> None:
        """Let the waiter look again."""
        if self.turn is not None and not self.turn.triggered:
            self.turn.succeed()


class RateLimiter(Service):
    """Limits how often something happens.

    Args:
        sim: The simulation.
        name: The limiter's name, `service_id` in its events.
        limit: Makes the limit of one key:
            ``lambda: TokenBucket(rate=10, capacity=5)``, ``LeakyBucket``, ``FixedWindow``,
            ``SlidingWindow``, ``SlidingCounter`` or ``CycleLimit``.
        clock: What tells the limiter the time, when that is not the true one. Whoever waits looks
            again when the wait is over; a jump of the clock meanwhile wakes nobody.
    """

    kind: ClassVar[str] = "rate_limiter"
    Allowed = events.rate_limiter.Allowed
    Denied = events.rate_limiter.Denied
    Drained = events.rate_limiter.Drained

    def __init__(
        self,
        sim: Simulation,
        name: str,
        limit: Callable[[], Limit],
        *,
        clock: NodeClock | None = None,
    ) -> None:
        self._make = a_function(
            "limit",
            limit,
            "give a function that makes one: lambda: TokenBucket(rate=1, capacity=1)",
        )
        self._clock: Clock = sim if clock is None else clock
        self._lasting = float if clock is None else clock.lasting
        self._limits: dict[str, Limit] = {}
        self._lines: dict[str, deque[_Place]] = {}
        self._reserving: dict[_Place, None] = {}
        # a wrong argument is an error now, not at the first request
        self._reserves = isinstance(limit(), Reserving)
        super().__init__(sim, name)

    @property
    def clock(self) -> Clock:
        """What tells the limiter the time; it can be set before the first call."""
        return self._clock

    @clock.setter
    def clock(self, clock: NodeClock) -> None:
        self._clock = clock
        self._lasting = clock.lasting

    def allow(self, key: str = "", amount: float = 1) -> bool:
        """Take permits if they are there and nobody waits for some; return whether they were.

        Raises:
            ServiceDown: The limiter was stopped.
            ValueError: The limit can never grant so much at once.
        """
        self.require_up()
        limit = self._limit(key, amount)
        if self._lines.get(key) or limit.wait_for(self._clock.now, amount) > 0:
            self._denied(limit, key, amount)
            return False
        self._take(limit, key, amount)
        return True

    def peek(self, key: str = "", amount: float = 1) -> bool:
        """Return whether `allow` would be true now; nothing is taken and no event emitted.

        Raises:
            ValueError: The limit can never grant so much at once.
        """
        return self.up and not self._lines.get(key) and self.retry_after(key, amount) <= 0

    def acquire(
        self, key: str = "", amount: float = 1, *, timeout: float | None = None
    ) -> Generator[Any, Any, None]:
        """Wait for permits and take them, first in first out (``yield from``).

        Nobody overtakes: a small amount waits behind a large one. With a limit that reserves
        (`CycleLimit`) the permits are taken at once, those of future cycles, and used when these
        begin; so that they may be more than one cycle has.

        Args:
            key: Whose permits.
            amount: How many.
            timeout: How many seconds to wait at most; for ever without it. When it is clear
                beforehand that the permits come later, nobody waits.

        Raises:
            RateLimited: The permits do not come within `timeout`; the exception carries
                `retry_after`.
            ServiceDown: The limiter was stopped, before or meanwhile.
            ValueError: The limit can never grant so much at once.
        """
        self.require_up()
        limit = self._limit(key, amount, at_once=not self._reserves)
        if timeout is not None:
            positive("timeout", timeout, zero=True)
            if self._wait_for(limit, key, amount) > timeout:
                raise self._denied(limit, key, amount)
        if self._reserves and isinstance(limit, Reserving):
            yield from self._reserve(limit, amount)
            self._allowed(limit, key, amount)
            return
        place = _Place(amount)
        timer = None
        if timeout is not None:
            overdue = self.sim.now + timeout
            timer = Timer(self.sim, overdue, lambda: self._give_up(place, limit, key), last=True)
        try:
            yield from self._line_up(limit, key, place)
        finally:
            if timer is not None:
                timer.cancel()
        self._take(limit, key, amount)

    def drain(self, key: str = "") -> float:
        """Take all permits that a key has left now, and return how many they were.

        Raises:
            ServiceDown: The limiter was stopped.
        """
        self.require_up()
        left = self.remaining(key)
        if left > 0:
            self._limits[key].take(self._clock.now, left)
        self._emit(events.rate_limiter.Drained(self.name, key, left))
        return left

    def call(
        self, fn: Callable[[], Any], *, key: str = "", amount: float = 1
    ) -> Generator[Any, Any, Any]:
        """Call `fn` if the limit allows it now (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            RateLimited: It does not; the exception carries `retry_after`.
            ServiceDown: The limiter was stopped.
        """
        if not self.allow(key, amount):
            raise self._refusal(self.retry_after(key, amount))
        return (yield from invoke(fn))

    def retry_after(self, key: str = "", amount: float = 1) -> float:
        """Return the seconds until `amount` permits are there and the first in line has gone."""
        return self._wait_for(self._limit(key, amount), key, amount)

    def remaining(self, key: str = "") -> float:
        """Return how many permits a key has left now."""
        return self._limit(key, 1).remaining(self._clock.now)

    def violations(self) -> list[str]:
        """Return every law of limiters that does not hold, in words."""
        return [
            f"key {key!r} has {left:g} permits left of {limit.largest:g}"
            for key, limit in self._limits.items()
            if not -1e-6 <= (left := limit.remaining(self._clock.now)) <= limit.largest + 1e-6
        ]

    def on_exit(self, reason: str) -> None:
        """Send everybody in line away."""
        lines, self._lines = self._lines, {}
        for place in (*(place for line in lines.values() for place in line), *self._reserving):
            place.expelled = ServiceDown(f"rate limiter {self.name!r} went down ({reason})")
            place.go_on()

    def on_restart(self) -> None:
        """Begin anew, with full limits, unless it keeps its state."""
        if not self.keeps_state:
            self._limits.clear()

    # -- private -------------------------------------------------------------------------------

    def _wait_for(self, limit: Limit, key: str, amount: float) -> float:
        now, line = self._clock.now, self._lines.get(key)
        return max(limit.wait_for(now, amount), limit.wait_for(now, line[0].amount) if line else 0)

    def _line_up(self, limit: Limit, key: str, place: _Place) -> Generator[Any, Any, None]:
        """Wait until the place is the first in its line and its amount is there."""
        line = self._lines.setdefault(key, deque())
        line.append(place)
        try:
            if line[0] is not place:
                yield from self._wait(place)
            while (delay := limit.wait_for(self._clock.now, place.amount)) > 0:
                yield from self._wait(place, self._lasting(delay))
        finally:
            was_first = line[0] is place
            line.remove(place)
            if was_first and line:
                line[0].go_on()

    def _reserve(self, limit: Reserving, amount: float) -> Generator[Any, Any, None]:
        """Take permits of the future and wait for it; whoever is kept from it gives them back."""
        delay = limit.wait_for(self._clock.now, amount)
        reservation = limit.reserve(self._clock.now, amount)
        if delay <= 0:
            return
        place = _Place(amount)
        self._reserving[place] = None
        try:
            yield from self._wait(place, self._lasting(delay))
        except BaseException:
            limit.give_back(self._clock.now, reservation)
            raise
        finally:
            del self._reserving[place]

    def _give_up(self, place: _Place, limit: Limit, key: str) -> None:
        place.expelled = self._denied(limit, key, place.amount)
        place.go_on()

    def _wait(self, place: _Place, delay: float | None = None) -> Generator[Any, Any, None]:
        """Wait until the place's turn comes or `delay` is over."""
        place.turn = self.sim.wait(f"a turn at rate limiter {self.name!r}")
        timer = None if delay is None else self.sim.call_in(delay, place.go_on)
        try:
            yield place.turn
        finally:
            if timer is not None:
                timer.cancel()
        if place.expelled is not None:
            raise place.expelled

    def _limit(self, key: str, amount: float, *, at_once: bool = True) -> Limit:
        """Return the limit of a key, which can grant `amount`: at once, or in parts."""
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = self._make()
        if not at_once:
            positive("amount", amount)
        elif not 0 < amount <= limit.largest:
            message = (
                f"rate limiter {self.name!r} can grant up to {limit.largest:g} at once, "
                f"not amount={amount!r}"
            )
            raise ValueError(message)
        return limit

    def _take(self, limit: Limit, key: str, amount: float) -> None:
        limit.take(self._clock.now, amount)
        self._allowed(limit, key, amount)

    def _allowed(self, limit: Limit, key: str, amount: float) -> None:
        left = limit.remaining(self._clock.now)
        self._emit(events.rate_limiter.Allowed(self.name, key, amount, left))

    def _denied(self, limit: Limit, key: str, amount: float) -> RateLimited:
        after = self._wait_for(limit, key, amount)
        self._emit(events.rate_limiter.Denied(self.name, key, amount, after))
        return self._refusal(after)

    def _refusal(self, after: float) -> RateLimited:
        message = f"rate limiter {self.name!r} has no permit; try again in {after:g} s"
        return RateLimited(message, after)
