"""What cannot be recorded as it is: it is told when somebody reads, and disturbs nothing else."""

import math
from typing import Any, ClassVar

import pytest

from foundation_lab.recording.columns import ColumnTypeError
from foundation_lab.services import ConnectionManager
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import Details, Event, Label, Seconds
from foundation_lab.telemetry.context import Context

SEED = 14
LIMITS = [None, 1, 2, 3]


class Opened(Event, frozen=True):
    """A shop was opened."""

    event_name: ClassVar[str] = "testshop.opened"


class Sized(Event, frozen=True):
    """Something was measured."""

    event_name: ClassVar[str] = "testshop.sized"

    size: Seconds


class Described(Event, frozen=True):
    """Something was described."""

    event_name: ClassVar[str] = "testshop.described"

    what: Details


class Keyed(Event, frozen=True, kw_only=True):
    """Something was told by keyword."""

    event_name: ClassVar[str] = "testshop.keyed"

    who: Label


@pytest.mark.parametrize("row_limit", LIMITS)
def test_a_mapping_is_recorded_as_it_was_when_the_event_was_emitted(row_limit: int | None) -> None:
    sim = Simulation(SEED, row_limit=row_limit)
    describes = sim.telemetry.emitting(Described)
    what: dict[str, Any] = {"n": 0}
    queue: list[str] = []
    for number in range(4):
        what["n"] = number
        queue.append(str(number))
        if number % 2:
            sim.telemetry.emit(Described(what))
        else:
            describes(what)
        sim.telemetry.emit("testshop.queued", metadata={"queue": queue})
    recording = sim.recording
    assert recording.frame(Described)["what"].to_list() == [f'{{"n":{n}}}' for n in range(4)]
    assert recording.frame("testshop.queued")["queue"].to_list() == [
        '["0"]',
        '["0","1"]',
        '["0","1","2"]',
        '["0","1","2","3"]',
    ]


@pytest.mark.parametrize("row_limit", LIMITS)
def test_an_event_without_fields_is_recorded(row_limit: int | None) -> None:
    sim = Simulation(SEED, row_limit=row_limit)
    opens = sim.telemetry.emitting(Opened)
    for _ in range(3):
        sim.telemetry.emit(Opened())
        opens()
    assert sim.recording.frame(Opened)["sequence"].to_list() == list(range(6))


@pytest.mark.parametrize("row_limit", LIMITS)
def test_a_misfit_makes_no_null_of_another_value(row_limit: int | None) -> None:
    sim = Simulation(SEED, row_limit=row_limit)
    sizes = [1.0, math.nan, 2.0, "bad", 3.0, math.nan]
    for size in sizes:
        sim.telemetry.emit(Sized(size))  # type: ignore[arg-type]
    with pytest.raises(ColumnTypeError, match=r"not 'bad' \(event 3, recorded without it\)"):
        _ = sim.recording
    frame = sim.recording.frame(Sized)
    assert frame["size"].is_null().to_list() == [False, False, False, True, False, False]
    assert frame["size"].is_nan().to_list() == [False, True, False, None, False, True]
    assert sim.recording.digest == world_of(sizes, row_limit=2).recording.digest


def world_of(sizes: list[Any], *, row_limit: int) -> Simulation:
    sim = Simulation(SEED, row_limit=row_limit)
    for size in sizes:
        sim.telemetry.emit(Sized(size))
    with pytest.raises(ColumnTypeError):
        _ = sim.recording
    return sim


@pytest.mark.parametrize("row_limit", [None, *range(1, 12)])
def test_a_misfit_of_one_process_does_not_disturb_another(row_limit: int | None) -> None:
    sim = Simulation(SEED, row_limit=row_limit)
    pool = ConnectionManager(sim, "pool", size=1)

    def customer() -> Any:
        yield from pool.call(lambda: sim.timeout(1))

    def careless() -> Any:
        sim.telemetry.emit(Sized("bad"))  # type: ignore[arg-type]
        yield 0.0

    sim.process(careless())
    for _ in range(3):
        sim.process(customer())
    sim.run()
    assert (sim.now, pool.active, pool.idle) == (3, 0, 1)
    with pytest.raises(ColumnTypeError):
        _ = sim.recording


