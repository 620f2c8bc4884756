from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import simpy

from foundation_lab import testing
from foundation_lab.errors import UnknownName
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from foundation_lab.testing import (
    assert_any,
    assert_event,
    assert_sequence,
    bind,
    capture_events,
    refute_event,
)
from tests.testing.world import Ping, change, says

if TYPE_CHECKING:
    from collections.abc import Generator

    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.steps import Step


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=11)


# -- assert_event --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [Ping, "kit.ping", ("kit", "ping"), "kit", "kit.*"])
def test_every_spelling_of_a_name_finds_the_event(sim: Simulation, name: Any) -> None:
    with assert_event(sim, name, text="hello") as heard:
        sim.process(says(sim, (1.0, "hello")))
    assert (heard.time, heard.event) == (1.0, Ping("hello"))


def test_leaving_the_block_stops_right_after_the_step_of_the_event(sim: Simulation) -> None:
    steps = []

    def breaker(sim: Simulation) -> Generator[Any, Any, None]:
        yield sim.timeout(2.0)
        sim.telemetry.emit(change("open"))
        steps.append("rest of the step")
        yield sim.timeout(0)
        steps.append("next step")

    with assert_event(sim, "circuit_breaker.state_change", to="open") as opened:
        sim.process(breaker(sim))
    assert (sim.now, opened.time, steps) == (2.0, 2.0, ["rest of the step"])
    sim.run()
    assert steps == ["rest of the step", "next step"]


def test_other_callbacks_of_the_step_that_emits_are_not_lost(sim: Simulation) -> None:
    told: list[object] = []

    def ring(_event: object) -> None:
        sim.telemetry.emit(Ping("ring"))

    bell = sim.event()
    bell.callbacks += [ring, told.append]
    with assert_event(sim, Ping):
        sim.call_in(1.0, bell.succeed)
    assert told == [bell]


def test_any_event_may_match_and_not_only_the_first(sim: Simulation) -> None:
    with assert_event(sim, Ping, text="third") as heard:
        sim.process(says(sim, (1.0, "first"), (1.0, "second"), (1.0, "third")))
    assert heard.time == 3.0
    assert [record.event for record in heard.records] == [Ping("third")]


def test_what_happens_inside_the_block_counts_and_nothing_more_is_run(sim: Simulation) -> None:
    sim.process(says(sim, (8.0, "in time"), (1.0, "later")))
    with assert_event(sim, Ping, within=0.0) as heard:
        sim.run(until=8.5)
    assert (heard.time, sim.now) == (8.0, 8.5)


def test_all_matches_of_the_block_are_kept_and_the_first_one_settles(sim: Simulation) -> None:
    with assert_event(sim, Ping) as heard:
        sim.telemetry.emit(Ping("one"))
        sim.telemetry.emit(Ping("two"))
    assert heard.event == Ping("one")
    assert heard.events == [Ping("one"), Ping("two")]


def test_what_happened_before_the_block_does_not_count(sim: Simulation) -> None:
    sim.telemetry.emit(Ping("early"))
    with pytest.raises(AssertionError), assert_event(sim, Ping):
        pass


def test_an_event_at_exactly_the_deadline_still_matches(sim: Simulation) -> None:
    def late(sim: Simulation) -> Generator[Any, Any, None]:
        yield sim.timeout(5.0)
        yield sim.timeout(0)  # scheduled after all else of this instant
        sim.telemetry.emit(Ping("just in time"))

    with assert_event(sim, Ping, within=5.0) as heard:
        sim.process(late(sim))
    assert heard.time == 5.0


def test_an_event_after_the_deadline_does_not_match(sim: Simulation) -> None:
    after = math.nextafter(5.0, 6.0)
    with pytest.raises(AssertionError), assert_event(sim, Ping, within=5.0):
        sim.process(says(sim, (after, "too late")))
    assert sim.now == 5.0


def test_nothing_left_to_run_ends_the_wait_where_the_clock_stands(sim: Simulation) -> None:
    with pytest.raises(AssertionError), assert_event(sim, Ping, text="never", within=1000.0):
        sim.process(says(sim, (1.0, "hello")))
    assert sim.now == 1.0


def test_an_unlimited_time_ends_when_nothing_is_left_to_run(sim: Simulation) -> None:
    with pytest.raises(AssertionError), assert_event(sim, Ping, text="never", within=math.inf):
        sim.process(says(sim, (1.0, "hello")))


