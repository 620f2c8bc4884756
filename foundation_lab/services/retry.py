"""Retry: calls again what failed, a limited number of times, with pauses in between.

When no attempt is left, the last error itself is raised: whoever stands outside classifies what
really happened, and `retry.exhausted` tells how often it was tried. An interrupt, and the timeout
of a call further outside, end the retry at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from foundation_lab.errors import DeadlinePassed, ServiceError, TimedOut
from foundation_lab.services.arguments import positive, whole
from foundation_lab.services.backoff import as_jitter, exponential_backoff, jittered
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.service import Service
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.backoff import Backoff as Strategy
    from foundation_lab.simulation.engine import Simulation


class Retry(Service):
    """Calls again what failed.

    Args:
        sim: The simulation.
        name: The retry's name, `service_id` in its events.
        max_attempts: How often to call at most; the first call counts.
        backoff: How long to wait in between; by default 0.1 s, doubled each time, at most 10 s.
        jitter: ``none``, ``full`` or ``equal``: how the delay is spread.
        retry_on: Which errors are tried again: exception types, or a predicate on the exception.
        never_on: Exception types that are not tried again although `retry_on` covers them.
        attempt_timeout: Seconds that each attempt may take; `TimedOut` after that.
    """

    kind: ClassVar[str] = "retry"
    AttemptStart = events.retry.AttemptStart
    AttemptSuccess = events.retry.AttemptSuccess
    AttemptFailure = events.retry.AttemptFailure
    Backoff = events.retry.Backoff
    Exhausted = events.retry.Exhausted
    IgnoredError = events.retry.IgnoredError

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        max_attempts: int = 3,
        backoff: Strategy | None = None,
        jitter: str = "none",
        retry_on: Classifier = ServiceError,
        never_on: tuple[type[BaseException], ...] = (),
        attempt_timeout: float | None = None,
    ) -> None:
        self.max_attempts = whole("max_attempts", max_attempts)
        self.backoff: Strategy = exponential_backoff(0.1, cap=10.0) if backoff is None else backoff
        self.jitter = as_jitter(jitter)
        self.attempt_timeout = (
            None if attempt_timeout is None else positive("attempt_timeout", attempt_timeout)
        )
        self.in_flight = 0
        self._is_retryable = classifier("retry_on", retry_on, (*never_on, DeadlinePassed))
        self._stream = sim.stream(f"retry.{name}")
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
        """
        if not self.up:
            self.require_up()
        name, sim, most = self.name, self.sim, self.max_attempts
        self.in_flight += 1
        try:
            delay = 0.0
            for attempt in range(1, most + 1):
                self._attempt_starts(name, attempt, most)
                started = sim.now
                try:
                    result = yield from (
                        invoke(fn) if self.attempt_timeout is None else self._limited(fn, attempt)
                    )
                except BaseException as error:
                    if not self._try_again(error, attempt, sim.now - started):
                        raise
                else:
                    self._attempt_succeeds(name, attempt, sim.now - started)
                    return result
                delay = jittered(
                    self.backoff.delay(attempt, delay, self._stream), self.jitter, self._stream
                )
                self._emit(events.retry.Backoff(name, attempt, delay, self.backoff.strategy))
                yield delay
        finally:
            self.in_flight -= 1

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"in_flight": self.in_flight}

    def violations(self) -> list[str]:
        """Return every law of retries that does not hold, in words."""
        return [f"{self.in_flight} calls in flight"] if self.in_flight < 0 else []

    def _limited(self, fn: Callable[[], Any], attempt: int) -> Generator[Any, Any, Any]:
        limit = self.attempt_timeout or math.inf
        overdue = TimedOut(f"attempt {attempt} took longer than {limit:g} s")
        with self.sim.deadline(limit, overdue):
            return (yield from invoke(fn))

    def _try_again(self, error: BaseException, attempt: int, duration: float) -> bool:
        """Tell what became of an attempt; return whether another one is to follow."""
        kind = error_name(error)
        if not self._is_retryable(error):
            self._emit(events.retry.IgnoredError(self.name, attempt, kind))
            return False
        self._emit(events.retry.AttemptFailure(self.name, attempt, kind, duration))
        if attempt == self.max_attempts:
            self._emit(events.retry.Exhausted(self.name, attempt, kind))
        return attempt < self.max_attempts
