"""A recording: everything that happened in a run, as dataframes.

Rows lie in consecutive parts, in memory or in Parquet files; the interface is the same. Frames are
in time order already (`sequence` rises).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from foundation_lab.errors import InvalidRecording, UnknownName
from foundation_lab.recording import overview
from foundation_lab.recording.columns import kind_of
from foundation_lab.recording.digest import digest_of
from foundation_lab.recording.files import open_folder, versions, write_folder
from foundation_lab.recording.parts import parts_of
from foundation_lab.recording.schema import KINDS, SPINE, STAMPS, Facts, TableFacts
from foundation_lab.telemetry.event import catalogue, fields_of
from foundation_lab.telemetry.pattern import dotted, matcher, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from foundation_lab.recording.parts import Part
    from foundation_lab.recording.recorder import Recorder
    from foundation_lab.telemetry.pattern import EventName


class Recording:
    """What happened in a run.

    Args:
        parts: Consecutive runs of rows.
        facts: What is known about the run beside its events.
        digest: The digest, where it is known already.
        versions: What the run was made with; what is installed by default.
        keep_alive: Whatever must live as long as the parts can be read.
    """

    def __init__(
        self,
        parts: list[Part],
        facts: Facts,
        *,
        digest: str | None = None,
        versions: dict[str, str] | None = None,
        keep_alive: object = None,
    ) -> None:
        self.facts = facts
        self._parts = parts
        self._digest = digest
        self._versions = versions
        self._keep_alive = keep_alive
        self._events: pl.DataFrame | None = None
        self._frames: dict[str, pl.DataFrame] = {}

    @classmethod
    def of(cls, recorder: Recorder, facts: Facts) -> Recording:
        """Return what a recorder has taken so far; later events do not change it."""
        return cls(parts_of(recorder), facts, keep_alive=recorder)

    # -- frames --------------------------------------------------------------------------------

    @property
    def events(self) -> pl.DataFrame:
        """One row an event.

        Columns: sequence, time (s), event, service, node, process, correlation_id, cause and
        duration (s; null where the event has none).
        """
        if self._events is None:
            self._events = self.lazy().collect().rechunk()
        return self._events

    def lazy(self) -> pl.LazyFrame:
        """Return `events` as a lazy frame: a recording larger than memory is read in pieces."""
        if not self._parts:
            return pl.DataFrame(schema=SPINE).lazy()
        return _one([part.spine() for part in self._parts])

    def frame(self, event: EventName) -> pl.DataFrame:
        """Return the typed frame of one event, one row each time it happened.

        Args:
            event: The event's class or name.

        Returns:
            sequence, time (s), node, process, correlation_id, cause, and then the event's own
            fields; without rows when the event did not happen.

        Raises:
            UnknownName: There is no such event; the message lists the nearest names.
        """
        name = self._name_of(event)
        if name not in self._frames:
            self._frames[name] = self.lazy_frame(name).collect().rechunk()
        return self._frames[name]

    def lazy_frame(self, event: EventName) -> pl.LazyFrame:
        """Return what `frame` returns, as a lazy frame."""
        name = self._name_of(event)
        parts = [part for part in self._parts if name in part.tables]
        if not parts:
            return self._empty_frame(name)
        return _one([part.frame(name) for part in parts])

    def wide(self, *events: EventName) -> pl.DataFrame:
        """Return the typed frames of several events as one, with nulls where a field is foreign.

        Args:
            events: Classes, names or patterns; every event that happened when none is given.

        Returns:
            event, the columns of `frame` for all of them; in order of sequence.
        """
        tests = [matcher(event) for event in events]
        names = [n for n in self.counts if not tests or any(test(n) for test in tests)]
        frames = [self.frame(n).select(pl.lit(n).alias("event"), pl.all()) for n in names]
        if not frames:
            return pl.DataFrame(schema={"event": pl.String(), **{c: SPINE[c] for c in STAMPS}})
        return pl.concat(frames, how="diagonal_relaxed").sort("sequence")

    def to_pandas(self, event: EventName | None = None) -> pd.DataFrame:
        """Return `events`, or the typed frame of one `event`, as a pandas DataFrame."""
        return (self.events if event is None else self.frame(event)).to_pandas()

    # -- facts ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many events there are."""
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How often each event happened, by name, sorted by name."""
        totals: dict[str, int] = {}
        for part in self._parts:
            for name, facts in part.tables.items():
                totals[name] = totals.get(name, 0) + facts.rows
        return dict(sorted(totals.items()))

    @property
    def tables(self) -> dict[str, TableFacts]:
        """The number of rows, the units and more of every event's table, by name."""
        known: dict[str, TableFacts] = {}
        for part in self._parts:
            for name, facts in part.tables.items():
                before = known.get(name, TableFacts(0, {}))
                known[name] = TableFacts(
                    before.rows + facts.rows,
                    dict(sorted({**before.units, **facts.units}.items())),
                    facts.deterministic,
                    tuple(sorted({*before.json, *facts.json})),
                )
        return dict(sorted(known.items()))

    @property
    def versions(self) -> dict[str, str]:
        """The versions of Python and of the packages that the run was made with."""
        return versions() if self._versions is None else self._versions

    @property
    def digest(self) -> str:
        """A SHA-256 digest of everything that happened: equal runs have equal digests."""
        if self._digest is None:
            self._digest = self._compute_digest()
        return self._digest

    def verify(self) -> None:
        """Compute the digest from the rows again, and compare.

        A loaded recording has the digest of its manifest; this is how to know that no row of it was
        changed. Events that carry wall-clock data are not part of the digest.

        Raises:
            InvalidRecording: The rows are not those that were saved, or cannot be read.
        """
        try:
            found = self._compute_digest()
        except (pl.exceptions.PolarsError, OSError) as error:
            message = f"{self!r}: its rows cannot be read; was a file cut short? ({error})"
            raise InvalidRecording(message) from error
        if found != self.digest:
            message = f"{self!r}: its rows have digest {found}, but its manifest says {self.digest}"
            raise InvalidRecording(message)

    # -- files ---------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write the recording to a folder: ``manifest.json``, ``spine.parquet``, ``events/*``.

        The folder is written aside and renamed, so that it is there whole or not at all.

        Args:
            folder: Where to.
            force: Replace an existing recording.

        Returns:
            The folder.

        Raises:
            FileExistsError: The folder exists and `force` is not given, or it holds something else
                than a recording.
        """
        return write_folder(self, Path(folder), force=force)

    @staticmethod
    def load(folder: str | Path) -> Recording:
        """Return the recording in a folder that `save` wrote; rows are read when asked for.

        Raises:
            InvalidRecording: Missing, cut short, or written by a newer version.
        """
        part, manifest = open_folder(Path(folder))
        return Recording([part], manifest.facts, digest=manifest.digest, versions=manifest.versions)

    # -- display -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return one line: name, seed, events, span of time, status."""
        return overview.line("Recording", self.facts, len(self))

    def _repr_html_(self) -> str:
        rows = ((name, (count,)) for name, count in self.counts.items())
        return overview.page("Recording", self.facts, len(self), ("count",), rows)

    # -- private -------------------------------------------------------------------------------

    def _name_of(self, event: EventName) -> str:
        """Return the full name of an event: one that happened, or one of the catalogue."""
        text = dotted(event)
        return text if any(text in part.tables for part in self._parts) else resolve(text)

    def _compute_digest(self) -> str:
        tables = {n: self._table_parts(n) for n, f in self.tables.items() if f.deterministic}
        return digest_of((part.spine().collect() for part in self._parts), tables)

    def _table_parts(self, name: str) -> Iterator[pl.DataFrame]:
        parts = [part for part in self._parts if name in part.tables]
        schema = pl.concat(
            [part.table(name).limit(0) for part in parts], how="diagonal_relaxed"
        ).collect_schema()
        empty = pl.DataFrame(schema=schema)
        for part in parts:
            yield pl.concat([empty, part.table(name).collect()], how="diagonal_relaxed")

    def _empty_frame(self, name: str) -> pl.LazyFrame:
        schema: dict[str, Any] = {column: SPINE[column] for column in STAMPS}
        cls = catalogue.get(name)
        if cls is not None:
            schema |= {field.name: KINDS[kind_of(field.type)] for field in fields_of(cls)}
        elif name not in self.counts:
            raise UnknownName.among("event", name, [*catalogue, *self.counts])
        return pl.DataFrame(schema=schema).lazy()


def _one(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Return consecutive frames as one."""
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
