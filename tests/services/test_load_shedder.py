from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.errors import LoadShed, ServiceDown, ServiceError
from foundation_lab.services import Health, LoadShedder
from foundation_lab.services.load_shedder import refusal
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.lines.line import Lifo, Priority
from foundation_lab.simulation.lines.shedding import CoDel, DeadlineAware

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.simulation.process import Process


def calling(
    sim: Simulation,
    shedder: LoadShedder,
    at: float,
    duration: float,
    *,
    priority: int = 0,
    deadline: float | None = None,
) -> Process:
    """Start a call; the value is when it ended, or how it failed and when."""

    def process() -> Generator[Any, Any, Any]:
        try:
            yield at - sim.now
            work = partial(sim.sleep, duration)
            yield from shedder.call(work, priority=priority, deadline=deadline)
        except LoadShed as shed:
            return shed.reason, sim.now
        except (ServiceError, simpy.Interrupt) as failure:
            return type(failure).__name__, sim.now
        return sim.now

    return sim.process(process())


def values(calls: list[Process]) -> list[Any]:
    return [call.value for call in calls]


def test_calls_run_side_by_side_up_to_the_limit_and_then_wait_in_order() -> None:
    sim = Simulation(seed=1)
    shedder = LoadShedder(sim, "api", max_concurrent=2)
    calls = [calling(sim, shedder, 0, 5) for _ in range(4)]
    sim.run(until=1)
    assert (shedder.in_use, shedder.waiting, shedder.health()) == (2, 2, Health.DEGRADED)
    sim.run()
    assert values(calls) == [5, 5, 10, 10]
    admitted = sim.recording.frame(LoadShedder.Admitted)
    assert admitted.select("wait", "in_use").rows() == [(0, 1), (0, 2), (5, 2), (5, 2)]
    assert sim.recording.frame(LoadShedder.Finished)["duration"].to_list() == [5, 5, 5, 5]
    assert shedder.health() is Health.HEALTHY


def test_a_full_line_turns_calls_away_at_once() -> None:
    sim = Simulation(seed=2)
    shedder = LoadShedder(sim, "api", max_concurrent=1, max_waiting=1)
    calls = [calling(sim, shedder, 0, 5) for _ in range(3)]
    sim.run()
    assert values(calls) == [5, 10, ("full", 0)]
    rejected = sim.recording.frame(LoadShedder.Rejected)
    assert rejected.select("reason", "priority", "waiting").rows() == [("full", 0, 1)]


def test_without_a_line_it_is_a_bulkhead() -> None:
    sim = Simulation(seed=3)
    shedder = LoadShedder(sim, "api", max_concurrent=1, max_waiting=0)
    calls = [calling(sim, shedder, at, 5) for at in (0, 4, 6)]
    sim.run()
    assert values(calls) == [5, ("full", 4), 11]


def test_less_urgent_calls_are_turned_away_before_the_line_is_full() -> None:
    sim = Simulation(seed=4)
    shedder = LoadShedder(
        sim, "api", max_concurrent=1, max_waiting=3, line=Priority(), thresholds={2: 1, 1: 2}
    )
    priorities = (2, 2, 2, 1, 1, 0, 0)
    calls = [calling(sim, shedder, k / 10, 10, priority=p) for k, p in enumerate(priorities)]
    sim.run()
    assert values(calls) == [
        10,  # finds a free place
        40,  # nobody waits: may join
        ("priority", 0.2),  # one waits
        30,
        ("priority", 0.4),  # two wait
        20,  # the most urgent is next
        ("full", 0.6),
    ]


@pytest.mark.parametrize(
    ("priority", "waiting", "expected"),
    [
        (0, 9, None),
        (0, 10, "full"),
        (1, 4, None),
        (1, 5, "priority"),
        (2, 2, "priority"),
        (3, 2, "priority"),
        (3, 1, None),
        (9, 10, "full"),
    ],
)
def test_a_threshold_holds_for_its_priority_and_all_below(
    priority: int, waiting: int, expected: str | None
) -> None:
    assert refusal(priority, waiting, 10, {1: 5, 2: 2}) == expected


def test_without_a_limit_and_thresholds_everybody_may_join() -> None:
    assert refusal(9, 10**9, None, {}) is None


def test_a_call_that_cannot_be_in_time_is_turned_away_or_sent_out_of_the_line() -> None:
    sim = Simulation(seed=5)
    shedder = LoadShedder(sim, "api", max_concurrent=1, line=DeadlineAware(needs=1))
    calls = [
        calling(sim, shedder, 0, 5, deadline=0.5),
        calling(sim, shedder, 0, 5, deadline=1),
        calling(sim, shedder, 1, 5, deadline=5.5),
        calling(sim, shedder, 1, 5, priority=7, deadline=6),
    ]
    sim.run()
    assert values(calls) == [("deadline", 0), 5, ("deadline", 5), 10]
    rejected = sim.recording.frame(LoadShedder.Rejected)
    assert rejected.select("time", "reason").rows() == [(0, "deadline")]
    expired = sim.recording.frame(LoadShedder.Expired)
    assert expired.select("time", "reason", "wait").rows() == [(5, "deadline", 4)]


