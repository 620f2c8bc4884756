from typing import Any

import pytest

from foundation_lab.recording.difference import first_difference
from foundation_lab.recording.recording import Recording
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events
from tests.recording.models import SEED, busy


def record(*rows: tuple[str, dict[str, Any]]) -> Recording:
    sim = Simulation(seed=SEED)
    for name, labels in rows:
        sim.telemetry.emit(name, metadata=labels)
    return sim.recording


def test_equal_recordings_have_no_difference() -> None:
    assert first_difference(busy(steps=4).recording, busy(steps=4, row_limit=7).recording) is None


def test_the_first_value_that_differs_is_named() -> None:
    left = record(("shop.a", {"x": "1"}), ("shop.b", {"x": "1"}), ("shop.a", {"x": "2"}))
    right = record(("shop.a", {"x": "1"}), ("shop.b", {"x": "8"}), ("shop.a", {"x": "9"}))
    found = first_difference(left, right)
    assert found is not None
    assert (found.sequence, found.fields) == (1, ("x",))
    assert found.left is not None
    assert found.left["event"] == "shop.b"
    assert str(found) == "event 1 (shop.b) at t=0 differs:\n  x: '1' != '8'"


def test_the_end_of_the_shorter_recording_is_a_difference() -> None:
    short, long = record(("shop.a", {})), record(("shop.a", {}), ("shop.b", {}))
    one, two = first_difference(short, long), first_difference(long, short)
    assert str(one) == "event 1 (shop.b) exists in the second recording only"
    assert str(two) == "event 1 (shop.b) exists in the first recording only"
    assert one is not None
    assert one.left is None


def test_events_of_different_names_differ_in_their_name() -> None:
    found = first_difference(record(("shop.a", {})), record(("shop.b", {})))
    assert found is not None
    assert found.fields == ("event",)


def test_a_column_that_only_one_recording_has_differs_where_it_has_a_value() -> None:
    left = record(("shop.a", {"x": 1}), ("shop.a", {"x": 2}))
    right = record(("shop.a", {"x": 1}), ("shop.a", {"x": 2, "extra": True}))
    for found in (first_difference(left, right), first_difference(right, left)):
        assert found is not None
        assert (found.sequence, found.fields) == (1, ("extra",))


@pytest.mark.parametrize("other", ["1", 1.0, True, ["1"]])
def test_values_of_different_types_differ(other: object) -> None:
    left, right = (
        record(("shop.a", {}), ("shop.a", {"x": 1})),
        record(("shop.a", {}), ("shop.a", {"x": other})),
    )
    found = first_difference(left, right)
    assert found is not None
    assert found.sequence == 1


def test_lists_and_nulls_are_compared() -> None:
    def started(*agents: str) -> Recording:
        sim = Simulation(seed=SEED)
        sim.telemetry.emit(events.circuit_breaker.CallStart("a", None))
        sim.telemetry.emit(events.coordination.Started("s", "vote", agents))
        return sim.recording

    found = first_difference(started("a", "b"), started("a", "c"))
    assert found is not None
    assert (found.sequence, found.fields) == (1, ("agents",))


def test_a_difference_in_time_comes_before_one_in_a_later_value() -> None:
    found = first_difference(busy(steps=4).recording, busy(seed=SEED + 1, steps=4).recording)
    assert found is not None
    assert found.sequence == 0
    assert "time" in found.fields
