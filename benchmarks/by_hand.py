"""The hour of traffic as a user would write it by hand in plain SimPy: no telemetry, no library.

The draws come from the same named streams, and the waits are the same, so that both models follow
the same trajectory and their results can be compared number by number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import simpy

from foundation_lab.simulation.streams import Streams

if TYPE_CHECKING:
    import random
    from collections.abc import Generator, Sequence

RATE, SERVERS, MEAN, ERROR_RATE = 50.0, 4, 0.02, 0.01
POOL, CHECKOUT_TIMEOUT = 10, 1.0
ATTEMPTS, BACKOFF, CAP = 3, 0.05, 1.0
THRESHOLD, RESET_TIMEOUT = 5, 10.0
TROUBLES = [(600.0 * k, 60.0, 0.95) for k in range(1, 6)]
"""When errors are frequent: start, duration (s), and their rate."""


class Failure(Exception):
    """The backend answered with an error."""

    outcome = "error"


class Late(Failure):
    """A checkout took too long."""

    outcome = "timeout"


class Open(Failure):
    """The breaker is open."""

    outcome = "rejected"


class Shop:
    """Arrivals, breaker, retry, pool and backend in one class.

    Attributes:
        outcomes: How each request ended, in the order in which they did.
        latencies: How long each took, in the same order.
    """

    def __init__(
        self, seed: int, troubles: Sequence[tuple[float, float, float]] = TROUBLES
    ) -> None:
        self.env = simpy.Environment()
        streams = Streams(seed)
        self.arrivals = streams("workload.shop.arrivals")
        self.service = streams("backend.db.service_time")
        self.errors = streams("backend.db.errors")
        self.jitter = streams("retry.payments")
        self.troubles = troubles
        self.trouble_streams = [
            streams(f"fault.error_rate:db:{start:g}") for start, _, _ in troubles
        ]
        self.trouble: tuple[float, random.Random] | None = None
        self.server = simpy.Resource(self.env, SERVERS)
        self.pool = simpy.Resource(self.env, POOL)
        self.state, self.failures, self.probing = "closed", 0, False
        self.outcomes: list[str] = []
        self.latencies: list[float] = []

    def run(self, until: float) -> None:
        self.env.process(self.bring_troubles())
        self.env.process(self.customers())
        self.env.run(until=until)

    def bring_troubles(self) -> Generator[Any, Any, None]:
        for (start, duration, rate), stream in zip(
            self.troubles, self.trouble_streams, strict=True
        ):
            yield self.env.timeout(start - self.env.now)
            self.trouble = (rate, stream)
            yield self.env.timeout(duration)
            self.trouble = None

    def customers(self) -> Generator[Any, Any, None]:
        env = self.env
        while True:
            yield env.timeout(-math.log(1.0 - self.arrivals.random()) / RATE)
            env.process(self.customer())

    def customer(self) -> Generator[Any, Any, None]:
        started = self.env.now
        try:
            yield from self.through_breaker()
        except Failure as failure:
            self.outcomes.append(failure.outcome)
        else:
            self.outcomes.append("ok")
        self.latencies.append(self.env.now - started)

    def through_breaker(self) -> Generator[Any, Any, None]:
        if self.state == "open" or (self.state == "half_open" and self.probing):
            raise Open
        state = self.state
        self.probing = state == "half_open"
        try:
            yield from self.with_retries()
        except Failure:
            if state == self.state:
                self.failures += 1
                if state == "half_open" or self.failures >= THRESHOLD:
                    self.open()
            raise
        if state == self.state:
            self.failures = 0
            if state == "half_open":
                self.state = "closed"

    def open(self) -> None:
        self.state = "open"
        self.env.process(self.half_open_later())

    def half_open_later(self) -> Generator[Any, Any, None]:
        yield self.env.timeout(RESET_TIMEOUT)
        self.state, self.failures, self.probing = "half_open", 0, False

    def with_retries(self) -> Generator[Any, Any, None]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                yield from self.with_connection()
            except Failure:
                if attempt == ATTEMPTS:
                    raise
                delay = min(CAP, BACKOFF * 2 ** (attempt - 1)) * self.jitter.random()
                yield self.env.timeout(delay)
            else:
                return

    def with_connection(self) -> Generator[Any, Any, None]:
        with self.pool.request() as slot:
            if not slot.triggered:
                timeout = self.env.timeout(CHECKOUT_TIMEOUT)
                yield slot | timeout
                if not slot.triggered:
                    raise Late
            yield from self.backend()

    def backend(self) -> Generator[Any, Any, None]:
        with self.server.request() as place:
            yield place
            yield self.env.timeout(-MEAN * math.log(1.0 - self.service.random()))
            failed = False
            if self.trouble is not None:
                rate, stream = self.trouble
                failed = stream.random() < rate
            failed |= self.errors.random() < ERROR_RATE
            if failed:
                raise Failure