def test_a_predicate_sees_the_state_that_was_committed_before_the_event(sim: Simulation) -> None:
    state = {"count": 0}

    def counting(sim: Simulation) -> Generator[Any, Any, None]:
        while True:
            yield sim.timeout(1.0)
            state["count"] += 1
            sim.telemetry.emit(Ping("counted"))

    with assert_event(sim, Ping, where=lambda _record: state["count"] == 3) as heard:
        sim.process(counting(sim))
    assert heard.time == 3.0


def test_the_word_from_is_matched_as_a_key_and_as_an_attribute(sim: Simulation) -> None:
    keywords: dict[str, Any] = {"from": "closed"}
    with (
        assert_event(sim, events.circuit_breaker.StateChange, {"from": "closed"}),
        assert_event(sim, events.circuit_breaker.StateChange, from_="closed"),
        assert_event(sim, events.circuit_breaker.StateChange, **keywords),
    ):
        sim.telemetry.emit(change("open"))


def test_an_exception_of_the_block_passes_through_and_nothing_listens_any_more(
    sim: Simulation,
) -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught, assert_event(sim, Ping):
        raise error
    assert caught.value is error
    assert sim.telemetry.handlers() == []


def test_an_exception_of_the_simulation_passes_through_too(sim: Simulation) -> None:
    def crash(sim: Simulation) -> Generator[Any, Any, None]:
        yield sim.timeout(1.0)
        message = "a bug"
        raise ZeroDivisionError(message)

    sim.process(crash(sim))
    with pytest.raises(ZeroDivisionError), assert_event(sim, Ping):
        pass
    assert sim.telemetry.handlers() == []


def test_an_error_in_a_predicate_hits_the_test_and_not_the_emitter(sim: Simulation) -> None:
    heard = []

    def emitter(sim: Simulation) -> Generator[Any, Any, None]:
        yield sim.timeout(1.0)
        sim.telemetry.emit(Ping("hello"))
        heard.append("unharmed")

    with (
        pytest.raises(ZeroDivisionError) as caught,
        assert_event(sim, Ping, text=lambda _text: 1 / 0),
    ):
        sim.process(emitter(sim))
    assert heard == ["unharmed"]
    assert caught.value.__notes__ == [
        "raised by lambda _text: 1 / 0, wanted of text='hello'",
        (
            "looking for kit.ping(text=lambda _text: 1 / 0)\n"
            "at #0 t=1 kit.ping(text='hello', tags=()) by emitter"
        ),
    ]


class Unequal:
    """Cannot be compared."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Refuse."""
        raise ArithmeticError

    def __repr__(self) -> str:
        """Be short."""
        return "Unequal()"


@pytest.mark.parametrize(
    ("wanted", "note"),
    [
        ({"text": Unequal()}, "raised by Unequal(), wanted of text='hello'"),
        (
            {"text": bind("text", lambda _text: 1 / 0)},
            "raised by lambda _text: 1 / 0, wanted of text='hello'",
        ),
        ({"where": lambda _record: 1 / 0}, "looking for kit.ping(where=lambda _record: 1 / 0)"),
    ],
    ids=["equality", "bound", "where"],
)
def test_whatever_matcher_raises_is_named_with_the_event(
    sim: Simulation, wanted: dict[str, Any], note: str
) -> None:
    with pytest.raises(ArithmeticError) as caught, assert_event(sim, Ping, **wanted):
        sim.telemetry.emit(Ping("hello"))
    notes = "\n".join(caught.value.__notes__)
    assert note in notes
    assert notes.endswith("at #0 t=0 kit.ping(text='hello', tags=()) by main")


def test_the_traceback_of_a_predicate_begins_in_the_test(sim: Simulation) -> None:
    with pytest.raises(ZeroDivisionError) as caught:  # noqa: SIM117
        with assert_event(sim, Ping, text=lambda _text: 1 / 0):
            sim.telemetry.emit(Ping("hello"))
    files = {str(entry.path) for entry in caught.traceback if not entry.ishidden(caught)}
    assert files == {__file__}


def test_expectations_can_be_nested(sim: Simulation) -> None:
    with assert_event(sim, Ping, text="b") as outer, assert_event(sim, Ping, text="a") as inner:
        sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    assert (inner.time, outer.time) == (1.0, 2.0)


