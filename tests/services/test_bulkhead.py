from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError, BulkheadFull, ServiceDown, ServiceError
from foundation_lab.services import Bulkhead, Health
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process


def calling(
    sim: Simulation,
    bulkhead: Bulkhead,
    at: float,
    duration: float,
    error: Exception | None = None,
) -> Process:
    """Start a call; the value is when it ended, or the name of the error and when."""

    def work() -> Generator[Any, Any, None]:
        yield duration
        if error is not None:
            raise error

    def process() -> Generator[Any, Any, Any]:
        try:
            yield at - sim.now
            yield from bulkhead.call(work)
        except (ServiceError, simpy.Interrupt) as failure:
            return type(failure).__name__, sim.now
        return sim.now

    return sim.process(process())


def test_without_a_wait_a_call_too_many_is_turned_away_at_once() -> None:
    sim = Simulation(seed=1)
    bulkhead = Bulkhead(sim, "api", max_concurrent=2)
    calls = [calling(sim, bulkhead, 0, 5) for _ in range(3)]
    sim.run(until=1)
    assert (bulkhead.in_use, bulkhead.waiting, bulkhead.health()) == (2, 0, Health.DEGRADED)
    late = calling(sim, bulkhead, 5, 1)
    sim.run()
    assert [call.value for call in calls] == [5, 5, ("BulkheadFull", 0)]
    assert late.value == 6
    rejected = sim.recording.frame(Bulkhead.Rejected)
    assert rejected.select("reason", "wait").rows() == [("full", 0.0)]
    permitted = sim.recording.frame(Bulkhead.Permitted)
    assert permitted["in_use"].to_list() == [1, 2, 1]
    finished = sim.recording.frame(Bulkhead.Finished)
    assert finished.select("outcome", "duration").rows() == [("ok", 5), ("ok", 5), ("ok", 1)]
    assert bulkhead.health() is Health.HEALTHY


def test_calls_wait_first_in_first_out_and_no_longer_than_they_may() -> None:
    sim = Simulation(seed=2)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1, max_wait=3)
    calls = [calling(sim, bulkhead, 0, 2) for _ in range(3)]
    sim.run()
    assert [call.value for call in calls] == [2, 4, ("BulkheadFull", 3)]
    rejected = sim.recording.frame(Bulkhead.Rejected)
    assert rejected.select("reason", "wait").rows() == [("timeout", 3.0)]
    assert sim.recording.frame(Bulkhead.Permitted)["wait"].to_list() == [0, 2]


def test_with_no_limit_calls_wait_for_as_long_as_it_takes() -> None:
    sim = Simulation(seed=3)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1, max_wait=None)
    calls = [calling(sim, bulkhead, 0, 1000) for _ in range(5)]
    sim.run()
    assert [call.value for call in calls] == [1000, 2000, 3000, 4000, 5000]


def test_the_message_says_how_many_places_there_are_and_how_long_was_waited() -> None:
    sim = Simulation(seed=4)
    for max_wait, words in ((0, "are taken"), (3, "are taken; none came free within 3 s")):
        bulkhead = Bulkhead(sim, f"api {max_wait}", max_concurrent=1, max_wait=max_wait)
        calling(sim, bulkhead, sim.now, 9)
        sim.run(until=sim.now + 1)
        refused = sim.process(bulkhead.call(lambda: 1))
        with pytest.raises(BulkheadFull, match=f"all 1 places of bulkhead 'api .' {words}$"):
            sim.run(refused)


def test_a_bulkhead_that_goes_down_sends_its_line_away_and_lets_calls_end() -> None:
    sim = Simulation(seed=5)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1, max_wait=None)
    calls = [calling(sim, bulkhead, 0, 5) for _ in range(2)]
    sim.run(until=2)
    bulkhead.kill()
    late = calling(sim, bulkhead, 3, 1)
    sim.run(until=4)
    assert bulkhead.health() is Health.UNHEALTHY
    bulkhead.restart()
    assert bulkhead.in_use == 1
    after = calling(sim, bulkhead, 4, 1)
    sim.run()
    assert [call.value for call in calls] == [5, ("ServiceDown", 2)]
    assert (late.value, after.value) == (("ServiceDown", 3), 6)
    rejected = sim.recording.frame(Bulkhead.Rejected)
    assert rejected.select("reason", "wait").rows() == [("down", 2.0), ("down", 0.0)]


