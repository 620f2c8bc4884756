"""The recorder: takes every event of the bus and keeps it in typed columns.

Events lie in a *spine* (one row an event: time, process, correlation id, ...) and one table for
each event name (one row an event of that name, one typed column a field). `append` fills the spine
and puts the event itself aside; every few thousand events their fields are sorted into the columns.
The layout is the same in memory and on disk.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from array import array
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation_lab.recording.columns import (
    MISFITS,
    NO_CODE,
    Codebook,
    Column,
    ColumnTypeError,
    kind_of,
    kind_of_value,
)
from foundation_lab.telemetry.event import Event, field_values, fields_of, subject_of
from foundation_lab.telemetry.record import AdHoc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foundation_lab.telemetry.context import Context, Emitter

BATCH = 4096
"""How many events are put aside before they are sorted into columns."""


class Table:
    """The events of one name: their sequence numbers and one column a field.

    Attributes:
        name: The event name.
        code: Its number in the codebook.
        sequence: The sequence number of each row.
        columns: The columns by public field name.
        units: The unit of each measurement by field name.
        subject: The field that fills the spine's ``service`` column, if any.
        pending: The events whose fields are not in the columns yet.

    Raises:
        TypeError: A field of the class is not marked, or of a type that no column holds.
        ValueError: A field of the class has a reserved name.
    """

    def __init__(self, name: str, cls: type[Event] | None, codebook: Codebook) -> None:
        self.name = name
        self.cls = cls
        self.code = codebook[name]
        self.sequence: array[int] = array("q")
        self.columns: dict[str, Column] = {}
        self.units: dict[str, str] = {}
        self.subject: str | None = None
        self.pending: list[Any] = []
        self._codebook = codebook
        self._attributes: list[tuple[str, str]] = []
        if cls is None:
            return
        subject = subject_of(cls)
        for field in fields_of(cls):
            self.columns[field.name] = Column(
                kind_of(field.type), codebook, optional=field.optional
            )
            self._attributes.append((field.name, field.attribute))
            if field.unit is not None:
                self.units[field.name] = field.unit
            if field.attribute == subject:
                self.subject = field.name

    def emptied(self, codebook: Codebook) -> Table:
        """Return a table of the same columns without rows."""
        table = Table(self.name, self.cls, codebook)
        table.units = self.units
        if self.cls is None:
            table.columns = {
                name: Column(column.kind, codebook, optional=True)
                for name, column in self.columns.items()
            }
        return table

    def flush(self) -> ColumnTypeError | None:
        """Sort the fields of the pending events into the columns.

        A value that does not fit its column becomes a null there.

        Returns:
            The error for the first such value.
        """
        batch, self.pending = self.pending, []
        if not batch:
            return None
        if self.cls is None:
            return self._flush_loose(batch)
        misfits = [
            self._extend(name, _values(batch, attribute)) for name, attribute in self._attributes
        ]
        return next((misfit for misfit in misfits if misfit is not None), None)

    def _flush_loose(self, batch: list[AdHoc]) -> ColumnTypeError | None:
        first = len(self.sequence) - len(batch)
        misfits = []
        for row, event in enumerate(map(_as_loose, batch), first):
            for loose, is_number in ((event.measurements, True), (event.metadata, False)):
                for name, value in loose.items():
                    if value is not None:
                        self._open(name, value, is_number=is_number).pad(row)
                        misfits.append(self._extend(name, [value]))
        for column in self.columns.values():
            column.pad(len(self.sequence))
        return next((misfit for misfit in misfits if misfit is not None), None)

    def _open(self, name: str, value: Any, *, is_number: bool) -> Column:
        column = self.columns.get(name)
        if column is None:
            kind = "float" if is_number else kind_of_value(value)
            column = self.columns[name] = Column(kind, self._codebook, optional=True)
            if is_number:
                self.units[name] = "1"
        return column

    def _extend(self, name: str, values: Sequence[Any]) -> ColumnTypeError | None:
        column = self.columns[name]
        try:
            column.extend(column.encode(values))
        except MISFITS as error:
            if len(values) > 1:
                misfits = [self._extend(name, [value]) for value in values]
                return next(misfit for misfit in misfits if misfit is not None)
            column.pad(len(column) + 1)
            sequence = self.sequence[len(column) - 1]
            return ColumnTypeError(
                f"field {name!r} of {self.name} holds {column.kind} values, not {values[0]!r} "
                f"(event {sequence}, recorded without it): {error}"
            )
        return None


def _as_loose(event: Event | AdHoc) -> AdHoc:
    """Return an event as one without a class: its name had none when its table was begun."""
    if isinstance(event, AdHoc):
        return event
    values = field_values(event)
    numbers = {f.name for f in fields_of(type(event)) if f.unit is not None}
    return AdHoc(
        event.event_name,
        {name: value for name, value in values.items() if name in numbers},
        {name: value for name, value in values.items() if name not in numbers},
    )


class Recorder:
    """Keeps the events of one simulation.

    Args:
        row_limit: How many rows stay in memory; the rest is spilled to Parquet files while the
            run goes on. ``None`` keeps everything in memory.
        spill_folder: In which folder a new one is made for spilled rows; by default that for
            temporary files. The new one is removed together with the recorder.
    """

    def __init__(self, row_limit: int | None = None, spill_folder: Path | None = None) -> None:
        if row_limit is not None and row_limit < 1:
            message = f"row_limit={row_limit}; give the number of rows to keep in memory, from 1"
            raise ValueError(message)
        self.row_limit = row_limit
        self.spilled: list[Path] = []
        self.first = 0
        self._spill_folder = spill_folder
        self._own_folder: Path | None = None
        self._batch = BATCH if row_limit is None else min(BATCH, row_limit)
        self._due = self._batch
        self.tables: dict[str, Table] = {}
        self._begin_part()

    def append(
        self, event: Event | AdHoc, time: float, emitter: Emitter, context: Context, cause: int
    ) -> None:
        """Take one event; its place in the order of calls is its sequence number.

        Raises:
            TypeError: The event's class declares a field that cannot be recorded, or the node,
                the process or the correlation id is no string.
            ValueError: The event's class has a field with a reserved name.
            ColumnTypeError: An earlier event carries a value that does not fit its field's type;
                everything else of it is recorded. This event is not taken.
        """
        row = len(self.time)
        if row >= self._due:
            self.flush()
            row = len(self.time)
        table = self.tables.get(event.event_name) or self._table(event)
        codebook = self.codebook
        process, node = codebook[emitter.name], codebook[context.node]
        correlation_id = context.correlation_id
        self.correlation_id.append(NO_CODE if correlation_id is None else codebook[correlation_id])
        self.process.append(process)
        self.node.append(node)
        self.cause.append(cause)
        table.sequence.append(self.first + row)
        table.pending.append(event)
        self.time.append(time)

    def flush(self) -> None:
        """Sort what was put aside into the columns, and spill when there are too many rows.

        Raises:
            ColumnTypeError: An event carries a value that does not fit its field's type; the value
                is left out, everything else is recorded.
        """
        misfits = [table.flush() for table in self.tables.values()]
        if self.row_limit is not None and len(self.time) >= self.row_limit:
            self.spill()
        self._due = len(self.time) + self._batch
        for misfit in misfits:
            if misfit is not None:
                raise misfit

    def spill(self) -> None:
        """Write the rows in memory to Parquet files, and forget them here."""
        from foundation_lab.recording.parts import write_part  # noqa: PLC0415  (polars is heavy)

        if self._own_folder is None:
            self._own_folder = Path(
                tempfile.mkdtemp(prefix="foundation-lab-", dir=self._spill_folder)
            )
            weakref.finalize(self, shutil.rmtree, self._own_folder, ignore_errors=True)
        part = self._own_folder / f"part-{len(self.spilled):06d}"
        write_part(self, part)
        self.spilled.append(part)
        self.first += len(self.time)
        self._begin_part()

    @property
    def rows(self) -> int:
        """How many events were taken, in memory and on disk."""
        return self.first + len(self.time)

    @property
    def bytes(self) -> int:
        """The memory of the columns, in bytes, without the strings and the last few events."""
        spine = (self.time, self.node, self.process, self.correlation_id, self.cause)
        columns = [column for table in self.tables.values() for column in table.columns.values()]
        return (
            sum(len(a) * a.itemsize for a in spine)
            + sum(column.bytes for column in columns)
            + sum(len(t.sequence) * t.sequence.itemsize for t in self.tables.values())
        )

    def _table(self, example: Event | AdHoc) -> Table:
        name = example.event_name
        cls = type(example) if isinstance(example, Event) else None
        table = self.tables[name] = Table(name, cls, self.codebook)
        return table

    def _begin_part(self) -> None:
        self.codebook = Codebook()
        self.tables = {name: t.emptied(self.codebook) for name, t in self.tables.items()}
        self.time: array[float] = array("d")
        self.node: array[int] = array("i")
        self.process: array[int] = array("i")
        self.correlation_id: array[int] = array("i")
        self.cause: array[int] = array("q")


def _values(batch: list[Event], attribute: str) -> list[Any]:
    try:
        return list(map(attrgetter(attribute), batch))
    except AttributeError:  # the class was defined anew, with other fields, while this run goes on
        return [getattr(event, attribute, None) for event in batch]
