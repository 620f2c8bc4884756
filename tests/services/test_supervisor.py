from __future__ import annotations

from typing import Any

import pytest

from foundation_lab.services import Service, Supervisor
from foundation_lab.simulation.engine import Simulation


def crash(sim: Simulation, service: Service, *times: float) -> None:
    for time in times:
        sim.call_at(time, service.kill)


def starts(sim: Simulation) -> list[tuple[float, str, str]]:
    frame = sim.recording.frame(Supervisor.ChildStarted)
    return frame.select("time", "service", "child").rows()


def test_a_crashed_child_is_restarted_as_a_new_incarnation() -> None:
    sim = Simulation(seed=1)
    child = Service(sim, "worker")
    Supervisor(sim, "root", [child], restart_delay=0.5)
    before = child.pid
    crash(sim, child, 2)
    sim.run()
    assert child.up
    assert child.pid != before
    assert starts(sim) == [(0.0, "root", "worker"), (2.5, "root", "worker")]
    exited = sim.recording.frame(Supervisor.ChildExited)
    assert exited.select("time", "child", "reason").rows() == [(2.0, "worker", "killed")]
    assert sim.recording.frame(Service.Restarted)["restart_count"].to_list() == [1]
    sim.check_invariants()


def test_without_a_delay_the_restart_comes_at_the_same_instant() -> None:
    sim = Simulation(seed=2)
    child = Service(sim, "worker")
    Supervisor(sim, "root", [child])
    crash(sim, child, 2)
    sim.run()
    assert sim.recording.frame(Service.Restarted)["time"].to_list() == [2.0]


def test_a_child_that_shuts_down_in_good_order_stays_down() -> None:
    sim = Simulation(seed=3)
    child = Service(sim, "worker")
    Supervisor(sim, "root", [child])
    child.stop()
    sim.run()
    assert not child.up
    assert sim.recording.frame(Supervisor.ChildExited)["reason"].to_list() == ["shutdown"]


@pytest.mark.parametrize(("second", "survives"), [(5.0, False), (5.1, True), (6.0, True)])
def test_one_restart_in_5_seconds_is_allowed_the_border_included(
    second: float, *, survives: bool
) -> None:
    sim = Simulation(seed=4)
    child, other = Service(sim, "worker"), Service(sim, "other")
    root = Supervisor(sim, "root", [child, other], intensity=1, period=5)
    crash(sim, child, 0, second)
    sim.run()
    assert (root.up, child.up, other.up) == (survives, survives, survives)
    gave_up = sim.recording.frame(Supervisor.GaveUp).select("time", "child", "restarts").rows()
    assert gave_up == ([] if survives else [(5.0, "worker", 2)])


def test_crashes_of_all_children_count_together() -> None:
    sim = Simulation(seed=5)
    children = [Service(sim, f"worker-{k}") for k in range(3)]
    root = Supervisor(sim, "root", children, intensity=2, period=5)
    for k, child in enumerate(children):
        crash(sim, child, k)
    sim.run()
    assert not root.up
    assert not any(child.up for child in children)


def test_an_intensity_of_zero_gives_up_at_the_first_crash() -> None:
    sim = Simulation(seed=6)
    child = Service(sim, "worker")
    root = Supervisor(sim, "root", [child], intensity=0)
    crash(sim, child, 1)
    sim.run()
    assert not root.up


def test_a_supervisor_that_stops_takes_its_children_along_the_last_one_first() -> None:
    sim = Simulation(seed=7)
    children = [Service(sim, f"worker-{k}") for k in range(3)]
    root = Supervisor(sim, "root", children)
    root.stop()
    stopped = sim.recording.frame(Service.Stopped)
    assert stopped.select("service", "reason").rows() == [
        ("worker-2", "shutdown"),
        ("worker-1", "shutdown"),
        ("worker-0", "shutdown"),
        ("root", "shutdown"),
    ]


def test_a_supervisor_that_stops_forgets_the_restart_it_had_planned() -> None:
    sim = Simulation(seed=8)
    child = Service(sim, "worker")
    root = Supervisor(sim, "root", [child], restart_delay=2)
    crash(sim, child, 1)
    sim.call_at(2, root.stop)
    sim.run()
    assert not child.up


def test_a_supervisor_above_restarts_a_supervisor_with_its_children() -> None:
    sim = Simulation(seed=9)
    child = Service(sim, "worker")
    inner = Supervisor(sim, "inner", [child], intensity=1, period=5)
    outer = Supervisor(sim, "outer", [inner], restart_delay=1)
    crash(sim, child, 0, 1)
    sim.run()
    assert (outer.up, inner.up, child.up) == (True, True, True)
    assert starts(sim)[-2:] == [(2.0, "inner", "worker"), (2.0, "outer", "inner")]
    crash(sim, child, 3)  # the record of restarts is a new one
    sim.run()
    assert (inner.up, child.up) == (True, True)


def test_a_child_that_somebody_else_restarted_is_left_alone() -> None:
    sim = Simulation(seed=10)
    child = Service(sim, "worker")
    Supervisor(sim, "root", [child], restart_delay=1)
    crash(sim, child, 0)
    sim.call_at(0.5, child.restart)
    sim.run()
    assert child.restart_count == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"restart_delay": -1}, "restart_delay=-1"),
        ({"intensity": -1}, "intensity=-1"),
        ({"period": 0}, "period=0"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Supervisor(Simulation(seed=11), "root", [], **arguments)


def test_a_service_has_one_supervisor_at_most() -> None:
    sim = Simulation(seed=9)
    child = Service(sim, "worker")
    Supervisor(sim, "root", [child])
    with pytest.raises(ValueError, match="'worker' of supervisor 'other' has a supervisor already"):
        Supervisor(sim, "other", [child])


@pytest.mark.parametrize("back", [False, True])
def test_who_hears_of_an_exit_may_crash_the_supervisor(back: Any) -> None:
    sim = Simulation(seed=63)
    db = Service(sim, "db")
    boss = Supervisor(sim, "boss", [db])

    def act(_record: object) -> None:
        sim.telemetry.detach("act")
        boss.kill()
        if back:
            boss.restart()

    sim.telemetry.attach("act", Supervisor.ChildExited, act, on_error="raise")
    sim.call_at(1, db.kill)
    sim.run()
    assert (boss.up, db.up) == (back, back)
    assert Supervisor.ChildRestarting.event_name not in sim.recording.counts
    sim.check_invariants()
