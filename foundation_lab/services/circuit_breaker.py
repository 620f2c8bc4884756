"""The circuit breaker: after too many failures it stops calling, and tries again later.

```
          too many failures                 reset_timeout is over
closed ───────────────────────► open ─────────────────────────────► half_open
   ▲                             ▲                                     │  │
   │                             └───── probes fail, or take too long ─┘  │
   └──────────────────────── enough probes succeed ───────────────────────┘
```

`breaker_state` tells what each state means, those that are set by hand too; `counting` decides when
a breaker opens, `half_open` what its probes lead to, `break_duration` how long it stays open. The
switch (`breaking.switch`) follows them; here it is put around a call.

The state changes before any event is emitted, that of the call's end as well. The transition to
half-open is a timer: it happens at exactly ``opened + reset_timeout``, whether or not anybody
calls; a call at that very instant is a probe, even when it comes before the timer. A call that was
admitted before the last change of state does not move the state when it ends.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import CircuitOpen, ServiceDown, TimedOut
from foundation_lab.services.arguments import positive, positive_or_none, whole
from foundation_lab.services.breaking.break_duration import ResetTimeout, break_duration
from foundation_lab.services.breaking.counting import (
    TOO_FEW,
    Consecutive,
    Counting,
    counting_for,
)
from foundation_lab.services.breaking.state import HEALTH, State
from foundation_lab.services.breaking.switch import Switch
from foundation_lab.services.classifier import Classifier, Types, classifier
from foundation_lab.services.retrying.jitter import as_jitter
from foundation_lab.services.service import Health, Service
from foundation_lab.simulation.component import Held
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation


class CircuitBreaker(Service):
    """Stops calling what keeps failing.

    ``CircuitBreaker(sim, "db", **breaker_presets.resilience4j())`` has the defaults of another
    library.

    Args:
        sim: The simulation.
        name: The breaker's name, `service_id` in its events.
        failure_threshold: How many failures in a row open it, unless `counting` says otherwise.
        counting: Another way of counting: `CountWindow` or `TimeWindow`.
        slow_call_duration: A call that counts and takes longer than so many seconds is slow; a
            window judges the share of slow calls, too.
        reset_timeout: Seconds from opening to half-open; or a backoff over the openings in a row;
            or a function of the `Opening`, such as `retry_after_or`.
        reset_jitter: ``none``, ``full`` or ``equal``: how the reset timeout is spread.
        automatic_half_open: Whether the breaker is half-open as soon as the reset timeout is over;
            otherwise the first call after it makes it so.
        half_open_calls: How many probes half-open admits.
        half_open_rule: ``every``: when all probes succeed the breaker closes, when one fails it
            opens again. ``rate``: probes are judged by the rates of the window.
        half_open_max_wait: The longest stay in half-open in seconds; after it the breaker is open
            again, with or without calls, so that a run needs an end when the transition is
            automatic. For ever without it: a probe that never ends keeps its permit.
        failure_on: Which errors count: exception types, or a predicate on the exception; by
            default the failures of the simulated world, `Simulation.failures`. Others, an interrupt
            among them, are ignored: they give the permit back and count as nothing.
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
    SlowCall = events.circuit_breaker.SlowCall
    WouldOpen = events.circuit_breaker.WouldOpen
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
        slow_call_duration: float | None = None,
        reset_timeout: ResetTimeout = 30.0,
        reset_jitter: str = "none",
        automatic_half_open: bool = True,
        half_open_calls: int = 1,
        half_open_rule: str = "every",
        half_open_max_wait: float | None = None,
        failure_on: Classifier | None = None,
        ignore: Types = (),
        call_timeout: float | None = None,
        health_interval: float | None = None,
    ) -> None:
        self.in_flight = 0
        self.reset_timeout = reset_timeout
        self.half_open_calls = whole("half_open_calls", half_open_calls)
        self.half_open_max_wait = positive_or_none("half_open_max_wait", half_open_max_wait)
        self.call_timeout = positive_or_none("call_timeout", call_timeout)
        self.slow_call_duration = positive_or_none("slow_call_duration", slow_call_duration)
        self._is_failure = classifier("failure_on", failure_on, ignore, default=sim.failures)
        stream = partial(sim.stream, f"circuit_breaker.{name}")
        self._switch = Switch(
            sim,
            name,
            Consecutive(failure_threshold) if counting is None else counting_for(name, counting),
            break_duration(reset_timeout, as_jitter(reset_jitter, "reset_jitter"), stream),
            slow_after=slow_call_duration,
            automatic=automatic_half_open,
            probes=half_open_calls,
            rule=half_open_rule,
            max_wait=half_open_max_wait,
        )
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
        switch = self._switch
        if switch.state is not State.CLOSED or not self.up:
            self._admit()
        sim, generation = self.sim, switch.generation
        started = sim.now
        self.in_flight += 1
        try:
            self._call_starts(self.name, limit)
            result = yield from (invoke(fn) if limit is None else self._limited(fn, limit))
        except BaseException as error:
            self._ended_badly(error, generation, sim.now - started)
            raise
        self.in_flight -= 1
        duration = sim.now - started
        if generation == switch.generation:
            switch.count(duration)
        self._call_succeeds(self.name, duration)
        if switch.untold:
            switch.untold.tell()
        return result

    @property
    def state(self) -> State:
        """The state, which a breaker that is down keeps."""
        return self._switch.state

    @property
    def status(self) -> str:
        """The state in a word: that of `State`, or ``down``."""
        return self.state.value if self.up else "down"

    @property
    def retry_after(self) -> float | None:
        """Seconds until a call is a probe; ``None`` when the breaker is not open."""
        return self._switch.retry_after

    def failure_rate(self) -> float:
        """Return the share of failed calls that is judged now, from 0 to 1.

        In half-open it is the share of its probes, while open the one at the opening. It is -1
        where there is none: below the minimum of calls, and without a window.
        """
        return self._switch.rates().failed

    def slow_call_rate(self) -> float:
        """Return the share of slow calls, as `failure_rate` does that of failed ones."""
        return self._switch.rates().slow

    def trip(self, reason: str = "tripped by hand") -> None:
        """Open the breaker now; its reset timeout starts anew.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        self._switch.open(reason)

    def reset(self) -> None:
        """Close the breaker now, and forget all counts.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        before = self.state
        self._switch.rest(State.CLOSED, "reset by hand")
        self._emit(events.circuit_breaker.Reset(self.name, before.value))

    def force_open(self, reason: str = "forced open by hand") -> None:
        """Turn every call away until `reset` or another hand; no time ends it.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        self._switch.rest(State.FORCED_OPEN, reason)

    def disable(self, reason: str = "disabled by hand") -> None:
        """Admit every call and judge none, until `reset` or another hand.

        The events of the calls themselves go on: a recording tells the outcome of every call.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        self._switch.rest(State.DISABLED, reason)

    def metrics_only(self, reason: str = "set to metrics only by hand") -> None:
        """Admit every call and count it, but only tell when the breaker would open.

        ``would_open`` is emitted whenever what would open it is reached, and again when it is
        reached after it was not.

        Raises:
            ServiceDown: The breaker itself was stopped.
        """
        self.require_up()
        self._switch.rest(State.METRICS_ONLY, reason)

    def health(self) -> Health:
        """Return whether it lets calls through: degraded when half-open, unhealthy when down."""
        return HEALTH[self.state] if self.up else Health.UNHEALTHY

    def check_health(self) -> Health:
        """Emit both health events and return how the breaker is."""
        health = super().check_health()
        healthy = health is Health.HEALTHY
        self._emit(events.circuit_breaker.HealthCheck(self.name, healthy, self.status))
        return health

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports; the rates while there are any."""
        numbers: dict[str, float] = {"in_flight": self.in_flight}
        rates = self._switch.rates()
        if rates != TOO_FEW:
            numbers |= {"failure_rate": rates.failed, "slow_call_rate": rates.slow}
        return numbers

    def held(self) -> list[Held]:
        """Return the calls in flight, which are probes in half-open."""
        what = "a probe" if self.state is State.HALF_OPEN else "a call"
        return [Held(f"{what} through circuit breaker {self.name!r}", None)] * self.in_flight

    def violations(self) -> list[str]:
        """Return every law of breakers that does not hold, in words."""
        broken = [] if self.in_flight >= 0 else [f"{self.in_flight} calls in flight"]
        return broken + (self._switch.violations(self.in_flight) if self.up else [])

    def on_exit(self, reason: str) -> None:  # noqa: ARG002  (any end is an end)
        """Stop the switch; a breaker that is down moves no more."""
        self._switch.halt()

    def on_restart(self) -> None:
        """Begin anew: closed, with empty counts; or go on, if the breaker keeps its state."""
        if self.keeps_state:
            self._switch.resume()
        else:
            self._switch.rest(State.CLOSED, "restarted")

    # -- private -------------------------------------------------------------------------------

    def _admit(self) -> None:
        if not self.up:
            self._emit(events.circuit_breaker.CallRejected(self.name, "down", None))
            message = f"circuit breaker {self.name!r} is down"
            raise ServiceDown(message)
        if self._switch.admits():
            return
        state, after = self.state.value, self.retry_after
        self._emit(events.circuit_breaker.CallRejected(self.name, state, after))
        message = f"circuit breaker {self.name!r} is {state}"
        if after is not None:
            message += f"; half-open in {after:g} s"
        raise CircuitOpen(message, after)

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
        switch = self._switch
        if self._is_failure(error):
            if generation == switch.generation:
                switch.count(duration, error)
            self._emit(events.circuit_breaker.CallFailure(self.name, error_name(error), duration))
            switch.untold.tell()
            return
        if generation == switch.generation:
            switch.ignore()
        self._emit(events.circuit_breaker.CallIgnored(self.name, error_name(error), duration))
