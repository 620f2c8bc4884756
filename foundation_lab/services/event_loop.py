"""An event loop: one thread, or a few, that every request needs again and again.

A request is a list of steps. While it computes (`Cpu`) it holds the loop, and nothing takes it off
it; while it waits (`Io`) the loop is free for others. So one long computation holds up everybody,
and a request with three bursts lines up three times.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import BackendError, QueueFull, ServiceDown
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.eviction import evict
from foundation_lab.services.service import Health, Service
from foundation_lab.services.serving.loop_step import Cpu, Step, steps_of
from foundation_lab.simulation.distributions import as_distribution
from foundation_lab.simulation.faults import BASIC, Impairments
from foundation_lab.simulation.invocation import error_name
from foundation_lab.simulation.slots import Slots, Waiter
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator, Iterable, Sequence

    from foundation_lab.errors import ServiceError
    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.faults import Fault
    from foundation_lab.simulation.process import Process


class _Journey:
    """Where a request is, and how long it has been where."""

    def __init__(self) -> None:
        self.stage = "ready"
        self.spent = {"ready": 0.0, "cpu": 0.0, "io": 0.0}


class EventLoop(Service):
    """Serves requests on a loop that each holds only while it computes.

    Bursts are served in the order in which they became ready. One that has begun comes to its end
    even when its caller has gone, unless the loop itself goes down.

    Args:
        sim: The simulation.
        name: The loop's name, `service_id` in its events.
        steps: What a request does, `Cpu` and `Io` in order; or a function of a random stream that
            returns them, called for each request.
        workers: How many threads run the loop's bursts.
        max_in_flight: How many requests may be under way; no limit without it.
        lag_threshold: A burst that begins so many seconds after it was ready is told of by
            ``event_loop.lagged``; 0.1, as asyncio's `slow_callback_duration`.
        error_rate: The chance that a request fails after it was served.
        health_interval: Seconds between two health checks; none without it.
    """

    kind: ClassVar[str] = "event_loop"
    Served = events.event_loop.Served
    Rejected = events.event_loop.Rejected
    Abandoned = events.event_loop.Abandoned
    Lagged = events.event_loop.Lagged
    possible_faults: ClassVar[tuple[type[Fault], ...]] = BASIC

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        steps: Sequence[Step] | Callable[[random.Random], Iterable[Step]],
        workers: int = 1,
        max_in_flight: int | None = None,
        lag_threshold: float = 0.1,
        error_rate: float = 0.0,
        health_interval: float | None = None,
    ) -> None:
        if not 0 <= error_rate <= 1:
            message = f"error_rate={error_rate!r}; give a share from 0 to 1"
            raise ValueError(message)
        self.steps = steps if callable(steps) else steps_of(steps)
        self.lag_threshold = positive("lag_threshold", lag_threshold)
        self.max_in_flight = (
            None if max_in_flight is None else whole("max_in_flight", max_in_flight)
        )
        self.error_rate = error_rate
        self.impairments = Impairments(self.possible_faults)
        self._slots = Slots(sim, whole("workers", workers), f"a turn on event loop {name!r}")
        self._draws = {what: sim.stream(f"event_loop.{name}.{what}") for what in ("cpu", "io")}
        self._choices = sim.stream(f"event_loop.{name}.steps")
        self._errors = sim.stream(f"event_loop.{name}.errors")
        self._under_way: dict[Process, None] = {}
        self._ready: dict[Waiter, float] = {}
        self._computing = 0
        self._orphans: dict[Timer, None] = {}
        self._crashes = 0
        super().__init__(sim, name, health_interval=health_interval)
        self._served = sim.telemetry.emitting(events.event_loop.Served)

    def request(self, steps: Sequence[Step] | None = None) -> Generator[Any, Any, None]:
        """Have one request served (``yield from``).

        Args:
            steps: What this request does, instead of the loop's steps.

        Raises:
            BackendError: The request was served and failed.
            QueueFull: Too many requests are under way.
            ServiceDown: The loop is down, or went down meanwhile.
        """
        self._admit()
        sim = self.sim
        process = sim.running_process(f"a request to event loop {self.name!r}")
        parts = self._parts(steps)
        journey, arrived = _Journey(), sim.now
        outcome = None
        self._under_way[process] = None
        try:
            for part in parts:
                yield from self._take(part, journey)
            failed = self._errors.random() < self.error_rate if self.error_rate else False
            if self.impairments:
                failed |= self.impairments.draws_error()
            outcome = "error" if failed else "ok"
        except ServiceDown:
            outcome = "error"
            raise
        finally:
            del self._under_way[process]
            spent, duration = journey.spent, sim.now - arrived
            if outcome is None:
                self._emit(events.event_loop.Abandoned(self.name, journey.stage, duration))
            else:
                self._served(
                    self.name, outcome, spent["cpu"], spent["io"], spent["ready"], duration
                )
        if outcome == "error":
            message = f"event loop {self.name!r} answered with an error"
            raise BackendError(message)

    @property
    def in_flight(self) -> int:
        """How many requests are under way now."""
        return len(self._under_way)

    @property
    def concurrency(self) -> int:
        """How many threads run bursts."""
        return self._slots.capacity

    @property
    def serving(self) -> int:
        """How many threads run a burst now."""
        return self._slots.used

    @property
    def waiting(self) -> int:
        """How many bursts wait for the loop now; `ready` by the name that a backend has for it."""
        return self._slots.waiting

    @property
    def ready(self) -> int:
        """How many bursts wait for the loop now."""
        return self._slots.waiting

    @property
    def lag(self) -> float:
        """Seconds that the burst that is next has been ready for; 0 when none waits."""
        return self.sim.now - next(iter(self._ready.values()), self.sim.now)

    @property
    def available(self) -> bool:
        """Whether the loop takes requests: it is up and no outage is on."""
        return self.up and not self.impairments.down

    @property
    def status(self) -> str:
        """The state in a word: ``up``, ``impaired`` or ``down``."""
        if not self.available:
            return "down"
        return "impaired" if self.impairments else "up"

    def health(self) -> Health:
        """Return unhealthy when down, degraded when a fault is on or it lags by the threshold."""
        if not self.available:
            return Health.UNHEALTHY
        slow = self.impairments or self.lag >= self.lag_threshold
        return Health.DEGRADED if slow else Health.HEALTHY

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight, "waiting": self.ready, "lag": self.lag}

    def violations(self) -> list[str]:
        """Return every law of event loops that does not hold, in words."""
        broken = self._slots.violations()
        computing = self._computing + len(self._orphans)
        if not computing <= self._slots.used:
            broken.append(f"{computing} bursts on {self._slots.used} workers")
        if self._computing + self.ready > self.in_flight:
            broken.append(
                f"{self._computing} compute and {self.ready} are ready of {self.in_flight} requests"
            )
        return broken

    def fault_changed(self) -> None:
        """Drop all work when an outage begins."""
        if self.impairments.down:
            self._drop_work("is in an outage")

    def on_exit(self, reason: str) -> None:
        """Drop all work."""
        self._drop_work(f"went down ({reason})")

    # -- private -------------------------------------------------------------------------------

    def _admit(self) -> None:
        refusal: ServiceError | None = None
        if not self.available:
            refusal = ServiceDown(f"event loop {self.name!r} is down")
        elif self.max_in_flight is not None and self.in_flight >= self.max_in_flight:
            refusal = QueueFull(
                f"event loop {self.name!r} has {self.max_in_flight} requests under way"
            )
        if refusal is not None:
            self._emit(events.event_loop.Rejected(self.name, error_name(refusal), self.in_flight))
            raise refusal

    def _parts(self, steps: Sequence[Step] | None) -> tuple[Step, ...]:
        if steps is not None:
            return steps_of(steps)
        return steps_of(self.steps(self._choices)) if callable(self.steps) else self.steps

    def _take(self, part: Step, journey: _Journey) -> Generator[Any, Any, None]:
        computes = isinstance(part, Cpu)
        if computes:
            journey.stage = "ready"
            lag = yield from self._turn()
            journey.spent["ready"] += lag
            if lag >= self.lag_threshold:
                self._emit(events.event_loop.Lagged(self.name, lag, self.ready))
        journey.stage, began = part.stage, self.sim.now
        seconds = as_distribution(part.time).sample(self._draws[part.stage])
        seconds *= self.impairments.slowdown
        try:
            if computes:
                yield from self._compute(seconds)
            else:
                yield seconds
        finally:
            journey.spent[part.stage] += self.sim.now - began

    def _turn(self) -> Generator[Any, Any, float]:
        asked, turn = self.sim.now, self._slots.claim()
        if turn is not None:
            self._ready[turn] = asked
            try:
                yield from self._slots.wait(turn)
            finally:
                del self._ready[turn]
        return self.sim.now - asked

    def _compute(self, seconds: float) -> Generator[Any, Any, None]:
        end, crashes = self.sim.now + seconds, self._crashes
        self._computing += 1
        try:
            yield seconds
        finally:
            self._computing -= 1
            if self.sim.now >= end or crashes != self._crashes:
                self._slots.release()
            else:
                self._go_on_alone(end)

    def _go_on_alone(self, end: float) -> None:
        """Let a burst come to its end although its caller has gone."""

        def finish() -> None:
            del self._orphans[timer]
            self._slots.release()

        timer = Timer(self.sim, end, finish)
        self._orphans[timer] = None

    def _drop_work(self, why: str) -> None:
        message = f"event loop {self.name!r} {why}"
        self._crashes += 1
        self._slots.fail_all(lambda: ServiceDown(message))
        for timer in self._orphans:
            timer.cancel()
            self._slots.release()
        self._orphans.clear()
        for process in self._under_way:
            evict(process, ServiceDown(message), partial(self._under_way.__contains__, process))