def test_a_bulkhead_restarted_at_once_has_sent_its_line_away_all_the_same() -> None:
    sim = Simulation(seed=9)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1, max_wait=None)
    calls = [calling(sim, bulkhead, 0, 5) for _ in range(2)]
    sim.run(until=2)
    bulkhead.kill()
    bulkhead.restart()
    sim.run()
    assert [call.value for call in calls] == [5, ("ServiceDown", 2)]
    assert sim.recording.frame(Bulkhead.Rejected)["reason"].to_list() == ["down"]


def test_an_error_thrown_at_a_waiter_from_outside_is_no_rejection_of_the_bulkhead() -> None:
    sim = Simulation(seed=6)
    bulkhead = Bulkhead(sim, "api", max_concurrent=1, max_wait=None)
    _, waiter = (calling(sim, bulkhead, 0, 5) for _ in range(2))
    sim.call_at(1, lambda: waiter.throw(ServiceDown("another service")))
    sim.run()
    assert waiter.value == ("ServiceDown", 1)
    assert sim.recording.frame(Bulkhead.Rejected).height == 0
    assert bulkhead.metrics() == {"in_use": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_concurrent": 0}, "max_concurrent=0"),
        ({"max_concurrent": 1, "max_wait": -1}, "max_wait=-1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=7)
    with pytest.raises(ValueError, match=message):
        Bulkhead(sim, "api", **arguments)
    assert not sim.components


def cancel(process: Process) -> None:
    if process.is_alive:
        process.interrupt()


@settings(max_examples=150, deadline=None)
@given(
    capacity=st.integers(1, 3),
    max_wait=st.sampled_from([0, 1, 2.5, None]),
    calls=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]),
            st.sampled_from([0.0, 0.5, 1.0, 3.0]),
            st.sampled_from([None, None, BackendError("x")]),
            st.sampled_from([None, 0.0, 0.5, 1.0, 2.5]),
        ),
        max_size=10,
    ),
    kill=st.sampled_from([None, 1.0, 2.0]),
)
def test_places_are_never_lost_nor_given_twice(
    capacity: int,
    max_wait: float | None,
    calls: list[tuple[float, float, Exception | None, float | None]],
    kill: float | None,
) -> None:
    sim = Simulation(seed=8)
    bulkhead = Bulkhead(sim, "api", max_concurrent=capacity, max_wait=max_wait)

    def watch(_record: object) -> None:
        assert bulkhead.in_use <= capacity

    sim.telemetry.attach("watch", "bulkhead", watch)
    for at, duration, error, interrupt in calls:
        process = calling(sim, bulkhead, at, duration, error)
        if interrupt is not None:
            sim.call_at(at + interrupt, partial(cancel, process))
    if kill is not None:
        sim.call_at(kill, bulkhead.kill)
        sim.call_at(kill, bulkhead.restart)
    sim.run()
    sim.check_invariants()
    assert not sim.living()
    assert (bulkhead.in_use, bulkhead.waiting) == (0, 0)
    counts = sim.recording.counts
    permitted = counts.get("foundation.bulkhead.permitted", 0)
    assert permitted == counts.get("foundation.bulkhead.finished", 0)
    assert "foundation.telemetry.handler.failure" not in counts
    assert all(bulkhead._slots.try_acquire() for _ in range(capacity))


def test_a_call_without_a_place_breaks_a_law() -> None:
    sim = Simulation(seed=10)
    bulkhead = Bulkhead(sim, "api", max_concurrent=2, max_wait=None)
    calling(sim, bulkhead, 0, 5)
    sim.run(until=1)
    sim.check_invariants()
    bulkhead._running = 2
    assert bulkhead.violations() == ["2 calls run in 1 places of 2"]
