from __future__ import annotations

from typing import Any

import pytest

from foundation_lab.simulation.engine import Simulation
from foundation_lab.testing import assert_count, capture_events, mark
from tests.testing.world import Ping, change, says


@pytest.fixture
def sim() -> Simulation:
    return Simulation(seed=13)


# -- assert_count --------------------------------------------------------------------------------


def test_exactly_so_many_are_counted_to_the_end_of_the_window(sim: Simulation) -> None:
    with assert_count(sim, Ping, exactly=2, within=3.0) as heard:
        sim.process(says(sim, (1.0, "a"), (2.0, "b"), (0.1, "c")))
    assert (len(heard), sim.now, heard.events) == (2, 3.0, [Ping("a"), Ping("b")])


def test_the_first_one_too_many_ends_it(sim: Simulation) -> None:
    with (
        pytest.raises(AssertionError, match=r"came 2 times, exactly 1 was expected") as caught,
        assert_count(sim, Ping, exactly=1),
    ):
        sim.process(says(sim, (1.0, "a"), (1.0, "b"), (1.0, "c")))
    assert sim.now == 2.0
    assert "these came:\n  #0 t=1 kit.ping(text='a'" in str(caught.value)


def test_too_few_are_told_when_the_time_is_over(sim: Simulation) -> None:
    with pytest.raises(AssertionError) as caught, assert_count(sim, Ping, at_least=2, text="a"):
        sim.process(says(sim, (1.0, "a"), (1.0, "b"), (9.0, "a")))
    message = str(caught.value)
    assert message.startswith(
        "kit.ping(text='a') came once, at least 2 were expected in the block and 5 s after it\n"
        "the time was over at t=5, and the simulation is alive\n"
    )
    assert "text: wanted 'a', got 'b'" in message


def test_enough_end_the_wait_when_there_is_no_upper_limit(sim: Simulation) -> None:
    with assert_count(sim, Ping, at_least=2) as heard:
        sim.process(says(sim, (1.0, "a"), (1.0, "b"), (1.0, "c")))
    assert (heard.time, sim.now) == (2.0, 2.0)


def test_a_range_and_none_at_all_can_be_counted(sim: Simulation) -> None:
    with assert_count(sim, Ping, at_least=1, at_most=3):
        sim.process(says(sim, (1.0, "a"), (1.0, "b")))
    with assert_count(sim, Ping, exactly=0) as none:
        pass
    assert not none.records
    assert none  # it is an expectation, however many came
    with pytest.raises(AssertionError, match="came 0 times, 1 to 3 were"):  # noqa: SIM117
        with assert_count(sim, Ping, at_least=1, at_most=3):
            pass
    with pytest.raises(AssertionError, match="came once, exactly 0 were"):  # noqa: SIM117
        with assert_count(sim, Ping, at_most=0):
            sim.telemetry.emit(Ping("a"))


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"at_least": 0},
        {"at_least": 3, "at_most": 2},
        {"exactly": 1, "at_least": 1},
        {"exactly": -1},
        {"at_least": -2, "at_most": 3},
    ],
    ids=str,
)
def test_numbers_that_say_nothing_are_refused(sim: Simulation, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="says nothing that could be checked"):
        assert_count(sim, Ping, **numbers)  # type: ignore[arg-type]


def test_a_count_that_is_stopped_before_its_time_is_not_enough(sim: Simulation) -> None:
    sim.process(says(sim, (9.0, "a")))
    sim.call_in(1.0, sim.stop)
    with pytest.raises(AssertionError, match="its time is not over: more may come"):  # noqa: SIM117
        with assert_count(sim, Ping, at_most=1):
            pass


def test_a_count_from_a_mark_takes_in_what_came_before(sim: Simulation) -> None:
    sim.telemetry.emit(Ping("not this"))
    here = mark(sim)
    sim.telemetry.emit(Ping("a"))
    with assert_count(sim, Ping, exactly=2, since=here):
        sim.telemetry.emit(Ping("b"))


# -- capture_events ------------------------------------------------------------------------------


def test_captured_events_are_popped_in_order_or_by_what_they_are(sim: Simulation) -> None:
    with capture_events(sim, "kit", "circuit_breaker") as kept:
        for text in "abc":
            sim.telemetry.emit(Ping(text))
        sim.telemetry.emit(change("open"))
    assert kept.pop().event == Ping("a")
    assert kept.pop(Ping, text="c").event == Ping("c")
    assert kept.pop("circuit_breaker.state_change", {"to": "open"})["from"] == "closed"
    assert [record["text"] for record in kept] == ["b"]


def test_popping_what_is_not_there_shows_what_is(sim: Simulation) -> None:
    with capture_events(sim, Ping) as kept:
        sim.telemetry.emit(Ping("a"))
    with pytest.raises(AssertionError) as caught:
        kept.pop(Ping, text="b")
    assert str(caught.value).startswith(
        "capture_events(kit.ping) holds no kit.ping(text='b')\n"
        "it holds 1:\n"
        "  #0 t=0 kit.ping(text='a', tags=()) by main\n"
    )
    kept.clear()
    with pytest.raises(AssertionError, match="it holds nothing"):
        kept.pop()


def test_what_is_not_consumed_fails_the_block(sim: Simulation) -> None:
    with (  # noqa: PT012  (the block is what raises)
        pytest.raises(
            AssertionError, match=r"captured events that were never looked at: 1\n  #1 t=0"
        ),
        capture_events(sim, Ping, consume=True) as kept,
    ):
        sim.telemetry.emit(Ping("a"))
        sim.telemetry.emit(Ping("b"))
        kept.pop(text="a")
    assert str(kept) == "capture_events(kit.ping, consume=True)"


def test_all_consumed_is_well_and_so_is_all_cleared(sim: Simulation) -> None:
    with capture_events(sim, Ping, consume=True) as kept:
        sim.telemetry.emit(Ping("a"))
        kept.pop()
    with capture_events(sim, Ping, consume=True) as kept:
        sim.telemetry.emit(Ping("a"))
        kept.clear()


def test_an_exception_of_the_block_is_not_hidden_by_what_is_left(sim: Simulation) -> None:
    with pytest.raises(KeyError), capture_events(sim, Ping, consume=True):  # noqa: PT012
        sim.telemetry.emit(Ping("a"))
        raise KeyError


def test_consuming_with_telemetry_disabled_fails_for_nothing_was_seen(sim: Simulation) -> None:
    with (
        pytest.raises(AssertionError, match="has not seen all at t=0: telemetry was disabled"),
        capture_events(sim, Ping, consume=True),
    ):
        sim.telemetry.disable()


def test_a_capture_from_a_mark_begins_before_its_block(sim: Simulation) -> None:
    sim.telemetry.emit(Ping("a"))
    with capture_events(sim, Ping, since=0) as kept:
        sim.telemetry.emit(Ping("b"))
    events: Any = kept.events
    assert events == [Ping("a"), Ping("b")]