def test_a_run_that_ended_badly_before_does_not_end_the_wait(sim: Simulation) -> None:
    def crash(sim: Simulation) -> Generator[Any, Any, None]:
        yield sim.timeout(1.0)
        raise ZeroDivisionError

    sim.process(crash(sim))
    speaker = sim.process(says(sim, (2.0, "a"), (1.0, "b")))
    with pytest.raises(ZeroDivisionError):
        sim.run(until=speaker)
    sim.process(says(sim, (3.0, "c")))
    with assert_event(sim, Ping, text="c") as heard:
        pass
    assert heard.time == 4.0


def test_stop_ends_the_wait(sim: Simulation) -> None:
    sim.process(says(sim, (2.0, "hello")))
    sim.call_in(1.0, sim.stop)
    with (
        pytest.raises(AssertionError, match="the simulation was stopped at t=1"),
        assert_event(sim, Ping),
    ):
        pass
    with assert_event(sim, Ping):
        pass


def test_listening_does_not_change_what_happens() -> None:
    def run(*, listening: bool) -> str:
        sim = Simulation(seed=3)
        sim.process(says(sim, (1.0, "a"), (2.0, "b"), (3.0, "c")))
        if listening:
            with assert_event(sim, Ping, text="b"), refute_event(sim, Ping, text="c", within=0.5):
                pass
        sim.run()
        return sim.recording.digest

    assert run(listening=True) == run(listening=False)


def test_the_record_is_not_there_before_the_expectation_is_settled(sim: Simulation) -> None:
    with assert_event(sim, Ping) as heard:
        with pytest.raises(RuntimeError, match="nothing has settled assert_event"):
            _ = heard.record
        sim.telemetry.emit(Ping("now"))


def test_a_block_can_be_entered_only_once(sim: Simulation) -> None:
    expectation = assert_event(sim, Ping)
    with expectation:
        sim.telemetry.emit(Ping("hello"))
    with pytest.raises(RuntimeError, match="entered before"):
        expectation.__enter__()


def test_an_expectation_that_is_never_entered_warns_that_it_checked_nothing(
    sim: Simulation,
) -> None:
    with pytest.warns(RuntimeWarning, match="was never entered, so it checked nothing"):
        assert_event(sim, Ping)


@pytest.mark.parametrize("within", [-1.0, math.nan])
def test_a_time_that_is_none_is_refused(sim: Simulation, within: float) -> None:
    with pytest.raises(ValueError, match="give virtual seconds"):
        assert_event(sim, Ping, within=within)


def test_unknown_names_are_refused_at_once(sim: Simulation) -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*retry\.exhausted"):
        assert_event(sim, "foundation.retry.exhaustd")
    with pytest.raises(UnknownName, match="did you mean 'text'"):
        assert_event(sim, Ping, txet="hello")


@pytest.mark.parametrize("switch_off", ["disable", "detach_all"])
@pytest.mark.parametrize("expect", [assert_event, refute_event])
def test_an_expectation_that_can_see_nothing_fails(
    sim: Simulation, expect: Any, switch_off: str
) -> None:
    with pytest.raises(AssertionError, match="can see nothing at t=0"), expect(sim, Ping):
        getattr(sim.telemetry, switch_off)()
    sim.telemetry.enable()


# -- in a process --------------------------------------------------------------------------------


def test_a_process_can_wait_for_an_expectation(sim: Simulation) -> None:
    times = []

    def tester(sim: Simulation) -> Generator[Any, Any, None]:
        with assert_event(sim, Ping, text="b") as heard:
            sim.process(says(sim, (1.0, "a"), (4.0, "b")))
            yield from heard.wait()
        times.append((sim.now, heard.time))

    sim.process(tester(sim))
    sim.run_to_completion()
    assert times == [(5.0, 5.0)]
    assert sim.telemetry.handlers() == []


def test_a_process_that_waits_in_vain_fails_at_the_deadline(sim: Simulation) -> None:
    def tester(sim: Simulation) -> Generator[Any, Any, None]:
        with assert_event(sim, Ping, within=3.0) as heard:
            yield from heard.wait()

    sim.process(tester(sim))
    sim.call_in(9.0, list)
    with pytest.raises(AssertionError, match=r"(?s)no kit\.ping\(\).*the time was over at t=3"):
        sim.run()


def test_a_process_that_waits_for_what_cannot_happen_any_more_fails_at_once(
    sim: Simulation,
) -> None:
    def tester(sim: Simulation) -> Generator[Any, Any, None]:
        with assert_event(sim, Ping, text="b", within=3.0) as heard:
            sim.process(says(sim, (1.0, "a")))
            yield from heard.wait()

    sim.process(tester(sim))
    with pytest.raises(AssertionError, match="nothing is left to run at t=1, so it cannot happen"):
        sim.run()
    assert sim.now == 1.0


