"""The recorder: takes every event of the bus and keeps it in typed columns.

`append` only puts the event aside; every few thousand events they are sorted into a *spine* (one
row an event: time, process, correlation id, ...) and one table for each event name (one row an
event of that name, one typed column a field). The layout is the same in memory and on disk.
"""

from __future__ import annotations

import tempfile
from array import array
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation_lab.recording.columns import (
    NO_CODE,
    Codebook,
    Column,
    ColumnTypeError,
    kind_of,
    kind_of_value,
)
from foundation_lab.telemetry.event import Event, fields_of, subject_of

if TYPE_CHECKING:
    from foundation_lab.telemetry.bus import AdHoc
    from foundation_lab.telemetry.context import Context, Emitter

BATCH = 4096
"""How many events are put aside before they are sorted into columns."""


class Table:
    """The events of one name: their sequence numbers and one column a field.

    Attributes:
        name: The event name.
        sequence: The sequence number of each row.
        columns: The columns by public field name.
        units: The unit of each measurement by field name.
        subject: The field that fills the spine's ``service`` column, if any.
    """

    def __init__(self, name: str, cls: type[Event] | None, codebook: Codebook) -> None:
        self.name = name
        self.cls = cls
        self.sequence: array[int] = array("q")
        self.columns: dict[str, Column] = {}
        self.units: dict[str, str] = {}
        self.subject: str | None = None
        self._codebook = codebook
        self._attributes: list[tuple[str, attrgetter[Any]]] = []
        if cls is None:
            return
        subject = subject_of(cls)
        for field in fields_of(cls):
            self.columns[field.name] = Column(
                kind_of(field.type), codebook, optional=field.optional
            )
            self._attributes.append((field.name, attrgetter(field.attribute)))
            if field.unit is not None:
                self.units[field.name] = field.unit
            if field.attribute == subject:
                self.subject = field.name

    def extend(self, sequence: list[int], batch: list[Any]) -> None:
        """Add a batch of events of this name.

        Raises:
            ColumnTypeError: A value does not fit its field's type; nothing of the batch is added.
        """
        if self.cls is None:
            self._extend_loose(sequence, batch)
            return
        encoded: list[tuple[Column, array[Any]]] = []
        for name, get in self._attributes:
            column = self.columns[name]
            try:
                encoded.append((column, column.encode(map(get, batch))))
            except (TypeError, OverflowError) as error:
                raise self._misfit(name, column, list(map(get, batch))) from error
        for column, values in encoded:
            column.extend(values)
        self.sequence.extend(sequence)

    def _extend_loose(self, sequence: list[int], batch: list[AdHoc]) -> None:
        for number, event in zip(sequence, batch, strict=True):
            count = len(self.sequence)
            for loose, is_number in ((event.measurements, True), (event.metadata, False)):
                for name, value in loose.items():
                    if value is not None:
                        self._put(name, value, count, is_number=is_number)
            self.sequence.append(number)
            for column in self.columns.values():
                if len(column) <= count:
                    column.pad(count + 1)

    def _put(self, name: str, value: Any, row: int, *, is_number: bool) -> None:
        column = self.columns.get(name)
        if column is None:
            kind = "float" if is_number else kind_of_value(value)
            column = self.columns[name] = Column(kind, self._codebook, optional=True)
            column.pad(row)
            if is_number:
                self.units[name] = "1"
        try:
            column.extend(column.encode([value]))
        except (TypeError, OverflowError) as error:
            raise self._misfit(name, column, [value]) from error

    def _misfit(self, name: str, column: Column, values: list[Any]) -> ColumnTypeError:
        for value in values:
            try:
                column.encode([value])
            except (TypeError, OverflowError):
                return ColumnTypeError(
                    f"field {name!r} of {self.name} holds {column.kind} values, not {value!r}"
                )
        return ColumnTypeError(f"field {name!r} of {self.name} holds {column.kind} values")


