"""The hedge: asks again while the first answer is still to come, and takes whichever is first.

Hedging is the one service that starts processes for a call: attempts run beside each other, so they
cannot all run in the caller's. They inherit its context. Their errors are raised where the call
waits, and when the call ends in any way, those that still run are interrupted at that instant: what
they hold is given back as after any interrupt.

Semantics as in gRPC proposal A6, "Hedging Policy"; the idea is the "hedged requests" of Dean and
Barroso, "The Tail at Scale", CACM 56(2), 2013.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from foundation_lab.errors import Throttled
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.retrying.retry_budget import RetryBudget, as_budget
from foundation_lab.services.service import Service
from foundation_lab.simulation.invocation import contain, error_name, invoke
from foundation_lab.simulation.timer import Timer
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.process import Process


class Hedge(Service):
    """Sends another attempt when an answer is late, or when one failed.

    Args:
        sim: The simulation.
        name: The hedge's name, `service_id` in its events.
        delay: Seconds without an answer after which another attempt is sent; 0 sends all at once.
            An answer at that very instant is in time.
        max_attempts: How many attempts are sent for a call at most.
        non_fatal: Which errors leave the call going: exception types, or a predicate; by default
            the failures of the simulated world, `Simulation.failures`. The next attempt follows
            such an error at once. Any other error ends the call and is raised.
        budget: What attempts after the first may cost, all calls together; retries and hedges may
            share one. When it allows no further attempt, the call goes on with those that run.
    """

    kind: ClassVar[str] = "hedge"
    AttemptStarted = events.hedge.Started
    Won = events.hedge.Won
    Failed = events.hedge.Failed
    Cancelled = events.hedge.Cancelled
    BudgetExhausted = events.hedge.BudgetExhausted

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        delay: float,
        max_attempts: int = 2,
        non_fatal: Classifier | None = None,
        budget: RetryBudget | None = None,
    ) -> None:
        self.delay = positive("delay", delay, zero=True)
        self.max_attempts = whole("max_attempts", max_attempts)
        self.budget = as_budget(budget)
        self.in_flight = 0
        self.running = 0
        self._is_non_fatal = classifier("non_fatal", non_fatal, default=sim.failures)
        self._stream = sim.stream(f"hedge.{name}.budget")
        super().__init__(sim, name)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` until there is a good answer, several times at once if need be.

        Args:
            fn: Returns a generator, a SimPy event, or a plain value; called once an attempt, each
                in a process of its own.

        Returns:
            The first good answer.

        Raises:
            Exception: A fatal error at once, or the last error when every attempt failed.
            Throttled: The budget allowed not even a first attempt.
        """
        self.require_up()
        began = self.sim.now
        race = _Race(self)
        self.in_flight += 1
        try:
            self._admit()
            due = 1
            while True:
                while due and race.sent < race.most and self._pays(race):
                    race.start(fn)
                    due -= 1
                if race.failure is not None and not race.running:
                    raise race.failure
                yield from race.wait(self.delay if race.sent < race.most else None)
                due = len(race.ended) or 1  # one for each failure, or for the delay
                while race.ended:
                    end = race.ended.popleft()
                    if end.error is None:
                        if self.budget is not None:
                            self.budget.succeeded(self.sim.now, race.paid.get(end.attempt))
                        self._emit(events.hedge.Won(self.name, end.attempt, self.sim.now - began))
                        return end.result
                    self._note(race, end, end.error)
        finally:
            race.cancel()
            self.in_flight -= 1

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight, "attempts": self.running}

    def violations(self) -> list[str]:
        """Return every law of hedges that does not hold, in words."""
        broken = [f"{self.in_flight} calls in flight"] if self.in_flight < 0 else []
        if not 0 <= self.running <= self.in_flight * self.max_attempts:
            broken.append(f"{self.running} attempts run for {self.in_flight} calls")
        return broken

    # -- private -------------------------------------------------------------------------------

    def _admit(self) -> None:
        if self.budget is not None and not self.budget.admit(self.sim.now, self._stream):
            throttled = Throttled(
                f"the budget {self.budget.label!r} of hedge {self.name!r} is used up"
            )
            self._emit(events.hedge.BudgetExhausted(self.name, 0, self.budget.label))
            raise throttled

    def _pays(self, race: _Race) -> bool:
        """Whether the budget allows the next attempt; no more is sent for the call if not."""
        if self.budget is None or not race.sent:
            return True
        late = self.sim.outcome_of(race.failure) == "timeout"
        price = self.budget.withdraw(self.sim.now, self._stream, timed_out=late)
        if price is None:
            race.most = race.sent
            self._emit(events.hedge.BudgetExhausted(self.name, race.sent, self.budget.label))
            return False
        race.paid[race.sent + 1] = price
        return True

    def _note(self, race: _Race, end: _End, error: Exception) -> None:
        """Tell of a failed attempt, and raise its error when it is fatal."""
        race.failure = error
        non_fatal = self._is_non_fatal(error)
        if self.budget is not None:
            self.budget.failed(self.sim.now, retryable=non_fatal)
        self._emit(events.hedge.Failed(self.name, end.attempt, error_name(error), end.duration))
        if not non_fatal:
            raise error


