import gc
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest

from foundation_lab.recording.columns import ColumnTypeError, canonical_json, kind_of
from foundation_lab.recording.recorder import Recorder
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import Count, Event, Label, Measurement, events
from tests.recording.models import SEED, busy


def named(value: object) -> str:
    """Return a name for a parameter: the same in each program, so without an address."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def test_a_value_of_the_wrong_type_is_named_and_nothing_else_is_lost() -> None:
    sim = Simulation(seed=SEED)
    emit = sim.telemetry.emit
    emit(events.retry.Backoff("a", 1, 0.5, "constant"))
    emit(events.retry.Backoff("b", 2, "soon", "constant"))  # type: ignore[arg-type]
    emit(events.retry.Backoff("c", 3, 1.5, "constant"))
    with pytest.raises(
        ColumnTypeError,
        match=r"'delay' of foundation\.retry\.backoff holds float .*'soon' \(event 1",
    ):
        _ = sim.recording
    emit(events.retry.Backoff("d", 4, 2.5, "constant"))
    frame = sim.recording.frame(events.retry.Backoff)
    assert frame["service_id"].to_list() == ["a", "b", "c", "d"]
    assert frame["delay"].to_list() == [0.5, None, 1.5, 2.5]
    assert len(sim.recording) == sim.recording.events.height == 4


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (events.retry.AttemptStart("a", 1.5, 3), "attempt"),  # type: ignore[arg-type]
        (events.retry.AttemptStart("a", 2**63, 3), "attempt"),
        (events.retry.AttemptStart(5, 1, 3), "service_id"),  # type: ignore[arg-type]
        (events.retry.AttemptStart(None, 1, 3), "service_id"),  # type: ignore[arg-type]
        (events.retry.AttemptStart("\ud800", 1, 3), "service_id"),
        (events.circuit_breaker.HealthCheck("a", 2), "healthy"),  # type: ignore[arg-type]
        (events.circuit_breaker.HealthCheck("a", "yes"), "healthy"),  # type: ignore[arg-type]
        (events.coordination.Started("s", "vote", "abc"), "agents"),  # type: ignore[arg-type]
        (events.coordination.Started("s", "vote", ("a", 1)), "agents"),  # type: ignore[arg-type]
        (events.service.HealthCheck("a", "k", "ok", {"it": object()}), "metrics"),
        (events.service.HealthCheck("a", "k", "ok", {1: 1, "a": 2}), "metrics"),  # type: ignore[dict-item]
    ],
    ids=named,
)
def test_each_kind_of_column_refuses_what_it_cannot_hold(event: Any, field: str) -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit(event)
    with pytest.raises(ColumnTypeError, match=f"'{field}'"):
        _ = sim.recording
    assert sim.recording.frame(event.event_name)[field].to_list() == [None]


def test_a_class_defined_anew_with_other_fields_while_a_run_goes_on_is_reported() -> None:
    sim = Simulation(seed=SEED)

    make_class: Any = type(Event)

    def define(field: str) -> Any:
        body = {
            "__annotations__": {field: Count},
            "__module__": __name__,
            "__qualname__": "Redefined",
            "event_name": "testshop.redefined",
        }
        return make_class("Redefined", (Event,), body)

    sim.telemetry.emit(define("old")(1))
    sim.telemetry.emit(define("new")(2))
    with pytest.raises(ColumnTypeError, match=r"'old' of testshop.redefined .* not None"):
        _ = sim.recording
    assert sim.recording.events.height == 2


def test_a_loose_field_keeps_the_type_of_its_first_value() -> None:
    for row_limit in (None, 1):
        sim = Simulation(seed=SEED, row_limit=row_limit)
        sim.telemetry.emit("shop.order.placed", metadata={"size": 3})
        sim.telemetry.emit("shop.order.placed", metadata={"size": None})
        with pytest.raises(ColumnTypeError, match=r"'size' of shop.order.placed holds int values"):
            emit_and_read(sim, size="large")
        frame = sim.recording.frame("shop.order.placed")
        assert frame["size"].to_list() == [3, None, None]


def emit_and_read(sim: Simulation, **labels: str) -> None:
    """Emit an event and take the recording: when fields are packed is the recorder's affair."""
    sim.telemetry.emit("shop.order.placed", metadata=labels)
    _ = sim.recording


def test_sets_are_recorded_in_an_order_of_their_own() -> None:
    assert canonical_json({"tags": {"b", "a", "c"}, "n": frozenset({2, 1})}) == (
        '{"n":[1,2],"tags":["a","b","c"]}'
    )


@pytest.mark.parametrize(
    "annotation", [list[str], tuple[int, ...], tuple[str, str], object], ids=str
)
def test_no_column_holds_other_types(annotation: Any) -> None:
    with pytest.raises(TypeError, match="no column holds values of type"):
        kind_of(annotation)


@pytest.mark.parametrize("row_limit", [0, -5])
def test_a_row_limit_is_1_or_more(row_limit: int) -> None:
    with pytest.raises(ValueError, match=f"row_limit={row_limit}; give the number of rows"):
        Recorder(row_limit=row_limit)


def test_rows_count_what_is_in_memory_and_on_disk() -> None:
    sim = busy(steps=10, row_limit=16)
    recorder = sim.recorder
    assert recorder.rows == sim.telemetry.sequence == len(sim.recording) == 100
    assert len(recorder.parts) == 100 // 16
    assert recorder.first == 96


def test_the_rows_in_memory_stay_below_the_limit() -> None:
    sim = Simulation(seed=SEED, row_limit=10)
    most = 0
    for step in range(100):
        sim.telemetry.emit(events.retry.Backoff("a", step, 0.5, "constant"))
        most = max(most, sim.recorder.rows - sim.recorder.first)
    assert most == 9  # the tenth makes a part of them


def test_spilled_rows_are_removed_when_the_simulation_and_its_recordings_are_gone(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.txt").touch()
    sim = busy(row_limit=50, spill_folder=tmp_path)
    recording = sim.recording
    del sim
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 2
    assert recording.events.height == 400
    del recording
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_two_simulations_can_spill_into_one_folder(tmp_path: Path) -> None:
    first = busy(row_limit=50, spill_folder=tmp_path)
    second = busy(row_limit=50, spill_folder=tmp_path)
    assert first.recording.digest == second.recording.digest


def test_an_event_takes_little_memory() -> None:
    sim = Simulation(seed=SEED)
    for step in range(1000):
        sim.telemetry.emit(events.retry.Backoff("a", step, 0.5, "constant"))
    sim.recorder.flush()
    spine, fields, origin = 8 + 4 + 4 + 2, 4 + 8 + 8 + 4, 12
    assert sim.recorder.bytes == 1000 * (spine + fields) + origin


def define_opened() -> Any:
    """Define the class in the middle of a test, as a cell of a notebook would."""

    class Opened(Event, frozen=True):
        """A jar was opened."""

        event_name: ClassVar[str] = "shop.jar.opened"

        jam: Label
        grams: Annotated[float, Measurement("g")]

    return Opened


def test_a_name_that_is_given_a_class_later_keeps_one_table() -> None:
    sim = Simulation(seed=1)
    sim.telemetry.emit("shop.jar.opened", {"grams": 10.0}, {"jam": "plum"})

    sim.telemetry.emit(define_opened()("cherry", 20.0))
    frame = sim.recording.frame("shop.jar.opened")
    assert frame.select("jam", "grams").rows() == [("plum", 10.0), ("cherry", 20.0)]