class Recorder:
    """Keeps the events of one simulation.

    Args:
        row_limit: How many rows stay in memory; the rest is spilled to Parquet files while the
            run goes on. ``None`` keeps everything in memory.
        spill_folder: Where spilled rows go; by default a temporary folder that lives as long as
            the recorder.
    """

    def __init__(self, row_limit: int | None = None, spill_folder: Path | None = None) -> None:
        if row_limit is not None and row_limit < 1:
            message = f"row_limit={row_limit}; give the number of rows to keep in memory, from 1"
            raise ValueError(message)
        self.row_limit = row_limit
        self.spilled: list[Path] = []
        self._spill_folder = spill_folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._pending: list[tuple[Any, float, str, Context, int]] = []
        self._batch = BATCH if row_limit is None else min(BATCH, row_limit)
        self.first = 0
        self._empty()

    def append(
        self, event: Event | AdHoc, time: float, emitter: Emitter, context: Context, cause: int
    ) -> None:
        """Take one event; its place in the order of calls is its sequence number."""
        pending = self._pending
        pending.append((event, time, emitter.name, context, cause))
        if len(pending) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Sort what was put aside into the columns, and spill when there are too many rows.

        Raises:
            ColumnTypeError: An event carries a value that does not fit its field's type.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        code = self.codebook.__getitem__
        first = self.first + len(self.time)
        batches: dict[str, tuple[list[int], list[Any]]] = {}
        names: list[str] = []
        for sequence, row in enumerate(pending, first):
            event = row[0]
            name = event.event_name
            names.append(name)
            batch = batches.get(name)
            if batch is None:
                batch = batches[name] = ([], [])
            batch[0].append(sequence)
            batch[1].append(event)
        contexts = list(map(itemgetter(3), pending))
        self.time.extend(map(itemgetter(1), pending))
        self.event.extend(map(code, names))
        self.process.extend(map(code, map(itemgetter(2), pending)))
        self.node.extend(map(code, map(attrgetter("node"), contexts)))
        self.correlation_id.extend(
            [NO_CODE if c.correlation_id is None else code(c.correlation_id) for c in contexts]
        )
        self.cause.extend(map(itemgetter(4), pending))
        misfit: ColumnTypeError | None = None
        for name, (sequences, batch_events) in batches.items():
            try:
                self._table(name, batch_events[0]).extend(sequences, batch_events)
            except ColumnTypeError as error:
                misfit = misfit or error
        if misfit is not None:
            raise misfit
        if self.row_limit is not None and len(self.time) >= self.row_limit:
            self.spill()

    def spill(self) -> None:
        """Write the rows in memory to Parquet files, and forget them here."""
        from foundation_lab.recording.parts import write_part  # noqa: PLC0415  (polars is heavy)

        if self._spill_folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="foundation-lab-")
            self._spill_folder = Path(self._temporary.name)
        part = self._spill_folder / f"part-{len(self.spilled):06d}"
        write_part(self, part)
        self.spilled.append(part)
        self.first += len(self.time)
        self._empty()

    @property
    def rows(self) -> int:
        """How many events were taken, in memory, on disk and put aside."""
        return self.first + len(self.time) + len(self._pending)

    @property
    def bytes(self) -> int:
        """The memory of the columns, in bytes, without the strings."""
        spine = (self.time, self.event, self.node, self.process, self.correlation_id, self.cause)
        columns = [column for table in self.tables.values() for column in table.columns.values()]
        return (
            sum(len(a) * a.itemsize for a in spine)
            + sum(column.bytes for column in columns)
            + sum(len(t.sequence) * t.sequence.itemsize for t in self.tables.values())
        )

    def _table(self, name: str, example: Event | AdHoc) -> Table:
        table = self.tables.get(name)
        if table is None:
            cls = type(example) if isinstance(example, Event) else None
            table = self.tables[name] = Table(name, cls, self.codebook)
        return table

    def _empty(self) -> None:
        self.codebook = Codebook()
        self.tables: dict[str, Table] = {}
        self.time: array[float] = array("d")
        self.event: array[int] = array("i")
        self.node: array[int] = array("i")
        self.process: array[int] = array("i")
        self.correlation_id: array[int] = array("i")
        self.cause: array[int] = array("q")

