"""Parts: consecutive rows of a recording, copied out of a recorder or lying in Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import polars as pl

from foundation_lab.errors import InvalidRecording
from foundation_lab.recording.frames import spine_frame, table_frame
from foundation_lab.recording.schema import TableFacts

if TYPE_CHECKING:
    from pathlib import Path

    from foundation_lab.recording.recorder import Recorder


class Part(Protocol):
    """A run of consecutive rows, in memory or on disk."""

    @property
    def tables(self) -> dict[str, TableFacts]:
        """The facts of every event that has rows here, by event name."""

    def spine(self) -> pl.LazyFrame:
        """Return the spine."""

    def table(self, name: str) -> pl.LazyFrame:
        """Return one event's table."""


class MemoryPart:
    """Rows that were copied out of a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        tables = {name: table for name, table in recorder.tables.items() if table.sequence}
        self._spine = spine_frame(recorder)
        self._frames = {
            name: table_frame(table, recorder.codebook.texts) for name, table in tables.items()
        }
        self.tables = {
            name: TableFacts(
                rows=len(table.sequence),
                units=dict(table.units),
                deterministic=table.cls is None or table.cls.deterministic,
                json=tuple(n for n, column in table.columns.items() if column.kind == "json"),
            )
            for name, table in tables.items()
        }

    def spine(self) -> pl.LazyFrame:
        """Return the spine."""
        return self._spine.lazy()

    def table(self, name: str) -> pl.LazyFrame:
        """Return one event's table."""
        return self._frames[name].lazy()


class FolderPart:
    """Rows in the Parquet files of a folder."""

    def __init__(self, folder: Path, tables: dict[str, TableFacts]) -> None:
        self.folder = folder
        self.tables = tables

    def spine(self) -> pl.LazyFrame:
        """Return the spine."""
        return pl.scan_parquet(self.folder / "spine.parquet")

    def table(self, name: str) -> pl.LazyFrame:
        """Return one event's table."""
        return pl.scan_parquet(table_path(self.folder, name))


def write_part(recorder: Recorder, folder: Path) -> None:
    """Write the rows that a recorder has in memory to a new folder, for `parts_of` to read."""
    part = MemoryPart(recorder)
    (folder / "events").mkdir(parents=True)
    part.spine().collect().write_parquet(folder / "spine.parquet")
    for name in part.tables:
        part.table(name).collect().write_parquet(table_path(folder, name))
    (folder / "part.json").write_bytes(msgspec.json.encode(part.tables))


def parts_of(recorder: Recorder) -> list[Part]:
    """Return the rows of a recorder as parts: those that were spilled, then those in memory."""
    recorder.flush()  # may spill
    parts: list[Part] = []
    for folder in recorder.spilled:
        tables = msgspec.json.decode(
            (folder / "part.json").read_bytes(), type=dict[str, TableFacts]
        )
        parts.append(FolderPart(folder, tables))
    return [*parts, MemoryPart(recorder)]


def table_path(folder: Path, name: str) -> Path:
    """Return where one event's table lies in a recording's folder.

    Raises:
        InvalidRecording: The name would lead out of the folder.
    """
    if not name or name.startswith(".") or any(c in name for c in "/\\\0:"):
        message = f"{folder}: {name!r} is no event name; the manifest was tampered with"
        raise InvalidRecording(message)
    return folder / "events" / f"{name}.parquet"
