"""Recordings on disk: a folder of Parquet files and a manifest.

```
manifest.json             format version, digest, seed, scenario, package versions, row counts
spine.parquet             one row an event
events/<event name>.parquet   one row each time it happened, a column for each field
```
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import uuid
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from foundation_lab.errors import InvalidRecording
from foundation_lab.recording.parts import FolderPart, table_path
from foundation_lab.recording.schema import FORMAT_VERSION, SPINE, Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.recording.recording import Recording

MANIFEST = "manifest.json"
PACKAGES = ("foundation-lab", "simpy", "polars", "msgspec")


def write_folder(recording: Recording, target: Path, *, force: bool) -> Path:
    """Write a recording to a folder; see `Recording.save`."""
    if target.exists() and not force:
        message = f"{target} exists already; give another folder, or force to replace it"
        raise FileExistsError(message)
    if target.exists() and not (target / MANIFEST).is_file():
        message = f"{target} is no recording, so it will not be replaced; give another folder"
        raise FileExistsError(message)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        (aside / "events").mkdir(parents=True)
        recording.lazy().sink_parquet(aside / "spine.parquet")
        for name in recording.counts:
            stamps = ("time", "node", "process", "correlation_id", "cause")
            rows = recording.lazy_frame(name).drop(stamps)
            rows.sink_parquet(table_path(aside, name))
        (aside / MANIFEST).write_bytes(_manifest_json(recording))
        _replace(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def open_folder(source: Path) -> tuple[FolderPart, Manifest]:
    """Return the rows and the manifest in a folder; see `Recording.load`."""
    manifest = read_manifest(source)
    part = FolderPart(source, manifest.tables)
    _check_rows(source / "spine.parquet", manifest.events, SPINE)
    listed = sum(facts.rows for facts in manifest.tables.values())
    if listed != manifest.events:
        message = f"{source}: the tables have {listed} rows, but there are {manifest.events} events"
        raise InvalidRecording(message)
    for name, facts in manifest.tables.items():
        _check_rows(table_path(source, name), facts.rows, {"sequence": pl.Int64()})
    return part, manifest


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a saved recording.

    Raises:
        InvalidRecording: There is none, it cannot be read, or it is of a newer format.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        message = f"{folder}: no such recording; give the folder that a run wrote"
        raise InvalidRecording(message)
    if not path.is_file():
        message = f"{folder}: no {MANIFEST}; this is not a recording, or it was cut short"
        raise InvalidRecording(message)
    try:
        version = msgspec.json.decode(path.read_bytes(), type=_Version).format_version
        if version > FORMAT_VERSION:
            message = (
                f"{path}: format_version is {version}, and this version of foundation-lab reads up "
                f"to {FORMAT_VERSION}; upgrade foundation-lab to read it"
            )
            raise InvalidRecording(message)
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}: not a readable manifest ({error}); was it cut short?"
        raise InvalidRecording(message) from error
    for name in manifest.tables:
        table_path(folder, name)
    return manifest


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a recording."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


class _Version(msgspec.Struct):
    format_version: int


def _manifest_json(recording: Recording) -> bytes:
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        digest=recording.digest,
        events=len(recording),
        facts=recording.facts,
        tables=recording.tables,
        versions=recording.versions,
    )
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _check_rows(path: Path, rows: int, columns: dict[str, pl.DataType]) -> None:
    if not path.is_file():
        message = f"{path}: missing; the recording was cut short"
        raise InvalidRecording(message)
    try:
        frame = pl.scan_parquet(path, glob=False)
        found = frame.select(pl.len()).collect().item()
        schema = frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        message = f"{path}: not a readable Parquet file; the recording was cut short ({error})"
        raise InvalidRecording(message) from error
    wrong = [name for name, dtype in columns.items() if schema.get(name) != dtype]
    if wrong:
        message = f"{path}: column {wrong[0]!r} is missing or of the wrong type"
        raise InvalidRecording(message)
    if found != rows:
        message = f"{path}: {found} rows, but the manifest says {rows}; the recording was cut short"
        raise InvalidRecording(message)


def _replace(aside: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
        target.rename(old)
        try:
            aside.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old)
    else:
        aside.rename(target)
