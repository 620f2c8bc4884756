"""The aggregator: a recorder that counts events and drops them.

To the bus it is a recorder like any other. Every few thousand events it hands what lies aside to a
tally, column by column, so that a value of the wrong type is found here as there, and forgets it.
Who emitted an event, for whom and why is not kept at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from foundation_lab.recording.columns import NO_FLAG, NO_FLOAT, NO_INT, Codebook
from foundation_lab.recording.recorder import STAMPS, Recorder
from foundation_lab.recording.tally import FLAGS, Batch, Tally, Texts

if TYPE_CHECKING:
    from foundation_lab.recording.columns import Column
    from foundation_lab.recording.table import Table
    from foundation_lab.recording.tally import Floats
    from foundation_lab.telemetry.context import Emitter

EVERY: Final = 4096
"""After how many events they are counted."""

TEXTS: Final = 4096
"""How many strings have codes at the same time, those of the last batch aside."""


class Aggregator(Recorder):
    """Keeps aggregates of the events of one simulation.

    Attributes:
        tally: What was counted, the last few thousand events aside; `flush` counts them, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()
        self.register = _anybody
        self.due = EVERY - 1

    def pack(self) -> None:
        """Count what is pending."""
        self.due = self.rows + EVERY - 1
        self._pack(least=1)

    @property
    def bytes(self) -> int:
        """The memory of the tally's arrays, in bytes."""
        return self.tally.bytes

    def _pack(self, least: int) -> None:  # noqa: ARG002  (every event counts)
        times = np.array(self.stamps[0::STAMPS], dtype=np.float64)
        numbers = np.array(self.stamps[STAMPS - 1 :: STAMPS], dtype=np.uint16)
        self.stamps.clear()
        counts = np.bincount(numbers, minlength=len(self.tables))
        tables = [table for table in self.tables.values() if counts[table.number]]
        batches = []
        for table in tables:
            rows = np.flatnonzero(numbers == table.number)
            misfits = table.flush()
            if misfits:
                self._note(table, misfits, (rows + self.first).item)
            batches.append(_batch(table, times[rows], self.codebook.texts))
        self.tally.add(batches)
        self.first += len(times)
        self._forget(tables)

    def _forget(self, tables: list[Table]) -> None:
        """Drop the rows of tables, and the strings when there are many."""
        if len(self.codebook) > TEXTS:
            self.codebook = Codebook()
            tables = list(self.tables.values())
        for table in tables:
            table.begin(self.codebook)


def _anybody(_emitter: Emitter) -> int:
    """Return the one number that all emitters have: who they are makes no difference."""
    return 0


def _batch(table: Table, times: Floats, texts: list[str]) -> Batch:
    """Return the rows of a table; fields that are neither numbers nor labels are left out."""
    services, numbers, labels = None, {}, {}
    for name, column in table.columns.items():
        if name in table.units:
            if column.kind in _NULLS:
                numbers[name] = _floats(column)
        elif name == table.subject:
            services = Texts(_read(column, np.int32), texts)
        elif column.kind == "str":
            labels[name] = Texts(_read(column, np.int32), texts)
        elif column.kind == "bool":
            labels[name] = Texts(_read(column, np.int8), FLAGS)
    units = {name: table.units[name] for name in numbers}
    return Batch(table.name, table.deterministic, times, services, numbers, units, labels)


def _floats(column: Column) -> Floats:
    """Return the values of a column of numbers; NaN for none."""
    dtype, null = _NULLS[column.kind]
    numbers = _read(column, dtype)
    gaps = column.optional or column.missing
    floats: Floats = np.where(numbers == null, np.nan, numbers) if gaps else numbers.astype(float)
    return floats


def _read(column: Column, dtype: type[np.generic]) -> Any:
    """Return the values of a column; as signed integers, codes are -1 for none."""
    return np.frombuffer(column.values.read(), dtype)


_NULLS: dict[str, tuple[type[np.generic], float]] = {
    "float": (np.float64, NO_FLOAT),
    "int": (np.int64, NO_INT),
    "bool": (np.int8, NO_FLAG),
}
