"""Parts: consecutive rows of a recording, copied out of a recorder or lying in Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import polars as pl

from foundation_lab.errors import InvalidRecording
from foundation_lab.recording.frames import Rows
from foundation_lab.recording.schema import STAMPS, TableFacts

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
        """Return one event's table: ``sequence`` and its fields."""

    def frame(self, name: str) -> pl.LazyFrame:
        """Return one event's table with the stamps of the spine."""


class MemoryPart:
    """Rows that were copied out of a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._rows = Rows(recorder)
        self._spine: pl.DataFrame | None = None
        self.tables = {
            name: TableFacts(
                rows=count,
                units=dict(recorder.tables[name].units),
                deterministic=recorder.tables[name].deterministic,
                json=recorder.tables[name].mappings,
            )
            for name, count in self._rows.counts.items()
        }

    def spine(self) -> pl.LazyFrame:
        """Return the spine."""
        if self._spine is None:
            self._spine = self._rows.spine()
        return self._spine.lazy()

    def table(self, name: str) -> pl.LazyFrame:
        """Return one event's table."""
        return self._rows.table(name).lazy()

    def frame(self, name: str) -> pl.LazyFrame:
        """Return one event's table with the stamps of the spine."""
        return self._rows.frame(name).lazy()


class FolderPart:
    """Rows in the Parquet files of a folder."""

    def __init__(self, folder: Path, tables: dict[str, TableFacts]) -> None:
        self.folder = folder
        self.tables = tables

    @classmethod
    def spilled(cls, folder: Path) -> FolderPart:
        """Return the rows that `write_part` wrote."""
        facts = (folder / "part.json").read_bytes()
        return cls(folder, msgspec.json.decode(facts, type=dict[str, TableFacts]))

    def spine(self) -> pl.LazyFrame:
        """Return the spine."""
        return pl.scan_parquet(self.folder / "spine.parquet", glob=False)

    def table(self, name: str) -> pl.LazyFrame:
        """Return one event's table."""
        return pl.scan_parquet(table_path(self.folder, name), glob=False)

    def frame(self, name: str) -> pl.LazyFrame:
        """Return one event's table with the stamps of the spine."""
        rows, stamps = self.table(name), self.spine().select(STAMPS)
        fields = [column for column in rows.collect_schema().names() if column not in STAMPS]
        joined = rows.join(stamps, on="sequence", how="left", maintain_order="left")
        return joined.select(*STAMPS, *fields)


def write_part(recorder: Recorder, folder: Path) -> None:
    """Write the rows that a recorder has in memory to a new folder."""
    part = MemoryPart(recorder)
    (folder / "events").mkdir(parents=True)
    part.spine().collect().write_parquet(folder / "spine.parquet")
    for name in part.tables:
        part.table(name).collect().write_parquet(table_path(folder, name))
    (folder / "part.json").write_bytes(msgspec.json.encode(part.tables))


def parts_of(recorder: Recorder) -> list[Part]:
    """Return the rows of a recorder as parts: those that were spilled, then those in memory."""
    recorder.flush()  # may spill
    return [*recorder.parts, MemoryPart(recorder)]


def table_path(folder: Path, name: str) -> Path:
    """Return where one event's table lies in a recording's folder.

    Raises:
        InvalidRecording: The name would lead out of the folder.
    """
    if not name or name.startswith(".") or any(c in name for c in "/\\\0:"):
        message = f"{folder}: {name!r} is no event name; the manifest was tampered with"
        raise InvalidRecording(message)
    return folder / "events" / f"{name}.parquet"
