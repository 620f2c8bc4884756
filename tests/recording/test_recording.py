import re
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pytest

from foundation_lab.errors import UnknownName
from foundation_lab.recording.recording import Recording
from foundation_lab.recording.schema import SPINE, Facts
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import catalogue, events
from tests.recording.models import SEED, busy


def test_events_have_one_row_each_in_order_of_sequence() -> None:
    sim = busy()
    frame = sim.recording.events
    assert dict(frame.schema) == SPINE
    assert frame["sequence"].to_list() == list(range(400))
    assert frame["time"].is_sorted()
    assert set(frame["process"]) == {"worker-a", "worker-b"}
    assert set(frame["node"]) == {"node-a", "node-b"}
    assert frame["correlation_id"].n_unique() == 2


def test_service_and_duration_come_from_the_event_s_own_fields() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit(events.retry.AttemptSuccess("payments", 1, 0.25))
    sim.telemetry.emit(events.service.Started("db", "backend", "backend:db:0"))
    sim.telemetry.emit("shop.order.placed", {"duration": 2.0}, {"service": "loose"})
    frame = sim.recording.events
    assert frame["service"].to_list() == ["payments", "db", None]
    assert frame["duration"].to_list() == [0.25, None, 2.0]


def test_a_typed_frame_has_the_stamps_and_typed_fields() -> None:
    recording = busy().recording
    backoff = recording.frame(events.retry.Backoff)
    assert dict(backoff.schema) == {
        "sequence": pl.Int64(),
        "time": pl.Float64(),
        "node": pl.String(),
        "process": pl.String(),
        "correlation_id": pl.String(),
        "cause": pl.Int64(),
        "service_id": pl.String(),
        "attempt": pl.Int64(),
        "delay": pl.Float64(),
        "strategy": pl.String(),
    }
    assert backoff.height == 80
    started = recording.frame(events.coordination.Started)
    assert started.schema["agents"] == pl.List(pl.String())
    assert started["agents"].to_list()[:8:2] == [
        [],
        ["agent-0"],
        *started["agents"][4:8:2].to_list(),
    ]
    timeouts = recording.frame(events.circuit_breaker.CallStart)["timeout"]
    assert timeouts.null_count() == 2 * 26
    metrics = recording.frame(events.service.HealthCheck)["metrics"]
    assert metrics[0] == '{"step":0}'


def test_columns_of_ad_hoc_events_that_appear_late_are_null_before() -> None:
    sim = Simulation(seed=SEED)
    labels: list[dict[str, Any]] = [{}, {"flag": True}, {"n": 3, "tags": ["a"]}, {"flag": False}]
    for label in labels:
        sim.telemetry.emit("shop.order.placed", metadata=label)
    frame = sim.recording.frame("shop.order.placed")
    assert frame["flag"].to_list() == [None, True, None, False]
    assert frame["n"].to_list() == [None, None, 3, None]
    assert frame["tags"].to_list() == [None, None, '["a"]', None]


@pytest.mark.parametrize("name", list(catalogue)[::7])
def test_the_frame_of_an_event_that_did_not_happen_is_empty_and_typed(name: str) -> None:
    empty = Simulation(seed=SEED).recording.frame(name)
    assert empty.height == 0
    assert empty.columns[:6] == ["sequence", "time", "node", "process", "correlation_id", "cause"]
    assert pl.Null() not in empty.dtypes


def test_an_empty_frame_has_the_schema_of_a_full_one() -> None:
    full, empty = busy().recording, Simulation(seed=SEED).recording
    for cls in (events.retry.Backoff, events.coordination.Started, events.service.HealthCheck):
        assert full.frame(cls).schema == empty.frame(cls).schema
    assert full.events.schema == empty.events.schema


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    recording = busy().recording
    with pytest.raises(UnknownName, match=r"did you mean 'foundation\.retry\.backoff'"):
        recording.frame("retry.bakoff")
    with pytest.raises(UnknownName, match=r"did you mean 'shop\.order\.placed'"):
        recording.frame("shop.order.place")


