"""From the recorder's columns to polars frames, without a loop over rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from foundation_lab.recording.columns import NO_CODE, NO_FLAG, NO_INT
from foundation_lab.recording.origins import DRAWN
from foundation_lab.recording.schema import KINDS, SPINE

if TYPE_CHECKING:
    from foundation_lab.recording.columns import Buffer
    from foundation_lab.recording.recorder import Recorder

    Numbers = np.ndarray[Any, Any]


class Rows:
    """Consecutive rows of a recorder as they lie there; frames are made when asked for.

    Args:
        recorder: Where they are; nothing may be pending in it.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._first = recorder.first
        self._texts = recorder.codebook.texts  # only ever grows
        self._names = list(recorder.tables)
        self._time = _numbers(recorder.time)
        self._distance = _numbers(recorder.distance)
        self._kind = _numbers(recorder.kind)
        origins = recorder.origins
        self._origin = _numbers(recorder.origin) - np.uint32(origins.first)
        self._node = _numbers(origins.node)
        self._process = _numbers(origins.process)
        self._correlation = _numbers(origins.correlation)
        self._drawn = bytes(origins.drawn)
        self._tables = {
            table.name: _Buffers(
                places,
                {
                    name: (column.kind, column.optional, _numbers(column.values), column.missing)
                    for name, column in table.columns.items()
                },
                table.subject,
            )
            for table, places in zip(recorder.tables.values(), self._find_tables(), strict=False)
            if len(places)
        }

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each event has, by name."""
        return {name: len(table.places) for name, table in self._tables.items()}

    def spine(self) -> pl.DataFrame:
        """Return the spine; the columns are those of `schema.SPINE`."""
        rows = len(self._time)
        service = np.full(rows, NO_CODE, dtype=np.uint32)
        duration = np.full(rows, np.nan)
        for table in self._tables.values():
            if table.subject is not None:
                service[table.places] = table.columns[table.subject][2]
            kind, _, numbers, _ = table.columns.get("duration", ("", False, None, None))
            if kind == "float":
                duration[table.places] = numbers
        columns = {
            **self._stamps(None),
            "event": _decode(self._kind, self._names),
            "service": _decode(service, self._texts),
            "duration": _floats(duration),
        }
        return pl.DataFrame({name: columns[name] for name in SPINE})

    def table(self, name: str) -> pl.DataFrame:
        """Return one event's table: ``sequence`` and a column for each field."""
        sequence = pl.Series(self._tables[name].places + self._first, dtype=pl.Int64)
        return pl.DataFrame({"sequence": sequence, **self._fields(name)})

    def frame(self, name: str) -> pl.DataFrame:
        """Return one event's table with the stamps of the spine; columns as `Recording.frame`."""
        return pl.DataFrame({**self._stamps(self._tables[name].places), **self._fields(name)})

    # -- private -------------------------------------------------------------------------------

    def _find_tables(self) -> list[Numbers]:
        """Return where the rows of each table are."""
        numbers = range(len(self._names))
        if len(numbers) <= FEW:
            return [np.flatnonzero(self._kind == number) for number in numbers]
        order = np.argsort(self._kind, kind="stable")
        ends = np.searchsorted(self._kind[order], numbers, side="right")
        return np.split(order, ends[:-1])

    def _stamps(self, places: Numbers | None) -> dict[str, pl.Series]:
        time, distance, origin = self._time, self._distance, self._origin
        if places is None:
            sequence = np.arange(self._first, self._first + len(time))
        else:
            sequence = places + self._first
            time, distance, origin = time[places], distance[places], origin[places]
        return {
            "sequence": pl.Series(sequence),
            "time": pl.Series(time),
            "node": _decode(self._node, self._texts, origin),
            "process": _decode(self._process, self._texts, origin),
            "correlation_id": self._correlation_ids(origin),
            "cause": _integers(_causes(sequence, distance), null=-1),
        }

    def _correlation_ids(self, origin: Numbers) -> pl.Series:
        drawn = np.flatnonzero(self._correlation == DRAWN)
        if not len(drawn):
            return _decode(self._correlation, self._texts, origin)
        digits = self._drawn.hex()
        ids = [digits[begin : begin + 32] for begin in range(0, len(digits), 32)]
        codes = self._correlation.copy()
        codes[drawn] = np.arange(len(self._texts), len(self._texts) + len(ids))
        return _decode(codes, self._texts + ids, origin)

    def _fields(self, name: str) -> dict[str, pl.Series]:
        columns = self._tables[name].columns.items()
        series = {}
        for field, (kind, optional, values, missing) in columns:
            series[field] = self._series(kind, optional, values).cast(KINDS[kind])
            if missing and kind in {"float", "int"}:
                series[field] = series[field].scatter(missing, None)
        return series

    def _series(self, kind: str, optional: bool, values: Numbers) -> pl.Series:  # noqa: FBT001
        match kind:
            case "float":
                return _floats(values) if optional else pl.Series(values)
            case "int":
                return _integers(values, null=NO_INT) if optional else pl.Series(values)
            case "bool":
                flags = pl.Series(values)
                return pl.select(pl.when(flags != NO_FLAG).then(flags == 1)).to_series()
            case "list":
                return _lists(values, self._texts)
        return _decode(values, self._texts)


