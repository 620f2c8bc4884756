from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import simpy

from foundation_lab.errors import ResourceExhausted, ServiceError, TimedOut, UnknownName
from foundation_lab.services import Health, ResourceManager
from foundation_lab.simulation.engine import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from foundation_lab.simulation.process import Process


def use(
    sim: Simulation,
    manager: ResourceManager,
    hold: float,
    *,
    wait: bool = True,
    timeout: float | None = None,
) -> Process:
    """Start a user of one licence; its value is how it ended, and when."""

    def user() -> Generator[Any, Any, tuple[str, float]]:
        try:
            token = yield from manager.acquire("licence", wait=wait, timeout=timeout)
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__, sim.now
        yield from sim.sleep(hold)
        manager.release(token)
        return "ok", sim.now

    return sim.process(user())


def test_tokens_go_out_first_in_first_out_up_to_the_limit() -> None:
    sim = Simulation(seed=1)
    manager = ResourceManager(sim, "office", {"licence": 2, "desk": 1})
    users = [use(sim, manager, hold=1) for _ in range(4)]
    sim.run(until=0.5)
    assert (manager.used("licence"), manager.used("desk")) == (2, 0)
    assert manager.metrics() == {"licence.used": 2, "desk.used": 0}
    sim.run()
    assert [user.value for user in users] == [("ok", 1.0), ("ok", 1.0), ("ok", 2.0), ("ok", 2.0)]
    exhausted = sim.recording.frame(ResourceManager.Exhausted)
    assert exhausted.select("resource", "limit", "waiting").rows() == [
        ("licence", 2, 1),
        ("licence", 2, 2),
    ]
    acquired = sim.recording.frame(ResourceManager.Acquired)
    assert acquired["duration"].to_list() == [0.0, 0.0, 1.0, 1.0]
    released = sim.recording.frame(ResourceManager.Released)
    assert released["token"].to_list() == acquired["token"].to_list()
    assert manager.used("licence") == 0
    sim.check_invariants()


def test_who_does_not_want_to_wait_is_turned_away() -> None:
    sim = Simulation(seed=2)
    manager = ResourceManager(sim, "office", {"licence": 1})
    use(sim, manager, hold=1)
    refused = use(sim, manager, hold=1, wait=False)
    sim.run()
    assert refused.value == ("ResourceExhausted", 0.0)
    assert sim.recording.frame(ResourceManager.Exhausted)["waiting"].to_list() == [0]
    assert ResourceExhausted.outcome == "rejected"


def test_who_waits_too_long_is_timed_out_and_leaves_the_line() -> None:
    sim = Simulation(seed=3)
    manager = ResourceManager(sim, "office", {"licence": 1})
    users = [use(sim, manager, 5), use(sim, manager, 1, timeout=2), use(sim, manager, 1)]
    sim.run()
    assert [user.value for user in users] == [("ok", 5.0), ("TimedOut", 2.0), ("ok", 6.0)]
    sim.check_invariants()


def test_a_call_gives_its_token_back_on_every_path() -> None:
    sim = Simulation(seed=4)
    manager = ResourceManager(sim, "office", {"licence": 1})

    def user(work: Any) -> Generator[Any, Any, Any]:
        try:
            return (yield from manager.call("licence", work))
        except (ServiceError, simpy.Interrupt) as error:
            return type(error).__name__

    def fail() -> None:
        raise ServiceError

    users = [sim.process(user(work)) for work in (lambda: 1, fail, lambda: sim.sleep(9))]
    sim.run(until=1)
    users[2].interrupt()
    sim.run()
    assert [process.value for process in users] == [1, "ServiceError", "Interrupt"]
    assert manager.used("licence") == 0
    sim.check_invariants()


def test_giving_back_twice_is_the_programmers_mistake() -> None:
    sim = Simulation(seed=5)
    manager = ResourceManager(sim, "office", {"licence": 1})

    def clumsy() -> Generator[Any, Any, None]:
        token = yield from manager.acquire("licence")
        manager.release(token)
        manager.release(token)

    sim.process(clumsy())
    with pytest.raises(RuntimeError, match="token 'licence-1' was given back twice"):
        sim.run()


def test_a_restarted_manager_has_all_its_tokens_and_ignores_those_of_its_former_life() -> None:
    sim = Simulation(seed=6)
    manager = ResourceManager(sim, "office", {"licence": 1})
    holder, waiter = use(sim, manager, hold=5), use(sim, manager, hold=1)
    sim.run(until=2)
    manager.kill()
    sim.run(until=3)
    manager.restart()
    after = [use(sim, manager, hold=1) for _ in range(2)]
    sim.run()
    assert holder.value == ("ok", 5.0)
    assert waiter.value == ("ServiceDown", 2.0)
    assert [user.value for user in after] == [("ok", 4.0), ("ok", 5.0)]
    assert sim.recording.frame(ResourceManager.Released)["time"].to_list() == [4.0, 5.0]
    sim.check_invariants()


def test_a_manager_that_is_down_lends_nothing() -> None:
    sim = Simulation(seed=7)
    manager = ResourceManager(sim, "office", {"licence": 1})
    manager.stop()
    user = use(sim, manager, hold=1)
    sim.run()
    assert user.value == ("ServiceDown", 0.0)


def test_an_unknown_resource_is_an_error_with_the_nearest_name() -> None:
    sim = Simulation(seed=8)
    manager = ResourceManager(sim, "office", {"licence": 1})
    with pytest.raises(UnknownName, match="unknown resource 'license'; did you mean 'licence'"):
        manager.used("license")


