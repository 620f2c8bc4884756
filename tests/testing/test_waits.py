from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.errors import UnknownName
from foundation_lab.services import Backend, ConnectionManager, ResourceManager, Supervisor
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from foundation_lab.testing import (
    Clock,
    assert_condition,
    assert_event,
    eventually,
    step,
    wait_for,
    wait_for_agent_registration,
    wait_for_connection_pool_ready,
    wait_for_coordination_completion,
    wait_for_health_improvement,
    wait_for_metric_threshold,
    wait_for_process_restart,
    wait_for_resource_cleanup,
    wait_for_service_health,
    wait_for_service_ready,
)
from tests.testing.world import Ping, says

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=5)


# -- wait_for ------------------------------------------------------------------------------------


def test_what_holds_already_is_seen_and_nothing_is_run(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a")))
    assert wait_for(sim, lambda: "yes") == "yes"
    assert (sim.now, sim.telemetry.sequence) == (0.0, 0)


def test_a_wait_ends_at_the_step_that_makes_it_true(sim: Simulation) -> None:
    seen: list[float] = []

    def worker(sim: Simulation) -> Generator[Any, Any, None]:
        for _ in range(5):
            yield sim.timeout(1.0)
            seen.append(sim.now)

    sim.process(worker(sim))
    assert wait_for(sim, lambda: len(seen) == 3)
    assert sim.now == 3.0
    assert wait_for(sim, lambda: len(seen) == 5, within=2.0)
    assert sim.now == 5.0


def test_a_wait_needs_no_telemetry(sim: Simulation) -> None:
    sim.telemetry.disable()
    sim.process(says(sim, (2.0, "a")))
    assert wait_for(sim, lambda: sim.now >= 2.0)


def test_a_wait_in_vain_says_what_for_and_why(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a"), (9.0, "b")))
    with pytest.raises(AssertionError) as caught:
        wait_for(sim, lambda: False, within=3.0, what="the moon to be full")
    message = str(caught.value)
    assert message.startswith(
        "waited 3 s for the moon to be full\n"
        "the time was over at t=3, and the simulation is alive\n"
    )
    assert "says waits for a timeout of 9 s" in message
    assert "seed 5" in message
    assert "#0 t=1 kit.ping" in message


def test_a_wait_in_a_quiet_world_ends_at_once(sim: Simulation) -> None:
    with pytest.raises(AssertionError, match="nothing is left to run at t=0"):
        wait_for(sim, lambda: False)


def test_a_callback_is_told_that_it_cannot_run_its_own_simulation(sim: Simulation) -> None:
    with assert_condition(sim, lambda: sim.now >= 9.0, within=9.0) as late:

        def ask() -> None:
            late._leave()

        sim.call_in(1.0, ask)
        with pytest.raises(RuntimeError, match="'simulation' is running, and cannot be run from"):
            sim.run()
        sim.call_in(8.0, list)
    assert late.time == 9.0


def test_a_value_in_the_place_of_a_predicate_is_refused(sim: Simulation) -> None:
    value: Any = sim.now == 3.0
    with pytest.raises(TypeError, match="False cannot be asked again; give a function"):
        wait_for(sim, value)
    with pytest.raises(TypeError, match="False cannot be asked again; give a function"):
        assert_condition(sim, value)


@pytest.mark.parametrize("within", ["5", None, True, -1, float("nan")])
def test_a_time_that_is_none_is_refused(sim: Simulation, within: Any) -> None:
    for refuses in (
        lambda: wait_for(sim, lambda: True, within),
        lambda: assert_event(sim, Ping, within=within),
        lambda: step(Ping, within=within),
        lambda: eventually(Ping, within=within),
    ):
        with pytest.raises(ValueError, match=f"within={within!r}; give virtual seconds"):
            refuses()
    with pytest.raises(ValueError, match=f"seconds={within!r}; give virtual seconds"):
        Clock(sim).advance(within)


def test_an_error_in_the_predicate_comes_through(sim: Simulation) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        wait_for(sim, lambda: 1 / 0)
    assert caught.value.__notes__ == ["raised by what is waited for, lambda: 1 / 0, at t=0"]


# -- services ------------------------------------------------------------------------------------


def test_a_service_that_is_up_is_ready_at_once(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    assert wait_for_service_ready(sim, "db") is db
    assert sim.now == 0.0


def test_a_service_that_comes_to_be_later_is_waited_for(sim: Simulation) -> None:
    sim.call_in(2.0, lambda: Backend(sim, "db", service_time=1.0))
    assert wait_for_service_ready(sim, "db").name == "db"
    assert sim.now == 2.0


def test_a_misspelt_service_is_named_when_the_wait_fails(sim: Simulation) -> None:
    Backend(sim, "orders", service_time=1.0)
    with pytest.raises(AssertionError, match="no service called 'ordres'; there are orders"):
        wait_for_service_ready(sim, "ordres")


def test_services_that_share_a_name_are_told_apart_by_kind(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    ConnectionManager(sim, "db", size=1)
    with pytest.raises(ValueError, match="kind='backend' or kind='connection_manager'"):
        wait_for_service_ready(sim, "db")
    assert wait_for_service_ready(sim, "db", kind="backend") is db


def test_health_is_waited_for_by_the_state_of_the_service(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    sim.call_in(1.0, db.kill)
    sim.call_in(3.0, db.restart)
    assert wait_for_service_health(sim, "db", "unhealthy") is db
    assert sim.now == 1.0
    wait_for_service_health(sim, "db", "healthy")
    assert sim.now == 3.0
    with pytest.raises(AssertionError, match=r"'db' to be degraded[\s\S]*'db' up> is healthy"):
        wait_for_service_health(sim, "db", "degraded")
    with pytest.raises(ValueError, match="splendid"):
        wait_for_service_health(sim, "db", "splendid")


def test_a_restart_is_seen_after_it_happened_and_counted_from_a_mark(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    Supervisor(sim, "boss", [db], restart_delay=2.0)
    db.kill()
    assert wait_for_process_restart(sim, "db") is db
    assert (sim.now, db.up, db.restart_count) == (2.0, True, 1)
    assert wait_for_process_restart(sim, "db") is db
    sim.call_in(1.0, db.kill)
    wait_for_process_restart(sim, "db", above=1)
    assert (sim.now, db.restart_count) == (5.0, 2)
    with pytest.raises(AssertionError, match="has restart_count 2"):
        wait_for_process_restart(sim, "db", above=2)
    with pytest.raises(UnknownName, match="unknown service 'dc'"):
        wait_for_process_restart(sim, "dc")


def test_better_health_is_waited_for_since_the_last_check(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    db.kill()
    db.check_health()
    db.restart()
    assert wait_for_health_improvement(sim, "db") is db
    db.check_health()
    with pytest.raises(ValueError, match="was healthy, which cannot improve"):
        wait_for_health_improvement(sim, "db")
    assert wait_for_health_improvement(sim, "db", than="degraded") is db


def test_better_health_than_now_is_waited_for_without_a_check(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    db.kill()
    sim.call_in(4.0, db.restart)
    wait_for_health_improvement(sim, "db")
    assert sim.now == 4.0


def test_an_action_may_come_before_health_improves(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    db.kill()
    assert wait_for_health_improvement(sim, "db", block=lambda: sim.call_in(3.0, db.restart)) is db
    assert sim.now == 3.0
    db.kill()

    def tester() -> Generator[Any, Any, Any]:
        return (yield from wait_for_health_improvement(sim, "db", block=db.restart))

    assert sim.run(until=sim.process(tester())) is db


def test_an_unknown_health_is_refused_with_those_that_there_are(sim: Simulation) -> None:
    Backend(sim, "db", service_time=1.0)
    words = "there is no health 'fine'; there are healthy, degraded, unhealthy, unknown"
    with pytest.raises(ValueError, match=words):
        wait_for_service_health(sim, "db", "fine")
    with pytest.raises(ValueError, match=words):
        wait_for_health_improvement(sim, "db", than="fine")


def test_health_that_does_not_improve_fails_the_wait(sim: Simulation) -> None:
    Backend(sim, "db", service_time=1.0).kill()
    with pytest.raises(AssertionError, match="'db' to be better than unhealthy"):
        wait_for_health_improvement(sim, "db")


# -- agents --------------------------------------------------------------------------------------


def test_an_agent_is_waited_for_until_it_is_registered(sim: Simulation) -> None:
    registered = events.agent.Registered("ann", ("plan",))
    sim.call_in(1.0, lambda: sim.telemetry.emit(events.agent.Registered("bob", ())))
    sim.call_in(2.0, lambda: sim.telemetry.emit(registered))
    record = wait_for_agent_registration(sim, "ann")
    assert (record.time, record.event) == (2.0, registered)
    assert wait_for_agent_registration(sim, "ann") == record
    assert sim.telemetry.handlers() == []


def test_a_wait_listens_under_the_first_number_that_is_free(sim: Simulation) -> None:
    sim.telemetry.attach("wait 1", "kit", print)
    listening: list[str] = []
    sim.call_in(1.0, lambda: listening.extend(h.id for h in sim.telemetry.handlers()))
    sim.call_in(2.0, lambda: sim.telemetry.emit(events.agent.Registered("ann", ())))
    wait_for_agent_registration(sim, "ann")
    assert listening == ["wait 1", "wait 2"]


def test_an_agent_that_was_unregistered_is_not_registered(sim: Simulation) -> None:
    sim.telemetry.emit(events.agent.Registered("ann", ()))
    sim.telemetry.emit(events.agent.Unregistered("ann", "done"))
    with pytest.raises(
        AssertionError, match=r"last: #1 t=0 foundation\.mabeam\.agent\.unregistered"
    ):
        wait_for_agent_registration(sim, "ann")
    sim.call_in(1.0, lambda: sim.telemetry.emit(events.agent.Registered("ann", ())))
    assert wait_for_agent_registration(sim, "ann").time == 1.0


def test_an_agent_or_a_session_that_never_comes_is_told_with_those_that_came(
    sim: Simulation,
) -> None:
    for name in ("ann", "bob"):
        sim.telemetry.emit(events.agent.Registered(name, ()))
    with pytest.raises(AssertionError, match=r"agent\.registered was of 'ann', 'bob'\n"):
        wait_for_agent_registration(sim, "anne")
    with pytest.raises(AssertionError, match=r"coordination\.started was of nobody\n"):
        wait_for_coordination_completion(sim, "s1")


def test_a_session_is_waited_for_until_it_completes(sim: Simulation) -> None:
    sim.call_in(1.0, lambda: sim.telemetry.emit(events.coordination.Completed("s1", "yes", 1.0)))
    assert wait_for_coordination_completion(sim, "s1").event.result == "yes"
    assert wait_for_coordination_completion(sim, "s1").time == 1.0


def test_a_session_that_fails_ends_the_wait_at_once(sim: Simulation) -> None:
    sim.call_in(1.0, lambda: sim.telemetry.emit(events.coordination.Failed("s1", "lost", 1.0)))
    sim.process(says(sim, (4.0, "later")))
    with pytest.raises(AssertionError, match=r"session 's1' to complete, but it failed[\s\S]*lost"):
        wait_for_coordination_completion(sim, "s1")
    assert sim.now == 1.0


# -- resources -----------------------------------------------------------------------------------


def test_tokens_are_waited_for_until_the_last_one_is_back(sim: Simulation) -> None:
    manager = ResourceManager(sim, "licences", {"cad": 2})

    def holder(delay: float) -> Generator[Any, Any, None]:
        yield from manager.call("cad", lambda: sim.timeout(delay))

    wait_for_resource_cleanup(sim, "cad")
    sim.process(holder(1.0))
    sim.process(holder(3.0))
    wait_for(sim, lambda: manager.used("cad") == 2)
    with pytest.raises(AssertionError, match="licences still has 2 tokens out"):
        wait_for_resource_cleanup(sim, "cad", within=0.5)
    wait_for_resource_cleanup(sim, "cad")
    assert sim.now == 3.0
    with pytest.raises(AssertionError, match="no resource manager lends 'cat'"):
        wait_for_resource_cleanup(sim, "cat")


def test_a_pool_is_ready_when_it_could_lend_a_connection_at_once(sim: Simulation) -> None:
    pool = ConnectionManager(sim, "db", size=1)

    def holder() -> Generator[Any, Any, None]:
        yield from pool.call(lambda: sim.timeout(2.0))

    assert wait_for_connection_pool_ready(sim, "db") is pool
    sim.process(holder())
    sim.process(holder())
    wait_for(sim, lambda: pool.waiting == 1)
    wait_for_connection_pool_ready(sim, "db")
    assert sim.now == 4.0
    with pytest.raises(AssertionError, match="no connection_manager called 'dd'; there are db"):
        wait_for_connection_pool_ready(sim, "dd")


# -- metrics -------------------------------------------------------------------------------------


def test_a_metric_is_waited_for_on_either_side_of_its_threshold(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)

    def request() -> Generator[Any, Any, None]:
        yield from db.request()

    for delay in (0.5, 0.6, 0.7):
        sim.call_in(delay, lambda: sim.process(request()))
    assert wait_for_metric_threshold(sim, "db.waiting", 2) == 2
    assert sim.now == 0.7
    assert wait_for_metric_threshold(sim, "db.waiting", 0, comparison="<=") == 0
    assert sim.now == 2.5


def test_a_metric_may_be_any_function(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    assert wait_for_metric_threshold(sim, lambda: sim.telemetry.sequence, 2) == 2


def test_a_metric_that_stays_below_its_threshold_or_is_misspelt_fails_the_wait(
    sim: Simulation,
) -> None:
    wrong: Any = ">"
    Backend(sim, "db", service_time=1.0)
    with pytest.raises(AssertionError, match=r"db\.waiting >= 2[\s\S]*it is 0"):
        wait_for_metric_threshold(sim, "db.waiting", 2)
    with pytest.raises(AssertionError, match=r"<service>.<metric>; there are db\.waiting"):
        wait_for_metric_threshold(sim, "db.wating", 2)
    with pytest.raises(ValueError, match="use '>=' or '<='"):
        wait_for_metric_threshold(sim, "db.waiting", 2, comparison=wrong)


def test_a_wait_works_beside_events_of_ones_own(sim: Simulation) -> None:
    heard: list[object] = []
    sim.telemetry.attach("ears", Ping, heard.append)
    sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    assert len(wait_for(sim, lambda: heard)) == 1