def test_a_process_can_wait_for_the_absence_of_an_event(sim: Simulation) -> None:
    def tester(sim: Simulation) -> Generator[Any, Any, float]:
        with refute_event(sim, Ping, text="b", within=3.0) as heard:
            sim.process(says(sim, (1.0, "a"), (9.0, "b")))
            yield from heard.wait()
        return sim.now

    assert sim.run(until=sim.process(tester(sim))) == 3.0


def test_an_interrupted_wait_takes_its_deadline_with_it(sim: Simulation) -> None:
    def tester(sim: Simulation) -> Generator[Any, Any, None]:
        with pytest.raises(simpy.Interrupt), assert_event(sim, Ping, within=100.0) as heard:
            yield from heard.wait()

    process = sim.process(tester(sim))
    sim.call_in(1.0, process.interrupt)
    sim.run_to_completion()
    assert sim.now == 1.0


def test_leaving_an_unsettled_block_in_a_process_names_the_remedy(sim: Simulation) -> None:
    def tester(sim: Simulation) -> Generator[Any, Any, None]:
        with assert_event(sim, Ping):
            yield sim.timeout(1.0)

    sim.process(tester(sim))
    with pytest.raises(RuntimeError, match="'tester' cannot run its own simulation: use 'yield"):
        sim.run()


def test_waiting_outside_of_the_block_is_refused(sim: Simulation) -> None:
    with assert_event(sim, Ping) as heard:
        sim.telemetry.emit(Ping("hello"))
    with pytest.raises(RuntimeError, match="listens only inside of its block"):
        next(heard.wait())


# -- refute_event --------------------------------------------------------------------------------


def test_a_refutation_holds_after_its_whole_time(sim: Simulation) -> None:
    with refute_event(sim, Ping, text="b", within=3.0) as refuted:
        sim.process(says(sim, (1.0, "a"), (10.0, "b")))
    assert sim.now == 3.0
    assert refuted.records == []


def test_a_refutation_holds_when_nothing_is_left_to_run(sim: Simulation) -> None:
    with refute_event(sim, Ping, text="b", within=3.0):
        sim.process(says(sim, (1.0, "a")))
    assert sim.now == 1.0


@pytest.mark.parametrize("at", [0.0, 1.0, 3.0])
def test_a_refutation_fails_at_the_event_within_its_time(sim: Simulation, at: float) -> None:
    with pytest.raises(AssertionError), refute_event(sim, Ping, text="b", within=3.0):
        sim.process(says(sim, (at, "b"), (9.0, "c")))
    assert sim.now == at


def test_a_refutation_fails_for_an_event_inside_the_block(sim: Simulation) -> None:
    with pytest.raises(AssertionError), refute_event(sim, Ping, within=0.0):
        sim.telemetry.emit(Ping("hello"))


# -- assert_sequence -----------------------------------------------------------------------------


def test_a_sequence_is_found_among_other_events(sim: Simulation) -> None:
    steps: list[Step] = [
        (Ping, {"text": "a"}),
        "circuit_breaker.state_change",
        (("kit", "ping"), {"text": "c"}),
    ]
    with assert_sequence(sim, steps) as heard:
        sim.process(says(sim, (1.0, "c"), (1.0, "a"), (1.0, "x"), (1.0, "c")))
        sim.call_in(2.5, lambda: sim.telemetry.emit(change("open")))
    assert [record.time for record in heard.records] == [2.0, 2.5, 4.0]
    assert (heard.time, sim.now) == (4.0, 4.0)


def test_one_event_is_one_step_only(sim: Simulation) -> None:
    with pytest.raises(AssertionError, match="step 2 of 2"), assert_sequence(sim, [Ping, Ping]):
        sim.process(says(sim, (1.0, "a")))


def test_steps_in_the_wrong_order_are_no_sequence(sim: Simulation) -> None:
    steps = [(Ping, {"text": "a"}), (Ping, {"text": "b"})]
    with pytest.raises(AssertionError), assert_sequence(sim, steps):
        sim.process(says(sim, (1.0, "b"), (1.0, "a")))


def test_a_strict_sequence_allows_events_of_other_names(sim: Simulation) -> None:
    steps = [(Ping, {"text": "a"}), (Ping, {"text": "b"})]
    with assert_sequence(sim, steps, order="strict") as heard:
        sim.telemetry.emit(Ping("a"))
        sim.telemetry.emit(change("open"))
        sim.telemetry.emit(Ping("b"))
        sim.telemetry.emit(Ping("after the last step"))
    assert heard.events == [Ping("a"), Ping("b")]


