"""The circuit breaker: after too many failures it stops calling, and tries again later.

```
          too many failures                 reset_timeout is over
closed ───────────────────────► open ─────────────────────────────► half_open
   ▲                             ▲                                     │  │
   │                             └──────────── a probe fails ──────────┘  │
   └───────────────────────── every probe succeeds ───────────────────────┘
```

The state changes before its event is emitted. The transition to half-open is a timer: it happens at
exactly ``opened + reset_timeout``, whether or not anybody calls; a call at that very instant is a
probe, even when it comes before the timer. A call that was admitted before
the last change of state does not move the state when it ends.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import CircuitOpen, ServiceDown, ServiceError, TimedOut
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.counting import Consecutive, Counting
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer


class State(StrEnum):
    """The state of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker(Service):
    """Stops calling what keeps failing.

    Args:
        sim: The simulation.
        name: The breaker's name, `service_id` in its events.
        failure_threshold: How many failures in a row open it, unless `counting` says otherwise.
        counting: Another way of counting: `CountWindow` or `TimeWindow`.
        reset_timeout: Seconds from opening to half-open.
        half_open_calls: How many probes half-open admits; when all of them succeed the breaker
            closes, when one fails it opens again.
        failure_on: Which errors count: exception types, or a predicate on the exception. Others,
            an interrupt among them, are ignored: they give the permit back and count as nothing.
        ignore: Exception types that do not count although `failure_on` covers them.
        call_timeout: Seconds that a call may take; `TimedOut` after that.
        health_interval: Seconds between two health checks; none without it.
    """

    kind: ClassVar[str] = "circuit_breaker"
    CallStart = events.circuit_breaker.CallStart
    CallSuccess = events.circuit_breaker.CallSuccess
    CallFailure = events.circuit_breaker.CallFailure
    CallTimeout = events.circuit_breaker.CallTimeout
    CallRejected = events.circuit_breaker.CallRejected
    CallIgnored = events.circuit_breaker.CallIgnored
    StateChange = events.circuit_breaker.StateChange
    Reset = events.circuit_breaker.Reset
    HealthCheck = events.circuit_breaker.HealthCheck

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        failure_threshold: int = 5,
        counting: Counting | None = None,
        reset_timeout: float = 30.0,
        half_open_calls: int = 1,
        failure_on: Classifier = ServiceError,
        ignore: tuple[type[BaseException], ...] = (),
        call_timeout: float | None = None,
        health_interval: float | None = None,
    ) -> None:
        self.state = State.CLOSED
        self.in_flight = 0
        self.reset_timeout = positive("reset_timeout", reset_timeout)
        self.half_open_calls = whole("half_open_calls", half_open_calls)
        self.call_timeout = None if call_timeout is None else positive("call_timeout", call_timeout)
        self._counting = Consecutive(failure_threshold) if counting is None else counting
        self._is_failure = classifier("failure_on", failure_on, ignore)
        self._generation = 0
        self._probes = 0
        self._probe_successes = 0
        self._opened_at = 0.0
        self._opening: int | None = None
        self._timer: Timer | None = None
        super().__init__(sim, name, health_interval=health_interval)
        self._call_starts = sim.telemetry.emitting(events.circuit_breaker.CallStart)
        self._call_succeeds = sim.telemetry.emitting(events.circuit_breaker.CallSuccess)

    def call(
        self, fn: Callable[[], Any], *, timeout: float | None = None
    ) -> Generator[Any, Any, Any]:
        """Call `fn` unless the breaker is open (``yield from``).

        Args:
            fn: Returns a generator, a SimPy event, or a plain value.
            timeout: Seconds that this call may take, instead of `call_timeout`.

        Returns:
            What `fn` came to.

        Raises:
            CircuitOpen: The breaker is open, or all probes of half-open are taken; the exception
                carries `retry_after`.
            TimedOut: The call took too long.
            ServiceDown: The breaker itself was stopped.
        """
        limit = self.call_timeout if timeout is None else positive("timeout", timeout)
        if self.state is not State.CLOSED or not self.up:
            self._admit()
        sim, generation = self.sim, self._generation
        started = sim.now
        self.in_flight += 1
        try:
            self._call_starts(self.name, limit)
            result = yield from (invoke(fn) if limit is None else self._limited(fn, limit))
        except BaseException as error:
            self._ended_badly(error, generation, sim.now - started)
            raise
        self.in_flight -= 1
        self._call_succeeds(self.name, sim.now - started)
        if generation == self._generation and self.up:
            self._count(failed=False)
        return result

    @property
    def status(self) -> str:
        """The state in a word: ``closed``, ``open``, ``half_open``, or ``down``."""
        return self.state.value if self.up else "down"

    @property
    def retry_after(self) -> float | None:
        """Seconds until the breaker is half-open; ``None`` when it is not open."""
        if self.state is not State.OPEN:
            return None
        return self._opened_at + self.reset_timeout - self.sim.now

    def trip(self, reason: str = "tripped by hand") -> None:
        """Open the breaker now; its reset timeout starts anew.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        self._open(reason)

    def reset(self) -> None:
        """Close the breaker now, and forget all counts.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        before = self.state
        self._close("reset by hand")
        self._emit(events.circuit_breaker.Reset(self.name, before.value))

    def health(self) -> Health:
        """Return healthy when closed, degraded when half-open, unhealthy when open or down."""
        if not self.up or self.state is State.OPEN:
            return Health.UNHEALTHY
        return Health.DEGRADED if self.state is State.HALF_OPEN else Health.HEALTHY

    def check_health(self) -> Health:
        """Emit both health events and return how the breaker is."""
        health = super().check_health()
        healthy = health is Health.HEALTHY
        self._emit(events.circuit_breaker.HealthCheck(self.name, healthy, self.status))
        return health

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight}

    def violations(self) -> list[str]:
        """Return every law of breakers that does not hold, in words."""
        broken = []
        if self.in_flight < 0:
            broken.append(f"{self.in_flight} calls in flight")
        if not 0 <= self._probes <= self.half_open_calls:
            broken.append(f"{self._probes} probes out of {self.half_open_calls}")
        if self.state is State.OPEN and self.up and self._timer is None:
            broken.append("open without a timer to half-open")
        return broken

    def on_exit(self, reason: str) -> None:  # noqa: ARG002  (any end is an end)
        """Stop the timer; a breaker that is down moves no more."""
        self._stop_timer()

    def on_restart(self) -> None:
        """Begin anew: closed, with empty counts."""
        self._close("restarted")

    # -- private -------------------------------------------------------------------------------

    def _admit(self) -> None:
        if not self.up:
            self._emit(events.circuit_breaker.CallRejected(self.name, "down", None))
            message = f"circuit breaker {self.name!r} is down"
            raise ServiceDown(message)
        if self.retry_after == 0:
            self._half_open()
        probing = self.state is State.HALF_OPEN
        if self.state is State.OPEN or (probing and self._probes >= self.half_open_calls):
            state, after = self.state.value, self.retry_after
            self._emit(events.circuit_breaker.CallRejected(self.name, state, after))
            message = f"circuit breaker {self.name!r} is {state}"
            if after is not None:
                message += f"; half-open in {after:g} s"
            raise CircuitOpen(message, after)
        self._probes += probing

    def _limited(self, fn: Callable[[], Any], limit: float) -> Generator[Any, Any, Any]:
        overdue = TimedOut(
            f"call through circuit breaker {self.name!r} took longer than {limit:g} s"
        )
        try:
            with self.sim.deadline(limit, overdue):
                return (yield from invoke(fn))
        except TimedOut as error:
            if error is overdue:
                self._emit(events.circuit_breaker.CallTimeout(self.name, limit))
            raise

    def _ended_badly(self, error: BaseException, generation: int, duration: float) -> None:
        self.in_flight -= 1
        if self._is_failure(error):
            self._emit(events.circuit_breaker.CallFailure(self.name, error_name(error), duration))
            if generation == self._generation and self.up:
                self._count(failed=True)
            return
        if generation == self._generation and self.up and self.state is State.HALF_OPEN:
            self._probes -= 1
        self._emit(events.circuit_breaker.CallIgnored(self.name, error_name(error), duration))

    def _count(self, *, failed: bool) -> None:
        if self.state is State.HALF_OPEN:
            if failed:
                self._open("a probe failed")
                return
            self._probe_successes += 1
            if self._probe_successes >= self.half_open_calls:
                self._close(f"{self._probe_successes} of {self.half_open_calls} probes succeeded")
        elif self._counting.record(self.sim.now, failed=failed):
            self._open(self._counting.why())

    def _open(self, reason: str) -> None:
        self._stop_timer()
        self._opened_at = self.sim.now
        self._timer = self.sim.call_in(self.reset_timeout, self._half_open)
        opening = self._move(State.OPEN, reason)
        self._opening = self._opening if opening is None else opening

    def _half_open(self) -> None:
        self._stop_timer()
        self._move(State.HALF_OPEN, "reset timeout is over", self._opening)

    def _close(self, reason: str) -> None:
        self._stop_timer()
        self._move(State.CLOSED, reason)

    def _move(self, to: State, reason: str, cause: int | None = None) -> int | None:
        before = self.state
        self.state = to
        self._generation += 1
        self._probes = self._probe_successes = 0
        self._counting.reset()
        if to is before:
            return None
        change = events.circuit_breaker.StateChange(self.name, before.value, to.value, reason)
        return self._emit(change, cause=cause)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
