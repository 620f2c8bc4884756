from typing import Any

import pytest
import simpy

from foundation_lab.simulation import resources
from foundation_lab.simulation.engine import Simulation

SEED = 4
NAMES = [
    "Resource",
    "PriorityResource",
    "PreemptiveResource",
    "Store",
    "PriorityStore",
    "FilterStore",
    "Container",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_simulation_makes_its_own_resources_which_are_simpys_too(name: str) -> None:
    sim = Simulation(SEED)
    made = getattr(sim, name)(capacity=3)
    assert type(made) is getattr(resources, name)
    assert isinstance(made, getattr(simpy, name))
    assert made.capacity == 3


def test_requests_are_simpys_too() -> None:
    sim = Simulation(SEED)
    request = sim.Resource().request()
    assert isinstance(request, simpy.resources.resource.Request)
    assert isinstance(request, simpy.Event)
    assert repr(request).startswith("<Request()")


@pytest.mark.parametrize("name", ["Resource", "PriorityResource", "PreemptiveResource"])
def test_a_slot_that_is_given_back_twice_by_hand_is_an_error(name: str) -> None:
    sim = Simulation(SEED)
    resource = getattr(sim, name)()
    first, second = resource.request(), resource.request()
    resource.release(first)
    with pytest.raises(RuntimeError, match=r"<\w*Request\(\).*> was given back twice"):
        resource.release(first)
    sim.run()
    assert resource.users == [second]


def test_a_slot_may_be_given_back_by_hand_inside_of_its_with_block() -> None:
    sim = Simulation(SEED)
    for resource in (sim.Resource(), sim.PriorityResource()):
        with resource.request() as request:
            resource.release(request)
        assert resource.count == 0


def noted(name: str, original: Any, seen: list[str]) -> Any:
    """Return a function that writes down that it was called."""

    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        seen.append(name)
        return original(*arguments, **keywords)

    return wrapper


def test_methods_of_a_resource_can_be_replaced_as_simpys_guide_to_monitoring_shows() -> None:
    calls: dict[str, list[str]] = {}
    worlds: list[tuple[Any, Any]] = [
        (simpy.Environment(), simpy.Resource),
        (Simulation(SEED), resources.Resource),
    ]
    for env, make in worlds:
        resource = make(env)
        seen = calls[type(env).__name__] = []
        for name in ("request", "release"):
            setattr(resource, name, noted(name, getattr(resource, name), seen))

        def user(env: Any = env, resource: Any = resource) -> Any:
            with resource.request() as request:
                yield request
                yield env.timeout(1)

        env.process(user())
        env.process(user())
        env.run()
    assert calls["Simulation"] == calls["Environment"]
    assert calls["Simulation"] == ["request", "request", "release", "release"]


def test_a_subclass_does_what_it_does_on_simpy() -> None:
    logs: dict[str, list[str]] = {}
    for env, base in (
        (simpy.Environment(), simpy.Resource),
        (Simulation(SEED), resources.Resource),
    ):
        log = logs[type(env).__name__] = []

        class Picky(base):  # type: ignore[misc, valid-type]
            def _do_put(self, event: Any, log: list[str] = log) -> Any:
                log.append(f"put at {self._env.now:g}")
                return super()._do_put(event)

            def _do_get(self, event: Any, log: list[str] = log) -> Any:
                log.append(f"get at {self._env.now:g}")
                return super()._do_get(event)

        resource = Picky(env, 1)

        def user(env: Any = env, resource: Any = resource) -> Any:
            with resource.request() as request:
                yield request
                yield env.timeout(1)

        env.process(user())
        env.process(user())
        env.run()
        assert env.now == 2
    assert logs["Simulation"] == logs["Environment"]
    assert "get at 2" in logs["Simulation"]


def test_a_slot_that_is_given_back_before_it_is_granted_can_be_given_back_after() -> None:
    sim = Simulation(SEED)
    resource = sim.Resource()
    first, second = resource.request(), resource.request()
    resource.release(second)
    resource.release(first)
    sim.run()
    assert resource.users == [second]
    resource.release(second)
    sim.run()
    assert resource.count == 0