def test_the_last_in_is_the_first_out_where_the_line_says_so() -> None:
    sim = Simulation(seed=6)
    shedder = LoadShedder(sim, "api", max_concurrent=1, line=Lifo(longest=2))
    calls = [calling(sim, shedder, at, 10) for at in (0, 1, 2, 3)]
    sim.run()
    assert values(calls) == [10, ("overflow", 3), 30, 20]


def test_a_shedder_that_goes_down_sends_its_line_away_and_lets_calls_end() -> None:
    sim = Simulation(seed=7)
    shedder = LoadShedder(sim, "api", max_concurrent=1)
    calls = [calling(sim, shedder, 0, 5) for _ in range(2)]
    sim.call_at(2, shedder.kill)
    calls.append(calling(sim, shedder, 3, 1))
    sim.call_at(4, shedder.restart)
    calls.append(calling(sim, shedder, 4, 1))
    sim.run()
    assert values(calls) == [5, ("ServiceDown", 2), ("ServiceDown", 3), 6]
    assert sim.recording.frame(LoadShedder.Expired)["reason"].to_list() == ["down"]
    assert sim.recording.frame(LoadShedder.Rejected)["reason"].to_list() == ["down"]
    sim.check_invariants()


def test_who_gives_up_while_waiting_or_running_keeps_nothing() -> None:
    sim = Simulation(seed=8)
    shedder = LoadShedder(sim, "api", max_concurrent=1)
    calls = [calling(sim, shedder, 0, 9) for _ in range(3)]
    sim.call_at(1, calls[1].interrupt)
    sim.call_at(2, calls[0].interrupt)
    sim.run()
    assert values(calls) == [("Interrupt", 2), ("Interrupt", 1), 11]
    assert sim.recording.frame(LoadShedder.Abandoned)["wait"].to_list() == [1]
    assert sim.recording.frame(LoadShedder.Finished)["outcome"].to_list() == ["cancelled", "ok"]
    assert shedder.metrics() == {"in_use": 0, "waiting": 0}


@pytest.mark.parametrize("error", [ServiceDown("another service"), LoadShed("another", "other")])
def test_an_error_thrown_at_a_waiter_from_outside_is_no_shedding(error: ServiceError) -> None:
    sim = Simulation(seed=9)
    shedder = LoadShedder(sim, "api", max_concurrent=1)
    _, waiter = (calling(sim, shedder, 0, 5) for _ in range(2))
    sim.call_at(1, lambda: waiter.throw(error))
    sim.run()
    assert sim.recording.frame(LoadShedder.Expired).height == 0
    assert sim.recording.frame(LoadShedder.Abandoned).height == 1
    sim.check_invariants()


def test_more_places_serve_the_line_at_once() -> None:
    sim = Simulation(seed=10)
    shedder = LoadShedder(sim, "api", max_concurrent=1)
    calls = [calling(sim, shedder, 0, 5) for _ in range(3)]
    sim.call_at(1, lambda: shedder.resize(3))
    sim.run()
    assert values(calls) == [5, 6, 6]
    assert shedder.max_concurrent == 3


def test_an_overload_is_shed_until_the_delay_is_short() -> None:
    """1.25 times what it can serve: without control the last would wait for 10 seconds."""
    waits = {}
    for name, line in (("fifo", None), ("codel", CoDel())):
        sim = Simulation(seed=11)
        shedder = LoadShedder(sim, "api", max_concurrent=1, line=line)
        for k in range(5000):
            calling(sim, shedder, k * 0.008, 0.01)
        sim.run()
        waits[name] = sim.recording.frame(LoadShedder.Admitted)["wait"].tail(500).mean()
    assert waits["fifo"] == pytest.approx(9.5, abs=0.1)
    assert waits["codel"] < 0.1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_concurrent": 0}, "max_concurrent=0"),
        ({"max_concurrent": 1, "max_waiting": -1}, "max_waiting=-1"),
        ({"max_concurrent": 1, "thresholds": {1: -1}}, r"thresholds\[1\]=-1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=12)
    with pytest.raises(ValueError, match=message):
        LoadShedder(sim, "api", **arguments)
    assert not sim.components


def test_a_call_without_a_place_breaks_a_law() -> None:
    sim = Simulation(seed=13)
    shedder = LoadShedder(sim, "api", max_concurrent=1, max_waiting=1)
    for _ in range(2):
        calling(sim, shedder, 0, 5)
    sim.run(until=1)
    sim.check_invariants()
    shedder._running, shedder.max_waiting = 2, 0
    assert shedder.violations() == ["2 calls run in 1 places", "1 calls wait where 0 may"]
