"""A run in which time stands still for ever ends with an error that says where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab import (
    BackendError,
    CircuitBreaker,
    ClosedLoop,
    Consumer,
    Queue,
    Simulation,
)
from foundation_lab.errors import LivelockError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def refused_without_a_think_time(sim: Simulation) -> None:
    breaker = CircuitBreaker(sim, "db", reset_timeout=30)
    sim.call_at(1, breaker.trip)
    ClosedLoop(sim, "users", users=1, call=lambda: breaker.call(lambda: sim.sleep(0.1)))


def poisoned_without_a_delay(sim: Simulation) -> None:
    def handle(_message: object) -> None:
        raise BackendError("no")

    queue = Queue(sim, "jobs")
    Consumer(sim, "users", queue, handle)
    sim.call_at(1, lambda: queue.offer("poison"))


@pytest.mark.parametrize("progress", [None, lambda _now: None], ids=["plain", "progress"])
@pytest.mark.parametrize("model", [refused_without_a_think_time, poisoned_without_a_delay])
def test_it_is_told_when_and_who(
    model: Callable[[Simulation], None], progress: Callable[[float], object] | None
) -> None:
    sim = Simulation(seed=1)
    sim.longest_instant = 50_000
    model(sim)
    with pytest.raises(LivelockError, match=r"at t=1(\.1)? for [\d,]+ steps.* in .*users"):
        sim.run(until=60, progress=progress)


def test_many_processes_may_begin_at_the_same_instant() -> None:
    sim = Simulation(seed=1)
    sim.longest_instant = 1

    def child() -> Generator[Any, Any, None]:
        for _ in range(3):
            yield 0
        yield 1

    for _ in range(30_000):
        sim.process(child())
    sim.run()
    assert sim.now == 1
