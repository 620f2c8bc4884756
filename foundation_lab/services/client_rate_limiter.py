"""The client's own rate limiter, as in the AWS SDKs' adaptive retry mode.

Inside of a retry with a `RetryQuota` it makes the adaptive mode out of the standard one:
``pipeline(Retry(..., budget=RetryQuota()), ClientRateLimiter(...))``. Each attempt then waits for a
token before it is sent, first ones too, and each answer is seen here before the retry decides.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final

import simpy

from foundation_lab.errors import CircuitOpen, DeadlinePassed, ServiceDown, Throttled
from foundation_lab.services.classifier import Classifier, classifier
from foundation_lab.services.limiting.client_rate import ClientRate
from foundation_lab.services.service import Service
from foundation_lab.simulation.invocation import error_name, invoke
from foundation_lab.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.engine import Simulation
    from foundation_lab.simulation.timer import Timer
    from foundation_lab.simulation.waiting import Wait

_BY_THE_CLIENT: Final = (CircuitOpen, Throttled)
"""Rejections by the client's own breaker and budget, which the other side knows nothing of."""


class ClientRateLimiter(Service):
    """Lets attempts wait for tokens that come at a rate learnt from refusals.

    Until the other side refuses an attempt as one too many, nothing waits. From then on each
    attempt takes a token, first in first out; with each answer the rate changes (`ClientRate`), and
    with it the time that the first in line still has to wait.

    Args:
        sim: The simulation.
        name: The limiter's name, `service_id` in its events.
        refused_on: Which errors say that an attempt was one too many: exception types, or a
            predicate on the exception. By default all rejections but those by the client's own
            circuit breaker and retry budget. Any other end, a timeout too, is an answer that
            refuses nothing; an interrupt and a deadline further outside are no answer.
        rate: Makes the state at a virtual time, anew with each restart.
    """

    kind: ClassVar[str] = "client_rate_limiter"
    Permitted = events.client_rate.Permitted
    Throttled = events.client_rate.Throttled

    def __init__(
        self,
        sim: Simulation,
        name: str,
        *,
        refused_on: Classifier | None = None,
        rate: Callable[[float], ClientRate] = ClientRate,
    ) -> None:
        self._is_refusal = classifier(
            "refused_on",
            refused_on,
            default=lambda error: (
                sim.outcome_of(error) == "rejected" and not isinstance(error, _BY_THE_CLIENT)
            ),
        )
        self._make = rate
        self._rate = rate(sim.now)
        self._line: deque[Wait] = deque()
        self._timer: Timer | None = None
        super().__init__(sim, name)
        self._permits = sim.telemetry.emitting(events.client_rate.Permitted)

    def call(self, fn: Callable[[], Any]) -> Generator[Any, Any, Any]:
        """Call `fn` when there is a token for it (``yield from``).

        Returns:
            What `fn` came to.

        Raises:
            ServiceDown: The limiter was stopped, before or while the call waited.
        """
        self.require_up()
        life = self.restart_count
        if self._rate.enabled:
            yield from self._take(life)
        try:
            result = yield from invoke(fn)
        except Exception as error:
            if not isinstance(error, simpy.Interrupt | DeadlinePassed):
                self._answered(life, error)
            raise
        self._answered(life, None)
        return result

    @property
    def enabled(self) -> bool:
        """Whether there was a refusal, so that attempts take tokens."""
        return self._rate.enabled

    @property
    def rate(self) -> float:
        """Tokens a second that come now."""
        return self._rate.rate

    @property
    def measured_rate(self) -> float:
        """Answers a second, as measured."""
        return self._rate.meter.rate

    @property
    def waiting(self) -> int:
        """How many attempts wait for a token now."""
        return len(self._line)

    @property
    def status(self) -> str:
        """The rate once it counts, ``up`` before, or ``down``."""
        if not self.up:
            return "down"
        return f"{self.rate:g}/s" if self.enabled else "up"

    def metrics(self) -> dict[str, float]:
        """Return the numbers that a health check reports."""
        return {"rate": self.rate, "waiting": self.waiting}

    def violations(self) -> list[str]:
        """Return every law of client rate limiters that does not hold, in words."""
        broken = []
        bucket = self._rate.bucket
        if not 0 <= bucket.tokens <= bucket.capacity:
            broken.append(f"{bucket.tokens:g} tokens in a bucket for {bucket.capacity:g}")
        if self._line and self._timer is None:
            broken.append(f"{self.waiting} wait for a token, but nobody lets them go on")
        return broken

    def on_exit(self, reason: str) -> None:
        """Send away who waits; calls that run go on."""
        line, self._line = self._line, deque()
        self._set_timer()
        for turn in line:
            turn.fail(self._down(f" ({reason})")).defused = True

    def on_restart(self) -> None:
        """Begin anew, without a limit; answers to what was sent before teach nothing."""
        self._rate = self._make(self.sim.now)

    # -- private -------------------------------------------------------------------------------

    def _take(self, life: int) -> Generator[Any, Any, None]:
        asked = self.sim.now
        if self._line or self._rate.bucket.wait_for(asked) > 0:
            turn = self.sim.wait(f"a token of client rate limiter {self.name!r}")
            self._line.append(turn)
            self._set_timer()
            try:
                yield turn
            except BaseException:
                self._leave(turn)
                raise
            if not self.up or life != self.restart_count:  # went down right after the grant
                raise self._down()
        else:
            self._rate.bucket.take(asked)
        self._permits(self.name, self.sim.now - asked, self._rate.rate)

    def _leave(self, turn: Wait) -> None:
        """Leave the line; a token that was granted at this very instant goes to the next in it."""
        if turn in self._line:
            self._line.remove(turn)
            self._set_timer()
        elif turn.ok:
            self._rate.bucket.give_back(self.sim.now)
            self._set_timer()

    def _down(self, why: str = "") -> ServiceDown:
        return ServiceDown(f"client rate limiter {self.name!r} went down{why}")

    def _serve(self) -> None:
        """Give the token that has come to the first in line."""
        self._timer = None
        self._rate.bucket.take(self.sim.now)
        self._line.popleft().succeed()
        self._set_timer()

    def _set_timer(self) -> None:
        """Let the first in line go on when its token comes, at the present rate."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._line:
            self._timer = self.sim.call_in(self._rate.bucket.wait_for(self.sim.now), self._serve)

    def _answered(self, life: int, error: Exception | None) -> None:
        if life != self.restart_count or not self.up:
            return
        refused = error is not None and self._is_refusal(error)
        self._rate.answered(self.sim.now, refused=refused)
        self._set_timer()
        if refused and error is not None:
            measured, rate = self._rate.meter.rate, self._rate.rate
            kind = error_name(error)
            self._emit(events.client_rate.Throttled(self.name, kind, measured, rate))