FEW = 16
"""Up to how many tables it is faster to look for each one's rows than to sort all rows."""


class _Buffers(NamedTuple):
    """Where in the spine the rows of one table are, and its columns."""

    places: Numbers
    columns: dict[str, tuple[str, bool, Numbers, list[int]]]
    subject: str | None


def _lists(codes: Numbers, texts: list[str]) -> pl.Series:
    used, places = np.unique(codes, return_inverse=True)
    lists = [None if code == NO_CODE else json.loads(texts[int(code)]) for code in used]
    return pl.Series(lists, dtype=pl.List(pl.String)).gather(pl.Series(places))


def _decode(codes: Numbers, texts: list[str], places: Numbers | None = None) -> pl.Series:
    """Return the texts of codes; with `places`, those of the codes that stand there."""
    rows = len(codes if places is None else places)
    if not rows:
        return pl.Series([], dtype=pl.String)
    if (codes == codes[0]).all():
        return _repeat(None if codes[0] == NO_CODE else texts[int(codes[0])], rows)
    if places is not None:
        codes = codes[places]
    return pl.Series(texts, dtype=pl.String).gather(_integers(codes, null=NO_CODE))


def _repeat(text: str | None, rows: int) -> pl.Series:
    """Return the same text again and again, in a column that polars does not know to be sorted.

    A loaded recording's is not known to be, and polars adds up floats in another order when it
    groups by a sorted column: a frame and what comes of it shall be the same wherever it lies.
    """
    if text is None:
        nulls = pl.Series([None], dtype=pl.Binary).new_from_index(0, rows)
        return nulls.cast(pl.String)
    return pl.Series([text, ""]).gather(pl.Series(np.zeros(rows, dtype=np.uint32)))


def _numbers(values: Buffer) -> Numbers:
    return np.frombuffer(values.read(), _DTYPES[values.typecode])


def _causes(sequence: Numbers, distance: Numbers) -> Numbers:
    return np.subtract(sequence, distance, dtype=np.int64, casting="unsafe")


def _floats(values: Numbers) -> pl.Series:
    series = pl.Series(values)
    return series.fill_nan(None) if np.isnan(values).any() else series


def _integers(values: Numbers, null: int) -> pl.Series:
    series = pl.Series(values)
    if null <= np.iinfo(values.dtype).max and (values == null).any():
        return pl.select(pl.when(series != null).then(series)).to_series()
    return series


_DTYPES = {
    "H": np.uint16,
    "d": np.float64,
    "q": np.int64,
    "Q": np.uint64,
    "I": np.uint32,
    "b": np.int8,
}
