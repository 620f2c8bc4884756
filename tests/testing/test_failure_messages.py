from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

import pytest

from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import (
    assert_any,
    assert_condition,
    assert_count,
    assert_event,
    assert_sequence,
    refute_event,
    settings,
)
from foundation_lab.testing.history import past_records
from tests.testing.world import Ping, change, says

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from foundation_lab.telemetry.record import Record
    from foundation_lab.testing.steps import Step


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=42, name="messages")


def failure_of(expectation: AbstractContextManager[object]) -> str:
    with pytest.raises(AssertionError) as caught, expectation:
        pass
    return str(caught.value)


def test_a_message_tells_the_whole_story(sim: Simulation, request: pytest.FixtureRequest) -> None:
    def stuck(sim: Simulation) -> Generator[Any, Any, None]:
        yield sim.wait("a reply that nobody sends")

    sim.telemetry.emit(Ping("wanted"))
    sim.process(says(sim, (1.0, "other"), (1.0, "another")))
    sim.process(stuck(sim))
    where = f"{__file__}:{stuck.__code__.co_firstlineno + 1}"
    assert (
        failure_of(assert_event(sim, Ping, text="wanted", process=str))
        == f"""\
no kit.ping(text='wanted', process=str) in the block and 5 s after it
nothing is left to run at t=2, so it cannot happen any more
nearest of 2 with this name:
  #2 t=2 kit.ping
      text: wanted 'wanted', got 'another'
  #1 t=1 kit.ping
      text: wanted 'wanted', got 'other'
it happened before the block, once, last: #0 t=0 kit.ping(text='wanted', tags=()) by main
these wait:
  stuck waits for a reply that nobody sends ({where})
seed 42, 'messages' at t=2
again: pytest {request.node.nodeid}
last 3 of 3 events:
  #0 t=0 kit.ping(text='wanted', tags=()) by main
  #1 t=1 kit.ping(text='other', tags=()) by says
  #2 t=2 kit.ping(text='another', tags=()) by says"""
    )


def test_near_misses_are_ranked_by_the_number_of_fields_that_differ(sim: Simulation) -> None:
    sim.call_in(1.0, lambda: sim.telemetry.emit(change("half_open", "open")))
    sim.call_in(2.0, lambda: sim.telemetry.emit(change("closed", "half_open")))
    message = failure_of(assert_event(sim, change("x").event_name, to="half_open", from_="closed"))
    first, second = message.index("#0 t=1"), message.index("#1 t=2")
    assert first < second
    assert "      from: wanted 'closed', got 'open'\n" in message
    assert "      to: wanted 'half_open', got 'closed'\n" in message


def test_only_the_nearest_misses_are_shown(sim: Simulation) -> None:
    sim.process(says(sim, *((0.1, str(n)) for n in range(30))))
    message = failure_of(assert_event(sim, Ping, text="x"))
    assert "nearest of 30 with this name:\n  #29" in message
    assert message.count("wanted 'x'") == 3
    assert "last 10 of 30 events:\n  #20" in message


def test_a_failed_predicate_is_told_from_a_field_that_differs(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a")))
    message = failure_of(assert_event(sim, Ping, text="a", where=lambda record: record.time > 9))
    assert "no kit.ping(text='a', where=lambda record: record.time > 9) in the block" in message
    assert "      all fields as wanted, but its predicate did not hold then" in message


def test_a_lambda_is_shown_as_it_stands_in_the_file(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim.process(says(sim, (1.0, "é")))
    message = failure_of(assert_event(sim, Ping, text=lambda text, least=1: "é" in text[least:]))
    assert 'kit.ping(text=lambda text, least=1: "é" in text[least:]) in the block' in message
    assert """text: wanted lambda text, least=1: "é" in text[least:], got 'é'""" in message
    many = "sim.now in {1_000_001, 1_000_002, 1_000_003, 1_000_004, 1_000_005}"
    long = assert_condition(
        sim, lambda: sim.now in {1_000_001, 1_000_002, 1_000_003, 1_000_004, 1_000_005}
    )
    assert failure_of(long).startswith(f"waited 5 s for lambda: {many[:60]}…\n")
    monkeypatch.setitem(linecache.cache, "<string>", (16, None, ["another: program"], "<string>"))
    nowhere: Any = eval("lambda: False")
    assert failure_of(assert_condition(sim, nowhere)).startswith("waited 5 s for <lambda>\n")


def test_a_long_value_is_cut_short_unless_all_is_to_be_told(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "x" * 5000)))
    message = failure_of(assert_event(sim, Ping, text="y" * 5000))
    assert "… (5,002 characters)" in message
    assert len(message) < 2000
    with settings(verbose=True):
        sim.process(says(sim, (1.0, "x" * 5000)))
        assert "x" * 5000 in failure_of(assert_event(sim, Ping, text="y"))


