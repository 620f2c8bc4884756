import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from foundation_lab.errors import InvalidRecording
from foundation_lab.recording import files
from foundation_lab.recording.recording import Recording
from foundation_lab.recording.schema import FORMAT_VERSION
from foundation_lab.simulation.engine import Simulation
from tests.recording.models import SEED, busy

BACKOFF = Path("events", "foundation.retry.backoff.parquet")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return busy(steps=6).recording.save(tmp_path / "run")


def change_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("row_limit", [None, 7])
def test_a_loaded_recording_is_the_saved_one(tmp_path: Path, row_limit: int | None) -> None:
    sim = busy(steps=6, row_limit=row_limit)
    sim.scenario = {"services": {"db": {"concurrency": 2}}}
    recording = sim.recording
    loaded = Recording.load(recording.save(tmp_path / "deep" / "run"))
    loaded.verify()
    assert loaded.digest == recording.digest
    assert loaded.facts == recording.facts
    assert loaded.tables == recording.tables
    assert loaded.events.equals(recording.events)
    for name in recording.counts:
        assert loaded.frame(name).equals(recording.frame(name)), name
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["run"]


def test_a_folder_may_be_called_what_a_shell_would_expand(tmp_path: Path) -> None:
    recording = busy(steps=6).recording
    loaded = Recording.load(recording.save(tmp_path / "run[a-b]*"))
    assert loaded.digest == recording.digest
    assert loaded.events.equals(recording.events)


def test_a_recording_of_nothing_can_be_saved(tmp_path: Path) -> None:
    recording = Simulation(seed=SEED).recording
    loaded = Recording.load(recording.save(tmp_path / "run"))
    loaded.verify()
    assert (len(loaded), loaded.digest) == (0, recording.digest)
    assert loaded.events.schema == recording.events.schema


def test_a_loaded_recording_can_be_saved_again_in_its_own_place(saved: Path) -> None:
    loaded = Recording.load(saved)
    loaded.save(saved, force=True)
    again = Recording.load(saved)
    again.verify()
    assert again.digest == loaded.digest


def test_the_manifest_can_be_read_by_eye(saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["format_version"] == FORMAT_VERSION
    assert manifest["events"] == 60
    assert manifest["facts"]["seed"] == SEED
    assert manifest["tables"]["foundation.retry.backoff"]["rows"] == 12
    assert manifest["versions"]["simpy"]


def test_an_existing_folder_is_kept_unless_force_is_given(saved: Path) -> None:
    other = busy(seed=SEED + 1, steps=6).recording
    with pytest.raises(FileExistsError, match="exists already; give another folder, or force"):
        other.save(saved)
    other.save(saved, force=True)
    assert Recording.load(saved).digest == other.digest
    assert [path.name for path in saved.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_force_replaces_nothing_but_recordings(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thesis"
    if kind == "folder":
        target.mkdir()
        (target / "chapter.txt").write_text("long")
    else:
        target.write_text("long")
    with pytest.raises(FileExistsError, match="is no recording, so it will not be replaced"):
        busy(steps=2).recording.save(target, force=True)
    assert target.exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("force", [False, True])
def test_a_failure_while_writing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool
) -> None:
    target = tmp_path / "run"
    digest = busy(steps=2).recording.save(target) and Recording.load(target).digest if force else ""

    def full(_recording: Recording) -> bytes:
        message = "no space left on device"
        raise OSError(message)

    monkeypatch.setattr(files, "_manifest_json", full)
    with pytest.raises(OSError, match="no space left"):
        busy(steps=3).recording.save(target, force=force)
    assert [path.name for path in tmp_path.iterdir()] == (["run"] if force else [])
    if force:
        assert Recording.load(target).digest == digest


def test_a_failure_while_replacing_puts_the_old_recording_back(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = Recording.load(saved).digest
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            message = "the folder is in use"
            raise OSError(message)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="in use"):
        busy(steps=3).recording.save(saved, force=True)
    monkeypatch.undo()
    assert Recording.load(saved).digest == digest
    assert [path.name for path in saved.parent.iterdir()] == ["run"]


def test_a_folder_that_is_missing_or_no_recording_is_named(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(InvalidRecording, match="nothing: no such recording"):
        Recording.load(tmp_path / "nothing")
    (saved / "manifest.json").unlink()
    with pytest.raises(InvalidRecording, match=r"run: no manifest\.json"):
        Recording.load(saved)


@pytest.mark.parametrize("size", [0, 1, 100, -2])
def test_a_manifest_that_was_cut_short_is_refused(saved: Path, size: int) -> None:
    path = saved / "manifest.json"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InvalidRecording, match="not a readable manifest"):
        Recording.load(saved)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b'{"format_version": "1"}', b"{}"])
