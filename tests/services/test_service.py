from __future__ import annotations

import pytest

from foundation_lab.errors import InvariantError, ServiceDown
from foundation_lab.services import Health, ResourceManager, Service
from foundation_lab.simulation.engine import Simulation


def life(sim: Simulation) -> list[str]:
    return [name.rpartition(".")[2] for name in sim.recording.events["event"]]


def test_a_service_is_up_from_its_construction_and_says_so() -> None:
    sim = Simulation(seed=1)
    service = Service(sim, "worker")
    assert service.up
    assert service.status == "up"
    frame = sim.recording.frame(Service.Started)
    assert frame.select("service", "kind", "pid").rows() == [("worker", "service", service.pid)]


def test_stop_and_restart_are_told_once_each() -> None:
    sim = Simulation(seed=2)
    service = Service(sim, "worker")
    service.stop("maintenance")
    service.stop()
    service.kill()
    service.restart()
    assert life(sim) == ["started", "stopped", "restarted"]
    assert sim.recording.frame(Service.Stopped)["reason"].to_list() == ["maintenance"]
    assert service.pid == "service:worker:1"


def test_a_service_that_is_up_cannot_be_restarted() -> None:
    service = Service(Simulation(seed=3), "worker")
    with pytest.raises(RuntimeError, match="service 'worker' is up; kill or stop it"):
        service.restart()


def test_a_service_that_is_down_refuses() -> None:
    service = Service(Simulation(seed=4), "worker")
    service.require_up()
    service.kill()
    with pytest.raises(ServiceDown, match="service 'worker' is down"):
        service.require_up()


def test_health_checks_come_at_their_interval_and_go_on_while_it_is_down() -> None:
    sim = Simulation(seed=5)
    service = Service(sim, "worker", health_interval=2)
    sim.call_at(3, service.kill)
    sim.run(until=7)
    frame = sim.recording.frame(Service.ServiceHealth)
    assert frame.select("time", "status").rows() == [
        (2.0, "healthy"),
        (4.0, "unhealthy"),
        (6.0, "unhealthy"),
    ]
    assert service.check_health() is Health.UNHEALTHY


def test_whoever_asked_is_told_of_the_exit_after_its_event() -> None:
    sim = Simulation(seed=6)
    service = Service(sim, "worker")
    told: list[tuple[str, list[str]]] = []
    service.when_it_exits(lambda reason: told.append((reason, life(sim))))
    service.kill("out of memory")
    assert told == [("out of memory", ["started", "stopped"])]


def test_names_are_unique_among_services_of_a_kind() -> None:
    sim = Simulation(seed=7)
    Service(sim, "worker")
    ResourceManager(sim, "worker", {"slot": 1})
    with pytest.raises(ValueError, match="there is a service called 'worker' already"):
        Service(sim, "worker")


def test_a_service_needs_a_name() -> None:
    with pytest.raises(ValueError, match="a service needs a name"):
        Service(Simulation(seed=8), "")


def test_a_broken_law_is_reported_with_the_service_that_broke_it() -> None:
    class Broken(Service):
        def violations(self) -> list[str]:
            return ["-1 calls in flight"]

    sim = Simulation(seed=9)
    Broken(sim, "worker")
    with pytest.raises(InvariantError, match="service 'worker': -1 calls in flight"):
        sim.check_invariants()


def test_a_service_behaves_the_same_with_telemetry_off() -> None:
    sim = Simulation(seed=10)
    sim.telemetry.disable()
    service = Service(sim, "worker", health_interval=1)
    service.kill()
    service.restart()
    sim.run(until=3)
    assert service.restart_count == 1
    assert len(sim.recording) == 0


def test_one_line_tells_kind_name_and_state() -> None:
    service = Service(Simulation(seed=11), "worker")
    assert repr(service) == "<Service 'worker' up>"