class _End(NamedTuple):
    """How an attempt ended."""

    attempt: int
    duration: float
    error: Exception | None
    result: Any


class _Race:
    """The attempts of one call."""

    def __init__(self, hedge: Hedge) -> None:
        self.sent = 0
        self.most = hedge.max_attempts
        self.failure: Exception | None = None
        self.paid: dict[int, float] = {}
        self.running: dict[int, tuple[Process, float]] = {}
        self.ended: deque[_End] = deque()
        self._hedge = hedge
        self._bell: simpy.Event | None = None

    def start(self, fn: Callable[[], Any]) -> None:
        """Send the next attempt."""
        self.sent = attempt = self.sent + 1
        hedge, sim = self._hedge, self._hedge.sim
        process = sim.process(self._run(attempt, fn), name=f"{hedge.name}.{attempt}")
        process.callbacks.append(contain)
        self.running[attempt] = (process, sim.now)
        hedge.running += 1
        hedge._emit(events.hedge.Started(hedge.name, attempt, hedge.max_attempts))

    def wait(self, seconds: float | None) -> Generator[Any, Any, None]:
        """Wait until an attempt has ended, but not longer than `seconds` where that is given."""
        if self.ended:
            return
        sim = self._hedge.sim
        self._bell = sim.wait(f"an answer through hedge {self._hedge.name!r}")
        timer = None if seconds is None else Timer(sim, sim.now + seconds, self._ring, last=True)
        try:
            yield self._bell
        finally:
            if timer is not None:
                timer.cancel()

    def cancel(self) -> None:
        """Give up every attempt that still runs, and what came too late at this instant."""
        hedge = self._hedge
        losers, self.running = self.running, {}
        hedge.running -= len(losers)
        for attempt, (process, began) in losers.items():
            process.interrupt("another attempt won, or the call is over")
            duration = hedge.sim.now - began
            hedge._emit(events.hedge.Cancelled(hedge.name, attempt, duration))
        while self.ended:
            late = self.ended.popleft()
            hedge._emit(events.hedge.Cancelled(hedge.name, late.attempt, late.duration))

    def _run(self, attempt: int, fn: Callable[[], Any]) -> Generator[Any, Any, None]:
        try:
            result = yield from invoke(fn)
        except Exception as error:
            if attempt not in self.running:
                raise
            self._end(attempt, error, None)  # whatever it is, it is raised where the call waits
        else:
            self._end(attempt, None, result)

    def _end(self, attempt: int, error: Exception | None, result: Any) -> None:
        if attempt in self.running:
            _, began = self.running.pop(attempt)
            self._hedge.running -= 1
            end = _End(attempt, self._hedge.sim.now - began, error, result)
            if error is None or isinstance(error, self._hedge.sim.endings):
                self.ended.append(end)
            else:
                self.ended.appendleft(end)  # a bug: no answer of the same instant may hide it
            self._ring()

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.triggered:
            self._bell.succeed()