def test_a_manifest_of_another_shape_is_refused(saved: Path, content: bytes) -> None:
    (saved / "manifest.json").write_bytes(content)
    with pytest.raises(InvalidRecording, match="not a readable manifest"):
        Recording.load(saved)


def test_a_newer_format_is_refused_with_the_remedy(saved: Path) -> None:
    change_manifest(saved, format_version=FORMAT_VERSION + 1, tables="of another shape")
    with pytest.raises(InvalidRecording, match=r"format_version is 2.*upgrade foundation-lab"):
        Recording.load(saved)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "", ".hidden", "a\\b", "c:evil", "nul\0byte"]
)
def test_a_manifest_cannot_name_a_file_outside_of_its_folder(saved: Path, name: str) -> None:
    change_manifest(saved, tables={name: {"rows": 1, "units": {}}})
    with pytest.raises(InvalidRecording, match="is no event name; the manifest was tampered with"):
        Recording.load(saved)


@pytest.mark.parametrize("name", ["spine.parquet", str(BACKOFF)])
@pytest.mark.parametrize("keep", [None, 0, 0.5, 0.99])
def test_a_missing_or_truncated_file_is_named(saved: Path, name: str, keep: float | None) -> None:
    path = saved / name
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InvalidRecording, match=rf"{path.name}: .*cut short"):
        Recording.load(saved)


@pytest.mark.parametrize("name", ["spine.parquet", str(BACKOFF)])
def test_a_missing_row_is_found_at_once(saved: Path, name: str) -> None:
    pl.read_parquet(saved / name)[:-1].write_parquet(saved / name)
    with pytest.raises(InvalidRecording, match=r"rows, but the manifest says \d+"):
        Recording.load(saved)


def test_a_table_that_the_manifest_leaves_out_is_found_at_once(saved: Path) -> None:
    tables = json.loads((saved / "manifest.json").read_text())["tables"]
    del tables["foundation.retry.backoff"]
    change_manifest(saved, tables=tables)
    with pytest.raises(InvalidRecording, match="the tables have 48 rows, but there are 60 events"):
        Recording.load(saved)


def test_a_column_of_the_spine_that_is_missing_is_found_at_once(saved: Path) -> None:
    path = saved / "spine.parquet"
    pl.read_parquet(path).drop("cause").write_parquet(path)
    with pytest.raises(InvalidRecording, match="column 'cause' is missing"):
        Recording.load(saved)


def test_verify_finds_a_changed_value(saved: Path) -> None:
    rows = pl.read_parquet(saved / BACKOFF)
    rows.with_columns(pl.col("delay") + 1e-9).write_parquet(saved / BACKOFF)
    loaded = Recording.load(saved)
    with pytest.raises(InvalidRecording, match=r"rows have digest .* but its manifest says"):
        loaded.verify()


def test_verify_finds_rows_that_cannot_be_read(saved: Path) -> None:
    loaded = Recording.load(saved)
    (saved / BACKOFF).write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InvalidRecording, match="cannot be read; was a file cut short"):
        loaded.verify()


def test_verify_is_content_with_a_recording_in_memory() -> None:
    busy(steps=2).recording.verify()
