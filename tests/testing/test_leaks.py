from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab.services import (
    AdaptiveLimiter,
    Backend,
    Bulkhead,
    CircuitBreaker,
    ConnectionManager,
    ResourceManager,
)
from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing.leaks import LeakError, check_leaks, held, lost
from tests.testing.inner import run_pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest import Pytester, RunResult  # noqa: PT013  (types alone)

pytest_plugins = ["pytester"]


def run(pytester: Pytester, code: str, *options: str) -> RunResult:
    pytester.makepyfile(test_orders=code)
    return run_pytest(pytester, *options)


def takes(sim: Simulation, desk: Any) -> Generator[Any, Any, None]:
    yield desk.request()
    yield sim.timeout(1.0)


def test_a_slot_whose_process_has_ended_is_lost() -> None:
    sim = Simulation()
    desk, idle = sim.Resource(2), sim.Resource(1)
    sim.process(takes(sim, desk), name="ada")
    sim.run(until=0.5)
    assert lost(sim) == []
    (line, living) = held(sim)
    assert line.startswith("a slot of a Resource (capacity 2): ada has it, at ")
    assert living.startswith("the process ada waits for a timeout of 1 s (")
    sim.run()
    assert lost(sim) == held(sim)
    assert lost(sim) == ["a slot of a Resource (capacity 2): ada has it, which has ended"]
    assert idle.count == 0


def test_a_slot_of_the_main_program_is_held_but_not_lost() -> None:
    sim = Simulation()
    desk = sim.Resource()
    desk.request()
    assert held(sim) == ["a slot of a Resource (capacity 1): main has it"]
    assert lost(sim) == []


def test_a_resource_that_nobody_knows_any_more_is_forgotten() -> None:
    sim = Simulation()
    for _ in range(5):
        sim.Resource().request()
    sim.run()
    gc.collect()
    assert len(sim.resources) == 0
    assert held(sim) == []


def test_slots_of_simpys_own_resources_are_seen() -> None:
    sim = Simulation()
    desk: Any = simpy.PriorityResource(sim, 1)
    free = simpy.Store(sim)
    sim.process(takes(sim, desk), name="ada")
    free.put("a thing")
    sim.run()
    assert lost(sim) == ["a slot of a PriorityResource (capacity 1): ada has it, which has ended"]
    desk.release(desk.users[0])
    sim.run()
    assert held(sim) == []
    del desk, free
    gc.collect()
    assert len(sim.resources) == 0


def test_what_services_have_given_out_is_held_by_whoever_is_in_the_call() -> None:
    sim = Simulation()
    bulkhead = Bulkhead(sim, "orders", max_concurrent=1, max_wait=None)
    limiter = AdaptiveLimiter(sim, "limit")
    breaker = CircuitBreaker(sim, "payments")
    pool = ConnectionManager(sim, "db", size=1)
    tokens = ResourceManager(sim, "files", {"file": 2})
    backend = Backend(sim, "disk", service_time=5.0)

    def ada() -> Generator[Any, Any, None]:
        with (yield from pool.checkout()), (yield from tokens.acquire("file")):
            yield from bulkhead.call(lambda: limiter.call(lambda: breaker.call(backend.request)))

    def bob() -> Generator[Any, Any, None]:
        yield from bulkhead.call(lambda: 1)

    sim.process(ada(), name="ada")
    sim.process(bob(), name="bob")
    sim.run(until=1.0)
    assert lost(sim) == []
    things = [line.partition(", at ")[0] for line in held(sim)]
    assert things[:6] == [
        "a place in bulkhead 'orders': ada has it",
        "a place in adaptive limiter 'limit': ada has it",
        "a call through circuit breaker 'payments': ada has it",
        "connection 'db-1' of pool 'db': ada has it",
        "token 'file-1' of 'files': ada has it",
        "a place at backend 'disk': ada has it",
    ]
    sim.run()
    assert held(sim) == []


def test_a_call_inside_of_a_call_of_the_same_service_is_no_leak() -> None:
    sim = Simulation()
    bulkhead = Bulkhead(sim, "orders", max_concurrent=2)
    sim.process(bulkhead.call(lambda: bulkhead.call(lambda: sim.sleep(1.0))), name="ada")
    sim.run(until=0.5)
    assert lost(sim) == []
    assert len(held(sim)) == 3


def test_a_place_that_nobody_who_lives_has_is_lost() -> None:
    sim = Simulation()
    bulkhead = Bulkhead(sim, "orders", max_concurrent=2)
    bulkhead._slots.try_acquire()
    assert lost(sim) == ["a place in bulkhead 'orders': nobody who lives has it"]


def test_tokens_are_forgotten_with_the_manager_that_went_down() -> None:
    sim = Simulation()
    tokens = ResourceManager(sim, "files", {"file": 2})

    def ada() -> Generator[Any, Any, None]:
        with (yield from tokens.acquire("file")):
            yield 2.0

    sim.process(ada(), name="ada")
    sim.run(until=1.0)
    assert len(tokens.held()) == 1
    tokens.kill()
    tokens.restart()
    assert tokens.held() == []
    sim.run()
    assert tokens.held() == []


def test_a_span_whose_process_has_ended_is_lost() -> None:
    sim = Simulation()

    def careless() -> Generator[Any, Any, None]:
        sim.telemetry.span("shop.order").__enter__()
        yield 1.0

    sim.process(careless(), name="ada")
    with sim.telemetry.span("shop.day"):
        sim.run()
        assert lost(sim) == ["span 'shop.order' is open: ada has it, which has ended"]
        assert "span 'shop.day' is open: main has it" in held(sim)
    assert len(held(sim)) == 1