def test_a_matcher_that_raises_on_what_is_past_does_not_hide_the_failure(sim: Simulation) -> None:
    sim.telemetry.emit("shop.told", {}, {"text": None})
    with pytest.raises(AssertionError, match=r"no shop\.told"):  # noqa: SIM117
        with assert_event(sim, "shop.told", text=lambda text: text.upper() == "A"):
            sim.telemetry.emit("shop.told", {}, {"text": "b"})


def test_without_an_event_of_the_name_the_others_are_counted(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    message = failure_of(assert_event(sim, "circuit_breaker.state_change", to="open"))
    assert "no event of this name in this time; there were kit.ping ×2" in message


def test_the_deadline_is_told_from_nothing_left_to_run(sim: Simulation) -> None:
    sim.process(says(sim, (9.0, "late")))
    message = failure_of(assert_event(sim, Ping, within=2.5))
    assert (
        "in the block and 2.5 s after it\nthe time was over at t=2.5, and the simulation is alive\n"
        in message
    )
    assert "no event happened in this time" in message
    assert "  says waits for a timeout of 9 s" in message
    assert message.endswith("no event happened at all")


def test_a_quiet_world_without_processes_is_described_too(sim: Simulation) -> None:
    message = failure_of(assert_event(sim, Ping))
    assert "nothing is left to run at t=0" in message
    assert "no process waits" in message


def test_a_crowd_that_waits_is_cut_short(sim: Simulation) -> None:
    for _ in range(13):
        sim.process(says(sim, (9.0, "late")))
    message = failure_of(assert_event(sim, Ping, within=1.0))
    assert message.count("says waits for") == 10
    assert "  ... and 3 more" in message


def test_a_refuted_event_is_shown_whole(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    message = failure_of(refute_event(sim, Ping, text="b"))
    assert message.startswith(
        "kit.ping(text='b') happened, although it must not, in the block and 5 s after it\n"
        "it was #1 t=2 kit.ping(text='b', tags=()) by says\n"
    )
    assert "seed 42, 'messages' at t=2" in message


def test_a_sequence_says_how_far_it_got(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "b"), (1.0, "a"), (1.0, "x")))
    steps: list[Step] = [(Ping, {"text": "a"}), (Ping, {"text": "b"}), Ping]
    message = failure_of(assert_sequence(sim, steps))
    assert message.startswith(
        "step 2 of 3, kit.ping(text='b'), came before step 1, not after it\n"
        "nothing is left to run at t=3, so it cannot happen any more\n"
        "it was #0 t=1 kit.ping(text='b', tags=()) by says\n"
        "so far:\n"
        "  1. #1 t=2 kit.ping(text='a', tags=()) by says\n"
        "  2. missing: kit.ping(text='b')\n"
        "  3. missing: kit.ping()\n"
        "nearest of 1 with this name:\n"
        "  #2 t=3 kit.ping\n"
        "      text: wanted 'b', got 'x'\n"
    )


def test_a_broken_strict_sequence_names_the_intruder(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a"), (1.0, "x")))
    steps = [(Ping, {"text": "a"}), (Ping, {"text": "b"})]
    message = failure_of(assert_sequence(sim, steps, order="strict"))
    assert message.startswith(
        "the order was broken at step 2 of 2, kit.ping(text='b')\n"
        "instead came #1 t=2 kit.ping(text='x', tags=()) by says\n"
        "so far:\n"
        "  1. #0 t=1 kit.ping(text='a', tags=()) by says\n"
        "  2. missing: kit.ping(text='b')\n"
    )


def test_an_event_that_is_a_step_already_is_no_other_name(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "once")))
    message = failure_of(assert_sequence(sim, [Ping, Ping], order="none"))
    assert "each event of this name was taken by another step" in message
    assert "did you mean" not in message


