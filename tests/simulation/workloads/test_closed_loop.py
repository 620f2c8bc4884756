"""Closed loops: users who ask, wait, think and ask again, and come and go."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.errors import BackendError
from foundation_lab.services import Backend
from foundation_lab.simulation.distributions import exponential
from foundation_lab.simulation.engine import Simulation
from foundation_lab.simulation.workloads.closed_loop import ClosedLoop
from foundation_lab.telemetry import events

SEED = 62


def started(sim: Simulation) -> list[float]:
    return sim.recording.frame(events.request.Started)["time"].to_list()


def present(sim: Simulation) -> list[tuple[float, int, int]]:
    frame = sim.recording.frame(events.workload.UsersChanged)
    return frame.select("time", "users", "leaving").rows()


def test_a_user_asks_when_he_comes_and_thinks_after_each_answer() -> None:
    sim = Simulation(seed=SEED)
    loop = ClosedLoop(sim, "web", users=1, think_time=3, call=lambda: sim.sleep(2))
    sim.run(until=12)
    assert started(sim) == [0, 5, 10]
    assert loop.status == "1 users, 3 sent"
    sim.check_invariants()
    frame = sim.recording.frame(events.request.Started)
    assert frame["correlation_id"].n_unique() == 3
    assert frame["cause"].null_count() == 3


def test_users_line_up_so_that_the_load_is_no_more_than_the_server_takes() -> None:
    sim = Simulation(seed=SEED)
    server = Backend(sim, "server", service_time=1)
    loop = ClosedLoop(sim, "web", users=5, call=server.request)
    sim.run(until=100.5)
    assert loop.finished == 100
    assert (loop.in_flight, server.serving, server.waiting) == (5, 1, 4)
    durations = sim.recording.frame(events.request.Finished)["duration"].to_list()
    assert set(durations[5:]) == {5}


def test_a_failure_is_an_answer_too() -> None:
    sim = Simulation(seed=SEED)

    def fail() -> Any:
        yield 1
        raise BackendError("no")

    ClosedLoop(sim, "web", users=1, think_time=1, call=fail)
    sim.run(until=5)
    assert started(sim) == [0, 2, 4]


def test_who_leaves_while_asking_leaves_with_the_answer_and_who_thinks_at_once() -> None:
    sim = Simulation(seed=SEED)
    durations = iter([1, 1, 9, 9])
    loop = ClosedLoop(sim, "web", users=3, think_time=5, call=lambda: sim.sleep(next(durations)))
    sim.run(until=3)
    loop.set_users(1)  # the third one asks, the second one thinks
    assert (loop.users, loop.leaving) == (1, 1)
    sim.run(until=3.1)
    assert len(sim.living()) == 2
    sim.run(until=8)
    sim.check_invariants()
    assert started(sim) == [0, 0, 0, 6]
    sim.run(until=10)
    assert (loop.users, loop.leaving, loop.in_flight) == (1, 0, 1)
    assert present(sim) == [(0, 3, 0), (3, 1, 1)]


def test_a_user_whose_thought_ends_at_the_very_instant_leaves_without_asking() -> None:
    sim = Simulation(seed=SEED)
    loop = ClosedLoop(sim, "web", users=2, think_time=1, call=lambda: sim.sleep(1))
    sim.call_at(2, lambda: loop.set_users(0))
    sim.run()
    assert started(sim) == [0, 0]
    assert not sim.living()
    sim.check_invariants()


def test_users_who_leave_before_they_have_begun_never_ask() -> None:
    sim = Simulation(seed=SEED)
    loop = ClosedLoop(sim, "web", users=5, call=lambda: sim.sleep(1))
    loop.set_users(2)
    sim.run(until=0.5)
    assert (loop.sent, loop.leaving) == (2, 0)
    sim.check_invariants()


def test_a_user_may_leave_by_his_own_request() -> None:
    sim = Simulation(seed=SEED)
    loop: ClosedLoop

    def call() -> Any:
        yield 1
        loop.set_users(0)

    loop = ClosedLoop(sim, "web", users=2, think_time=1, call=call)
    sim.run()
    assert loop.finished == 2
    assert not sim.living()


def test_stages_bring_users_and_send_them_away_one_at_a_time() -> None:
    sim = Simulation(seed=SEED)
    ClosedLoop(
        sim,
        "web",
        users=0,
        think_time=1000,
        call=lambda: 1,
        stages=[(6, 3), (4, 3), (0, 5), (10, 1)],
    )
    sim.run(until=30)
    sim.check_invariants()
    assert started(sim) == [2, 4, 6, 10, 10]
    assert present(sim) == [
        (2, 1, 0), (4, 2, 0), (6, 3, 0), (10, 4, 0), (10, 5, 0),
        (12.5, 4, 0), (15, 3, 0), (17.5, 2, 0), (20, 1, 0),
    ]  # fmt: skip


def test_a_number_by_hand_forgets_the_stages_that_are_to_come() -> None:
    sim = Simulation(seed=SEED)
    loop = ClosedLoop(sim, "web", users=1, think_time=9, call=lambda: 1, stages=[(10, 11)])
    sim.call_at(3, lambda: loop.set_users(2))
    sim.run(until=20)
    assert loop.users == 2
    loop.ramp_to(4, 10)
    sim.run(until=24.9)
    assert loop.users == 2
    sim.run(until=25.1)
    assert loop.users == 3
    sim.run(until=30.1)
    assert loop.users == 4


def test_a_factor_of_load_is_one_of_users_and_a_stop_sends_all_away() -> None:
    sim = Simulation(seed=SEED)
    loop = ClosedLoop(sim, "web", users=5, think_time=1, call=lambda: 1)
    counts = []
    for change in (
        partial(loop.change_load, 2),
        loop.stop,
        loop.stop,
        partial(loop.set_users, 3),
        loop.start,
        loop.start,
        partial(loop.change_load, 0.5),
        partial(loop.change_load, 0),
    ):
        change()
        sim.run(until=sim.now + 2.5)
        counts.append(loop.users)
    sim.check_invariants()
    assert counts == [10, 0, 0, 0, 6, 6, 2, 0]
    factors = sim.recording.frame(events.workload.LoadChanged)["factor"].to_list()
    assert factors == [2, 0, 2, 0.5, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": -1}, "users=-1"),
        ({"users": 1.5}, "users=1.5"),
        ({"users": 1, "think_time": -1}, "value=-1"),
        ({"users": 1, "stages": [(1, -2)]}, "users=-2"),
        ({"users": 1, "stages": [(-1, 2)]}, "seconds=-1"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(ValueError, match=message):
        ClosedLoop(sim, "web", call=lambda: 1, **arguments)
    assert not sim.components


def test_a_user_who_is_lost_breaks_the_law() -> None:
    sim = Simulation(seed=SEED)
    loop = ClosedLoop(sim, "web", users=2, think_time=9, call=lambda: 1)
    sim.run(until=1)
    loop._users[0].process.interrupt()
    with pytest.raises(Exception, match="Interrupt"):
        sim.run(until=2)
    assert loop.violations() == ["2 users, of whom 1 are there"]
    loop._ledger.sent += 3
    assert loop.violations()[2] == "2 users have 3 requests in flight"


@settings(max_examples=100, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]), st.integers(0, 5)), max_size=8
    ),
    think=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_there_are_as_many_users_as_were_asked_for_last(
    changes: list[tuple[float, int]], think: float
) -> None:
    sim = Simulation(seed=SEED)
    server = Backend(sim, "server", service_time=0.5, concurrency=2)
    loop = ClosedLoop(sim, "web", users=2, think_time=think, call=server.request)
    for at, users in changes:
        sim.call_at(at, partial(loop.set_users, users))
    for until in (0.25, 0.5, 1.0, 1.5, 2.25, 3.5, 10):
        sim.run(until=until)
        sim.check_invariants()
    assert loop.users == ([2] + [users for _, users in sorted(changes, key=lambda c: c[0])])[-1]
    assert loop.leaving == 0
    loop.set_users(0)
    sim.run()
    assert not sim.living()


def test_the_same_seed_is_the_same_run_with_telemetry_or_without() -> None:
    counts = []
    for enabled in (True, True, False):
        sim = Simulation(seed=SEED)
        if not enabled:
            sim.telemetry.disable()
        server = Backend(sim, "server", service_time=exponential(0.5))
        loop = ClosedLoop(
            sim, "web", users=4, think_time=exponential(1), call=server.request, stages=[(50, 9)]
        )
        sim.run(until=100)
        counts.append((loop.sent, loop.finished))
    assert counts[0] == counts[1] == counts[2]