def test_living_processes_tasks_and_handlers_are_held_but_no_daemons() -> None:
    sim = Simulation()

    async def sleeper() -> None:
        await sim.event()

    sim.process(iter_for_ever(sim), name="server")
    sim.process(iter_for_ever(sim), name="daemon", daemon=True)
    sim.task(sleeper(), name="sleeper")
    sim.telemetry.attach("mine", "shop", print)
    sim.run(until=1.0)
    found = [line.partition(" (")[0] for line in held(sim)]
    assert found == [
        "the process server waits for an event that nobody has triggered",
        "the task sleeper waits for an event that nobody has triggered",
        "handler 'mine' is attached",
    ]
    assert lost(sim) == []


def iter_for_ever(sim: Simulation) -> Generator[Any, Any, None]:
    yield sim.event()


def test_a_process_of_simpys_own_class_may_hold_things() -> None:
    sim = Simulation()
    desk = sim.Resource()
    simpy.Process(sim, takes(sim, desk))
    sim.run()
    assert lost(sim) == ["a slot of a Resource (capacity 1): takes has it, which has ended"]


def test_the_levels_are_to_allow_all_to_mind_what_is_lost_and_to_forbid_all() -> None:
    sim = Simulation()
    desk = sim.Resource()
    desk.request()
    check_leaks(sim, "allow")
    check_leaks(sim, "lost")
    with pytest.raises(LeakError) as caught:
        check_leaks(sim)
    assert str(caught.value) == (
        "at the end, t=0, this was not given back:\n"
        "  a slot of a Resource (capacity 1): main has it\n"
        'If it is meant so: @pytest.mark.lab(leaks="allow")'
    )
    wrong: Any = "some"
    with pytest.raises(ValueError, match="leaks='some'; there are allow, lost, forbid"):
        check_leaks(sim, wrong)


LEAKS = """
    import pytest

    def takes(sim, desk):
        yield desk.request()
        yield 1.0

    {mark}
    def test_it(sim):
        desk = sim.Resource()
        sim.process(takes(sim, desk), name="ada")
        sim.run({until})
"""


def leaking(mark: str = "", until: str = "") -> str:
    return LEAKS.replace("{mark}", mark).replace("{until}", until)


def test_by_default_what_is_lost_fails_a_test_and_what_is_held_does_not(
    pytester: Pytester,
) -> None:
    result = run(pytester, leaking())
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E *LeakError: at the end, t=1, this cannot be given back any more:",
            "E *a slot of a Resource (capacity 1): ada has it, which has ended",
            'E *If it is meant so: @pytest.mark.lab(leaks="allow")',
            "*- virtual time -*",
        ]
    )
    run(pytester, leaking(until="until=0.5")).assert_outcomes(passed=1)


def test_the_garbage_collector_has_no_say_in_what_is_lost(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        import gc
        import pytest
        import simpy

        @pytest.fixture
        def collected(sim):
            yield
            gc.collect()

        @pytest.mark.parametrize("kind", [simpy.Resource, lambda sim: sim.Resource()])
        def test_it(sim, collected, kind):
            desk = kind(sim)

            def takes():
                yield desk.request()

            sim.process(takes(), name="ada")
            sim.run()
        """,
    )
    result.assert_outcomes(passed=2, errors=2)


def test_a_slot_that_was_handed_on_is_not_lost(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        import simpy

        @pytest.fixture(params=[simpy.Resource, lambda sim, capacity: sim.Resource(capacity)])
        def desk(sim, request):
            return request.param(sim, 1)

        @pytest.mark.parametrize("keep", [lambda it: it, lambda it: [it], lambda it: {0: it}])
        @pytest.mark.parametrize("until", [5, None])
        def test_it(sim, desk, keep, until):
            store = sim.Store()

            def takes():
                slot = desk.request()
                yield slot
                yield store.put(slot)

            def gives():
                slot = yield store.get()
                held = keep(slot)
                del slot
                yield 100.0
                desk.release(held[0] if isinstance(held, list | dict) else held)

            sim.process(takes())
            sim.process(gives())
            sim.run(until=until)

        def test_in_a_store(sim, desk):
            store = sim.Store()

            def takes():
                slot = desk.request()
                yield slot
                yield store.put(slot)

            def fetches():
                yield 100.0
                desk.release((yield store.get()))

            sim.process(takes())
            sim.process(fetches())
            sim.run(until=5)

        def test_by_nobody(sim, desk):
            def takes():
                yield desk.request() | sim.timeout(9.0)

            def waits():
                yield sim.process(takes())
                yield 100.0

            sim.process(waits())
            sim.run(until=5)
        """,
    )
    result.assert_outcomes(passed=16, errors=2)
    result.stdout.fnmatch_lines(["ERROR *::test_by_nobody*", "ERROR *::test_by_nobody*"])


def test_a_marker_and_the_setting_say_what_is_a_leak(pytester: Pytester) -> None:
    run(pytester, leaking('@pytest.mark.lab(leaks="allow")')).assert_outcomes(passed=1)
    strict = run(pytester, leaking('@pytest.mark.lab(leaks="forbid")', "until=0.5"))
    strict.assert_outcomes(passed=1, errors=1)
    pytester.makeini("[pytest]\nlab_leaks = forbid\n")
    run(pytester, leaking(until="until=0.5")).assert_outcomes(passed=1, errors=1)
    pytester.makeini("[pytest]\nlab_leaks = some\n")
    result = run(pytester, leaking())
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["leaks='some'; give allow, lost or forbid"])
