"""Whatever is combined: calls end, attempts stay within their limits, nothing is kept."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import simpy
from hypothesis import given
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, QueueFull, RateLimited, ServiceError
from foundation_lab.services import (
    AdaptiveThrottle,
    Hedge,
    Retry,
    RetryQuota,
    ThrottleTokens,
    WindowBudget,
    additive_jitter,
    custom_backoff,
    decorrelated_backoff,
    decorrelated_v2_backoff,
    exponential_backoff,
    factor_jitter,
    fibonacci_backoff,
    fixed_backoff,
)
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.services.retrying.retry_budget import RetryBudget

quarters = st.integers(0, 12).map(lambda n: n / 4)
"""Few different times, so that much coincides."""

limits = st.none() | st.integers(1, 16).map(lambda n: n / 4)

backoffs = st.sampled_from(
    [
        fixed_backoff(0),
        fixed_backoff(0.5),
        exponential_backoff(0.25, cap=2),
        fibonacci_backoff(0.25),
        decorrelated_backoff(0.25, cap=3),
        decorrelated_v2_backoff(0.5),
        custom_backoff(lambda n: 0.25 * n),
    ]
)
jitters = st.sampled_from(["none", "full", "equal", factor_jitter(0.5), additive_jitter(0.5)])
budgets = st.sampled_from(
    [
        lambda: None,
        lambda: WindowBudget(0.2, min_per_second=0.2, ttl=4),
        lambda: ThrottleTokens(4, token_ratio=0.5),
        lambda: RetryQuota(20),
        lambda: AdaptiveThrottle(1.1, window=4),
    ]
)
ends = st.sampled_from(
    [
        lambda: None,
        lambda: "unwanted",
        BackendError,
        lambda: RateLimited("later", 0.75),
        lambda: QueueFull("full"),
    ]
)

retries = st.fixed_dictionaries(
    {
        "max_attempts": st.integers(1, 5),
        "backoff": backoffs,
        "jitter": jitters,
        "max_delay": limits,
        "use_retry_after": st.booleans(),
        "never_on": st.sampled_from([(), (QueueFull,)]),
        "retry_if_result": st.sampled_from([None, lambda value: value == "unwanted"]),
        "attempt_timeout": limits,
        "total_timeout": limits,
    }
)


worlds = st.fixed_dictionaries(
    {
        "options": retries,
        "make_budget": budgets,
        "hedging": st.none() | st.tuples(quarters, st.integers(1, 3)),
        "hedge_outside": st.booleans(),
        "plan": st.lists(st.tuples(quarters, ends), min_size=1, max_size=8),
    }
)


class World:
    """A retry, perhaps with a hedge inside or outside of it, around attempts that hold a slot."""

    def __init__(
        self,
        options: dict[str, Any],
        make_budget: Callable[[], RetryBudget | None],
        hedging: tuple[float, int] | None,
        plan: list[tuple[float, Callable[[], Any]]],
        *,
        hedge_outside: bool,
    ) -> None:
        self.sim = Simulation(seed=1)
        self.slots = self.sim.Resource(2)
        budget = make_budget()
        self.retry = Retry(self.sim, "orders", budget=budget, **options)
        self.calls = 0
        self.path: Callable[[], Any] = partial(self.retry.call, self.attempt)
        self._plan = plan
        if hedging is not None:
            delay, width = hedging
            hedge = Hedge(self.sim, "orders", delay=delay, max_attempts=width, budget=budget)
            self.path = (
                partial(hedge.call, self.path)
                if hedge_outside
                else partial(self.retry.call, partial(hedge.call, self.attempt))
            )

    def attempt(self) -> Generator[Any, Any, Any]:
        """Hold a slot for a while, then end as planned."""
        seconds, make_end = self._plan[self.calls % len(self._plan)]
        self.calls += 1
        with self.slots.request() as slot:
            yield slot
            yield seconds
        end = make_end()
        if isinstance(end, Exception):
            raise end
        return end

    def start(self, begin: float, interrupts: list[float]) -> None:
        """Start a caller, and plan when it is interrupted, should it live then."""

        def caller() -> Generator[Any, Any, None]:
            with suppress(simpy.Interrupt, ServiceError):
                yield begin
                yield from self.path()

        def disturb() -> None:
            if process.is_alive:
                process.interrupt()

        process = self.sim.process(caller())
        for time in interrupts:
            self.sim.call_at(time, disturb)

    def told(self, *names: str) -> int:
        """Return how many events there are of these names."""
        return sum(self.sim.recording.counts.get(f"foundation.{name}", 0) for name in names)


@given(
    worlds, st.lists(st.tuples(quarters, st.lists(quarters, max_size=2)), min_size=1, max_size=4)
)
def test_every_call_ends_within_its_limits_and_keeps_nothing(
    what: dict[str, Any], callers: list[tuple[float, list[float]]]
) -> None:
    world = World(**what)
    for begin, interrupts in callers:
        world.start(begin, interrupts)
    world.sim.run()
    world.sim.check_invariants()
    assert (world.retry.in_flight, world.slots.count, len(world.slots.queue)) == (0, 0, 0)
    assert world.sim.living() == []
    width = 1 if what["hedging"] is None else what["hedging"][1]
    assert world.calls <= what["options"]["max_attempts"] * width * len(callers)
    assert world.told("retry.attempt_start") == world.told(
        "retry.attempt_success", "retry.attempt_failure", "retry.ignored_error"
    )
    assert world.told("hedge.started") == world.told("hedge.won", "hedge.failed", "hedge.cancelled")
    attempts = world.sim.recording.frame(Retry.AttemptStart)["attempt"].to_list()
    assert all(attempt <= what["options"]["max_attempts"] for attempt in attempts)