def test_a_strict_sequence_is_broken_by_an_event_of_its_names(sim: Simulation) -> None:
    steps = [(Ping, {"text": "a"}), (Ping, {"text": "b"})]
    with pytest.raises(AssertionError), assert_sequence(sim, steps, order="strict"):
        sim.process(says(sim, (1.0, "a"), (1.0, "x"), (1.0, "b")))
    assert sim.now == 2.0


def test_events_that_a_handler_emits_come_after_what_it_handles(sim: Simulation) -> None:
    def reply(record: Record) -> None:
        if record["text"] == "question":
            sim.telemetry.emit(Ping("answer"))

    sim.telemetry.attach("reply", Ping, reply)
    steps = [(Ping, {"text": "question"}), (Ping, {"text": "answer"})]
    with assert_sequence(sim, steps, order="strict"):
        sim.telemetry.emit(Ping("question"))


def test_a_sequence_needs_steps_and_a_known_order(sim: Simulation) -> None:
    wrong: Any = "loose"
    with pytest.raises(ValueError, match="name one at least"):
        assert_sequence(sim, [])
    with pytest.raises(TypeError, match=r"is given 'kit\.ping'; give a list"):
        assert_sequence(sim, "kit.ping")
    with pytest.raises(ValueError, match="'simple', 'strict' or 'none'"):
        assert_sequence(sim, [Ping], order=wrong)


# -- assert_any and capture_events ---------------------------------------------------------------


def test_one_of_several_events_is_enough(sim: Simulation) -> None:
    choices: list[Step] = [(Ping, {"text": "b"}), "circuit_breaker.state_change"]
    with assert_any(sim, choices) as heard:
        sim.process(says(sim, (1.0, "a"), (1.0, "b")))
        sim.call_in(3.0, lambda: sim.telemetry.emit(change("open")))
    assert (heard.event, heard.time) == (Ping("b"), 2.0)


def test_capture_keeps_what_matches_and_runs_nothing(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "later")))
    with capture_events(sim, "kit", "circuit_breaker.*") as kept:
        sim.telemetry.emit(Ping("a"))
        sim.telemetry.emit(change("open"))
        sim.telemetry.emit("shop.order.placed", {"amount": 3})
    assert kept.events == [Ping("a"), change("open")]
    assert (len(kept), sim.now, sim.telemetry.handlers()) == (2, 0.0, [])


def test_listeners_are_numbered_so_that_equal_runs_have_equal_handlers(sim: Simulation) -> None:
    def listening() -> list[str]:
        return [handler.id for handler in sim.telemetry.handlers()]

    for _ in range(2):
        with capture_events(sim), capture_events(sim), refute_event(sim, Ping):
            assert listening() == ["Capture 1", "Capture 2", "Refutation 1"]
        assert listening() == []


def test_a_listener_that_was_detached_leaves_the_next_of_its_number_alone(sim: Simulation) -> None:
    first, second = capture_events(sim), capture_events(sim)
    first.__enter__()
    sim.telemetry.detach_all()
    with second:
        first.__exit__(None, None, None)
        sim.telemetry.emit(Ping("a"))
    assert (first.events, second.events) == ([], [Ping("a")])
    assert sim.telemetry.handlers() == []


def test_capture_without_patterns_keeps_everything(sim: Simulation) -> None:
    with capture_events(sim) as kept:
        sim.telemetry.emit(Ping("a"))
        sim.telemetry.emit("shop.order.placed", {"amount": 3})
    assert [record.name for record in kept.records] == ["kit.ping", "shop.order.placed"]
    assert str(kept) == "capture_events(**)"


def test_the_longer_names_are_the_same_functions() -> None:
    assert testing.assert_telemetry_event is testing.assert_event
    assert testing.refute_telemetry_event is testing.refute_event
    assert testing.assert_telemetry_sequence is testing.assert_sequence
    assert testing.assert_telemetry_any is testing.assert_any
    assert testing.capture_telemetry is testing.capture_events


def test_every_public_name_can_be_imported_and_no_other() -> None:
    assert sorted(testing.__all__) == testing.__all__
    assert all(callable(getattr(testing, name)) for name in testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no attribute 'assert_nothing'"):
        _ = testing.assert_nothing  # type: ignore[attr-defined]