def test_many_misfits_late_in_a_run_are_one_error_that_says_how_many() -> None:
    sim = Simulation(SEED)
    sizes = sim.telemetry.emitting(Sized)
    for number in range(20_000):
        sizes(1.0 if number < 19_900 else "bad")  # type: ignore[arg-type]
    with pytest.raises(ColumnTypeError, match=r"\(event 19900, .*\(and \d+ more in its batch\)"):
        _ = sim.recording
    assert sim.recording.frame(Sized)["size"].null_count() == 100


@pytest.mark.parametrize("context", [Context("lab", 7), Context(7, "x")])  # type: ignore[arg-type]
def test_a_context_that_is_no_text_is_known_by_its_repr_and_shifts_nobody_else(
    context: Context,
) -> None:
    sim = Simulation(SEED)

    def worker(number: int) -> Any:
        sim.telemetry.emit(Opened())
        yield 1.0
        sim.telemetry.emit(Opened())

    for number in range(3):
        process = sim.process(worker(number), name=f"worker {number}")
        if number == 1:
            process.context = context
    sim.run()
    frame = sim.recording.frame(Opened)
    assert frame["process"].to_list() == 2 * ["worker 0", "worker 1", "worker 2"]
    assert "7" in {*frame["node"], *frame["correlation_id"]}


def test_a_name_with_half_a_character_is_known_by_its_repr() -> None:
    sim = Simulation(SEED)

    def worker() -> Any:
        sim.telemetry.emit(Opened())
        yield 0.0

    sim.process(worker(), name="\ud800")
    sim.run()
    assert sim.recording.frame(Opened)["process"].to_list() == [r"'\ud800'"]


def test_fields_of_a_class_that_was_defined_anew_go_where_they_belong() -> None:
    sim = Simulation(SEED)

    def define(*fields: str) -> Any:
        body = {
            "__annotations__": dict.fromkeys(fields, Label),
            "__module__": __name__,
            "__qualname__": "Turned",
            "event_name": "testshop.turned",
        }
        make_class: Any = type(Event)
        return make_class("Turned", (Event,), body)

    old = define("one", "two")
    sim.telemetry.emitting(old)("1", "2")
    new = define("two", "one")
    sim.telemetry.emitting(new)("2", "1")
    sim.telemetry.emit(new("2", "1"))
    frame = sim.recording.frame("testshop.turned")
    assert frame.select("one", "two").rows() == [("1", "2")] * 3


def test_a_loose_name_that_is_given_a_class_later_takes_its_fields_too() -> None:
    sim = Simulation(SEED)
    sim.telemetry.emit("testshop.sized.later", {"size": 1.0})

    class Later(Event, frozen=True):
        """Something was measured later."""

        event_name: ClassVar[str] = "testshop.sized.later"

        size: Seconds

    sim.telemetry.emitting(Later)(2.0)
    assert sim.recording.frame("testshop.sized.later")["size"].to_list() == [1.0, 2.0]


def test_a_class_of_keywords_is_emitted_as_an_object_and_refused_by_its_fields() -> None:
    sim = Simulation(SEED)
    with pytest.raises(TypeError, match="Keyed takes its fields by keyword"):
        sim.telemetry.emitting(Keyed)
    sim.telemetry.emit(Keyed(who="a"))
    sim.telemetry.attach("h", Keyed, lambda record: None)
    sim.telemetry.emit(Keyed(who="b"))
    assert sim.recording.frame(Keyed)["who"].to_list() == ["a", "b"]


def test_a_row_limit_above_a_batch_is_a_limit() -> None:
    sim = Simulation(SEED, row_limit=1500)
    sizes = sim.telemetry.emitting(Sized)
    most = 0
    for _ in range(5000):
        sizes(1.0)
        most = max(most, sim.recorder.rows - sim.recorder.first)
    assert most == 1499
