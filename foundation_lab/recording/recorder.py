"""The recorder: takes every event of the bus and keeps it in typed columns.

Events lie in a *spine* (one row an event: time, origin, distance to the cause, table) and one table
for each event name (one row an event of that name, one typed column a field). The bus puts what it
stamps into plain lists; every few hundred events these are packed into buffers of numbers, with
strings coded once. The layout is the same in memory and on disk.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from foundation_lab.recording.columns import Buffer, Codebook, ColumnTypeError
from foundation_lab.recording.origins import Origins
from foundation_lab.recording.table import AT_ONCE, Misfit, Table
from foundation_lab.telemetry.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation_lab.recording.parts import Part
    from foundation_lab.telemetry.context import Emitter
    from foundation_lab.telemetry.record import AdHoc

STAMPS: Final = 4
"""How many stamps an event takes in `Recorder.stamps`."""


class Recorder:
    """Keeps the events of one simulation.

    Args:
        row_limit: How many rows stay in memory; the rest is spilled to Parquet files while the
            run goes on. ``None`` keeps everything in memory.
        spill_folder: In which folder a new one is made for spilled rows; by default that for
            temporary files. The new one is removed together with the recorder.

    Attributes:
        stamps: The stamps of events that are not in the spine yet, one event after the other: time
            in seconds, emitter's number, distance to the cause (one more than there are events for
            none), number of the table.
        time: The time of each event.
        origin: Its emitter's number.
        distance: The distance to its cause.
        kind: The number of its table.
        tables: The tables by event name.
        origins: Who is behind the numbers of emitters.
        register: Returns a number for an emitter, good for its present context.
        first_origin: The smallest emitter's number that is good still.
        gate: The smallest emitter's number that need not ask the bus; see `open_gate`.
        due: The sequence number at which `pack` is to be called.
        parts: The rows that were spilled.
        first: The sequence number of the first row that is in memory.
        codebook: Where strings are numbered.
    """

    codebook: Codebook
    origins: Origins
    register: Callable[[Emitter], int]
    time: Buffer
    origin: Buffer
    distance: Buffer
    kind: Buffer

    def __init__(self, row_limit: int | None = None, spill_folder: Path | None = None) -> None:
        if row_limit is not None and row_limit < 1:
            message = f"row_limit={row_limit}; give the number of rows to keep in memory, from 1"
            raise ValueError(message)
        self.row_limit = row_limit
        self.stamps: list[Any] = []
        self.tables: dict[str, Table] = {}
        self.parts: list[Part] = []
        self.first = self.first_origin = 0
        self.gate: float = 0
        self._spill_folder = spill_folder
        self._own_folder: Path | None = None
        self._misfit: ColumnTypeError | None = None
        self.due = (AT_ONCE if row_limit is None else min(AT_ONCE, row_limit)) - 1
        self._begin()

    # -- what the bus calls --------------------------------------------------------------------

    def table_of(self, event: Event | AdHoc | type[Event]) -> Table:
        """Return the table of an event or an event class, a new one for a name that is new.

        Raises:
            TypeError: The event's class declares a field that cannot be recorded.
            ValueError: The event's class has a field with a reserved name.
        """
        name = event.event_name
        table = self.tables.get(name)
        if table is None:
            cls = event if isinstance(event, type) else type(event)
            typed = cls if issubclass(cls, Event) else None
            table = self.tables[name] = Table(name, typed, len(self.tables), self.codebook)
        return table

    def open_gate(self, is_open: bool) -> None:  # noqa: FBT001  (a gate is open or it is not)
        """Let emitters through that are registered, or make each of them ask the bus first."""
        self.gate = self.first_origin if is_open else math.inf

    def pack(self) -> None:
        """Pack what is pending, but leave tables alone in which it is not worth while yet."""
        rows, limit = self.rows, self.row_limit
        if limit is not None and rows - self.first >= limit:
            self._keep(least=1)
        else:
            self._keep(least=AT_ONCE // 2)
        due = rows + AT_ONCE
        self.due = (due if limit is None else min(due, self.first + limit)) - 1

    # -- keeping -------------------------------------------------------------------------------

    def flush(self) -> None:
        """Pack everything that is pending, and spill when there are too many rows.

        Raises:
            ColumnTypeError: Since the last time, an event carried a value that does not fit its
                field's type; the value is left out, everything else is recorded.
        """
        self._keep(least=1)
        misfit, self._misfit = self._misfit, None
        if misfit is not None:
            raise misfit

    @property
    def rows(self) -> int:
        """How many events were taken, in memory and on disk."""
        return self.first + self.time.rows + len(self.stamps) // STAMPS

    @property
    def bytes(self) -> int:
        """The memory of the buffers, in bytes, without the strings and the last few events."""
        spine = (self.time, self.origin, self.distance, self.kind)
        columns = [column for table in self.tables.values() for column in table.columns.values()]
        fields = sum(column.bytes for column in columns)
        return self.origins.bytes + fields + sum(column.bytes for column in spine)

    # -- private -------------------------------------------------------------------------------

    def _pack(self, least: int) -> None:
        self.origins.flush()
        stamps = self.stamps
        if stamps:
            for place, column in enumerate((self.time, self.origin, self.distance, self.kind)):
                column.extend(stamps[place::STAMPS])
            stamps.clear()
        for table in self.tables.values():
            if table.pending and len(table.pending) >= least * table.width:
                misfits = table.flush()
                if misfits:
                    self._note(table, misfits, partial(self._sequence_of, table))

    def _keep(self, least: int) -> None:
        self._pack(least)
        if self.row_limit is not None and self.rows - self.first >= self.row_limit:
            self._spill()

    def _note(self, table: Table, misfits: list[Misfit], sequence_of: Callable[[int], int]) -> None:
        """Keep the error for the first value that does not fit, until somebody reads."""
        if self._misfit is None:
            field, row, value, why = misfits[0]
            others = f" (and {len(misfits) - 1} more in its batch)" if misfits[1:] else ""
            self._misfit = ColumnTypeError(
                f"field {field!r} of {table.name} holds {table.columns[field].kind} values, not "
                f"{value!r} (event {sequence_of(row)}, recorded without it): {why}{others}"
            )

    def _sequence_of(self, table: Table, row: int) -> int:
        """Return the sequence number of a row of a table."""
        kinds = memoryview(self.kind.read()).cast("H")
        places = (place for place, kind in enumerate(kinds) if kind == table.number)
        return self.first + next(islice(places, row, None))

    def _spill(self) -> None:
        """Write the rows in memory to Parquet files, and begin anew."""
        from foundation_lab.recording.parts import FolderPart, write_part  # noqa: PLC0415

        if self._own_folder is None:
            self._own_folder = Path(
                tempfile.mkdtemp(prefix="foundation-lab-", dir=self._spill_folder)
            )
            weakref.finalize(self, shutil.rmtree, self._own_folder, ignore_errors=True)
        folder = self._own_folder / f"part-{len(self.parts):06d}"
        write_part(self, folder)
        self._begin(after=FolderPart.spilled(folder))

    def _begin(self, after: Part | None = None) -> None:
        if after is not None:
            self.parts.append(after)
            self.first += self.time.rows
            self.first_origin += len(self.origins)
        self.codebook = Codebook()
        self.origins = Origins(self.first_origin, self.codebook)
        self.open_gate(self.gate < math.inf)
        self.register = self.origins.register
        number = "I" if self.first < 2**31 else "Q"
        self.time, self.origin = Buffer("d"), Buffer("I")
        self.distance, self.kind = Buffer(number), Buffer("H")
        for table in self.tables.values():
            table.begin(self.codebook)
