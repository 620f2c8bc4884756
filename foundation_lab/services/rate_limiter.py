"""The rate limiter: at most so many permits in so much virtual time, for each key."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import RateLimited, ServiceDown
from foundation_lab.services.service import Service
from foundation_lab.simulation.invocation import invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.limits import Limit
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.waiting import Wait


class _Place:
    """Somebody's place in the line of one key."""

    def __init__(self, amount: float) -> None:
        self.amount = amount
        self.turn: Wait | None = None
        self.expelled: ServiceDown | None = None

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
            ``lambda: TokenBucket(rate=10, capacity=5)``, ``FixedWindow`` or ``SlidingWindow``.
    """

    kind: ClassVar[str] = "rate_limiter"
    Allowed = events.rate_limiter.Allowed
    Denied = events.rate_limiter.Denied

    def __init__(self, sim: Simulation, name: str, limit: Callable[[], Limit]) -> None:
        self._make = limit
        self._limits: dict[str, Limit] = {}
        self._lines: dict[str, deque[_Place]] = {}
        limit()  # a wrong argument is an error now, not at the first request
        super().__init__(sim, name)

    def allow(self, key: str = "", amount: float = 1) -> bool:
        """Take permits if they are there and nobody waits for some; return whether they were.

        Raises:
            ServiceDown: The limiter was stopped.
            ValueError: The limit can never grant so much at once.
        """
        self.require_up()
        limit = self._limit(key, amount)
        if self._lines.get(key) or limit.wait_for(self.sim.now, amount) > 0:
            after = self.retry_after(key, amount)
            self._emit(events.rate_limiter.Denied(self.name, key, amount, after))
            return False
        self._take(limit, key, amount)
        return True

    def acquire(self, key: str = "", amount: float = 1) -> Generator[Any, Any, None]:
        """Wait for permits and take them, first in first out (``yield from``).

        Raises:
            ServiceDown: The limiter was stopped, before or meanwhile.
            ValueError: The limit can never grant so much at once.
        """
        self.require_up()
        limit = self._limit(key, amount)
        line = self._lines.setdefault(key, deque())
        place = _Place(amount)
        line.append(place)
        try:
            if line[0] is not place:
                yield from self._wait(place)
            while (delay := limit.wait_for(self.sim.now, amount)) > 0:
                yield from self._wait(place, delay)
        finally:
            was_first = line[0] is place
            line.remove(place)
            if was_first and line:
                line[0].go_on()
        self._take(limit, key, amount)

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
            after = self.retry_after(key, amount)
            message = f"rate limiter {self.name!r} has no permit; try again in {after:g} s"
            raise RateLimited(message, after)
        return (yield from invoke(fn))

    def retry_after(self, key: str = "", amount: float = 1) -> float:
        """Return the seconds until `amount` permits are there and the first in line has gone."""
        limit, now = self._limit(key, amount), self.sim.now
        line = self._lines.get(key)
        return max(limit.wait_for(now, amount), limit.wait_for(now, line[0].amount) if line else 0)

    def remaining(self, key: str = "") -> float:
        """Return how many permits a key has left now."""
        return self._limit(key, 1).remaining(self.sim.now)

    def violations(self) -> list[str]:
        """Return every law of limiters that does not hold, in words."""
        return [
            f"key {key!r} has {left:g} permits left of {limit.largest:g}"
            for key, limit in self._limits.items()
            if not -1e-6 <= (left := limit.remaining(self.sim.now)) <= limit.largest + 1e-6
        ]

    def on_exit(self, reason: str) -> None:
        """Send everybody in line away."""
        lines, self._lines = self._lines, {}
        for place in (place for line in lines.values() for place in line):
            place.expelled = ServiceDown(f"rate limiter {self.name!r} went down ({reason})")
            place.go_on()

    def on_restart(self) -> None:
        """Begin anew, with full limits."""
        self._limits.clear()

    # -- private -------------------------------------------------------------------------------

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

    def _limit(self, key: str, amount: float) -> Limit:
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = self._make()
        if not 0 < amount <= limit.largest:
            message = (
                f"rate limiter {self.name!r} can grant up to {limit.largest:g} at once, "
                f"not amount={amount!r}"
            )
            raise ValueError(message)
        return limit

    def _take(self, limit: Limit, key: str, amount: float) -> None:
        now = self.sim.now
        limit.take(now, amount)
        self._emit(events.rate_limiter.Allowed(self.name, key, amount, limit.remaining(now)))
