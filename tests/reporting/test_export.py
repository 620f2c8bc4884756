"""Recordings as files for other programs. Seed 7."""

import csv
import json
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from foundation_lab.errors import MissingExtra
from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import FORMATS, export, summarise
from foundation_lab.reporting.export import Format
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import events as e
from tests.reporting.worlds import play

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")


@pytest.fixture
def recording() -> Recording:
    return play(
        [
            (1.0, e.backend.Rejected("=cmd|' /C calc'!A0", "QueueFull", 3)),
            (2.0, e.backend.Rejected("bank", "-1", 4)),
            (3.0, e.coordination.Started("s1", "auction", ("=a", "b,c"))),
            (4.0, e.fault.Injected("bank", "f1", "outage", {"share": 0.5})),
        ],
        until=10.0,
    )


@pytest.mark.parametrize(
    ("format_", "suffix"), [("parquet", "parquet"), ("csv", "csv"), ("json", "ndjson")]
)
def test_there_is_a_file_for_all_events_and_one_for_each(
    recording: Recording, tmp_path: Path, format_: Format, suffix: str
) -> None:
    folder = export(recording, tmp_path / "out", format_)
    found = {path.name for path in folder.iterdir()} - {"summary.json"}
    assert found == {f"{name}.{suffix}" for name in ("events", *recording.counts)}


def test_parquet_holds_the_frames_as_they_are(recording: Recording, tmp_path: Path) -> None:
    folder = export(recording, tmp_path / "out", "parquet")
    assert pl.read_parquet(folder / "events.parquet").equals(recording.events)
    for name in recording.counts:
        assert pl.read_parquet(folder / f"{name}.parquet").equals(recording.frame(name))


def test_a_text_in_csv_cannot_be_run_as_a_formula(recording: Recording, tmp_path: Path) -> None:
    folder = export(recording, tmp_path / "out", "csv")
    with (folder / "foundation.backend.rejected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["service_id"] for row in rows] == ["'=cmd|' /C calc'!A0", "bank"]
    assert [row["error"] for row in rows] == ["QueueFull", "'-1"]
    assert [row["waiting"] for row in rows] == ["3", "4"]
    with (folder / "foundation.mabeam.coordination.started.csv").open(newline="") as file:
        assert json.loads(next(csv.DictReader(file))["agents"]) == ["=a", "b,c"]


@pytest.mark.parametrize("text", FORMULAS)
def test_every_beginning_of_a_formula_is_guarded(tmp_path: Path, text: str) -> None:
    sim = Simulation(seed=7)
    sim.telemetry.emit("shop.order.placed", {"amount": -1.0}, {"=note": text})
    folder = export(sim.recording, tmp_path / "out", "csv")
    with (folder / "shop.order.placed.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row["'=note"] == f"'{text}"
    assert row["amount"] == "-1.0"


def test_every_line_of_ndjson_is_a_document(recording: Recording, tmp_path: Path) -> None:
    folder = export(recording, tmp_path / "out", "json")
    lines = (folder / "events.ndjson").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [0, 1, 2, 3]
    line = (folder / "foundation.mabeam.coordination.started.ndjson").read_text()
    assert json.loads(line)["agents"] == ["=a", "b,c"]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["run"]["digest"] == recording.digest
    assert summary["events"] == recording.counts


def test_a_workbook_has_a_sheet_for_each_table_and_no_formula(
    recording: Recording, tmp_path: Path
) -> None:
    pytest.importorskip("xlsxwriter")
    folder = export(recording, tmp_path / "out", "xlsx")
    assert [path.name for path in folder.iterdir()] == ["summary.xlsx"]
    with zipfile.ZipFile(folder / "summary.xlsx") as book:
        names = book.read("xl/workbook.xml").decode()
        sheets = "".join(
            book.read(name).decode() for name in book.namelist() if "worksheets/" in name
        )
        texts = book.read("xl/sharedStrings.xml").decode()
    assert 'name="run"' in names
    assert 'name="errors"' in names
    assert "<f>" not in sheets
    assert "=cmd|" in texts


def test_a_workbook_is_the_same_for_the_same_recording(
    recording: Recording, tmp_path: Path
) -> None:
    pytest.importorskip("xlsxwriter")
    books = [
        (export(recording, tmp_path / name, "xlsx") / "summary.xlsx").read_bytes()
        for name in ("one", "two")
    ]
    assert books[0] == books[1]


def test_a_sheet_ends_where_a_workbook_can_hold_no_more(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xlsxwriter")
    monkeypatch.setattr(sys.modules["foundation_lab.reporting.export"], "SHEET_ROWS", 2)
    folder = export(recording, tmp_path / "out", "xlsx")
    with zipfile.ZipFile(folder / "summary.xlsx") as book:
        sheets = [book.read(n).decode() for n in book.namelist() if "worksheets/" in n]
    assert len(summarise(recording).events) == 3
    assert max(sheet.count("<row ") for sheet in sheets[1:]) == 3


def test_a_missing_extra_is_named(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(MissingExtra, match=r"foundation-lab\[excel\]"):
        export(recording, tmp_path / "out", "xlsx")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_lists_those_that_exist(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"format='xml' .* parquet, csv, xlsx, json"):
        export(recording, tmp_path / "out", "xml")  # type: ignore[arg-type]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_empty_recording_can_be_exported(tmp_path: Path, format_: Format) -> None:
    folder = export(Simulation(seed=7).recording, tmp_path / "out", format_)
    assert any(folder.iterdir())


def test_a_folder_that_exists_is_refused_and_replaced_only_by_force(
    recording: Recording, tmp_path: Path
) -> None:
    target = export(recording, tmp_path / "out", "csv")
    with pytest.raises(FileExistsError, match="force=True"):
        export(recording, target, "parquet")
    export(recording, target, "parquet", force=True)
    assert {path.suffix for path in target.iterdir()} == {".parquet"}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("entry", ["thesis.docx", "photos/"])
def test_force_does_not_replace_a_folder_that_holds_other_things(
    recording: Recording, tmp_path: Path, entry: str
) -> None:
    target = tmp_path / "home"
    target.mkdir()
    if entry.endswith("/"):
        (target / entry).mkdir()
    else:
        (target / entry).write_text("years of work")
    with pytest.raises(FileExistsError, match=r"is no export; give another folder"):
        export(recording, target, "csv", force=True)
    assert (target / entry).exists()


def test_force_does_not_replace_a_file(recording: Recording, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("a,b")
    with pytest.raises(FileExistsError, match=r"out\.csv"):
        export(recording, target, "csv", force=True)
    assert target.read_text() == "a,b"
