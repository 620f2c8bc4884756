"""Retry: calls again what failed, a limited number of times, with pauses in between.

When no attempt is left, the last error itself is raised: whoever stands outside classifies what
really happened, and `retry.exhausted` tells how often it was tried. So it is when the budget or the
time is used up, with `retry.budget_exhausted` and `retry.deadline_exceeded`. An interrupt, and the
timeout of a call further outside, end the retry at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final

import simpy

from foundation_lab.errors import DeadlinePassed, Throttled, TimedOut
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.classifier import Classifier, Types, classifier, error_types
from foundation_lab.services.retrying.backoff import exponential_backoff
from foundation_lab.services.retrying.jitter import as_jitter
from foundation_lab.services.retrying.retry_budget import RetryBudget, as_budget
from foundation_lab.services.service import Service
from foundation_lab.simulation.ability import able
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.retrying.backoff import Backoff as Strategy
    from foundation_lab.services.retrying.jitter import Jitter
    from foundation_lab.simulation.engine import Simulation

BACKOFFS: Final = "give fixed_backoff(seconds), exponential_backoff(base) or another backoff"
"""What to give as a backoff, for errors."""

UNWANTED_RESULT: Final = "UnwantedResult"
"""What stands for the error, in events, when an attempt came back with an unwanted result."""


class Retry(Service):
    """Calls again what failed.

    Args:
        sim: The simulation.
        name: The retry's name, `service_id` in its events.
        max_attempts: How often to call at most; the first call counts.
        backoff: How long to wait in between; by default 0.1 s, doubled each time, at most 10 s.
        jitter: How the delay is spread: ``none``, ``full``, ``equal``, or what `factor_jitter` and
            `additive_jitter` return.
        max_delay: Seconds that a delay has at most *after* the jitter; the `cap` of a backoff
            limits it before.
        use_retry_after: Whether to wait at least as long as the error says that carries a
            `retry_after`: `CircuitOpen`, `RateLimited`. `max_delay` does not shorten that.
        retry_on: Which errors are tried again: exception types, or a predicate on the exception;
            by default the failures of the simulated world, `Simulation.failures`.
        never_on: Exception types that are not tried again although `retry_on` covers them.
        retry_if_result: A predicate on the value returned; what it holds for is tried again, and
            returned when no attempt is left.
        attempt_timeout: Seconds that each attempt may take; `TimedOut` after that.
        total_timeout: Seconds that all attempts and pauses together may take; `TimedOut` after
            that. No pause is begun that would not end before.
        budget: What retries may cost, all calls together; several retries may share one.
    """

    kind: ClassVar[str] = "retry"
    AttemptStart = events.retry.AttemptStart
    AttemptSuccess = events.retry.AttemptSuccess
    AttemptFailure = events.retry.AttemptFailure
    Backoff = events.retry.Backoff
    BudgetExhausted = events.retry.BudgetExhausted
    DeadlineExceeded = events.retry.DeadlineExceeded
    Exhausted = events.retry.Exhausted
    IgnoredError = events.retry.IgnoredError

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        max_attempts: int = 3,
        backoff: Strategy | None = None,
        jitter: str | Jitter = "none",
        max_delay: float | None = None,
        use_retry_after: bool = False,
        retry_on: Classifier | None = None,
        never_on: Types = (),
        retry_if_result: Callable[[Any], bool] | None = None,
        attempt_timeout: float | None = None,
        total_timeout: float | None = None,
        budget: RetryBudget | None = None,
    ) -> None:
        self.max_attempts = whole("max_attempts", max_attempts)
        self.backoff: Strategy = (
            exponential_backoff(0.1, cap=10.0)
            if backoff is None
            else able("backoff", backoff, "begin", BACKOFFS)
        )
        self.jitter = jitter
        self.max_delay = math.inf if max_delay is None else positive("max_delay", max_delay)
        self.use_retry_after = use_retry_after
        self.attempt_timeout = (
            None if attempt_timeout is None else positive("attempt_timeout", attempt_timeout)
        )
        self.total_timeout = (
            None if total_timeout is None else positive("total_timeout", total_timeout)
        )
        self.budget = as_budget(budget)
        self.in_flight = 0
        self._jitter = as_jitter(jitter)
        self._is_retryable = classifier(
            "retry_on",
            retry_on,
            (*error_types("never_on", never_on), DeadlinePassed),
            default=sim.failures,
        )
        self._is_unwanted = _predicate("retry_if_result", retry_if_result)
        self._stream = sim.stream(f"retry.{name}")
        self._budget_stream = sim.stream(f"retry.{name}.budget")
        super().__init__(sim, name)
        self._attempt_starts = sim.telemetry.emitting(events.retry.AttemptStart)
        self._attempt_succeeds = sim.telemetry.emitting(events.retry.AttemptSuccess)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` until it succeeds or no attempt is left (``yield from``).

        Args:
            fn: Returns a generator, a SimPy event, or a plain value; called once an attempt.

        Returns:
            What `fn` came to.

        Raises:
            BaseException: The error of the last attempt, as it was.
            TimedOut: `total_timeout` was over.
            Throttled: The budget allowed not even a first attempt.
        """
        return self._attempts(fn, math.inf) if self.total_timeout is None else self._within(fn)

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight}

    def violations(self) -> list[str]:
        """Return every law of retries that does not hold, in words."""
        return [f"{self.in_flight} calls in flight"] if self.in_flight < 0 else []

    # -- private -------------------------------------------------------------------------------

    def _within(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        limit = self.total_timeout or math.inf
        overdue = TimedOut(f"call through retry {self.name!r} took longer than {limit:g} s")
        with self.sim.deadline(limit, overdue):
            return (yield from self._attempts(fn, self.sim.now + limit))

    def _attempts(self, fn: Callable[[], Any], until: float) -> Generator[Any, Any, Any]:
        if not self.up:
            self.require_up()
        name, sim, most = self.name, self.sim, self.max_attempts
        self.in_flight += 1
        try:
            if self.budget is not None:
                self._admit(self.budget)
            course: _Course | None = None
            for attempt in range(1, most + 1):
                self._attempt_starts(name, attempt, most)
                started = sim.now
                try:
                    result = yield from (
                        invoke(fn) if self.attempt_timeout is None else self._limited(fn, attempt)
                    )
                except BaseException as error:
                    course = course or _Course(self.backoff.begin(), until)
                    delay = self._after(course, attempt, sim.now - started, error)
                    if delay is None:
                        raise
                else:
                    if self._is_unwanted is None or not self._is_unwanted(result):
                        if self.budget is not None:
                            self.budget.succeeded(sim.now, None if course is None else course.paid)
                        self._attempt_succeeds(name, attempt, sim.now - started)
                        return result
                    course = course or _Course(self.backoff.begin(), until)
                    delay = self._after(course, attempt, sim.now - started, None)
                    if delay is None:
                        return result
                yield delay
        finally:
            self.in_flight -= 1

    def _limited(self, fn: Callable[[], Any], attempt: int) -> Generator[Any, Any, Any]:
        limit = self.attempt_timeout or math.inf
        overdue = TimedOut(f"attempt {attempt} took longer than {limit:g} s")
        with self.sim.deadline(limit, overdue):
            return (yield from invoke(fn))

    def _admit(self, budget: RetryBudget) -> None:
        if not budget.admit(self.sim.now, self._budget_stream):
            throttled = Throttled(f"the budget {budget.label!r} of retry {self.name!r} is used up")
            kind = error_name(throttled)
            self._emit(events.retry.BudgetExhausted(self.name, 0, budget.label, kind))
            raise throttled

    def _after(
        self, course: _Course, attempt: int, duration: float, error: BaseException | None
    ) -> float | None:
        """Tell what became of a failed attempt.

        Returns:
            The seconds to wait before the next one; ``None`` when there is none.
        """
        kind = UNWANTED_RESULT if error is None else error_name(error)
        retryable = error is None or self._is_retryable(error)
        if self.budget is not None and _is_answer(error):
            self.budget.failed(self.sim.now, retryable=retryable)
        if not retryable:
            self._emit(events.retry.IgnoredError(self.name, attempt, kind))
            return None
        self._emit(events.retry.AttemptFailure(self.name, attempt, kind, duration))
        if attempt == self.max_attempts:
            self._emit(events.retry.Exhausted(self.name, attempt, kind))
            return None
        delay = self._pause(course, attempt, error)
        if not self._has_time(course, attempt, delay, kind):
            return None
        if not self._pays(course, attempt, error, kind):
            return None
        self._emit(events.retry.Backoff(self.name, attempt, delay, self.backoff.strategy))
        return delay

    def _pause(self, course: _Course, attempt: int, error: BaseException | None) -> float:
        plain = course.backoff.delay(attempt, course.delay, self._stream)
        course.delay = min(self._jitter.spread(plain, self._stream), self.max_delay)
        after = getattr(error, "retry_after", None) if self.use_retry_after else None
        return course.delay if after is None else max(course.delay, after)

    def _has_time(self, course: _Course, attempt: int, delay: float, kind: str) -> bool:
        remaining = course.until - self.sim.now
        if self.sim.now + delay < course.until:
            return True
        self._emit(events.retry.DeadlineExceeded(self.name, attempt, delay, remaining, kind))
        return False

    def _pays(self, course: _Course, attempt: int, error: BaseException | None, kind: str) -> bool:
        if self.budget is None:
            return True
        course.paid = self.budget.withdraw(
            self.sim.now, self._budget_stream, timed_out=self.sim.outcome_of(error) == "timeout"
        )
        if course.paid is not None:
            return True
        self._emit(events.retry.BudgetExhausted(self.name, attempt, self.budget.label, kind))
        return False


class _Course:
    """What a call remembers from its first failure on."""

    __slots__ = ("backoff", "delay", "paid", "until")

    def __init__(self, backoff: Strategy, until: float) -> None:
        self.backoff = backoff
        self.until = until
        self.delay = 0.0
        self.paid: float | None = None


def _is_answer(error: BaseException | None) -> bool:
    """Whether an attempt came to an end of its own: no interrupt, no limit further outside."""
    return error is None or (
        isinstance(error, Exception) and not isinstance(error, simpy.Interrupt | DeadlinePassed)
    )


def _predicate(name: str, function: Callable[[Any], bool] | None) -> Callable[[Any], bool] | None:
    if function is not None and not callable(function):
        message = f"{name}={function!r}; give a predicate on the value returned"
        raise TypeError(message)
    return function