def test_what_came_before_the_last_step_is_not_said_not_to_have_happened(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a")))
    message = failure_of(assert_sequence(sim, [Ping, "circuit_breaker.state_change"]))
    assert "no event happened after #0" in message
    message = failure_of(assert_sequence(sim, [Ping, "shop.sold"], order="none", since=0))
    assert "no other event happened in this time" in message


def test_a_count_tells_of_each_event_once(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a")))
    message = failure_of(assert_count(sim, Ping, exactly=2))
    assert "these came:\n  #0 t=1 kit.ping(text='a', tags=()) by says\nno process waits" in message


def test_a_length_of_time_is_called_by_its_name(sim: Simulation) -> None:
    for name in ("gap", "total", "within"):
        with pytest.raises(ValueError, match=f"{name}=-1; give virtual seconds, 0 or more$"):
            assert_sequence(sim, [Ping], **{name: -1})  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"within=None; give virtual seconds, 0 or more, or math\.inf"
    ):
        assert_event(sim, Ping, within=None)  # type: ignore[arg-type]


def test_any_lists_what_came_near_to_each_choice(sim: Simulation) -> None:
    sim.process(says(sim, (1.0, "a")))
    choices: list[Step] = [(Ping, {"text": "b"}), ("circuit_breaker.state_change", {"to": "open"})]
    message = failure_of(assert_any(sim, choices))
    assert message.startswith(
        "none of kit.ping(text='b'), foundation.circuit_breaker.state_change(to='open') in"
    )
    assert "text: wanted 'b', got 'a'" in message
    assert "no event of this name in this time" in message


def test_records_of_the_past_are_those_that_handlers_were_given(sim: Simulation) -> None:
    given: list[Record] = []
    sim.telemetry.attach("all", "**", given.append)
    sim.telemetry.emit(Ping("a", ("x", "y")))
    sim.telemetry.emit("foundation.service.health_check", metadata={
        "service": "db", "kind": "backend", "status": "healthy", "metrics": {"waiting": 3.0},
    })  # fmt: skip
    sim.process(says(sim, (1.5, "b")))
    sim.run()
    sim.telemetry.emit("shop.order.placed", {"amount": 3.0}, {"customer": "ann"})
    sim.telemetry.emit("shop.order.packed", {"weight": 0.5}, {"items": ["tea"], "box": {"w": 1}})
    past = past_records(sim.recording, lambda _name: True)
    assert past == given
    assert [
        record.sequence
        for record in past_records(sim.recording, lambda _n: True, since=1, before=3)
    ] == [1, 2]
    assert [r.event for r in past_records(sim.recording, "kit.ping".__eq__, most=1)] == [Ping("b")]


def test_a_failure_in_a_simulation_that_keeps_no_events_says_so() -> None:
    sim = Simulation(seed=42, keep="aggregates")
    sim.telemetry.emit(Ping("other"))
    message = failure_of(assert_event(sim, Ping, text="wanted"))
    assert "keeps aggregates only, so what happened cannot be shown" in message
    assert "1 events so far" in message


def test_a_field_that_is_not_there_is_told_with_those_that_look_like_it(sim: Simulation) -> None:
    sim.call_in(1.0, lambda: sim.telemetry.emit("shop.order.placed", {"amount": 3.0}))
    message = failure_of(assert_event(sim, "shop.order.placed", amuont=3.0))
    assert "amuont: wanted 3.0, there is no such field; did you mean 'amount'?" in message


def test_a_name_of_ones_own_that_looks_like_another_is_asked_about(sim: Simulation) -> None:
    sim.call_in(1.0, lambda: sim.telemetry.emit("shop.order.placed", {"amount": 3.0}))
    message = failure_of(assert_event(sim, "shop.order.plaecd"))
    assert "there were shop.order.placed ×1; did you mean shop.order.placed?" in message


def test_in_full_a_message_tells_more(sim: Simulation) -> None:
    sim.process(says(sim, *((0.1, str(n)) for n in range(30))))
    with settings(verbose=True):
        message = failure_of(assert_event(sim, Ping, text="x"))
    assert message.count("wanted 'x'") == 20
    assert "last 30 of 30 events:" in message


def test_only_a_simulation_of_the_fixture_has_a_seed_to_be_given_again(
    request: pytest.FixtureRequest,
) -> None:
    test = request.node.nodeid
    assert f"again: pytest {test}\n" in failure_of(assert_event(Simulation(3), Ping))
    fixture = Simulation(3, name=test)
    assert f"again: pytest {test} --lab-replay=3\n" in failure_of(assert_event(fixture, Ping))


def test_without_pytest_there_is_no_command(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert "again:" not in failure_of(assert_event(sim, Ping))
