"""The adaptive limiter: a bulkhead that finds out by itself how many places it should have.

What it learns from, and how, is a limit (concurrency_limits.py); here it is put around a call.

A call that comes back well is a sample. One that is turned away or times out is a sample that was
dropped. Any other failure says nothing about the load and is ignored, as an interrupt is. A call
that takes no time at all is no sample either. As the ``SimpleLimiter`` of Netflix's
concurrency-limits, with an optional wait as in its ``BlockingLimiter``, in the order of coming.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from foundation_lab.errors import LimitReached, ServiceDown
from foundation_lab.services.arguments import positive
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.limiting.concurrency_limits import VegasLimit
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.ability import a_function, able
from foundation_lab.simulation.component import Held
from foundation_lab.simulation.invocation import invoke
from foundation_lab.simulation.slots import Slots
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.limiting.concurrency_limits import ConcurrencyLimit
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.slots import Waiter

_DROPS: Final = ("timeout", "rejected")
"""The outcomes of calls that were dropped."""


class AdaptiveLimiter(Service):
    """Limits how many calls are in flight, by what it learns from them.

    Args:
        sim: The simulation.
        name: The limiter's name, `service_id` in its events.
        limit: Makes the limit: `VegasLimit`, ``lambda: WindowedLimit(Gradient2Limit())``, ...; made
            anew with each restart.
        max_wait: Seconds that a call waits for a place at most, first in first out; 0 turns it away
            at once, `None` lets it wait for as long as it takes. The wait is no part of the time
            that the limit learns from.
        drop_on: Which errors are drops: exception types, or a predicate on the exception; by
            default timeouts, those by a limit further outside too, and rejections.
    """

    kind: ClassVar[str] = "adaptive_limiter"
    Permitted = events.adaptive_limit.Permitted
    Rejected = events.adaptive_limit.Rejected
    Changed = events.adaptive_limit.Changed

    def __init__(
        self,
        sim: Simulation,
        name: str,
        limit: Callable[[], ConcurrencyLimit] = VegasLimit,
        *,
        max_wait: float | None = 0.0,
        drop_on: Classifier | None = None,
    ) -> None:
        self.max_wait = None if max_wait is None else positive("max_wait", max_wait, zero=True)
        self._is_drop = classifier(
            "drop_on", drop_on, default=lambda error: sim.outcome_of(error) in _DROPS
        )
        remedy = "give a function that makes one: lambda: VegasLimit(5)"
        self._make = a_function("limit", limit, remedy)
        self._limit = able("limit()", limit(), "sample", remedy)
        self._slots = Slots(sim, max(1, self._limit.limit), f"a place in adaptive limiter {name!r}")
        self._running = 0
        self._stream = sim.stream(f"adaptive_limiter.{name}")
        super().__init__(sim, name)
        self._permits = sim.telemetry.emitting(events.adaptive_limit.Permitted)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` if the limit leaves a place for it (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            LimitReached: No place came free in time.
            ServiceDown: The limiter was stopped, before or while the call waited.
        """
        sim, slots = self.sim, self._slots
        if not self.up:
            self._rejected("down", 0.0)
            self.require_up()
        turn = None
        if self.max_wait != 0:
            turn = slots.claim()
        elif not slots.try_acquire():
            self._rejected("limit", 0.0)
            raise self._reached()
        wait = 0.0
        if turn is not None:
            asked = sim.now
            yield from self._wait(turn)
            wait = sim.now - asked
        began, life, in_flight, dropped = sim.now, self.restart_count, slots.used, None
        self._running += 1
        try:
            self._permits(self.name, wait, in_flight, slots.capacity)
            result = yield from invoke(fn)
            dropped = False
        except BaseException as error:
            dropped = True if self._is_drop(error) else None
            raise
        finally:
            self._running -= 1
            try:
                if dropped is not None and self.up and life == self.restart_count:
                    self._learn(sim.now - began, in_flight, dropped=dropped)
            finally:
                slots.release()
        return result

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._slots.capacity

    @property
    def algorithm(self) -> ConcurrencyLimit:
        """The state of the limit."""
        return self._limit

    @property
    def in_use(self) -> int:
        """How many places are taken now; more than there are after the limit has shrunk."""
        return self._slots.used

    @property
    def waiting(self) -> int:
        """How many calls wait for a place now."""
        return self._slots.waiting

    @property
    def status(self) -> str:
        """How many places are taken, or ``down``."""
        return f"{self.in_use} of {self.limit}" if self.up else "down"

    def health(self) -> Health:
        """Return unhealthy when down, degraded when all places are taken."""
        if not self.up:
            return Health.UNHEALTHY
        return Health.DEGRADED if self._slots.free <= 0 else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"limit": self.limit, "in_use": self.in_use, "waiting": self.waiting}

    def held(self) -> list[Held]:
        """Return the places that are taken."""
        return [Held(self._slots.description, None)] * self.in_use

    def violations(self) -> list[str]:
        """Return every law of adaptive limiters that does not hold, in words."""
        broken = self._slots.violations()
        if not 0 <= self._running <= self.in_use:
            broken.append(f"{self._running} calls run in {self.in_use} places")
        if self.limit != max(1, self._limit.limit):
            broken.append(f"{self.limit} places, although the limit is {self._limit.limit}")
        return broken

    def on_exit(self, reason: str) -> None:
        """Send away who waits; calls that run go on and give their places back."""
        message = f"adaptive limiter {self.name!r} went down ({reason})"
        self._slots.fail_all(lambda: ServiceDown(message))

    def on_restart(self) -> None:
        """Begin anew with the limit; calls that run still take places, and teach nothing."""
        self._limit = self._make()
        self._slots.resize(max(1, self._limit.limit))

    # -- private -------------------------------------------------------------------------------

    def _learn(self, rtt: float, in_flight: int, *, dropped: bool) -> None:
        if rtt <= 0:
            return
        before = self.limit
        self._limit.sample(self.sim.now, rtt, in_flight, self._stream, dropped=dropped)
        limit = max(1, self._limit.limit)
        if limit != before:
            self._slots.resize(limit)
            self._emit(events.adaptive_limit.Changed(self.name, limit, before, rtt))

    def _wait(self, turn: Waiter) -> Generator[Any, Any, None]:
        asked, lives = self.sim.now, self.restart_count
        try:
            yield from self._slots.wait(turn, self.max_wait, self._reached)
        except ServiceDown:
            if not self.up or self.restart_count != lives:  # and not another's, out of its caller
                self._rejected("down", self.sim.now - asked)
            raise
        except LimitReached:
            self._rejected("timeout", self.sim.now - asked)
            raise

    def _rejected(self, reason: str, wait: float) -> None:
        self._emit(events.adaptive_limit.Rejected(self.name, reason, wait, self.limit))

    def _reached(self) -> LimitReached:
        message = f"adaptive limiter {self.name!r} allows {self.limit} calls in flight now"
        if self.max_wait:
            message += f"; no place came free within {self.max_wait:g} s"
        return LimitReached(message)