def test_a_name_that_happened_can_be_read_though_no_class_has_it() -> None:
    recorder = busy().recorder
    recorder.flush()
    recorder.tables["shop.order.placed"].name = "foundation.retry.bakoff"
    recorder.tables["foundation.retry.bakoff"] = recorder.tables["shop.order.placed"]
    recorder.tables = {table.name: table for table in recorder.tables.values()}
    recording = Recording.of(recorder, Facts())
    assert recording.frame("foundation.retry.bakoff").height == 80
    assert recording.wide("retry.**").height == 160


def test_wide_joins_the_frames_of_several_events() -> None:
    recording = busy().recording
    wide = recording.wide(events.retry.Backoff, "shop")
    assert wide["sequence"].is_sorted()
    assert dict(wide["event"].value_counts().rows()) == {
        "foundation.retry.backoff": 80,
        "shop.order.placed": 80,
    }
    assert wide.filter(pl.col("event") == "shop.order.placed")["delay"].null_count() == 80
    assert recording.wide().height == 400
    assert Simulation(seed=SEED).recording.wide("shop").columns[0] == "event"


def test_to_pandas_gives_the_same_table() -> None:
    recording = busy().recording
    frame = recording.to_pandas(events.retry.Backoff)
    assert isinstance(frame, pd.DataFrame)
    assert frame["delay"].tolist() == recording.frame(events.retry.Backoff)["delay"].to_list()
    assert len(recording.to_pandas()) == 400


def test_a_recording_does_not_change_with_later_events() -> None:
    sim = Simulation(seed=SEED)
    sim.telemetry.emit("shop.order.placed", metadata={"n": 1})
    before = sim.recording
    sim.telemetry.emit("shop.order.placed", metadata={"n": 2})
    sim.telemetry.emit("shop.order.sent")
    assert len(before) == before.events.height == before.frame("shop.order.placed").height == 1
    assert len(sim.recording) == 3


def test_the_recording_is_made_once_while_nothing_happens() -> None:
    sim = busy()
    assert sim.recording is sim.recording
    before = sim.recording
    sim.run(until=sim.now + 1)
    assert sim.recording is not before


def test_the_status_is_up_to_date_though_no_event_happened() -> None:
    sim = Simulation(seed=SEED)
    assert sim.recording.facts.status == "complete"
    sim.timeout(1).callbacks.append(lambda _event: sim.stop())
    sim.run()
    before = sim.recording.facts
    assert (before.status, before.until) == ("interrupted", 1.0)
    sim.run()
    assert sim.recording.facts.status == "complete"


def test_facts_tell_name_seed_start_and_end() -> None:
    sim = Simulation(5, name="lunch", start=datetime(2026, 1, 7, 12, tzinfo=UTC))
    sim.run(until=60)
    assert sim.recording.facts == Facts("lunch", 5, "2026-01-07T12:00:00+00:00", 60.0)


def test_units_are_known_of_typed_and_loose_measurements() -> None:
    tables = busy().recording.tables
    assert tables["foundation.retry.backoff"].units == {"attempt": "1", "delay": "s"}
    assert tables["shop.order.placed"].units == {"amount": "1"}


def test_the_representation_is_one_line_and_its_html_is_escaped() -> None:
    sim = Simulation(seed=SEED, name="<script>alert(1)</script>")
    sim.telemetry.emit("shop.order.placed")
    sim.run(until=60)
    assert re.fullmatch(
        r"<Recording '<script>.*' seed=21: 1 events in 60 virtual seconds, complete>",
        repr(sim.recording),
    )
    for page in (sim.recording._repr_html_(), sim._repr_html_()):
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
    assert "<code>shop.order.placed</code></td><td>1</td>" in sim.recording._repr_html_()
    assert repr(sim) == "<Simulation '<script>alert(1)</script>' seed=21 t=60 s, 1 events>"