@pytest.mark.parametrize("ending", ["returns", "fails", "is interrupted"])
def test_a_token_whose_owner_ends_without_giving_it_back_is_taken_back(ending: str) -> None:
    sim = Simulation(seed=11)
    manager = ResourceManager(sim, "office", {"licence": 1})

    def forgetful() -> Generator[Any, Any, None]:
        yield from manager.acquire("licence")
        yield from sim.sleep(2)
        if ending == "fails":
            raise ServiceError
        if ending == "is interrupted":
            yield from sim.sleep(10)

    owner = sim.process(forgetful())
    owner.callbacks.append(lambda event: setattr(event, "defused", True))
    waiter = use(sim, manager, hold=1)
    sim.run(until=2.5)
    if ending == "is interrupted":
        owner.interrupt()
    sim.run()
    ended = 2.5 if ending == "is interrupted" else 2.0
    assert waiter.value == ("ok", ended + 1)
    released = sim.recording.frame(ResourceManager.Released)
    assert released.select("time", "token").rows() == [
        (ended, "licence-1"),
        (ended + 1, "licence-2"),
    ]
    assert manager.used("licence") == 0
    sim.check_invariants()


def test_a_with_block_gives_the_token_back_on_every_path_and_may_do_so_early() -> None:
    sim = Simulation(seed=12)
    manager = ResourceManager(sim, "office", {"licence": 1})
    used: list[int] = []

    def user() -> Generator[Any, Any, None]:
        with (yield from manager.acquire("licence")) as token:
            used.append(manager.used("licence"))
            token.release()
            used.append(manager.used("licence"))
        with pytest.raises(ServiceError), (yield from manager.acquire("licence")):
            raise ServiceError
        used.append(manager.used("licence"))

    owner = sim.process(user())
    sim.run()
    assert used == [1, 0, 0]
    assert not owner.callbacks
    assert len(sim.recording.frame(ResourceManager.Released)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": -1}, "timeout=-1; give a finite number from 0"),
        ({"timeout": float("nan")}, "timeout=nan; give a finite number from 0"),
        ({"timeout": 1, "wait": False}, "timeout=1 with wait=False; leave one of them out"),
    ],
)
def test_a_wait_that_makes_no_sense_is_an_error(arguments: dict[str, Any], message: str) -> None:
    sim = Simulation(seed=13)
    manager = ResourceManager(sim, "office", {"licence": 1})
    sim.process(manager.acquire("licence", **arguments))
    with pytest.raises(ValueError, match=message):
        sim.run()


def test_a_token_needs_a_process() -> None:
    sim = Simulation(seed=14)
    manager = ResourceManager(sim, "office", {"licence": 1})
    with pytest.raises(RuntimeError, match="a token of resource 'licence' needs a running process"):
        next(manager.acquire("licence"))


def test_every_event_names_its_manager_and_its_resource() -> None:
    sim = Simulation(seed=15)
    for name in ("office", "home"):
        manager = ResourceManager(sim, name, {"licence": 1})
        use(sim, manager, hold=1)
        use(sim, manager, hold=1)
    sim.run()
    for event, count in (("acquired", 4), ("released", 4), ("exhausted", 2)):
        frame = sim.recording.frame(f"resource.{event}")
        assert frame["resource"].to_list() == ["licence"] * count
        assert sorted(frame["service_id"]) == ["home"] * (count // 2) + ["office"] * (count // 2)
    events = sim.recording.events.filter(pl.col("event") == "foundation.resource.exhausted")
    assert sorted(events["service"]) == ["home", "office"]


@pytest.mark.parametrize("limit", [0, 1.5, True])
def test_a_wrong_limit_is_an_error_at_once_and_leaves_nothing_behind(limit: Any) -> None:
    sim = Simulation(seed=9)
    message = rf"resource manager 'office': limits\['licence'\]={limit}; give a whole number from 1"
    with pytest.raises(ValueError, match=message):
        ResourceManager(sim, "office", {"licence": limit})
    assert not sim.components


def test_a_handler_of_the_start_sees_a_manager_that_is_whole() -> None:
    sim = Simulation(seed=10)

    def look(_record: object) -> None:
        sim.check_invariants()
        manager = sim.components["resource_manager", "office"]
        assert isinstance(manager, ResourceManager)
        assert manager.metrics() == {"licence.used": 0}

    sim.telemetry.attach("look", ResourceManager.Started, look, on_error="raise")
    ResourceManager(sim, "office", {"licence": 1})


def test_it_is_degraded_while_somebody_waits_for_a_token() -> None:
    sim = Simulation(seed=61)
    manager = ResourceManager(sim, "manager", {"licence": 2})
    for _ in range(3):
        sim.process(manager.call("licence", lambda: sim.sleep(2)))
    assert manager.health() is Health.HEALTHY
    sim.run(until=1)
    assert (manager.free("licence"), manager.health()) == (0, Health.DEGRADED)
    sim.run()
    assert (manager.free("licence"), manager.health()) == (2, Health.HEALTHY)
    manager.kill()
    assert manager.health() is Health.UNHEALTHY


def test_a_call_may_limit_its_wait_for_a_token() -> None:
    sim = Simulation(seed=62)
    manager = ResourceManager(sim, "manager", {"licence": 1})
    sim.process(manager.call("licence", lambda: sim.sleep(5)))
    calls = (
        lambda: manager.call("licence", lambda: 1, timeout=2),
        lambda: manager.call("licence", lambda: 1, wait=False),
    )
    errors = []

    def client(call: Callable[[], Generator[Any, Any, Any]]) -> Generator[Any, Any, None]:
        try:
            yield from call()
        except ServiceError as error:
            errors.append((sim.now, type(error)))

    for call in calls:
        sim.process(client(call))
    sim.run()
    assert errors == [(0, ResourceExhausted), (2, TimedOut)]
