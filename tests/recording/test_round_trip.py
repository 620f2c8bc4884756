import tempfile
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation_lab.recording.recording import Recording
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import (
    Count,
    Details,
    Event,
    Flag,
    Label,
    Labels,
    OptionalLabel,
    Seconds,
)

SEED = 22
TEXT = st.text(max_size=8)
NUMBER = st.floats(allow_nan=False)
INTEGER = st.integers(-(2**62), 2**62)


class Everything(Event, frozen=True):
    """Has a field of every kind."""

    event_name: ClassVar[str] = "testshop.everything"

    service_id: Label
    other: OptionalLabel
    number: Seconds
    count: Count
    flag: Flag
    labels: Labels
    details: Details


EVENTS = st.builds(
    Everything,
    TEXT,
    st.none() | TEXT,
    NUMBER,
    INTEGER,
    st.booleans(),
    st.lists(TEXT, max_size=3).map(tuple),
    st.dictionaries(TEXT, INTEGER | TEXT, max_size=2),
)
LABELS = {"s": TEXT, "b": st.booleans(), "i": INTEGER, "l": st.lists(TEXT)}
LOOSE = st.tuples(
    st.dictionaries(st.sampled_from(["m", "n"]), NUMBER, max_size=2),
    st.fixed_dictionaries({}, optional=LABELS),
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(EVENTS | LOOSE, max_size=12), st.none() | st.integers(3, 9))
def test_what_was_emitted_comes_back_from_memory_and_from_disk(
    happened: list[Any], row_limit: int | None
) -> None:
    sim = Simulation(seed=SEED, row_limit=row_limit)
    for event in happened:
        if isinstance(event, Everything):
            sim.telemetry.emit(event)
        else:
            sim.telemetry.emit("testshop.loose", *event)
    recording = sim.recording
    with tempfile.TemporaryDirectory() as folder:
        loaded = Recording.load(recording.save(Path(folder) / "run"))
        loaded.verify()
        for source in (recording, loaded):
            _check(source, happened)


def _check(recording: Recording, happened: list[Any]) -> None:
    typed = [event for event in happened if isinstance(event, Everything)]
    loose = [event for event in happened if not isinstance(event, Everything)]
    assert len(recording) == len(happened)
    frame = recording.frame(Everything)
    for field in ("service_id", "other", "number", "count", "flag"):
        assert frame[field].to_list() == [getattr(event, field) for event in typed]
    assert frame["labels"].to_list() == [list(event.labels) for event in typed]
    if not loose:
        return
    rows: pl.DataFrame = recording.frame("testshop.loose")
    for name in ("m", "n"):
        expected = [measurements.get(name) for measurements, _ in loose]
        assert rows.get_column(name, default=pl.Series([None] * len(loose))).to_list() == expected
    for name in ("s", "b", "i"):
        expected = [labels.get(name) for _, labels in loose]
        assert rows.get_column(name, default=pl.Series([None] * len(loose))).to_list() == expected
