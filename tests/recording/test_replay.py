from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from foundation_lab.errors import InvalidRecording, UnknownName
from foundation_lab.recording.recording import Recording
from foundation_lab.recording.replay import Player, records
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import (
    Count,
    Details,
    Event,
    Label,
    Labels,
    OptionalLabel,
    catalogue,
    events,
)
from tests.recording.models import SEED, busy

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.telemetry.record import Record

NAME = "replayshop.order.placed"


@pytest.fixture(autouse=True)
def _own_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_classes", dict(catalogue._classes))


def order(*fields: tuple[str, Any] | tuple[str, Any, Any]) -> Any:
    """Define the class of an order; a second definition takes the place of the first."""
    return msgspec.defstruct(
        "Order",
        fields,
        bases=(Event,),
        namespace={"event_name": NAME, "__doc__": "A customer's order was taken."},
        module=__name__,
        frozen=True,
    )


def saved(tmp_path: Path, *emitted: Any) -> Recording:
    sim = Simulation(SEED)
    for event in emitted:
        sim.telemetry.emit(event)
    return Recording.load(sim.recording.save(tmp_path / "run"))


# -- which ones ----------------------------------------------------------------------------------


def test_all_events_come_in_order_of_sequence() -> None:
    recording = busy().recording
    played = list(records(recording))
    assert [record.sequence for record in played] == list(range(len(recording)))
    assert [record.name for record in played] == recording.events["event"].to_list()


def test_records_are_taken_from_one_sequence_number_to_another() -> None:
    recording = busy().recording
    everything = list(records(recording))
    assert list(records(recording, since=390)) == everything[390:]
    assert list(records(recording, before=7)) == everything[:7]
    assert list(records(recording, since=100, before=200)) == everything[100:200]
    assert list(records(recording, since=200, before=100)) == []


def test_the_latest_of_each_name_are_taken_before_the_end_that_was_given() -> None:
    recording = busy().recording
    everything = list(records(recording, before=200))
    latest = list(records(recording, before=200, most=2))
    assert len(latest) == 2 * len(recording.counts)
    for name in recording.counts:
        of_name = [record for record in everything if record.name == name]
        assert [record for record in latest if record.name == name] == of_name[-2:]
    assert list(records(recording, most=0)) == []


def test_an_event_may_be_called_by_its_short_name() -> None:
    recording = busy().recording
    assert list(records(recording, ["retry.backoff"])) == list(
        records(recording, ["foundation.retry.backoff"])
    )
    assert {record.name for record in records(recording, ["retry.backoff"])} == {
        "foundation.retry.backoff"
    }
    assert list(records(recording, ["retry.exhausted"])) == []
    with pytest.raises(UnknownName, match=r"retry\.backoff"):
        records(recording, ["retry.backof"])


# -- events whose class has changed --------------------------------------------------------------


def test_a_field_that_was_added_with_a_default_has_it_in_an_older_recording(tmp_path: Path) -> None:
    recording = saved(tmp_path, order(("customer", Label))("ann"))
    today = order(("customer", Label), ("tags", Labels, ("none",)))
    assert [record.event for record in records(recording)] == [today("ann", ("none",))]


def test_a_field_that_todays_class_lacks_is_left_out(tmp_path: Path) -> None:
    before = order(("customer", Label), ("box", Details), ("amount", Count))
    recording = saved(tmp_path, before("ann", {"w": 1}, 3))
    today = order(("amount", Count))
    assert [record.event for record in records(recording)] == [today(3)]


@pytest.mark.parametrize("kind", [Label, OptionalLabel], ids=["label", "optional"])
def test_a_required_field_that_was_not_recorded_is_named_with_the_remedy(
    tmp_path: Path, kind: Any
) -> None:
    recording = saved(
        tmp_path, order(("customer", Label))("ann"), events.service.Started("db", "backend", "p")
    )
    order(("customer", Label), ("shop", kind), ("note", Label))
    with pytest.raises(InvalidRecording) as caught:
        next(records(recording))
    message = str(caught.value)
    for part in (
        repr(recording),
        f"{NAME} had the field 'shop', 'note'",
        "Order requires today",
        "give it a default there",
    ):
        assert part in message
    for package, version in recording.versions.items():
        assert f"{package} {version}" in message


def test_nothing_is_delivered_of_a_recording_that_cannot_be_played(tmp_path: Path) -> None:
    recording = saved(
        tmp_path, events.service.Started("db", "backend", "p"), order(("customer", Label))("ann")
    )
    order(("shop", Label))
    player, heard = Player(recording), list[Any]()
    player.telemetry.attach("all", "**", heard.append)
    with pytest.raises(InvalidRecording, match="'shop'"):
        player.play()
    assert heard == []


def test_an_unplayable_event_does_not_keep_others_from_being_played(tmp_path: Path) -> None:
    started = events.service.Started("db", "backend", "p")
    recording = saved(tmp_path, started, order(("customer", Label))("ann"))
    order(("shop", Label))
    played = list(records(recording, ["foundation.service.started"]))
    assert [record.event for record in played] == [started]
    assert next(records(recording, before=1)).event == started


def test_events_from_before_their_name_had_a_class_are_played_as_of_that_class() -> None:
    sim = Simulation(SEED)
    sim.telemetry.emit(NAME, {"amount": 2}, {"tags": ["a", "b"], "box": {"w": [1]}})
    today = order(("amount", Count), ("tags", Labels), ("box", Details))
    assert [record.event for record in records(sim.recording)] == [today(2, ("a", "b"), {"w": [1]})]


def test_an_event_without_a_class_keeps_measurements_and_labels_apart() -> None:
    sim = Simulation(SEED)
    heard: list[Record] = []
    sim.telemetry.attach("all", "shop", heard.append)
    labels = {"items": ["tea", "jam"], "box": {"w": 1}, "vip": True}
    sim.telemetry.emit("shop.order.placed", {"amount": 3.0}, labels)
    assert list(islice(records(sim.recording), 2)) == heard
