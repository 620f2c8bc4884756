"""The ways in which a helper could say yes to nothing, each of them closed."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.services import Backend, ConnectionManager, ResourceManager, Supervisor
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from foundation_lab.telemetry.event import Event
from foundation_lab.testing import (
    VacuousWait,
    always,
    assert_condition,
    assert_count,
    assert_event,
    assert_sequence,
    bind,
    capture_events,
    judge,
    mark,
    monitor,
    never,
    refute_event,
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
from foundation_lab.testing.undecided import undecided
from tests.testing.world import Ping, says

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=15)


# -- which events are seen -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        *({"amount": 3}, {"amount": int}, {"sizes": (1, 2)}, {"sizes": [1, 2]}),
        *({"pairs": ((1, 2), (3, 4))}, {"pairs": [[1, 2], [3, 4]]}, {"pairs": ([1, 2], (3, 4))}),
        *({"parts": {"a": (1, 2)}}, {"parts": {"a": [1, 2]}}),
    ],
    ids=str,
)
def test_what_is_read_back_from_the_recording_matches_as_it_did_when_it_happened(
    sim: Simulation, wanted: dict[str, Any]
) -> None:
    here = mark(sim)
    with assert_event(sim, "shop.order.placed", **wanted):
        more = {"sizes": (1, 2), "pairs": ((1, 2), (3, 4)), "parts": {"a": (1, 2)}}
        sim.telemetry.emit("shop.order.placed", {"amount": 3}, more)
    with assert_event(sim, "shop.order.placed", **wanted, since=here):
        pass


def test_the_second_event_of_a_name_may_be_the_one(sim: Simulation) -> None:
    with assert_event(sim, Ping, text="second") as heard:
        sim.process(says(sim, (1.0, "first"), (1.0, "second")))
    assert heard.time == 2.0


def test_an_event_before_the_block_counts_from_a_mark_and_else_does_not(sim: Simulation) -> None:
    here = mark(sim)
    sim.telemetry.emit(Ping("early"))
    with pytest.raises(AssertionError, match="it happened before the block, once, last: #0 t=0"):  # noqa: SIM117
        with assert_event(sim, Ping):
            pass
    with assert_event(sim, Ping, since=here) as heard:
        pass
    assert heard.event == Ping("early")
    with (
        pytest.raises(AssertionError, match="happened, although"),
        refute_event(sim, Ping, since=here),
    ):
        pass
    with pytest.raises(AssertionError), assert_event(sim, Ping, since=mark(sim)):
        pass


def test_a_refutation_looks_at_the_last_instant_to_its_end(sim: Simulation) -> None:
    def late() -> Generator[Any, Any, None]:
        yield sim.timeout(3.0)
        yield sim.timeout(0)
        sim.telemetry.emit(Ping("at the very end"))

    with pytest.raises(AssertionError), refute_event(sim, Ping, within=3.0):
        sim.process(late())


def test_two_simulations_beside_each_other_do_not_see_each_other(sim: Simulation) -> None:
    other = Simulation(seed=15)
    with refute_event(sim, Ping, within=3.0), assert_event(other, Ping) as heard:
        other.process(says(other, (1.0, "a")))
    assert (heard.time, other.now, sim.now) == (1.0, 1.0, 0.0)
    with pytest.raises(AssertionError, match="no event happened in this time"):  # noqa: SIM117
        with assert_event(sim, Ping):
            other.process(says(other, (1.0, "b")))


def test_an_expectation_that_settles_in_an_inner_run_does_not_end_that(sim: Simulation) -> None:
    with (
        assert_event(sim, Ping, text="a") as outer,
        assert_event(sim, Ping, text="b") as inner,
        refute_event(sim, Ping, text="c", within=0.5),
    ):
        sim.process(says(sim, (0.1, "a"), (0.1, "b"), (9.0, "c")))
    assert (outer.time, inner.time, sim.now) == (0.1, 0.2, 0.5)


def test_an_event_of_the_same_instant_before_the_wait_of_a_process_counts(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, float]:
        with assert_event(sim, Ping) as heard:
            sim.telemetry.emit(Ping("at once"))
            yield from heard.wait()
        return float(sim.now)

    assert sim.run(until=sim.process(tester())) == 0.0


def test_a_process_with_an_expectation_does_not_disturb_the_wait_of_another(
    sim: Simulation,
) -> None:
    order: list[str] = []

    def waiter() -> Generator[Any, Any, None]:
        yield sim.timeout(2.0)
        order.append("timeout")

    def tester() -> Generator[Any, Any, None]:
        yield from assert_event(sim, Ping)
        order.append("heard")

    sim.process(waiter())
    sim.process(tester())
    sim.process(says(sim, (2.0, "a")))
    sim.run_to_completion()
    assert (order, sim.now) == (["timeout", "heard"], 2.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda sim: assert_event(sim, Ping),
        lambda sim: assert_condition(sim, lambda: True),
        lambda sim: capture_events(sim, Ping),
        lambda sim: monitor(sim, never(Ping)),
        lambda sim: monitor(sim, never(Ping)).attach().detach(),
    ],
    ids=["event", "condition", "capture", "monitor", "attached"],
)
def test_an_expectation_that_is_never_entered_says_so(
    sim: Simulation, make: Callable[[Simulation], object]
) -> None:
    said = r"was never (entered|attached|asked.*), so it checked nothing; write 'with "
    with pytest.warns(RuntimeWarning, match=said):  # noqa: PT031  (the block is what raises)
        make(sim)
        gc.collect()


def test_a_wait_that_a_process_forgets_to_yield_from_says_so(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, None]:
        yield 1.0
        wait_for(sim, lambda: False)

    sim.process(tester())
    with pytest.warns(RuntimeWarning, match=r"write 'yield from wait_for\(\.\.\.\)', in a cor"):  # noqa: PT031  (the block is what raises)
        sim.run()
        gc.collect()


def test_an_exception_in_the_block_is_what_is_seen(sim: Simulation) -> None:
    with pytest.raises(LookupError), assert_event(sim, Ping):  # noqa: PT012
        sim.telemetry.emit(Ping("a"))
        raise LookupError


def test_listening_with_fields_costs_the_others_nothing_and_sees_all_that_fit(
    sim: Simulation,
) -> None:
    say = sim.telemetry.emitting(Ping)
    with (
        capture_events(sim, Ping) as every,
        assert_event(sim, Ping, text="b") as heard,
        assert_event(sim, Ping, text=bind("text", lambda text: text > "b")) as bound,
    ):
        for text in "abcb":
            say(text, ())
    assert [event.text for event in every.events] == ["a", "b", "c", "b"]
    assert [event.text for event in heard.events] == ["b", "b"]
    assert bound.bound == {"text": "c"}


def test_what_nobody_waits_for_any_more_is_not_undecided(sim: Simulation) -> None:
    def tester() -> Generator[Any, Any, None]:
        heard = assert_event(sim, Ping, text="a").as_event()
        yield heard | sim.timeout(1.0)

    def watch() -> Generator[Any, Any, None]:
        yield from refute_event(sim, Ping, text="b")

    def waits() -> Generator[Any, Any, None]:
        yield assert_event(sim, Ping, text="c")

    async def awaits() -> None:
        await wait_for(sim, lambda: False, what="the moon")

    sim.process(tester())
    sim.process(watch(), daemon=True)
    sim.process(waits())
    sim.task(awaits())
    sim.run(until=0.5)
    assert undecided(sim) == [
        *("assert_event(kit.ping(text='a'))", "assert_event(kit.ping(text='c'))"),
        "wait_for(the moon)",
    ]
    sim.run(until=2.0)
    assert undecided(sim) == ["assert_event(kit.ping(text='c'))", "wait_for(the moon)"]
    with pytest.raises(AssertionError):
        sim.run()


def test_what_is_forbidden_for_ever_is_not_undecided(sim: Simulation) -> None:
    def guard(expectation: Any) -> Generator[Any, Any, None]:
        yield from expectation

    for_ever: dict[str, Any] = {"within": math.inf}
    sim.process(guard(refute_event(sim, Ping, text="a", **for_ever)))
    sim.process(guard(assert_count(sim, Ping, text="a", at_most=1, **for_ever)))
    sim.run(until=5.0)
    assert undecided(sim) == []
    sim.process(guard(refute_event(sim, Ping, text="b")))
    sim.process(guard(assert_count(sim, Ping, text="c", at_least=1, at_most=2, **for_ever)))
    sim.run(until=6.0)
    assert undecided(sim) == [
        "assert_count(kit.ping(text='c'))",
        "refute_event(kit.ping(text='b'))",
    ]


def test_a_simulation_in_which_a_process_has_waited_can_be_forgotten() -> None:
    def waited() -> weakref.ref[Simulation]:
        sim = Simulation(seed=15)

        def tester() -> Generator[Any, Any, None]:
            yield from wait_for(sim, lambda: sim.now >= 1.0)
            yield from assert_event(sim, Ping)

        sim.call_in(1.0, list)
        sim.call_in(2.0, lambda: sim.telemetry.emit(Ping("a")))
        sim.run(until=sim.process(tester()))
        return weakref.ref(sim)

    gone = waited()
    gc.collect()
    assert gone() is None


# -- waits that nothing has to happen for --------------------------------------------------------


def test_a_condition_that_held_before_the_block_is_a_vacuous_wait(sim: Simulation) -> None:
    with pytest.warns(VacuousWait, match="the answer to be there was so before the action"):  # noqa: SIM117
        with assert_condition(sim, lambda: 42, what="the answer to be there") as there:
            pass
    assert there.value == 42
    with pytest.warns(VacuousWait):
        wait_for(sim, lambda: True, block=lambda: None)


def test_a_condition_that_the_action_brings_about_is_none(sim: Simulation) -> None:
    done: list[int] = []
    assert wait_for(sim, lambda: done, block=lambda: done.append(1)) == [1]
    with assert_condition(sim, lambda: len(done) == 2):
        done.append(2)


def test_a_condition_that_the_action_undoes_first_is_none_either(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    Supervisor(sim, "boss", [db], restart_delay=1.0, intensity=9)

    def tester() -> Generator[Any, Any, Any]:
        return (yield from wait_for_service_ready(sim, "db", block=db.kill))

    assert wait_for_service_ready(sim, "db", block=db.kill) is db
    assert wait_for_service_health(sim, "db", "healthy", block=db.kill) is db
    assert wait_for_health_improvement(sim, "db", than="degraded", block=db.kill) is db
    assert sim.run(until=sim.process(tester())) is db
    with assert_condition(sim, lambda: db.up):
        db.kill()
    assert db.restart_count == 5


def test_a_wait_from_a_mark_at_which_all_was_so_already_is_vacuous(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    Supervisor(sim, "boss", [db], restart_delay=1.0)
    here = mark(sim)
    with pytest.warns(VacuousWait, match="service 'db' to be ready was so before"):
        wait_for_service_ready(sim, "db", since=here)
    with pytest.warns(VacuousWait, match="service 'db' to be healthy was so before"):
        wait_for_service_health(sim, "db", "healthy", since=here)
    with pytest.warns(VacuousWait, match="was so before"):
        wait_for_service_ready(sim, "db", since=sim.telemetry.sequence)
    db.kill()
    assert wait_for_service_ready(sim, "db", since=here) is db  # it has been restarted since
    assert wait_for_service_health(sim, "db", "healthy", since=here) is db


def test_every_wait_for_a_state_can_be_vacuous(sim: Simulation) -> None:
    ResourceManager(sim, "licences", {"cad": 2})
    ConnectionManager(sim, "pool", size=1)
    here = mark(sim)
    waits: list[Callable[[], object]] = [
        lambda: wait_for_resource_cleanup(sim, "cad", since=here),
        lambda: wait_for_connection_pool_ready(sim, "pool", since=here),
        lambda: wait_for_metric_threshold(sim, "pool.waiting", 0, since=here),
        lambda: wait_for(sim, lambda: True, since=here),
    ]
    for wait in waits:
        with pytest.warns(VacuousWait):
            wait()
    sim.telemetry.emit(Ping("something"))
    assert wait_for_metric_threshold(sim, "pool.waiting", 0, since=here) == 0


# -- marks ---------------------------------------------------------------------------------------


def test_only_restarts_after_a_mark_count(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    Supervisor(sim, "boss", [db], restart_delay=1.0)
    before = mark(sim)
    db.kill()
    wait_for_process_restart(sim, "db", since=before)
    after = mark(sim)
    for since in (after, after.sequence):
        with pytest.raises(AssertionError, match="restart_count above 1"):
            wait_for_process_restart(sim, "db", since=since, within=1.0)
    assert wait_for_process_restart(sim, "db", since=before.sequence).restart_count == 1
    assert wait_for_process_restart(sim, "db", block=db.kill).restart_count == 2


def test_health_that_was_better_before_is_no_improvement_by_the_action(sim: Simulation) -> None:
    Backend(sim, "db", service_time=1.0)
    with pytest.warns(VacuousWait, match="to be better than degraded was so before"):
        wait_for_health_improvement(sim, "db", than="degraded", block=lambda: None)
    with pytest.warns(VacuousWait):
        wait_for_health_improvement(sim, "db", than="degraded", since=mark(sim))


def test_a_vacuous_wait_is_told_at_the_line_of_the_test(sim: Simulation) -> None:
    Backend(sim, "db", service_time=1.0)

    def tester() -> Generator[Any, Any, None]:
        yield from wait_for_service_ready(sim, "db", block=list)

    async def coroutine() -> None:
        await wait_for_service_ready(sim, "db", block=list)

    with pytest.warns(VacuousWait) as caught:  # noqa: PT031  (four ways of one thing)
        wait_for_service_ready(sim, "db", block=list)
        sim.run(until=sim.process(tester()))
        sim.run_async(coroutine())
        with assert_condition(sim, lambda: True):
            pass
    assert [each.filename for each in caught] == [__file__] * 4


def test_health_improves_on_what_it_was_at_the_mark(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    db.kill()
    here = mark(sim)
    db.restart()
    db.check_health()
    assert wait_for_health_improvement(sim, "db", since=here) is db


def test_registrations_and_sessions_before_the_mark_do_not_count(sim: Simulation) -> None:
    sim.telemetry.emit(events.agent.Registered("ann", ()))
    sim.telemetry.emit(events.coordination.Completed("s1", "yes", 1.0))
    here = mark(sim)
    with pytest.raises(AssertionError, match="agent 'ann' to be registered"):
        wait_for_agent_registration(sim, "ann", since=here)
    with pytest.raises(AssertionError, match="session 's1' to complete"):
        wait_for_coordination_completion(sim, "s1", since=here)
    assert wait_for_agent_registration(sim, "ann", since=0).sequence == 0


def test_every_wait_works_in_a_process(sim: Simulation) -> None:
    db = Backend(sim, "db", service_time=1.0)
    Supervisor(sim, "boss", [db], restart_delay=1.0)

    def tester() -> Generator[Any, Any, Any]:
        db.kill()
        health = yield from wait_for_service_health(sim, "db", "unhealthy")
        restarted = yield from wait_for_process_restart(sim, "db")
        metric = yield from wait_for_metric_threshold(sim, "db.waiting", 0)
        sim.call_in(1.0, lambda: sim.telemetry.emit(events.agent.Registered("ann", ())))
        record = yield from wait_for_agent_registration(sim, "ann")
        return health is db, restarted is db, metric, record.time

    assert sim.run(until=sim.process(tester())) == (True, True, 0, 2.0)
    assert sim.telemetry.handlers() == []


# -- what is done, and what is asked ---------------------------------------------------------------


def test_a_block_that_is_a_coroutine_is_done(sim: Simulation) -> None:
    async def act() -> None:
        await asyncio.sleep(1)  # lab: allow-sleep it is on the virtual clock
        sim.telemetry.emit(Ping("a"))

    def tester() -> Generator[Any, Any, Any]:
        heard = yield from assert_event(sim, Ping, block=act)
        return heard.time

    async def coroutine() -> Any:
        return (await assert_event(sim, Ping, block=act)).time

    assert assert_event(sim, Ping, block=act).time == 1.0
    with pytest.raises(AssertionError, match="happened, although it must not"):
        refute_event(sim, Ping, block=act)
    assert sim.run(until=sim.process(tester())) == 3.0
    assert sim.run_async(coroutine()) == 4.0
    assert wait_for(sim, lambda: sim.now >= 5, block=act)


async def coroutine_that_says_no(*_: object) -> bool:
    return False


def generator_that_says_no(*_: object) -> Generator[bool, None, None]:
    yield False


@pytest.mark.parametrize("predicate", [coroutine_that_says_no, generator_that_says_no])
def test_a_predicate_whose_answer_is_always_true_is_refused(
    sim: Simulation, predicate: Callable[..., Any]
) -> None:
    asks: list[Callable[[], Any]] = [
        lambda: wait_for(sim, predicate),
        lambda: wait_for(sim, predicate, block=list),
        lambda: assert_event(sim, Ping, text=predicate, since=0, block=list),
        lambda: assert_event(sim, Ping, where=predicate, since=0, block=list),
        lambda: refute_event(sim, Ping, text=bind("x", predicate), since=0, block=list),
        lambda: judge(sim.recording, always(predicate)).check(),
    ]
    sim.telemetry.emit(Ping("a"))
    for ask in asks:
        with pytest.raises(TypeError, match="which is always true; give a plain function"):
            ask()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (Event, "Event is no event of its own; give a class that has an event_name"),
        ("kit.pi ng", "'kit.pi ng' is no event pattern"),
        ("kit-ping", "names have letters, digits and underscores only"),
    ],
)
def test_a_name_that_no_event_can_have_is_refused(sim: Simulation, name: Any, words: str) -> None:
    for expect in (assert_event, refute_event, capture_events):
        with pytest.raises((TypeError, ValueError), match=words):
            expect(sim, name)


def test_a_count_is_a_whole_number(sim: Simulation) -> None:
    for number in (1.5, True, math.inf, math.nan, "3"):
        with pytest.raises(ValueError, match="says nothing that could be checked"):
            assert_count(sim, Ping, exactly=number)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "expect",
    [
        lambda sim, block: assert_event(sim, Ping, block=block),
        lambda sim, block: refute_event(sim, Ping, block=block),
        lambda sim, block: assert_count(sim, Ping, at_most=3, block=block),
        lambda sim, block: wait_for(sim, lambda: False, block=block),
    ],
    ids=["assertion", "refutation", "count", "wait"],
)
def test_the_failure_of_a_coroutine_that_is_the_block_is_that_of_the_test(
    sim: Simulation, expect: Callable[[Simulation, Any], Any]
) -> None:
    async def fails() -> None:
        await sim.timeout(1.0)
        raise KeyError(5)

    sim.call_in(2.0, list)
    with pytest.raises(KeyError, match="5"):
        expect(sim, fails)

    def tester() -> Generator[Any, Any, None]:
        yield from expect(sim, fails)

    sim.process(tester())
    with pytest.raises(KeyError, match="5"):
        sim.run()


# -- since when ------------------------------------------------------------------------------------


def test_a_mark_of_another_simulation_is_refused(sim: Simulation) -> None:
    Backend(sim, "db", service_time=1.0)
    ConnectionManager(sim, "pool", size=1)
    here = mark(Simulation(name="another"))
    asks: list[Callable[[], Any]] = [
        lambda: assert_event(sim, Ping, since=here),
        lambda: refute_event(sim, Ping, since=here),
        lambda: assert_count(sim, Ping, exactly=0, since=here),
        lambda: assert_sequence(sim, [Ping], since=here),
        lambda: capture_events(sim, Ping, since=here),
        lambda: wait_for(sim, list, since=here),
        lambda: wait_for_service_ready(sim, "db", since=here),
        lambda: wait_for_process_restart(sim, "db", since=here),
        lambda: wait_for_connection_pool_ready(sim, "pool", since=here),
        lambda: wait_for_agent_registration(sim, "ann", since=here),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match="the mark is one of another simulation, 'another'"):
            ask()


@pytest.mark.parametrize("since", [-1, 2, 1.0, "now"])
def test_a_beginning_that_has_not_come_yet_is_refused(sim: Simulation, since: Any) -> None:
    sim.telemetry.emit(Ping("a"))
    with pytest.raises(ValueError, match="or a sequence number from 0 to 1"):
        refute_event(sim, Ping, since=since)


def test_what_was_not_seen_for_a_while_cannot_be_denied(sim: Simulation) -> None:
    def blink() -> None:
        sim.telemetry.disable()
        sim.telemetry.emit(Ping("unseen"))
        sim.telemetry.enable()

    for expectation in (
        refute_event(sim, Ping),
        assert_count(sim, Ping, exactly=0),
        capture_events(sim, Ping, consume=True),
    ):
        with pytest.raises(AssertionError, match=r"has not seen all.*telemetry was disabled"):  # noqa: SIM117
            with expectation:
                blink()
    with assert_event(sim, Ping):  # one that came is no worse for that
        blink()
        sim.call_in(1.0, lambda: sim.telemetry.emit(Ping("seen")))
